package blocks

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
)

func TestParseMask(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"client":              {"2001:2f:7c1e:a94:d3b2:f05e:61c8:29b7", nil},
		"network":             {"2001:2e:91f3:2c77:5a8e:b3c1:40d9:7e62", nil},
		"spaces around":       {" 2001:2f::1\n", nil},
		"last of clients":     {"2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", nil},
		"just after clients":  {"2001:30::", ErrNotMask},
		"just before network": {"2001:2d:ffff:ffff:ffff:ffff:ffff:ffff", ErrNotMask},
		"with a length":       {"2001:2e:91f3:2c77:5a8e:b3c1:40d9:7e62/128", ErrLength},
		"range":               {"2001:2e::/32", ErrLength},
		"IPv4":                {"203.0.113.77", ErrNotMask},
		"IPv6":                {"2001:db8::7", ErrNotMask},
		"mapped":              {"::ffff:203.0.113.77", ErrNotMask},
		"with a zone":         {"2001:2f::1%eth0", ErrNotMask},
		"a name":              {"tor", ErrNotMask},
		"nothing":             {"", ErrNotMask},
	} {
		t.Run(name, func(t *testing.T) {
			mask, err := ParseMask(c.text)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err == nil && mask != netip.MustParseAddr(strings.TrimSpace(c.text)) {
				t.Errorf("got %v", mask)
			}
			if err != nil && c.text != "" && strings.Contains(err.Error(), c.text) {
				t.Errorf("the error quotes what may be an address: %v", err)
			}
		})
	}
}

func TestWhatIsNoListIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		list []Block
		want string
	}{
		"not a mask": {[]Block{{Mask: mask(1), By: "1"}, {Mask: netip.MustParseAddr("203.0.113.77"), By: "1"}}, "block 2: not a mask"},
		"by nobody":  {[]Block{{Mask: mask(1)}}, "block 1: who blocks"},
		"too many":   {make([]Block, MaxBlocks+1), "the list is full"},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := form.Encode(c.list)
			if err != nil {
				t.Fatal(err)
			}
			_, err = form.Decode(data)
			if !errors.Is(err, shareddoc.ErrDamaged) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "203.0.113.77") {
				t.Errorf("the error holds an address: %v", err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	good, err := form.Encode([]Block{{Mask: mask(1), By: "1", Reason: "r", Expires: time.Unix(9e9, 0)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		check := func(data []byte) {
			list, err := form.Decode(data)
			if err != nil {
				return
			}
			again, err := form.Encode(list)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := form.Decode(again); err != nil || len(back) != len(list) {
				t.Errorf("%q reads back as %v, %v", again, back, err)
			}
		}
		check(data)
		_, body, _ := bytes.Cut(data, []byte("\n")) // with a header that fits
		sum := sha256.Sum256(body)
		check(append(fmt.Appendf(nil, "{\"version\":1,\"sha256\":\"%x\"}\n", sum), body...))
	})
}

func FuzzParseMask(f *testing.F) {
	f.Add("2001:2f::1")
	f.Add("2001:2e::1/32")
	f.Add("2001:2f::1%0")
	f.Fuzz(func(t *testing.T, text string) {
		if mask, err := ParseMask(text); err == nil && (Block{Mask: mask, By: "1"}).validate() != nil {
			t.Errorf("%q gives %v, which can't be blocked", text, mask)
		}
	})
}
