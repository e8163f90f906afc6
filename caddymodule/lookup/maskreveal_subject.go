package lookup

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/masking"
)

// revealSubject is what the wiki's server says of a reveal to its other origin: whose, of which mask.
type revealSubject struct {
	Mask netip.Addr `json:"m"`
	User string     `json:"u"` // id
	Name string     `json:"n,omitempty"`
}

// binding ties a token to exactly this record, for this user.
func (s revealSubject) binding(record sightings.Record) confirm.Binding {
	return confirm.Bind(s.Mask.String(), s.User, record.Box.String())
}

// sealSubject returns the text that hand-offs and tokens carry. It is encrypted: a hand-off stands in the
// address of the page that asks, and no log of requests is to tell who reveals whom.
func sealSubject(epochs *edge.Epochs, s revealSubject) (string, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	aead, err := subjectCipher(epochs.List[0])
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nil, nil, data, nil)), nil
}

// openSubject reads it, under a kept epoch's key too.
func openSubject(epochs *edge.Epochs, text string) (s revealSubject, err error) {
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return revealSubject{}, confirm.ErrMalformed
	}
	for _, epoch := range epochs.List {
		aead, err := subjectCipher(epoch)
		if err != nil {
			return revealSubject{}, err
		}
		data, err := aead.Open(nil, nil, sealed, nil)
		if err != nil {
			continue
		}
		if err := json.Unmarshal(data, &s); err != nil || s.User == "" || !masking.Is(s.Mask) {
			return revealSubject{}, confirm.ErrMalformed
		}
		return s, nil
	}
	return revealSubject{}, confirm.ErrMalformed
}

func subjectCipher(epoch masking.Epoch) (cipher.AEAD, error) {
	key, err := epoch.Key("reveal-subject")
	if err != nil {
		return nil, fmt.Errorf("deriving the key of reveals' subjects: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
