package confirm

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

const (
	// version is the first byte of everything signed.
	version = 1
	// maxSealed bounds the work for a stranger's text; ours are below 4.3 KB.
	maxSealed = 6 << 10
	// maxText is the longest subject or action in bytes.
	maxText = 1 << 10
)

// pack writes the version and each field after its length in two bytes,
// so no two lists of fields look alike.
func pack(fields ...[]byte) []byte {
	b := []byte{version}
	for _, field := range fields {
		b = binary.BigEndian.AppendUint16(b, uint16(len(field)))
		b = append(b, field...)
	}
	return b
}

// unpack reads what pack wrote of exactly n fields.
func unpack(b []byte, n int) ([][]byte, bool) {
	if len(b) == 0 || b[0] != version {
		return nil, false
	}
	b = b[1:]
	fields := make([][]byte, n)
	for i := range fields {
		if len(b) < 2 {
			return nil, false
		}
		size := int(binary.BigEndian.Uint16(b))
		if b = b[2:]; len(b) < size {
			return nil, false
		}
		fields[i], b = b[:size], b[size:]
	}
	return fields, len(b) == 0
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// decode refuses the other spellings that the standard decoder takes: line
// breaks within, and bits behind the last byte.
func decode(text string) ([]byte, bool) {
	if len(text) > maxSealed {
		return nil, false
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	return b, err == nil && encode(b) == text
}

// Binding identifies the exact state of what a page described.
type Binding [sha256.Size]byte

// Bind hashes everything that a person's decision rests on: for a tool its
// declaration and its monotonic revision, so that a change and a change back
// differ from no change. Each part counts by itself: ("a", "b") is not ("ab").
func Bind(parts ...string) Binding {
	h := sha256.New()
	h.Write([]byte("wikiveil/v1/confirm/binding"))
	var size [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	return Binding(h.Sum(nil))
}
