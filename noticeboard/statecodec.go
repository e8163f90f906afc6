package noticeboard

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrDamaged is the error for a stored state that is not of its form: a first
// line {"version":1,"sha256":HEX}, the sum being that of the JSON that follows.
var ErrDamaged = errors.New("the noticeboard's state is damaged")

type stateHeader struct {
	Version int    `json:"version"`
	SHA256  string `json:"sha256"` // hex, of all that follows the line
}

func encodeState(body stateBody) ([]byte, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	first, err := json.Marshal(stateHeader{1, hex.EncodeToString(sum[:])})
	if err != nil {
		return nil, err
	}
	return append(append(first, '\n'), data...), nil
}

func decodeState(data []byte) (stateBody, error) {
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	var h stateHeader
	if err := json.Unmarshal(first, &h); err != nil {
		return stateBody{}, fmt.Errorf("%w: its first line is not of its form", ErrDamaged)
	}
	if h.Version != 1 {
		return stateBody{}, fmt.Errorf("%w: unknown version %d", ErrDamaged, h.Version)
	}
	if sum := sha256.Sum256(rest); hex.EncodeToString(sum[:]) != h.SHA256 {
		return stateBody{}, fmt.Errorf("%w: wrong checksum", ErrDamaged)
	}
	var body stateBody
	if err := json.Unmarshal(rest, &body); err != nil {
		return stateBody{}, fmt.Errorf("%w: it is not of its form", ErrDamaged)
	}
	for _, k := range body.Kills {
		if err := k.validate(); err != nil {
			return stateBody{}, fmt.Errorf("%w: a stop of a tool: %w", ErrDamaged, err)
		}
	}
	return body, nil
}
