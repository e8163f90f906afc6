package networklist

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go4.org/netipx"

	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/lookup/geo/geotest"
)

func read(l List, data string) (string, int, error) {
	var b netipx.IPSetBuilder
	n, err := l.Read(strings.NewReader(data), b.AddPrefix)
	if err != nil {
		return "", n, err
	}
	set, err := b.IPSet()
	return strings.Trim(fmt.Sprint(set.Prefixes()), "[]"), n, err
}

const exitAddresses = `@type tordnsel 1.0
Downloaded 2026-11-30 12:00:00
ExitNode 0011BD2485AD45D984EC4159C88FC066E5E3300E
Published 2026-11-30 06:57:43
LastStatus 2026-11-30 10:00:00
ExitAddress 192.0.2.7 2026-11-30 10:02:11
ExitAddress 192.0.2.8 2026-11-30 10:02:12
ExitNode 00DD0027BC33F0D8DE98B42D9A9AF2E7A3B30EBC
Published 2026-11-30 05:00:00
LastStatus 2026-11-30 10:00:00
ExitAddress 2001:db8::5 2026-11-30 10:02:11
`

const onionoo = `{"version":"8.0","build_revision":"x","relays_published":"2026-11-30 10:00:00",
"relays":[
{"nickname":"a","or_addresses":["192.0.2.7:9001","[2001:db8::5]:9001"],"flags":["Exit","Running"]},
{"nickname":"guard","or_addresses":["198.51.100.1:443"],"flags":["Guard","Running"]},
{"nickname":"b","or_addresses":["198.51.100.2:443"],"exit_addresses":["192.0.2.8","2001:db8::6"],"flags":["Running"]},
{"nickname":"c","or_addresses":["203.0.113.1:443"]}],
"relays_truncated":0,"bridges_published":"x","bridges":[{"or_addresses":["10.0.0.1:1"]}]}`

const relayCSV = "172.224.226.0/27,GB,GB-EN,London,\n172.224.226.32/31,US,US-CA,\"Los Angeles, south\",\n2a02:26f7:c8c0::/45,DE,DE-BE,Berlin,\n"

func TestFormats(t *testing.T) {
	for name, tc := range map[string]struct {
		list  List
		data  string
		want  string
		count int
	}{
		"exit addresses": {List{}, exitAddresses, "192.0.2.7/32 192.0.2.8/32 2001:db8::5/128", 3},
		"bulk":           {List{}, "192.0.2.7\n192.0.2.8\n", "192.0.2.7/32 192.0.2.8/32", 2},
		"onionoo":        {List{}, "\ufeff" + onionoo, "192.0.2.7/32 192.0.2.8/32 198.51.100.2/32 203.0.113.1/32 2001:db8::5/128 2001:db8::6/128", 6},
		"private relay":  {List{}, relayCSV, "172.224.226.0/27 172.224.226.32/31 2a02:26f7:c8c0::/45", 3},
		"names first":    {List{}, "ip_range,country,name\r\n192.0.2.0/24,NL,\"A, B\"\r\n198.51.100.7,FR,C\r\n", "192.0.2.0/24 198.51.100.7/32", 2},
		"quoted":         {List{}, "\"192.0.2.0/24\",\"NL\"\n", "192.0.2.0/24", 1},
		"two columns":    {List{}, "# DB\n192.0.2.0,192.0.2.127,AU\n2001:db8::,2001:db8::ffff,AU\n", "192.0.2.0/25 2001:db8::/112", 2},
		"named CSV":      {List{Format: CSV}, "192.0.2.0,192.0.2.127\n", "192.0.2.0/25", 1},
		"two addresses":  {List{}, "192.0.2.0,192.0.2.127\n", "192.0.2.0/32 192.0.2.127/32", 2},
		"semicolons":     {List{}, "192.0.2.0/24;NordVPN;NL\n", "192.0.2.0/24", 1},
	} {
		got, n, err := read(tc.list, tc.data)
		if err != nil || got != tc.want || n != tc.count {
			t.Errorf("%s: %d ranges, %s, %v", name, n, got, err)
		}
	}
}

