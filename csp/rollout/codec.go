package rollout

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrDamaged is the error for a stored book that is not of its form.
var ErrDamaged = errors.New("rollout is damaged")

// header is the first line of a stored book.
type header struct {
	Version int    `json:"version"`
	SHA256  string `json:"sha256"` // hex, of all that follows the line
}

func encode(sites map[string]Site) ([]byte, error) {
	body, err := json.Marshal(sites)
	if err != nil {
		return nil, err
	}
	body = append(body, '\n')
	sum := sha256.Sum256(body)
	first, err := json.Marshal(header{Version: 1, SHA256: hex.EncodeToString(sum[:])})
	if err != nil {
		return nil, err
	}
	return append(append(first, '\n'), body...), nil
}

// decode reads a stored book. Its errors quote nothing of it.
func decode(data []byte) (map[string]Site, error) {
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
	var sites map[string]Site
	if err := json.Unmarshal(body, &sites); err != nil {
		return nil, fmt.Errorf("%w: its sites are not of their form", ErrDamaged)
	}
	return sites, nil
}
