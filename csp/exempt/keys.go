package exempt

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/wikiveil/wikiveil/csp/confirm"
)

// KeySize is the length of the key material in bytes.
const KeySize = 32

const (
	grantsInfo = "wikiveil/v1/exempt/grants"

	// maxValue bounds the work for a stranger's cookie; ours are below 2.2 KB.
	maxValue = 4 << 10
)

type keySet struct{ grants []byte }

// Keys sign the grants. They never change and are safe for concurrent use.
type Keys struct{ sets []keySet }

// NewKeys derives a key for each use from current, by HKDF-SHA-256 (RFC 5869)
// without salt. What older material signed still counts; a grant that is added or
// withdrawn brings the others under the current one. All must have [KeySize] bytes.
func NewKeys(current []byte, older ...[]byte) (*Keys, error) {
	k := &Keys{}
	for _, material := range append([][]byte{current}, older...) {
		if len(material) != KeySize {
			return nil, fmt.Errorf("deriving exemption keys: the key material must have %d bytes, it has %d", KeySize, len(material))
		}
		var set keySet
		var err error
		if set.grants, err = hkdf.Key(sha256.New, material, nil, grantsInfo, sha256.Size); err != nil {
			return nil, fmt.Errorf("deriving exemption keys: %w", err)
		}
		k.sets = append(k.sets, set)
	}
	return k, nil
}

// String keeps the keys out of logs.
func (k *Keys) String() string { return "exemption keys" }

// GoString keeps the keys out of logs.
func (k *Keys) GoString() string { return k.String() }

// mac is over parts that can't be divided otherwise: the first after its length, then one more.
func mac(key []byte, first string, rest []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(first))))
	h.Write([]byte(first))
	h.Write(rest)
	return h.Sum(nil)
}

// seal returns the cookie's value for grants of a browser on a wiki.
func (k *Keys) seal(wiki string, browser confirm.BrowserID, g Grants) (string, error) {
	body, err := g.AppendBinary(append([]byte{grantVersion}, browser[:]...))
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(body, mac(k.sets[0].grants, wiki, body)...)), nil
}

// open returns the grants in a cookie's value, if we made it for this wiki and this browser.
func (k *Keys) open(wiki string, browser confirm.BrowserID, value string) (Grants, error) {
	if len(value) > maxValue {
		return Grants{}, confirm.ErrMalformed
	}
	raw, err := base64.RawURLEncoding.DecodeString(value)
	head := 1 + len(browser)
	// The decoder skips line breaks and stray bits; only our own spelling counts.
	if err != nil || base64.RawURLEncoding.EncodeToString(raw) != value || len(raw) < head+sha256.Size || raw[0] != grantVersion {
		return Grants{}, confirm.ErrMalformed
	}
	body, sum := raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	if !k.signed(wiki, body, sum) {
		return Grants{}, confirm.ErrSignature
	}
	if !hmac.Equal(body[1:head], browser[:]) {
		return Grants{}, confirm.ErrOtherBrowser
	}
	var g Grants
	if g.UnmarshalBinary(body[head:]) != nil {
		return Grants{}, confirm.ErrMalformed
	}
	return g, nil
}

func (k *Keys) signed(wiki string, body, sum []byte) bool {
	for _, set := range k.sets {
		if hmac.Equal(sum, mac(set.grants, wiki, body)) {
			return true
		}
	}
	return false
}
