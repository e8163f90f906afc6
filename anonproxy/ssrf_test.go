package anonproxy

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// internet stands where the public internet would: what the transport lets through to
// public addresses ends here, and is connected to a server of the test if there is one.
type internet struct {
	server string // host:port

	mu     sync.Mutex
	dialed []string
}

// errPermitted stops a connection that the transport's own check permits.
type errPermitted struct{ address string }

func (e errPermitted) Error() string { return "permitted: " + e.address }

// behind puts the internet behind a tool's transport, whose every check stays.
func (i *internet) behind(t testing.TB, transport *Transport) {
	t.Helper()
	check := transport.Dialer.Control
	transport.Dialer.Control = func(network, address string, c syscall.RawConn) error {
		if err := check(network, address, c); err != nil {
			return err
		}
		i.mu.Lock()
		defer i.mu.Unlock()
		i.dialed = append(i.dialed, address)
		return errPermitted{address}
	}
	dial := transport.HTTP.DialContext
	transport.HTTP.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if permitted := (errPermitted{}); i.server != "" && errors.As(err, &permitted) {
			return new(net.Dialer).DialContext(ctx, "tcp", i.server)
		}
		return conn, err
	}
	transport.HTTP.TLSClientConfig.RootCAs = tooltest.Roots()
	transport.HTTP.TLSClientConfig.ServerName = "example.com" // whom the test's certificate is for
}

// reached are the addresses that would have been connected to, since the last time.
func (i *internet) reached() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	dialed := i.dialed
	i.dialed = nil
	return dialed
}

// attack is a proxy with a public tool, and a victim on this machine.
type attack struct {
	*edge
	internet
	names  *nameServer
	port   string // of the victim
	victim *atomic.Int64
}

func newAttack(t *testing.T, hosts ...string) *attack {
	t.Helper()
	s := &attack{names: newNameServer(t)}
	s.port, s.victim = silentVictim(t)
	for i := range hosts {
		hosts[i] += ":" + s.port
	}
	s.edge = newEdge(t, Config{Resolver: s.names.resolver()}, &noticeboard.Tool{
		Name: "maps", Origin: "https://maps.example.org:" + s.port, Hosts: hosts, Methods: []string{"GET", "HEAD", "POST"},
	})
	s.behind(t, s.proxy.upstreams()["maps"].transport)
	return s
}

// do asks as if nothing had been asked before: after some failures the breaker would
// answer in place of what is tried here.
func (s *attack) do(t testing.TB, method, path, dest string, change ...func(*http.Request)) answer {
	t.Helper()
	s.proxy.upstreams()["maps"].gate = newGate()
	return s.edge.do(t, method, path, dest, change...)
}

// wantNoHits checks that nothing connected to the victim, and that it would have known.
func (s *attack) wantNoHits(t *testing.T) {
	t.Helper()
	if n := s.victim.Load(); n != 0 {
		t.Errorf("%d connections to the victim", n)
	}
	conn, err := net.Dial("tcp", "127.0.0.1:"+s.port)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	testutil.Eventually(t, "the victim to notice a connection", func() bool { return s.victim.Load() == 1 })
}

// ianaBlock is a row of the registries.
type ianaBlock struct {
	netip.Prefix
	name, reason string
}

func ianaBlocks(t *testing.T) (blocks []ianaBlock) {
	t.Helper()
	file, err := os.Open("testdata/iana-special-purpose.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	table := csv.NewReader(file)
	table.Comment = '#'
	rows, err := table.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		blocks = append(blocks, ianaBlock{netip.MustParsePrefix(row[0]), row[1], row[3]})
	}
	if len(blocks) != 51 { // 25 each, one of which is two addresses
		t.Fatalf("the table has %d blocks", len(blocks))
	}
	return blocks
}

// outsideIANA is what else is refused, and why.
var outsideIANA = []ianaBlock{
	{netip.MustParsePrefix("224.0.0.0/4"), "", "multicast"},
	{netip.MustParsePrefix("ff00::/8"), "", "multicast"},
	{netip.MustParsePrefix("fec0::/10"), "", "site local"},
	{netip.MustParsePrefix("::/96"), "", "IPv4-compatible"},
}

// wantReason says by the registries alone why an address is refused, or "".
func wantReason(blocks []ianaBlock, addr netip.Addr) string {
	var narrowest ianaBlock
	for _, b := range append(slices.Clone(blocks), outsideIANA...) {
		if b.Contains(addr) && (!narrowest.IsValid() || b.Bits() > narrowest.Bits()) {
			narrowest = b
		}
	}
	if !narrowest.IsValid() && addr.Is6() && !netip.MustParsePrefix("2000::/3").Contains(addr) {
		return "not global unicast" // the rest isn't given to anybody
	}
	return narrowest.reason
}

