package mirror

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"
)

// newHash returns the hash function of an integrity attribute's one hash, and the
// sum that is to come out (W3C Subresource Integrity).
func newHash(integrity string) (hash.Hash, []byte, error) {
	algorithm, digest, _ := strings.Cut(integrity, "-")
	makers := map[string]func() hash.Hash{"sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New}
	maker := makers[algorithm]
	want, err := base64.StdEncoding.Strict().DecodeString(digest)
	if maker == nil || err != nil || len(want) != maker().Size() {
		return nil, nil, fmt.Errorf("%q isn't a hash such as sha384-… in base64", integrity)
	}
	return maker(), want, nil
}

// integrityOf writes a sum as the like integrity does.
func integrityOf(like string, sum []byte) string {
	algorithm, _, _ := strings.Cut(like, "-")
	return algorithm + "-" + base64.StdEncoding.EncodeToString(sum)
}

// Integrity returns the content's hash by SHA-384, as in the integrity attribute.
func Integrity(content []byte) string {
	sum := sha512.Sum384(content)
	return integrityOf("sha384-", sum[:])
}
