package blocks

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
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

func TestDecodeRefusesDamage(t *testing.T) {
	good, err := encode([]Block{
		{Mask: mask(1), By: "1", Reason: "vandalism", Created: time.Unix(1, 0).UTC()},
		{Mask: mask(2), By: "1", Expires: time.Unix(9e9, 0).UTC(), Created: time.Unix(2, 0).UTC()},
	})
	if err != nil {
		t.Fatal(err)
	}
	if list, err := decode(good); err != nil || len(list) != 2 {
		t.Fatalf("%v, %v", list, err)
	}
	sealed := func(body string, n int) []byte {
		list, _ := encode(nil)
		all := append(list, body...)
		return bytes.Replace(bytes.Replace(all, []byte(`"blocks":0`), []byte(`"blocks":`+string(rune('0'+n))), 1),
			[]byte(emptySum), []byte(sumOf(body)), 1)
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":             {nil, "first line"},
		"garbage":           {[]byte("garbage\n"), "first line"},
		"another version":   {bytes.Replace(good, []byte(`"version":1`), []byte(`"version":2`), 1), "unknown version 2"},
		"cut":               {good[:len(good)-20], "wrong checksum"},
		"cut at a line":     {good[:bytes.LastIndexByte(good[:len(good)-1], '\n')+1], "wrong checksum"},
		"mask's digit":      {bytes.Replace(good, []byte("2001:2f::1"), []byte("2001:2f::3"), 1), "wrong checksum"},
		"number of blocks":  {bytes.Replace(good, []byte(`"blocks":2`), []byte(`"blocks":3`), 1), "the number of blocks"},
		"without last line": {sealed(`{"mask":"2001:2f::1","by":"1"}`, 0), "the number of blocks"},
		"not JSON":          {sealed("{\n", 1), "block 1 is not of its form"},
		"not a mask":        {sealed(`{"mask":"203.0.113.77","by":"1"}`+"\n", 1), "block 1: not a mask"},
		"by nobody":         {sealed(`{"mask":"2001:2f::1"}`+"\n", 1), "block 1: who blocks"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decode(c.data)
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "203.0.113.77") {
				t.Errorf("the error holds an address: %v", err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	good, err := encode([]Block{{Mask: mask(1), By: "1", Reason: "r", Expires: time.Unix(9e9, 0)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":1,"blocks":0,"sha256":"` + emptySum + `"}`))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		check := func(data []byte) {
			list, err := decode(data)
			if err != nil {
				return
			}
			again, err := encode(list)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := decode(again); err != nil || len(back) != len(list) {
				t.Errorf("%q reads back as %v, %v", again, back, err)
			}
		}
		check(data)
		_, body, _ := bytes.Cut(data, []byte("\n")) // with a header that fits
		check(append(headerFor(body), body...))
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
