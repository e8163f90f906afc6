package masking

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
)

// ringBody is a ring's stored form.
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

var ringForm = shareddoc.JSON[ringBody](nil)

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
	return ringForm.Encode(body)
}

func decodeRing(data []byte) (*Ring, error) {
	body, err := ringForm.Decode(data)
	var r *Ring
	if err == nil {
		r, err = body.ring()
	}
	if err != nil { // no shareddoc.ErrDamaged, which has documents deleted that aren't secret
		return nil, fmt.Errorf("%w: %v; put %s in its place, which is a copy, or a backup (it is never overwritten; without it, masks"+
			" made so far can't be made again)", ErrBadRing, err, RingCopyKey)
	}
	return r, nil
}

func (body ringBody) ring() (*Ring, error) {
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