func TestAnonymousIP(t *testing.T) {
	data := string(geotest.Database(t, geotest.Anonymous, time.Now(), geotest.Networks{
		"192.0.2.0/24":    geotest.Anonymity("is_anonymous", "is_anonymous_vpn"),
		"198.51.100.7/32": geotest.Anonymity("is_anonymous", "is_tor_exit_node"),
		"2001:db8::/48":   geotest.Anonymity("is_anonymous", "is_tor_exit_node", "is_public_proxy"),
		"203.0.113.0/24":  geotest.Anonymity("is_hosting_provider"),
	}))
	for network, want := range map[string]string{
		"tor": "198.51.100.7/32 2001:db8::/48", "vpn": "192.0.2.0/24", "proxy": "2001:db8::/48", "hosting": "203.0.113.0/24",
		"anonymizers": "192.0.2.0/24 198.51.100.7/32 2001:db8::/48",
	} {
		if got, _, err := read(List{Network: network}, data); err != nil || got != want {
			t.Errorf("%s: %s, %v", network, got, err)
		}
	}
	if _, _, err := read(List{Network: "residential-proxy"}, data); !errors.Is(err, ErrEmpty) {
		t.Errorf("a network that has none: %v", err)
	}
	other := string(geotest.Database(t, geotest.ASN, time.Now(), geotest.Networks{"192.0.2.0/24": geotest.Organization(64500, "x")}))
	for name, data := range map[string]string{"cut": data[:len(data)/2], "another kind": other} {
		if got, _, err := read(List{Format: AnonymousIP, Network: "vpn"}, data); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestListsThatAreNone(t *testing.T) {
	for name, tc := range map[string]struct {
		list List
		data string
		want error // nil: any
		text string
	}{
		"empty":            {List{}, "", ErrEmpty, ""},
		"comments":         {List{}, "# nothing\n", ErrEmpty, ""},
		"no relays":        {List{}, `{"relays":[]}`, ErrEmpty, ""},
		"HTML":             {List{}, "\r\n <!DOCTYPE html><title>192.0.2.1</title>", ErrHTML, ""},
		"HTML, CSV wanted": {List{Format: CSV}, "\ufeff<html>", ErrHTML, ""},
		"cut JSON":         {List{}, onionoo[:len(onionoo)-60], io.ErrUnexpectedEOF, ""},
		"cut in a relay":   {List{}, onionoo[:240], io.ErrUnexpectedEOF, ""},
		"cut after comma":  {List{}, `{"relays":[{"or_addresses":["203.0.113.1:1"]},`, io.ErrUnexpectedEOF, ""},
		"cut after brace":  {List{}, `{`, io.ErrUnexpectedEOF, ""},
		"cut exit":         {List{}, exitAddresses[:len(exitAddresses)-12], nil, "line 11: an ExitAddress"},
		"JSON of others":   {List{}, `{"error":"quota"}`, ErrEmpty, ""},
		"two documents":    {List{}, onionoo + "{}", nil, "something follows"},
		"a name for one":   {List{}, `{"relays":[{"or_addresses":["example.org:1"]}]}`, nil, `relay 1: "example.org:1" is no address`},
		"wide in CSV":      {List{}, "192.0.2.0/24,NL\n192.0.2.0/2,NL\n", nil, "line 2: 192.0.0.0/2 is too wide"},
		"word in CSV":      {List{}, "192.0.2.0/24,NL\nexample.org,NL\n", nil, "line 2:"},
		"compressed":       {List{}, "\x1f\x8b\x08\x00", nil, "neither text nor a whole database"},
		"no such format":   {List{Format: "xml"}, "x", nil, `no format "xml"`},
		"unknown line":     {List{}, "ExitNode A\nRouter B\n", nil, `line 2: "Router"`},
	} {
		_, _, err := read(tc.list, tc.data)
		if err == nil || tc.want != nil && !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) || len(err.Error()) > 300 {
			t.Errorf("%s: %v, want %v %s", name, err, tc.want, tc.text)
		}
	}
}

// lines is an endless list, of which n lines are read.
type lines struct {
	n    int
	rest []byte
}

func (l *lines) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		if l.n == 0 {
			return 0, io.EOF
		}
		l.n--
		addr := netip.AddrFrom4([4]byte{byte(11 + l.n>>24), byte(l.n >> 16), byte(l.n >> 8), byte(l.n)})
		l.rest = append(addr.AppendTo(l.rest[:0]), '\n')
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

func TestLongLists(t *testing.T) {
	testutil.Slow(t)
	added := 0
	if n, err := (List{}).Read(&lines{n: 1_300_000}, func(netip.Prefix) { added++ }); err != nil || n != 1_300_000 || added != n { // 20 MB
		t.Errorf("20 MB: %d of %d, %v", n, added, err)
	}
	added = 0
	if _, err := (List{}).Read(&lines{n: 5_000_000}, func(netip.Prefix) { added++ }); !errors.Is(err, ErrTooLong) || added > MaxRanges {
		t.Errorf("five million: %d, %v", added, err)
	}
	comments := io.MultiReader(strings.NewReader("192.0.2.1\n"), io.LimitReader(zeros('#'), 64<<20), strings.NewReader("\n"))
	if _, err := (List{}).Read(comments, func(netip.Prefix) {}); err == nil {
		t.Error("a line of 64 MiB is read")
	}
	if _, err := (List{Format: AnonymousIP}).Read(zeros(0), func(netip.Prefix) {}); !errors.Is(err, ErrTooLong) {
		t.Errorf("an endless database: %v", err)
	}
}

type zeros byte

func (z zeros) Read(p []byte) (int, error) {
	copy(p, bytes.Repeat([]byte{byte(z)}, len(p)))
	return len(p), nil
}

// Whatever is read: no panic, nothing far too wide, no host bits, and as many as it says.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{"192.0.2.0/24 # a\n::1", "\ufeff1.2.3.4-1.2.3.9;", "a-b", "-", "1.2.3.4/2", "::ffff:1.2.3.4/96", "fe80::1%eth0-fe80::2%x", ",",
		exitAddresses, onionoo, relayCSV, "a,b\n1.2.3.4,5.6.7.8,x", "{\"relays\":[{}]}", "\x00\xab\xcd\xefMaxMind.com"} {
		f.Add("", seed)
		f.Add("csv", seed)
		f.Add("onionoo", seed)
		f.Add("exit-addresses", seed)
	}
	f.Add("", string(geotest.Database(f, geotest.Anonymous, time.Unix(1e9, 0), geotest.Networks{"192.0.2.0/24": geotest.Anonymity("is_tor_exit_node")})))
	f.Fuzz(func(t *testing.T, format, data string) {
		added := 0
		n, err := List{Format: Format(format), Network: "tor"}.Read(strings.NewReader(data), func(p netip.Prefix) {
			if added++; p != p.Masked() || p.Addr().Is4In6() || p.Addr().Zone() != "" || p.Addr().Is4() && p.Bits() < minV4 || p.Addr().Is6() && p.Bits() < minV6 {
				t.Fatalf("%q gives %v", data, p)
			}
		})
		if err == nil && (n != added || n == 0) {
			t.Fatalf("%q: %d of %d", data, added, n)
		}
	})
}
