package masking

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestNetworkRefusals(t *testing.T) {
	many := make([]string, MaxNetworks+1)
	for i := range many {
		many[i] = fmt.Sprintf("n%d", i)
	}
	for name, c := range map[string]struct {
		names []string
		want  string
	}{
		"empty name": {[]string{""}, "network name"},
		"comma":      {[]string{"a,b"}, "network name"},
		"line break": {[]string{"a\nb"}, "network name"},
		"twice":      {[]string{"tor", "vpn", "tor"}, `network "tor" is given twice`},
		"too many":   {many, "65 networks, and 64 at most"},
	} {
		if _, err := BuildNetworks(c.names...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	for name, c := range map[string]struct{ text, want string }{
		"not a range": {"192.0.2.0/33", "neither an IP address nor a CIDR range"},
		"host name":   {"example.org", "neither an IP address nor a CIDR range"},
		"too wide":    {"::ffff:0.0.0.0/80", "wider than the IPv4-mapped"},
	} {
		if _, err := ParseRange(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func namesOf(n *Networks, addr string) string {
	var names []string
	for _, name := range n.Of(netip.MustParseAddr(addr)) {
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func TestNetworksOfAddress(t *testing.T) {
	n := testNetworks(t,
		network{"vpn", []string{"192.0.0.0/16", "2001:db8::/32", "203.0.113.0/24"}},
		network{"tor", []string{"192.0.2.0/24", "::ffff:198.51.100.0/120", "2001:db8::7", "203.0.113.0/24", "203.0.113.9"}},
		network{"school", []string{"192.0.2.8/29"}})
	for addr, want := range map[string]string{
		"192.0.1.1": "vpn", "192.0.2.0": "vpn tor", "192.0.2.9": "vpn tor school", "192.0.2.16": "vpn tor", "192.0.3.0": "vpn", "192.1.0.0": "",
		"::ffff:192.0.2.1": "vpn tor", "198.51.100.9": "tor", "198.51.101.0": "", "203.0.113.9": "vpn tor",
		"2001:db8::7": "vpn tor", "2001:db8::7%eth0": "vpn tor", "2001:db8::8": "vpn", "2001:db9::": "",
	} {
		if got := namesOf(n, addr); got != want {
			t.Errorf("%s: in %q, want %q", addr, got, want)
		}
	}
	if n.Ranges() != 7 { // one is twice there, and one lies in a wider range of the same networks
		t.Errorf("%d ranges tell the networks apart", n.Ranges())
	}
	var none *Networks
	if got := namesOf(none, "192.0.2.1"); got != "" || none.Names() != nil {
		t.Errorf("no networks: %q", got)
	}
}

// The table and what the ranges say one by one are the same, with ranges in ranges.
func TestNetworksAgreeWithTheirRanges(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "b", "c"}
	for range 50 {
		b, err := BuildNetworks(names...)
		if err != nil {
			t.Fatal(err)
		}
		ranges := make([][]netip.Prefix, len(names))
		for range 60 {
			i := random.IntN(len(names))
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(random.IntN(4)), byte(random.IntN(256))}), 20+random.IntN(13)).Masked()
			ranges[i] = append(ranges[i], p)
			b.Add(i, p)
		}
		n := b.Networks()
		for host := range 1024 {
			addr := netip.AddrFrom4([4]byte{10, 0, byte(host >> 8), byte(host)})
			var want []string
			for i, of := range ranges {
				if slices.ContainsFunc(of, func(p netip.Prefix) bool { return p.Contains(addr) }) {
					want = append(want, names[i])
				}
			}
			if got := namesOf(n, addr.String()); got != strings.Join(want, " ") {
				t.Fatalf("%s: in %q, want %q", addr, got, want)
			}
		}
	}
}

// manyRanges are n ranges as lists of exits and VPNs have: most are single addresses, some of IPv6.
func manyRanges(t testing.TB, n int) *NetworksBuilder {
	t.Helper()
	b, err := BuildNetworks("tor", "vpn")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	for b.table.Size() < n {
		var raw [16]byte
		for i := range raw {
			raw[i] = byte(random.Uint32())
		}
		raw[0], raw[1] = 0x20, 0x01
		switch random.IntN(10) {
		case 0:
			b.Add(1, netip.PrefixFrom(netip.AddrFrom16(raw), 64).Masked())
		case 1, 2:
			b.Add(1, netip.PrefixFrom(netip.AddrFrom4([4]byte(raw[4:8])), 24).Masked())
		default:
			b.Add(0, netip.PrefixFrom(netip.AddrFrom4([4]byte(raw[4:8])), 32))
		}
	}
	return b
}

func TestMemoryOfNetworks(t *testing.T) {
	held := func() uint64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	b := manyRanges(t, 200_000)
	before := held()
	n := b.Networks()
	if took := held() - before; took > 30<<20 {
		t.Errorf("200,000 ranges take %d MiB", took>>20)
	} else {
		t.Logf("%d ranges take %.1f MiB", n.Ranges(), float64(took)/(1<<20))
	}
	runtime.KeepAlive(b)
	addr, found := netip.MustParseAddr("203.0.113.9"), 0
	if allocs := testing.AllocsPerRun(100, func() {
		for i := range n.Of(addr) {
			found += i
		}
	}); allocs > 0 {
		t.Errorf("a look-up allocates %v times", allocs)
	}
}

func BenchmarkNetworksOf(b *testing.B) {
	n := manyRanges(b, 200_000).Networks()
	var addrs []netip.Addr
	for p := range n.table.All() {
		if addrs = append(addrs, p.Addr(), p.Addr().Prev()); len(addrs) >= 1<<12 {
			break
		}
	}
	b.ReportAllocs()
	found, i := 0, 0
	for b.Loop() {
		for index := range n.Of(addrs[i&(1<<12-1)]) {
			found += index
		}
		i++
	}
}

func TestCircuits(t *testing.T) {
	site, err := NewSite(testEpochs(t, 2), SiteConfig{
		V4Ranges: DefaultV4Ranges, V6Ranges: DefaultV6Ranges, Networks: testNetworks(t, network{"tor", []string{"198.51.100.7"}}),
		Lookup: func(netip.Addr) Surroundings { return Surroundings{Networks: []string{"vpn"}} },
	})
	if err != nil {
		t.Fatal(err)
	}
	of := func(text string) Masks {
		t.Helper()
		masks, err := site.Masks(Who{Addr: netip.MustParseAddr(text)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return masks
	}
	one, other := of("fc00:dead:beef:4dad::1:2"), of("fc00:dead:beef:4dad::1:3")
	if one.Client == other.Client || IsNetwork(one.Client) || !Is(one.Client) {
		t.Errorf("two circuits of one /64: %v, %v", one.Client, other.Client)
	}
	m := site.Masker()
	onion, _ := m.Network("onion")
	tor, _ := m.Network("tor")
	if !slices.Equal(one.Networks[:2], []netip.Addr{onion, tor}) || len(one.Networks) != 5 || !slices.Equal(one.Names, CircuitNetworks) {
		t.Errorf("a circuit is in %v, %v; want %v, %v, and of the older epoch its own mask and these", one.Names, one.Networks, onion, tor)
	}
	exit := of("198.51.100.7")
	if !slices.Contains(exit.Networks, tor) || exit.Client == one.Client {
		t.Errorf("an exit is in %v", exit.Networks)
	}
	// Neighbours of the range are clients by their /64, as all of IPv6.
	if of("fc00:dead:beef:4dae::1").Client != of("fc00:dead:beef:4dae::2").Client {
		t.Error("the /64 beside the range is a range of circuits too")
	}
	// The number alone counts, and a client of another kind has no such mask.
	if got := Circuit(netip.MustParseAddr("fc00:dead:beef:4dad:1:2:3:4")); got != netip.MustParseAddr("fc00:dead:beef:4dad::3:4") {
		t.Errorf("the circuit is %v", got)
	}
	salt := bytes.Repeat([]byte{1}, SaltSize)
	salted, _ := m.Salted(salt, netip.MustParseAddr("fc00:dead:beef:4dad::1:2"))
	neighbour, _ := m.Salted(salt, netip.MustParseAddr("fc00:dead:beef:4dad::1:3"))
	if salted == one.Client || salted == neighbour {
		t.Errorf("with one salt two circuits have %v and %v", salted, neighbour)
	}
	session, _ := m.Session([]byte{0, 1, 0, 2})
	if session == one.Client {
		t.Error("a session has a circuit's mask")
	}
	if got := (SiteConfig{Lookup: func(netip.Addr) Surroundings { panic("asked for a circuit") }}).NetworksOf(netip.MustParseAddr("fc00:dead:beef:4dad::5")); !slices.Equal(got, CircuitNetworks) {
		t.Errorf("a circuit is in %v", got)
	}
}
