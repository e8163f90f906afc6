package seal_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/lookup/seal"
	"github.com/wikiveil/wikiveil/masking"
)

func secretOf(t testing.TB, id *seal.Identity) string {
	t.Helper()
	secret, err := id.Secret()
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func TestKeyTextRoundTrip(t *testing.T) {
	ids, _ := identities(t, 20)
	epoch := testEpoch(t, 1)
	for _, id := range ids {
		recipient, err := seal.ParseRecipient(" " + strings.ToUpper(id.Recipient().String()) + "\n")
		if err != nil || recipient.ID() != id.Recipient().ID() {
			t.Fatalf("ParseRecipient: %v", err)
		}
		again, err := seal.ParseIdentity(secretOf(t, id))
		if err != nil {
			t.Fatal(err)
		}
		box := mustSeal(t, newSealer(t, seal.Any, recipient), testV4, epoch)
		if got, err := seal.Open(box, again); err != nil || got != testV4 {
			t.Fatalf("Open with what was read back: %v, %v", got, err)
		}
	}
}

func TestKeyTextRefusals(t *testing.T) {
	ids, _ := identities(t, 1)
	recipient, secret := ids[0].Recipient().String(), secretOf(t, ids[0])
	swap := func(s string, i int) string {
		c := byte('a')
		if s[i] == c {
			c = 'b'
		}
		return s[:i] + string(c) + s[i+1:]
	}
	tests := []struct{ name, text, want string }{
		{"empty", "", "starts otherwise"},
		{"another kind", strings.Replace(recipient, "recipient", "box", 1), "starts otherwise"},
		{"cut short", recipient[:len(recipient)-1], "cut short"},
		{"too long", recipient + "a", "cut short, too long"},
		{"wrong character", recipient[:30] + "!" + recipient[31:], "wrong character"},
		{"typing error", swap(recipient, 30), "typing error"},
		{"typing error in the check", swap(recipient, len(recipient)-2), "typing error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := seal.ParseRecipient(tt.text); !errors.Is(err, seal.ErrRecipient) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want %q in it", err, tt.want)
			}
		})
	}
	// A secret in the wrong place, as happens when files are mixed up, must not end in a log.
	for _, text := range []string{secret, swap(secret, 40)} {
		_, err := seal.ParseRecipient(text)
		if err == nil || strings.Contains(err.Error(), secret[19:40]) {
			t.Errorf("error %v quotes the secret", err)
		}
		if _, err := seal.ParseIdentity(swap(secret, 40)); err == nil || strings.Contains(err.Error(), secret[19:40]) {
			t.Errorf("error %v quotes the secret", err)
		}
	}
	if strings.Contains(ids[0].String()+ids[0].GoString(), secret[19:]) {
		t.Error("an identity prints its secret")
	}
}

func TestParseIdentities(t *testing.T) {
	ids, _ := identities(t, 2)
	file := "# made for the stewards\n# recipient: " + ids[0].Recipient().String() + "\n" + secretOf(t, ids[0]) + "\r\n\n  " + secretOf(t, ids[1])
	got, err := seal.ParseIdentities(strings.NewReader(file))
	if err != nil || len(got) != 2 || got[1].Recipient().ID() != ids[1].Recipient().ID() {
		t.Fatalf("ParseIdentities = %v, %v", got, err)
	}
	for name, tt := range map[string]struct{ text, want string }{
		"empty":       {"# nothing\n", "there is none"},
		"bad line":    {"# x\n" + ids[0].Recipient().String(), "line 2"},
		"binary":      {"\x00\x01\x02", "line 1"},
		"far too big": {strings.Repeat("#", 1<<20), "more than"},
	} {
		if _, err := seal.ParseIdentities(strings.NewReader(tt.text)); !errors.Is(err, seal.ErrIdentity) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q in it", name, err, tt.want)
		}
	}
}

