package edgetest

import (
	"encoding/hex"
	"net/netip"
	"testing"

	"github.com/wikiveil/wikiveil/masking"
)

// Secret is one for the masks, in hex.
const Secret = "f1ba5d1771e0725210c41b4a1a678c026019a277582e04f7ae31073b915258cf"

// Masker makes the masks that an edge with [Secret] makes.
func Masker(t testing.TB, site string) *masking.Masker {
	t.Helper()
	secret, err := hex.DecodeString(Secret)
	if err != nil {
		t.Fatal(err)
	}
	m, err := masking.NewMasker(secret, site, 0)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// ClientMask is the mask of an address by that secret.
func ClientMask(t testing.TB, addr string) string {
	t.Helper()
	mask, err := Masker(t, "").Client(netip.MustParseAddr(addr))
	if err != nil {
		t.Fatal(err)
	}
	return mask.String()
}

// RangeMask is the mask of a range by that secret.
func RangeMask(t testing.TB, prefix string) string {
	t.Helper()
	mask, err := Masker(t, "").Range(netip.MustParsePrefix(prefix))
	if err != nil {
		t.Fatal(err)
	}
	return mask.String()
}
