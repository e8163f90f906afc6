package shareddoc

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// version is that of the form that JSON writes.
const version = 1

// header is the first line of a document; the sum is that of all that follows, the JSON of a T.
type header struct {
	Version int    `json:"version"`
	SHA256  string `json:"sha256"` // hex
}

// JSON is the form of a document that is JSON of a T behind a line with a checksum. What is damaged, or what check refuses, is
// [ErrDamaged]; errors quote nothing of it. Check may be nil.
func JSON[T any](check func(T) error) Form[T] {
	return Form[T]{Encode: encode[T], Decode: func(data []byte) (value T, err error) {
		first, body, _ := bytes.Cut(data, []byte("\n"))
		var h header
		if err := json.Unmarshal(first, &h); err != nil {
			return value, fmt.Errorf("%w: its first line is not of its form", ErrDamaged)
		}
		if h.Version != version {
			return value, fmt.Errorf("%w: unknown version %d", ErrDamaged, h.Version)
		}
		if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != h.SHA256 {
			return value, fmt.Errorf("%w: wrong checksum", ErrDamaged)
		}
		if err := json.Unmarshal(body, &value); err != nil {
			return value, fmt.Errorf("%w: it is not of its form", ErrDamaged)
		}
		if check != nil {
			if err := check(value); err != nil {
				return value, fmt.Errorf("%w: %w", ErrDamaged, err)
			}
		}
		return value, nil
	}}
}

func encode[T any](value T) ([]byte, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	first, err := json.Marshal(header{version, hex.EncodeToString(sum[:])})
	if err != nil {
		return nil, err
	}
	return append(append(first, '\n'), body...), nil
}
