package confirm

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
)

func TestNewKeysRefuses(t *testing.T) {
	good := make([]byte, keySize)
	for name, material := range map[string][][]byte{
		"none": {nil}, "short": {good[1:]}, "long": {append(good, 0)}, "short among the older": {good, good, good[1:]},
	} {
		if _, err := NewKeys(material[0], material[1:]...); err == nil || !strings.Contains(err.Error(), "32 bytes") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestKeysAreDerivedByUse(t *testing.T) {
	material := bytes.Repeat([]byte{1}, keySize)
	keys := testKeys(t, 1)
	seen := map[string]bool{}
	for u, name := range []string{"browser", "handoff", "token", "code", "ticket"} {
		want, err := hkdf.Key(sha256.New, material, nil, "wikiveil/v1/confirm/"+name, 32)
		if err != nil {
			t.Fatal(err)
		}
		if got := keys.sets[0][u]; !bytes.Equal(got, want) || seen[string(got)] {
			t.Errorf("%s: got the key %x, want %x", name, got, want)
		}
		seen[string(want)] = true
	}
}

func TestKeysStayOutOfLogs(t *testing.T) {
	keys := testKeys(t, 1)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, keys); got != "confirmation keys" {
			t.Errorf("%s prints %s", format, got)
		}
	}
}

func TestCodes(t *testing.T) {
	leading := map[byte]int{}
	for range 5000 {
		code := newCode()
		if len(code) != 5 || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("%q is not five digits", code)
		}
		leading[code[0]]++
	}
	// Each digit stands first in about 500; below 300 or above 700 is nine standard deviations off.
	for digit := byte('0'); digit <= '9'; digit++ {
		if n := leading[digit]; n < 300 || n > 700 {
			t.Errorf("%c stands first in %d of 5000 codes", digit, n)
		}
	}
}

// With the token alone the code can't be found: its hash is keyed, and differs
// from token to token.
func TestCodeHashes(t *testing.T) {
	a, b := testKeys(t, 1), testKeys(t, 2)
	n := newNonce()
	of := a.sets[0].codeHash(n, "12345")
	for name, other := range map[string][codeHashSize]byte{
		"another key":   b.sets[0].codeHash(n, "12345"),
		"another nonce": a.sets[0].codeHash(newNonce(), "12345"),
		"another code":  a.sets[0].codeHash(n, "12346"),
		"no key":        sha256.Sum256(append(n[:], "12345"...)),
	} {
		if other == of {
			t.Errorf("%s: the same hash", name)
		}
	}
}
