package masking

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func testEpochs(t testing.TB, n int) []Epoch {
	t.Helper()
	var secrets [][]byte
	for i := range n {
		secrets = append(secrets, []byte(strings.Repeat(string(rune('a'+i)), 32)))
	}
	r, err := ConfiguredRing(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return r.Epochs()
}

type network struct {
	name   string
	ranges []string // each an address or a CIDR range
}

func testNetworks(t testing.TB, networks ...network) *Networks {
	t.Helper()
	var names []string
	for _, n := range networks {
		names = append(names, n.name)
	}
	b, err := BuildNetworks(names...)
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range networks {
		for _, text := range n.ranges {
			prefix, err := ParseRange(text)
			if err != nil {
				t.Fatal(err)
			}
			b.Add(i, prefix)
		}
	}
	return b.Networks()
}

func TestSiteMasksInOrder(t *testing.T) {
	epochs := testEpochs(t, 2)
	site, err := NewSite(epochs, SiteConfig{
		V4Ranges: DefaultV4Ranges, V6Ranges: DefaultV6Ranges,
		Networks: testNetworks(t, network{"school", []string{"203.0.113.0/24", "2001:db8::/32"}}, network{"tor", []string{"198.51.100.7"}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ addr, wide, narrow string }{
		{"203.0.113.9", "203.0.0.0/16", "203.0.113.0/24"},
		{"::ffff:203.0.113.9", "203.0.0.0/16", "203.0.113.0/24"},
		{"2001:db8:1:2::3%eth0", "2001:db8::/32", "2001:db8:1::/48"},
	} {
		addr := netip.MustParseAddr(c.addr)
		got, err := site.Masks(Who{Addr: addr}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var want []netip.Addr
		for i, e := range epochs {
			m, err := e.Masker("", 0)
			if err != nil {
				t.Fatal(err)
			}
			client, _ := m.Client(addr)
			school, _ := m.Network("school")
			wide, _ := m.Range(netip.MustParsePrefix(c.wide))
			narrow, _ := m.Range(netip.MustParsePrefix(c.narrow))
			if i == 0 {
				if got.Client != client {
					t.Errorf("%v: client mask %v, want %v", addr, got.Client, client)
				}
			} else {
				want = append(want, client)
			}
			want = append(want, school, wide, narrow)
		}
		if !slices.Equal(got.Networks, want) {
			t.Errorf("%v: got %v\nwant %v", addr, got.Networks, want)
		}
		if !slices.Equal(got.Names, []string{"school"}) {
			t.Errorf("%v: names %v", addr, got.Names)
		}
	}
}

func TestSiteLabelsUnrelatedOrShared(t *testing.T) {
	epochs := testEpochs(t, 1)
	mask := func(label string) netip.Addr {
		s, err := NewSite(epochs, SiteConfig{Label: label})
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.Masks(Who{Addr: netip.MustParseAddr("203.0.113.9")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return m.Client
	}
	if mask("en") == mask("de") {
		t.Error("two labels share a mask")
	}
	if first, second := mask("en"), mask("en"); first != second {
		t.Errorf("one label gives two masks: %v, %v", first, second)
	}
}

func TestSiteConfigRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		config SiteConfig
		want   string
	}{
		"v6 prefix":    {SiteConfig{V6Prefix: 60}, "48, 56, 64 or 128"},
		"v4 range 0":   {SiteConfig{V4Ranges: []int{0}}, "not from 1 to 32"},
		"v4 range 33":  {SiteConfig{V4Ranges: []int{33}}, "not from 1 to 32"},
		"v6 range 129": {SiteConfig{V6Ranges: []int{129}}, "not from 1 to 128"},
		"range twice":  {SiteConfig{V4Ranges: []int{16, 16}}, "is given twice"},
	} {
		if _, err := NewSite(testEpochs(t, 1), c.config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"192.0.2.0/24", "::ffff:192.0.2.0/120", "2001:db8::/32", "fe80::1%eth0", "1.2.3.4/33", "::/0", "::ffff:0:0/96"} {
		f.Add(s)
	}
	m := testMasker(f)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseRange(s)
		if err != nil {
			return
		}
		if p != p.Masked() || p.Addr().Is4In6() || p.Addr().Zone() != "" {
			t.Fatalf("%q gives %v", s, p)
		}
		if _, err := m.Range(p); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
	})
}

func BenchmarkSiteMasks(b *testing.B) {
	site, err := NewSite(testEpochs(b, 1), SiteConfig{V4Ranges: DefaultV4Ranges, V6Ranges: DefaultV6Ranges})
	if err != nil {
		b.Fatal(err)
	}
	addr := netip.MustParseAddr("203.0.113.9")
	buf := make([]netip.Addr, 0, 8)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := site.Masks(Who{Addr: addr}, buf); err != nil {
			b.Fatal(err)
		}
	}
}

func TestLookedUpNetworks(t *testing.T) {
	vpn := testNetworks(t, network{"vpn", []string{"198.51.100.0/24"}})
	epochs := testEpochs(t, 2)
	allocation := netip.MustParsePrefix("198.50.0.0/15")
	config := SiteConfig{V4Ranges: []int{16, 24}, Networks: vpn, Lookup: func(netip.Addr) Surroundings {
		return Surroundings{Allocation: allocation, Networks: []string{"vpn", "hosting"}}
	}}
	addr := netip.MustParseAddr("198.51.100.7")
	expect := func() (all []netip.Addr) {
		for i, e := range epochs {
			m, err := e.Masker("", 0)
			if err != nil {
				t.Fatal(err)
			}
			mask := func(made netip.Addr, err error) {
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, made)
			}
			if i > 0 {
				mask(m.Client(addr))
			}
			mask(m.Network("vpn"))
			mask(m.Network("hosting"))
			mask(m.Range(netip.MustParsePrefix("198.51.0.0/16")))
			mask(m.Range(netip.MustParsePrefix("198.51.100.0/24")))
			if allocation.Bits() == 15 {
				mask(m.Range(allocation))
			}
		}
		return all
	}
	for _, text := range []string{"198.50.0.0/15", "198.51.0.0/16", "203.0.113.0/24"} { // as a range of its own, as a standard one, not around the address
		allocation = netip.MustParsePrefix(text)
		site, err := NewSite(epochs, config)
		if err != nil {
			t.Fatal(err)
		}
		masks, err := site.Masks(Who{Addr: addr}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := expect(); !slices.Equal(masks.Networks, want) {
			t.Errorf("%s: networks %v, want %v", text, masks.Networks, want)
		}
		if !slices.Equal(masks.Names, []string{"vpn", "hosting"}) {
			t.Errorf("%s: names %v", text, masks.Names)
		}
	}
}

// A session's masks under each epoch are its own, then its networks', then its address's.
func TestMasksOfSessions(t *testing.T) {
	epochs := testEpochs(t, 2)
	site, err := NewSite(epochs, SiteConfig{V4Ranges: []int{24}})
	if err != nil {
		t.Fatal(err)
	}
	addr, id := netip.MustParseAddr("203.0.113.9"), []byte("sixteen bytes id")
	got, err := site.Masks(Who{Addr: addr, Session: id}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var want []netip.Addr
	for _, e := range epochs {
		m, err := e.Masker("", 0)
		if err != nil {
			t.Fatal(err)
		}
		session, _ := m.Session(id)
		narrow, _ := m.Range(netip.MustParsePrefix("203.0.113.0/24"))
		client, _ := m.Client(addr)
		want = append(want, session, narrow, client)
	}
	if got.Client != want[0] || !slices.Equal(got.Networks, want[1:]) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}
