package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

const (
	version = 1
	// padding hides the length of names, reasons and lists of masks.
	padding = 128
)

// errForm is what the decoders give for bytes that no encoder made.
var errForm = errors.New("not of its form")

// record is an entry's stored form. All but the content is readable without a key.
type record struct {
	sequence uint64
	time     time.Time
	action   Action
	previous Hash
	sealed   []byte
}

// appendHead appends what comes before the sealed content, which is bound to it.
func (r record) appendHead(b []byte) []byte {
	b = append(b, version)
	b = binary.BigEndian.AppendUint64(b, r.sequence)
	b = appendTime(b, r.time)
	b = append(b, byte(r.action))
	return append(b, r.previous[:]...)
}

func (r record) encode() []byte { return appendBytes(r.appendHead(nil), r.sealed) }

func decodeRecord(data []byte) (r record, err error) {
	s := cryptobyte.String(data)
	var of, action uint8
	var at uint64
	ok := s.ReadUint8(&of) && s.ReadUint64(&r.sequence) && s.ReadUint64(&at) && s.ReadUint8(&action) && s.CopyBytes(r.previous[:]) &&
		s.ReadUint16LengthPrefixed((*cryptobyte.String)(&r.sealed)) && s.Empty()
	r.time, r.action = time.UnixMilli(int64(at)).UTC(), Action(action)
	if !ok || of != version || r.sequence == 0 || !r.action.Valid() {
		return record{}, errForm
	}
	return r, nil
}

// encodeContent gives the part of an entry that is to be encrypted.
func encodeContent(e Entry) []byte {
	b := appendString(appendString(nil, e.Performer), e.Name)
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.Masks)))
	for _, m := range e.Masks {
		as16 := m.As16()
		b = append(b, as16[:]...)
	}
	b = appendString(b, e.Reason)
	return append(b, make([]byte, (padding-len(b)%padding)%padding)...)
}

// decodeContent reads the decrypted part of an entry into e. What it accepts
// encodes to the same bytes again, so an entry has one form only.
func decodeContent(data []byte, e *Entry) error {
	s := cryptobyte.String(data)
	var performer, name, reason cryptobyte.String
	var n uint32
	ok := s.ReadUint16LengthPrefixed(&performer) && s.ReadUint16LengthPrefixed(&name) && s.ReadUint32(&n) && n <= MaxMasks
	e.Masks = make([]netip.Addr, 0, min(n, MaxMasks))
	for ; ok && n > 0; n-- {
		var mask [16]byte
		ok = s.CopyBytes(mask[:])
		e.Masks = append(e.Masks, netip.AddrFrom16(mask))
	}
	if !ok || !s.ReadUint16LengthPrefixed(&reason) || len(data)%padding != 0 || len(s) >= padding || slices.ContainsFunc(s, func(b byte) bool { return b != 0 }) {
		return errForm
	}
	e.Performer, e.Name, e.Reason = string(performer), string(name), string(reason)
	if err := e.Validate(); err != nil {
		return fmt.Errorf("%w: %w", errForm, err)
	}
	if !slices.Equal(e.Masks, maskSet(e.Masks)) {
		return errForm
	}
	return nil
}

func appendTime(b []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(t.UnixMilli()))
}

func appendBytes(b, data []byte) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(data))), data...)
}

func appendString(b []byte, s string) []byte { return appendBytes(b, []byte(s)) }