// lastOf is the last address of a block.
func lastOf(p netip.Prefix) netip.Addr {
	last := p.Addr().AsSlice()
	for i := p.Bits(); i < len(last)*8; i++ {
		last[i/8] |= 1 << (7 - i%8)
	}
	addr, _ := netip.AddrFromSlice(last)
	return addr
}

// Each block of the registries, at both ends, and the address just outside each, asked
// for by a name of the tool that leads there.
func TestNamesThatLeadToSpecialPurposeBlocks(t *testing.T) {
	s := newAttack(t)
	blocks := ianaBlocks(t)
	public := 0
	for _, block := range blocks {
		t.Run(strings.ReplaceAll(block.String(), "/", "_")+" "+block.name, func(t *testing.T) {
			first, last := block.Addr(), lastOf(block.Prefix)
			for _, addr := range []netip.Addr{first.Prev(), first, last, last.Next()} {
				if !addr.IsValid() {
					continue // no address is before 0.0.0.0
				}
				want := wantReason(blocks, addr)
				if (addr == first || addr == last) && want == "" {
					t.Fatalf("%s: the table gives no reason", addr)
				}
				if addr.Is4In6() { // the dialer unmaps it, and then it is what it maps
					want = wantReason(blocks, addr.Unmap())
				}
				s.names.point("maps.example.org", addr.String())
				a := s.do(t, "GET", "/.tools/maps/x", "empty")
				reached := s.reached()
				if want == "" {
					public++
					wantRefusal(t, a, 502, "can't be reached") // as the test stops it
					if !slices.Equal(reached, []string{netip.AddrPortFrom(addr, port(t, s.port)).String()}) {
						t.Errorf("%s is public, but %q were connected to", addr, reached)
					}
					continue
				}
				wantRefusal(t, a, 502, "the tool's host has an address that isn't allowed: "+want)
				if len(reached) > 0 {
					t.Errorf("for %s, %q would have been connected to", addr, reached)
				}
			}
		})
	}
	if public < 20 {
		t.Errorf("only %d addresses just outside are public", public)
	}
	s.wantNoHits(t)
}

