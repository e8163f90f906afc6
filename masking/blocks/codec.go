package blocks

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrDamaged is the error for a stored list that is not of its form.
var ErrDamaged = errors.New("block list is damaged")

// header is the first line of a stored list.
type header struct {
	Version int    `json:"version"`
	Blocks  int    `json:"blocks"`
	SHA256  string `json:"sha256"` // hex, of all that follows the line
}

func encode(list []Block) ([]byte, error) {
	var body bytes.Buffer
	lines := json.NewEncoder(&body) // ends each with a newline
	for _, b := range list {
		if err := lines.Encode(b); err != nil {
			return nil, err
		}
	}
	sum := sha256.Sum256(body.Bytes())
	first, err := json.Marshal(header{Version: 1, Blocks: len(list), SHA256: hex.EncodeToString(sum[:])})
	if err != nil {
		return nil, err
	}
	return append(append(first, '\n'), body.Bytes()...), nil
}

// decode reads a stored list. Its errors quote nothing of it.
func decode(data []byte) ([]Block, error) {
	first, body, _ := bytes.Cut(data, []byte("\n"))
	var h header
	if err := json.Unmarshal(first, &h); err != nil {
		return nil, fmt.Errorf("%w: its first line is not of its form", ErrDamaged)
	}
	if h.Version != 1 {
		return nil, fmt.Errorf("%w: unknown version %d", ErrDamaged, h.Version)
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != h.SHA256 {
		return nil, fmt.Errorf("%w: wrong checksum", ErrDamaged)
	}
	if n := bytes.Count(body, []byte("\n")); n != h.Blocks || n > MaxBlocks || len(body) > 0 && body[len(body)-1] != '\n' {
		return nil, fmt.Errorf("%w: it has not the number of blocks it says", ErrDamaged)
	}
	list := make([]Block, 0, h.Blocks)
	for line := range bytes.Lines(body) {
		var b Block
		if err := json.Unmarshal(line, &b); err != nil {
			return nil, fmt.Errorf("%w: block %d is not of its form", ErrDamaged, len(list)+1)
		}
		if err := b.validate(); err != nil {
			return nil, fmt.Errorf("%w: block %d: %w", ErrDamaged, len(list)+1, err)
		}
		list = append(list, b)
	}
	return list, nil
}
