package masking

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ringFile is a ring's stored form, version 2. The checksum is of Ring's compact form.
type ringFile struct {
	Version int             `json:"version"`
	SHA256  string          `json:"sha256"`
	Ring    json.RawMessage `json:"ring"`
}

type ringBody struct {
	Revision  uint64      `json:"revision"`
	Epochs    []epochFile `json:"epochs"`
	Destroyed []string    `json:"destroyed,omitempty"`
}

type epochFile struct {
	Start   time.Time `json:"start"`
	Secret  string    `json:"secret"` // hex
	Held    bool      `json:"held,omitzero"`
	Removed bool      `json:"removed,omitzero"`
	Destroy time.Time `json:"destroy,omitzero"`
}

var errChecksum = errors.New("its checksum is wrong")

// encode returns the stored form; no ring has none.
func (r *Ring) encode() ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	body := ringBody{Revision: r.revision, Destroyed: r.destroyed}
	for _, e := range r.epochs {
		body.Epochs = append(body.Epochs, epochFile{
			Start: e.start, Secret: hex.EncodeToString(e.secret), Held: e.held, Removed: e.removed, Destroy: e.destroy,
		})
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(ringFile{Version: 2, SHA256: checksum(data), Ring: data}, "", "\t")
}

func checksum(compact []byte) string {
	sum := sha256.Sum256(compact)
	return hex.EncodeToString(sum[:])
}

func decodeRing(data []byte) (*Ring, error) {
	r, err := decodeRingFile(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w; put %s in its place, which is a copy, or a backup (it is never overwritten; without it, masks"+
			" made so far can't be made again)", ErrBadRing, err, RingCopyKey)
	}
	return r, nil
}

func decodeRingFile(data []byte) (*Ring, error) {
	var file ringFile
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, errors.New("not JSON of its form")
	}
	if file.Version != 2 {
		return nil, fmt.Errorf("%w %d", errRingVersion, file.Version)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, file.Ring); err != nil || checksum(compact.Bytes()) != file.SHA256 {
		return nil, errChecksum
	}
	var body ringBody
	if err := json.Unmarshal(file.Ring, &body); err != nil {
		return nil, errors.New("not JSON of its form")
	}
	r := &Ring{destroyed: body.Destroyed}
	for _, ef := range body.Epochs {
		secret, err := ParseSecret(ef.Secret)
		if err != nil {
			return nil, err
		}
		e, err := newEpoch(secret, ef.Start)
		if err != nil {
			return nil, err
		}
		e.held, e.removed, e.destroy = ef.Held, ef.Removed, ef.Destroy
		r.epochs = append(r.epochs, e)
	}
	r = r.with(r.epochs) // in order
	r.revision = body.Revision
	return r, r.check()
}