func port(t *testing.T, s string) (n uint16) {
	t.Helper()
	if _, err := fmt.Sscan(s, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// What a name leads to in one answer, in forms and in mixtures.
func TestAnswersOfNameServers(t *testing.T) {
	const isnt = "an address that isn't allowed: "
	addrs := func(a ...string) func(int, bool) nameAnswer {
		return func(_ int, v6 bool) nameAnswer { return nameAnswer{addrs: ofFamily(v6, a...)} }
	}
	for _, tc := range []struct {
		name    string
		answer  func(query int, v6 bool) nameAnswer
		reason  string
		reached []string // public addresses
	}{
		{"loopback", addrs("127.0.0.1"), isnt + "loopback", nil},
		{"the end of loopback", addrs("127.255.255.254"), isnt + "loopback", nil},
		{"this host", addrs("0.0.0.0"), isnt + "this network", nil},
		{"loopback by IPv6", addrs("::1"), isnt + "loopback", nil},
		{"unspecified", addrs("::"), isnt + "unspecified", nil},
		{"mapped loopback", addrs("::ffff:127.0.0.1"), isnt + "loopback", nil},
		{"mapped private", addrs("::ffff:10.0.0.1"), isnt + "private use", nil},
		{"mapped public", addrs("::ffff:8.8.8.8"), "can't be reached", []string{"8.8.8.8"}},
		{"compatible loopback", addrs("::127.0.0.1"), isnt + "IPv4-compatible", nil},
		{"NAT64 of loopback", addrs("64:ff9b::127.0.0.1"), isnt + "NAT64", nil},
		{"NAT64 of a public address", addrs("64:ff9b::8.8.8.8"), isnt + "NAT64", nil},
		{"local NAT64 of loopback", addrs("64:ff9b:1::127.0.0.1"), isnt + "local NAT64", nil},
		{"6to4 of loopback", addrs("2002:7f00:1::1"), isnt + "6to4", nil},
		{"Teredo of a private server", addrs("2001:0:a00:1::1"), isnt + "Teredo", nil},
		{"Teredo of a private client", addrs("2001:0:808:808:0:ffff:f5ff:fffe"), isnt + "Teredo", nil},
		{"a mask", addrs("2001:2f::1"), isnt + "ORCHIDv2", nil},
		{"cloud metadata", addrs("169.254.169.254"), isnt + "link local", nil},
		{"cloud metadata by IPv6", addrs("fd00:ec2::254"), isnt + "unique local", nil},
		{"Azure's", addrs("168.63.129.16"), isnt + "Azure", nil},
		{"multicast", addrs("224.0.0.1"), isnt + "multicast", nil},
		{"multicast by IPv6", addrs("ff02::1"), isnt + "multicast", nil},
		{"private before public", addrs("127.0.0.1", "8.8.8.8"), isnt + "loopback", []string{"8.8.8.8"}},
		{"public before private", addrs("8.8.8.8", "127.0.0.1"), isnt + "loopback", []string{"8.8.8.8"}},
		{"private by A, public by AAAA", addrs("127.0.0.1", "2606:4700::1111"), "", []string{"2606:4700::1111"}},
		{"public by A, private by AAAA", addrs("8.8.8.8", "::1"), "", []string{"8.8.8.8"}},
		{"many of both", addrs("10.0.0.1", "8.8.8.8", "127.0.0.1", "1.1.1.1", "192.168.0.1"), isnt, []string{"1.1.1.1", "8.8.8.8"}},
		{"an alias of a private name", func(_ int, v6 bool) nameAnswer {
			return nameAnswer{alias: "db.internal", addrs: ofFamily(v6, "127.0.0.1")}
		}, isnt + "loopback", nil},
		{"an alias of localhost", func(_ int, v6 bool) nameAnswer {
			return nameAnswer{alias: "localhost", addrs: ofFamily(v6, "127.0.0.1", "::1")}
		}, isnt + "loopback", nil},
		{"an alias alone", func(int, bool) nameAnswer { return nameAnswer{alias: "localhost"} }, "name can't be resolved", nil},
		{"by TCP", func(_ int, v6 bool) nameAnswer {
			return nameAnswer{truncated: true, addrs: ofFamily(v6, "127.0.0.1")}
		}, isnt + "loopback", nil},
		{"nothing", addrs(), "name can't be resolved", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newAttack(t)
			s.names.set("maps.example.org", tc.answer)
			for _, method := range []string{"GET", "HEAD"} {
				a := s.do(t, method, "/.tools/maps/x", "empty")
				if method == "GET" {
					wantRefusal(t, a, 502, tc.reason)
				} else if a.status != 502 {
					t.Errorf("HEAD got %d", a.status)
				}
				want := []string{}
				for _, addr := range tc.reached {
					want = append(want, net.JoinHostPort(addr, s.port))
				}
				reached := s.reached()
				if slices.Sort(reached); !slices.Equal(reached, want) {
					t.Errorf("%s connects to %q, want %q", method, reached, want)
				}
			}
			if tc.name == "by TCP" && s.names.byTCP == 0 {
				t.Error("the name server was not asked by TCP")
			}
			if strings.HasPrefix(tc.reason, isnt) {
				if got := s.observed(t, 1); !slices.Contains(got, "maps "+outcomes.Blocked) {
					t.Errorf("observed %q", got)
				}
			}
			s.wantNoHits(t)
		})
	}
}

// A name that changes between two look-ups gains nothing: what is connected to is checked.
func TestRebinding(t *testing.T) {
	t.Run("between look-up and dial", func(t *testing.T) {
		s := newAttack(t)
		s.names.set("maps.example.org", func(query int, v6 bool) nameAnswer {
			if query == 1 { // to whoever checks first
				return nameAnswer{addrs: ofFamily(v6, "8.8.8.8")}
			}
			return nameAnswer{addrs: ofFamily(v6, "127.0.0.1", "::1")} // to whoever connects then
		})
		first, err := s.names.resolver().LookupNetIP(t.Context(), "ip", "maps.example.org")
		if err != nil || len(first) != 1 || first[0].Unmap() != netip.MustParseAddr("8.8.8.8") {
			t.Fatalf("the bait resolves to %v, %v", first, err)
		}
		wantRefusal(t, s.do(t, "GET", "/.tools/maps/x", "empty"), 502, "an address that isn't allowed: loopback")
		if reached := s.reached(); len(reached) > 0 {
			t.Errorf("%q would have been connected to", reached)
		}
		s.wantNoHits(t)
	})
	t.Run("with each query", func(t *testing.T) {
		s := newAttack(t)
		s.names.set("maps.example.org", func(query int, v6 bool) nameAnswer {
			if query%2 == 1 {
				return nameAnswer{addrs: ofFamily(v6, "8.8.8.8")}
			}
			return nameAnswer{addrs: ofFamily(v6, "127.0.0.1")}
		})
		for i := range 20 {
			reason, want := "can't be reached", 1
			if i%2 == 1 {
				reason, want = "an address that isn't allowed: loopback", 0
			}
			wantRefusal(t, s.do(t, "GET", "/.tools/maps/x", "empty"), 502, reason)
			if reached := s.reached(); len(reached) != want {
				t.Errorf("request %d connects to %q", i, reached)
			}
		}
		s.wantNoHits(t)
	})
	t.Run("between A and AAAA", func(t *testing.T) {
		s := newAttack(t)
		s.names.set("maps.example.org", func(query int, v6 bool) nameAnswer {
			if v6 {
				return nameAnswer{addrs: ofFamily(v6, "::ffff:127.0.0.1")}
			}
			return nameAnswer{addrs: ofFamily(v6, "169.254.169.254")}
		})
		wantRefusal(t, s.do(t, "GET", "/.tools/maps/x", "empty"), 502, "an address that isn't allowed: ")
		if reached := s.reached(); len(reached) > 0 {
			t.Errorf("%q would have been connected to", reached)
		}
		s.wantNoHits(t)
	})
}

// spellings are hosts that some program reads as this machine.
var spellings = []struct {
	host     string
	declared string // why a declaration with it is refused
	redirect string // why a redirect to it isn't followed
}{
	{"127.0.0.1", "is an address", "a host that isn't declared"},
	{"127.1", "is an address", "a host that isn't declared"},
	{"127.0.1", "is an address", "a host that isn't declared"},
	{"2130706433", "is an address", "a host that isn't declared"},
	{"0177.0.0.1", "is an address", "a host that isn't declared"},
	{"0177.0.0.01", "is an address", "a host that isn't declared"},
	{"017700000001", "is an address", "a host that isn't declared"},
	{"0x7f.0.0.1", "is an address", "a host that isn't declared"},
	{"0x7F000001", "is an address", "a host that isn't declared"},
	{"0x7f.1", "is an address", "a host that isn't declared"},
	{"127.0.0.0x1", "is an address", "a host that isn't declared"},
	{"0", "is an address", "a host that isn't declared"},
	{"0.0.0.0", "is an address", "a host that isn't declared"},
	{"127.0.0.1.", "ends in a dot", "a host that isn't declared"},
	{"localhost", "is a local name", "a host that isn't declared"},
	{"LOCALHOST", "is a local name", "a host that isn't declared"},
	{"localhost.", "ends in a dot", "a host that isn't declared"},
	{"x.localhost", "is a local name", "a host that isn't declared"},
	{"maps.example.org.", "ends in a dot", "a host that isn't declared"},
	{"[::1]", "is an address", "a host that isn't declared"},
	{"[0:0:0:0:0:0:0:1]", "is an address", "a host that isn't declared"},
	{"[::]", "is an address", "a host that isn't declared"},
	{"[::ffff:127.0.0.1]", "is an address", "a host that isn't declared"},
	{"[::ffff:7f00:1]", "is an address", "a host that isn't declared"},
	{"[64:ff9b::7f00:1]", "is an address", "a host that isn't declared"},
	{"[2002:7f00:1::]", "is an address", "a host that isn't declared"},
	{"[2001:0:7f00:1::]", "is an address", "a host that isn't declared"},
	{"[fe80::1%25lo]", "percent sign", "a host that isn't declared"},
	{"[::1%25lo]", "percent sign", "a host that isn't declared"},
	{"[127.0.0.1]", "isn't an origin", "malformed address"},
	{"[maps.example.org]", "isn't an origin", "malformed address"},
	{"::1", "isn't an origin", "malformed address"},
	{"%31%32%37.0.0.1", "isn't an origin", "malformed address"},
	{"①②⑦.⓪.⓪.①", "is an address", "a host that isn't declared"},
	{"127。0。0。1", "is an address", "a host that isn't declared"},
	{"reader@127.0.0.1", "user name", "with a user name"},
	{"maps.example.org@127.0.0.1", "user name", "with a user name"},
	{"maps.example.org:443@127.0.0.1", "user name", "with a user name"},
	{"@127.0.0.1", "user name", "with a user name"},
	{`maps.example.org\@127.0.0.1`, "isn't an origin", "a host that isn't declared"}, // the slash that it is ends the host
	{"127.0.0.1 ", "isn't an origin", "malformed address"},
	{"127.0.0.1\t", "isn't an origin", "a host that isn't declared"},
}

func TestSpellingsInDeclarations(t *testing.T) {
	for _, tc := range spellings {
		t.Run(tc.host, func(t *testing.T) {
			origin := noticeboard.Tool{Name: "maps", Origin: "https://" + tc.host + ":8443"}
			if _, err := noticeboard.New([]*noticeboard.Tool{&origin}); err == nil || !strings.Contains(err.Error(), tc.declared) {
				t.Errorf("as an origin: %v, want a reason with %q", err, tc.declared)
			}
			host := noticeboard.Tool{Name: "maps", Origin: "https://maps.example.org", Hosts: []string{tc.host + ":8443"}}
			_, err := noticeboard.New([]*noticeboard.Tool{&host})
			if err == nil || !slices.ContainsFunc([]string{tc.declared, "isn't a host", "is an address"}, func(reason string) bool { return strings.Contains(err.Error(), reason) }) {
				t.Errorf("as a further host: %v", err)
			}
		})
	}
}

// A public tool redirects to this machine, in all spellings, statuses and methods.
func TestRedirectsToThisMachine(t *testing.T) {
	var location atomic.Value
	var status atomic.Int64
	back := tooltest.NewTLS(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Location"] = []string{location.Load().(string)}
		w.WriteHeader(int(status.Load()))
	})
	s := newAttack(t)
	s.server = back.Listener.Addr().String()
	s.names.point("maps.example.org", "8.8.8.8")
	asked := int64(0)
	for _, tc := range spellings {
		t.Run(tc.host, func(t *testing.T) {
			for _, code := range []int{301, 302, 303, 307, 308} {
				for _, method := range []string{"GET", "HEAD", "POST"} {
					location.Store("https://" + tc.host + ":" + s.port + "/x")
					status.Store(int64(code))
					a := s.do(t, method, "/.tools/maps/x", "empty")
					if method != "HEAD" {
						wantRefusal(t, a, 502, tc.redirect)
					} else if a.status != 502 {
						t.Errorf("%d %s got %d", code, method, a.status)
					}
					if len(a.header["Location"]) > 0 {
						t.Errorf("%d: the reader got Location %q", code, a.header["Location"])
					}
				}
			}
		})
	}
	if asked = back.Conns.Load(); asked == 0 {
		t.Error("the tool itself was never asked")
	}
	s.wantNoHits(t)
}

