package exempt

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/wikiveil/wikiveil/csp/confirm"
)

// keySize is the length of the key material in bytes.
const keySize = 32

const (
	grantsInfo    = "wikiveil/v1/exempt/grants"
	grantsVersion = 1

	// maxValue bounds the work for a stranger's cookie; ours are below 2.2 KB.
	maxValue = 4 << 10
)

// Keys sign the grants. They never change and are safe for concurrent use.
type Keys struct{ keys [][]byte }

// NewKeys derives a key from current, by HKDF-SHA-256 (RFC 5869) without salt. What older material signed still counts; a grant that is added or
// withdrawn brings the others under the current one. All must have [keySize] bytes.
func NewKeys(current []byte, older ...[]byte) (*Keys, error) {
	k := &Keys{}
	for _, material := range append([][]byte{current}, older...) {
		if len(material) != keySize {
			return nil, fmt.Errorf("deriving exemption keys: the key material must have %d bytes, it has %d", keySize, len(material))
		}
		key, err := hkdf.Key(sha256.New, material, nil, grantsInfo, sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("deriving exemption keys: %w", err)
		}
		k.keys = append(k.keys, key)
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
func (k *Keys) seal(wiki string, browser confirm.BrowserID, g grants) (string, error) {
	body, err := g.encode(append([]byte{grantsVersion}, browser[:]...))
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(body, mac(k.keys[0], wiki, body)...)), nil
}

// open returns the grants in a cookie's value, if we made it for this wiki and this browser.
func (k *Keys) open(wiki string, browser confirm.BrowserID, value string) (grants, error) {
	if len(value) > maxValue {
		return nil, confirm.ErrMalformed
	}
	raw, err := base64.RawURLEncoding.DecodeString(value)
	head := 1 + len(browser)
	// The decoder skips line breaks and stray bits; only our own spelling counts.
	if err != nil || base64.RawURLEncoding.EncodeToString(raw) != value || len(raw) < head+sha256.Size || raw[0] != grantsVersion {
		return nil, confirm.ErrMalformed
	}
	body, sum := raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	if !slices.ContainsFunc(k.keys, func(key []byte) bool { return hmac.Equal(sum, mac(key, wiki, body)) }) {
		return nil, confirm.ErrSignature
	}
	if !hmac.Equal(body[1:head], browser[:]) {
		return nil, confirm.ErrOtherBrowser
	}
	g, err := decodeGrants(body[head:])
	if err != nil {
		return nil, confirm.ErrMalformed
	}
	return g, nil
}