func TestBoxText(t *testing.T) {
	_, recipients := identities(t, 2)
	for _, s := range []*seal.Sealer{seal.NewLocal(), newSealer(t, seal.All, recipients...)} {
		box := mustSeal(t, s, testV6, testEpoch(t, 1))
		text := box.String()
		got, err := seal.ParseBox(text[:40] + "\r\n  " + text[40:] + "\n")
		if err != nil || got.String() != text || got.Mask != testMask || got.Epoch != box.Epoch || got.Mode() != s.Mode() {
			t.Fatalf("ParseBox = %+v, %v", got, err)
		}
		for name, bad := range map[string]string{
			"cut":         text[:len(text)-4],
			"longer":      text + "AAAA",
			"no prefix":   strings.TrimPrefix(text, "wikiveil-box-"),
			"not a mask":  seal.Box{Mask: testV6, Epoch: box.Epoch, Body: box.Body}.String(),
			"empty body":  seal.Box{Mask: testMask, Epoch: box.Epoch}.String(),
			"huge":        text + strings.Repeat("A", 1<<20),
			"other chars": text[:30] + "*" + text[31:],
		} {
			if _, err := seal.ParseBox(bad); !errors.Is(err, seal.ErrMalformed) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestParseMode(t *testing.T) {
	for _, m := range []seal.Mode{seal.Any, seal.All, seal.Local} {
		if got, err := seal.ParseMode(m.String()); err != nil || got != m {
			t.Errorf("%v: %v, %v", m, got, err)
		}
	}
	if _, err := seal.ParseMode("each"); err == nil || !strings.Contains(err.Error(), `"each"`) {
		t.Errorf("error %v", err)
	}
}

// TestVectors opens boxes that an earlier run sealed: the formats are promised to stay.
func TestVectors(t *testing.T) {
	data, err := os.ReadFile("testdata/boxes.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		EpochSecret string `json:"epoch_secret"`
		Identities  []string
		Boxes       []struct{ Name, Box, Address, Mask string }
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	secret, err := masking.ParseSecret(vectors.EpochSecret)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := masking.ConfiguredRing(secret)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := seal.ParseIdentities(strings.NewReader(strings.Join(vectors.Identities, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	if len(vectors.Boxes) < 5 {
		t.Fatalf("only %d boxes", len(vectors.Boxes))
	}
	for _, v := range vectors.Boxes {
		box, err := seal.ParseBox(v.Box)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		var got netip.Addr
		if box.Mode() == seal.Local {
			got, err = seal.OpenLocal(box, ring.Epochs()[0])
		} else {
			got, err = seal.Open(box, ids...)
		}
		if err != nil || got.String() != v.Address || box.Mask.String() != v.Mask {
			t.Errorf("%s: %v of %v, %v", v.Name, got, box.Mask, err)
		}
	}
}

func FuzzParseBox(f *testing.F) {
	ids, recipients := identities(f, 2)
	epoch := testEpoch(f, 1)
	for _, s := range []*seal.Sealer{seal.NewLocal(), newSealer(f, seal.Any, recipients...), newSealer(f, seal.All, recipients...)} {
		f.Add(mustSeal(f, s, testV4, epoch).String())
	}
	f.Add("wikiveil-box-AQ")
	f.Fuzz(func(t *testing.T, text string) {
		box, err := seal.ParseBox(text)
		if err != nil {
			return
		}
		if again, err := seal.ParseBox(box.String()); err != nil || again.String() != box.String() {
			t.Fatalf("a box that parses does not round-trip: %v", err)
		}
		if _, err := seal.Open(box, ids...); err == nil && box.Mask != testMask {
			t.Fatal("a forged box opens")
		}
		_, _ = seal.OpenLocal(box, epoch)
	})
}

func FuzzParseKeys(f *testing.F) {
	ids, _ := identities(f, 1)
	f.Add(ids[0].Recipient().String())
	f.Add(secretOf(f, ids[0]))
	f.Add("# comment\n\nwikiveil-identity-aaaa")
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := seal.ParseRecipient(text); err == nil && r.String() != strings.ToLower(strings.TrimSpace(text)) {
			t.Fatalf("%q reads as %v", text, r)
		}
		_, _ = seal.ParseIdentities(strings.NewReader(text))
	})
}