// Chains of redirects from public hosts, whose last leads to this machine by a declared
// name that has turned bad, or by an undeclared one.
func TestRedirectChains(t *testing.T) {
	var s *attack
	var end atomic.Value
	var asked atomic.Int64
	back := tooltest.NewTLS(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		var left, status int
		if _, err := fmt.Sscanf(r.URL.Path, "/chain/%d/%d", &status, &left); err != nil {
			t.Errorf("asked for %s", r.URL)
		}
		next := "https://cdn.example.org:" + s.port
		if left%2 == 0 {
			next = "https://maps.example.org:" + s.port
		}
		next += fmt.Sprintf("/chain/%d/%d", status, left-1)
		if left == 0 {
			next = end.Load().(string)
		}
		w.Header().Set("Location", next)
		w.WriteHeader(status)
	})
	s = newAttack(t, "cdn.example.org", "turned.example.org")
	s.server = back.Listener.Addr().String()
	for _, tc := range []struct {
		name, end string
		turned    string // what the declared name leads to
		reason    string
	}{
		{"a declared name that leads to loopback", "https://turned.example.org", "127.0.0.1", "an address that isn't allowed: loopback"},
		{"a declared name that leads to a private address", "https://turned.example.org", "10.0.0.1", "an address that isn't allowed: private use"},
		{"a declared name that leads to metadata", "https://turned.example.org", "169.254.169.254", "an address that isn't allowed: link local"},
		{"a declared name that leads to IPv6 loopback", "https://turned.example.org", "::1", "an address that isn't allowed: loopback"},
		{"a declared name on another port", "https://turned.example.org:1", "127.0.0.1", "a host that isn't declared"},
		{"an address", "https://127.0.0.1", "8.8.8.8", "a host that isn't declared"},
		{"an undeclared name", "https://evil.example.org", "8.8.8.8", "a host that isn't declared"},
		{"plain HTTP", "http://turned.example.org", "127.0.0.1", "another scheme"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.names.point("maps.example.org", "8.8.8.8")
			s.names.point("cdn.example.org", "2606:4700::1111")
			s.names.point("turned.example.org", tc.turned)
			s.names.point("evil.example.org", "127.0.0.1")
			target := tc.end
			if strings.Count(target, ":") == 1 {
				target += ":" + s.port
			}
			end.Store(target + "/x")
			for _, status := range []int{301, 302, 303, 307, 308} {
				for length := range maxRedirects {
					for _, method := range []string{"GET", "HEAD", "POST"} {
						asked.Store(0)
						a := s.do(t, method, fmt.Sprintf("/.tools/maps/chain/%d/%d", status, length), "empty")
						if method != "HEAD" {
							wantRefusal(t, a, 502, tc.reason)
						} else if a.status != 502 {
							t.Errorf("%d, %d before: HEAD got %d", status, length, a.status)
						}
						if got := asked.Load(); got != int64(length+1) {
							t.Errorf("%d %s: the chain of %d was asked %d times", status, method, length+1, got)
						}
					}
				}
			}
		})
	}
	for _, address := range s.reached() {
		if host, _, _ := net.SplitHostPort(address); host != "8.8.8.8" && host != "2606:4700::1111" {
			t.Errorf("%s would have been connected to", address)
		}
	}
	s.wantNoHits(t)
}

