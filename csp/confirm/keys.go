package confirm

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
)

// keySize is the length of the key material in bytes.
const keySize = 32

// use separates what is signed: a text made for one use is none for another.
type use uint8

const (
	useBrowser use = iota
	useHandOff
	useToken
	useCode
	useTicket
	useClient
	useKept
	uses
)

var infos = [uses]string{
	useBrowser: "wikiveil/v1/confirm/browser",
	useHandOff: "wikiveil/v1/confirm/handoff",
	useToken:   "wikiveil/v1/confirm/token",
	useCode:    "wikiveil/v1/confirm/code",
	useTicket:  "wikiveil/v1/confirm/ticket",
	useClient:  "wikiveil/v1/confirm/client",
	useKept:    "wikiveil/v1/confirm/kept",
}

// keySet has the keys of one key material, by use.
type keySet [uses][]byte

// Keys sign everything in this package. They never change and are safe for
// concurrent use.
type Keys struct{ sets []keySet }

// NewKeys derives a key for each use from current, by HKDF-SHA-256 (RFC 5869)
// without salt. What older material signed is still accepted, so that a rotation
// interrupts nobody. All must have [keySize] bytes.
func NewKeys(current []byte, older ...[]byte) (*Keys, error) {
	k := &Keys{}
	for _, material := range append([][]byte{current}, older...) {
		if len(material) != keySize {
			return nil, fmt.Errorf("deriving confirmation keys: the key material must have %d bytes, it has %d", keySize, len(material))
		}
		var set keySet
		for u, info := range infos {
			key, err := hkdf.Key(sha256.New, material, nil, info, sha256.Size)
			if err != nil {
				return nil, fmt.Errorf("deriving confirmation keys: %w", err)
			}
			set[u] = key
		}
		k.sets = append(k.sets, set)
	}
	return k, nil
}

// String keeps the keys out of logs.
func (k *Keys) String() string { return "confirmation keys" }

// GoString keeps the keys out of logs.
func (k *Keys) GoString() string { return k.String() }

func (s *keySet) mac(u use, message ...[]byte) []byte {
	h := hmac.New(sha256.New, s[u])
	for _, part := range message {
		h.Write(part)
	}
	return h.Sum(nil)
}

// seal returns the fields with their signature, in URL-safe characters.
func (k *Keys) seal(u use, fields ...[]byte) string {
	body := pack(fields...)
	return encode(append(body, k.sets[0].mac(u, body)...))
}

// open returns what seal was given and the keys it was signed with. Of a text
// it accepts only the one spelling that seal makes.
func (k *Keys) open(u use, text string, fields int) ([][]byte, *keySet, error) {
	raw, ok := decode(text)
	if !ok || len(raw) < sha256.Size {
		return nil, nil, ErrMalformed
	}
	body, mac := raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	values, ok := unpack(body, fields)
	if !ok {
		return nil, nil, ErrMalformed
	}
	for i := range k.sets {
		if set := &k.sets[i]; hmac.Equal(mac, set.mac(u, body)) {
			return values, set, nil
		}
	}
	return nil, nil, ErrSignature
}