// Requests name a tool and never a host: what looks like one is a path, or refused.
func TestRequestsNameNoHost(t *testing.T) {
	var paths sync.Map
	back := tooltest.NewTLS(t, func(w http.ResponseWriter, r *http.Request) {
		paths.Store(r.Host+" "+r.URL.Path, true)
		tooltest.Answers("application/json", "{}")(w, r)
	})
	s := newAttack(t)
	s.server = back.Listener.Addr().String()
	s.names.point("maps.example.org", "8.8.8.8")
	victim := "127.0.0.1:" + s.port
	for _, tc := range []struct {
		path   string
		status int
		reason string
	}{
		{"/.tools/maps//" + victim + "/x", 400, "an empty segment"},
		{"/.tools/maps/%2f%2f" + victim + "/x", 400, "an empty segment"},
		{`/.tools/maps/\\` + victim, 400, "isn't allowed in it"},
		{"/.tools/maps/%5c%5c" + victim, 400, "a backslash"},
		{"/.tools/maps/..//" + victim, 400, "segment"},
		{"/.tools/https://" + victim + "/x", 404, "no tool of that name"},
		{"/.tools/" + victim + "/x", 404, "no tool of that name"},
		{"/.tools/maps@" + victim + "/x", 404, "no tool of that name"},
		{"/.tools/maps:80/x", 404, "no tool of that name"},
		{"/.tools/maps/@" + victim + "/x", 200, ""},
		{"/.tools/maps/http:/" + victim + "/x", 200, ""},
		{"/.tools/maps/x?url=http://" + victim + "/", 200, ""},
	} {
		t.Run(tc.path, func(t *testing.T) {
			a := s.raw(t, "GET "+tc.path+" HTTP/1.1\r\nHost: "+victim+"\r\nSec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n\r\n")
			if tc.status == 200 {
				if a.status != 200 {
					t.Errorf("got %d %s", a.status, a.body)
				}
				return
			}
			wantRefusal(t, a, tc.status, tc.reason)
		})
	}
	paths.Range(func(asked, _ any) bool {
		if !strings.HasPrefix(asked.(string), "maps.example.org:") {
			t.Errorf("the tool was asked for %s", asked)
		}
		return true
	})
	for _, address := range s.reached() {
		if address != "8.8.8.8:"+s.port {
			t.Errorf("%s would have been connected to", address)
		}
	}
	s.wantNoHits(t)
}

// TestProtectionsWithCache runs the tables over again with a cache, which asks for readers.
func TestProtectionsWithCache(t *testing.T) {
	everyEdgeCached = true
	defer func() { everyEdgeCached = false }()
	for name, test := range map[string]func(*testing.T){
		"names": TestNamesThatLeadToSpecialPurposeBlocks, "answers": TestAnswersOfNameServers, "rebinding": TestRebinding,
		"redirects": TestRedirectsToThisMachine, "chains": TestRedirectChains, "hosts": TestRequestsNameNoHost, "bytes": TestToolGetsTheSameBytes,
	} {
		t.Run(name, test)
	}
}
