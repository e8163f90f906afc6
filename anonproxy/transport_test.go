package anonproxy

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// nameServer is a real DNS server on loopback whose answers a test chooses.
func nameServer(t *testing.T, answer func(query int64, v6 bool) []netip.Addr) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		pc.Close()
		<-done
	})
	go func() {
		defer close(done)
		var queries [2]int64
		for buf := make([]byte, 1500); ; {
			n, peer, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var msg dnsmessage.Message
			if msg.Unpack(buf[:n]) != nil || len(msg.Questions) != 1 {
				continue
			}
			question := msg.Questions[0]
			v6, i := question.Type == dnsmessage.TypeAAAA, 0
			if v6 {
				i = 1
			}
			queries[i]++
			msg.Header = dnsmessage.Header{ID: msg.ID, Response: true, Authoritative: true, RecursionAvailable: true}
			msg.Additionals = nil
			for _, addr := range answer(queries[i], v6) {
				resource := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class}}
				if v6 {
					resource.Body = &dnsmessage.AAAAResource{AAAA: addr.As16()}
				} else {
					resource.Body = &dnsmessage.AResource{A: addr.As4()}
				}
				msg.Answers = append(msg.Answers, resource)
			}
			if packed, err := msg.Pack(); err == nil {
				_, _ = pc.WriteTo(packed, peer)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

// silentVictim counts connections to a port on all loopback addresses.
func silentVictim(t *testing.T) (port string, conns *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	conns = new(atomic.Int64)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			conn.Close()
		}
	}()
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, conns
}

func TestNamesThatLeadToSpecialAddresses(t *testing.T) {
	port, conns := silentVictim(t)
	for _, tc := range []struct{ addr, reason string }{
		{"127.0.0.1", "loopback"},
		{"127.255.255.254", "loopback"},
		{"0.0.0.0", "this network"},
		{"10.0.0.1", "private use"},
		{"169.254.169.254", "link local"},
		{"168.63.129.16", "Azure"},
		{"::1", "loopback"},
		{"::", "unspecified"},
		{"::ffff:127.0.0.1", "loopback"}, // the dialer itself unmaps it
		{"::7f00:1", "IPv4-compatible"},
		{"64:ff9b::7f00:1", "NAT64"},
		{"2002:7f00:1::", "6to4"},
		{"fd00::1", "unique local"},
		{"2001:2f::1", "ORCHIDv2"},
	} {
		t.Run(tc.addr, func(t *testing.T) {
			addr := netip.MustParseAddr(tc.addr)
			e := newEdge(t, Config{}, &noticeboard.Tool{Name: "maps", Origin: "https://maps.example.org:" + port})
			e.proxy.upstreams["maps"].transport.dialer.Resolver = nameServer(t, func(_ int64, v6 bool) []netip.Addr {
				if addr.Is6() == v6 {
					return []netip.Addr{addr}
				}
				return nil
			})
			a := e.do(t, "GET", "/.tools/maps/x", "empty")
			wantRefusal(t, a, 502, "an address that isn't allowed: "+tc.reason)
			if got := e.observed(t, 1); !slices.Equal(got, []string{"maps " + OutcomeBlocked}) {
				t.Errorf("observed %q", got)
			}
			if conns.Load() != 0 {
				t.Error("the victim was connected to")
			}
		})
	}
}

func TestRebinding(t *testing.T) {
	port, conns := silentVictim(t)
	resolver := nameServer(t, func(query int64, v6 bool) []netip.Addr {
		switch {
		case v6:
			return nil
		case query == 1: // to whoever checks first
			return []netip.Addr{netip.MustParseAddr("8.8.8.8")}
		default: // to whoever connects then
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}
		}
	})
	first, err := resolver.LookupNetIP(t.Context(), "ip4", "maps.example.org")
	if err != nil || len(first) != 1 || Special(first[0].Unmap()) != "" {
		t.Fatalf("the bait resolves to %v, %v", first, err)
	}
	e := newEdge(t, Config{}, &noticeboard.Tool{Name: "maps", Origin: "https://maps.example.org:" + port})
	e.proxy.upstreams["maps"].transport.dialer.Resolver = resolver
	wantRefusal(t, e.do(t, "GET", "/.tools/maps/x", "empty"), 502, "an address that isn't allowed: loopback")
	if conns.Load() != 0 {
		t.Error("the victim was connected to")
	}
}

func TestLoopbackToolStaysOnLoopback(t *testing.T) {
	transport := NewTransport(tool("demo", "http://localhost:9"))
	defer transport.Close()
	for address, reason := range map[string]string{
		"127.0.0.1:9": "", "[::1]:9": "", "10.0.0.1:9": "only be on loopback", "8.8.8.8:9": "only be on loopback", "nonsense": "not an address",
	} {
		err := transport.control("tcp", address, nil)
		if reason == "" && err != nil || reason != "" && (err == nil || !strings.Contains(err.Error(), reason)) {
			t.Errorf("%s: %v, want %q", address, err, reason)
		}
	}
}

func TestOnlyDeclaredHostsAreDialled(t *testing.T) {
	b := newBackend(t, answers("application/json", "{}"))
	transport := NewTransport(tool("demo", "http://127.0.0.1:9"))
	defer transport.Close()
	r, err := http.NewRequest("GET", b.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	var blocked *BlockedError
	if res, err := transport.http.RoundTrip(r); !errors.As(err, &blocked) || blocked.Reason != "the host isn't declared" {
		t.Errorf("got %v, %v", res, err)
	}
	if b.conns.Load() != 0 {
		t.Error("the undeclared host was connected to")
	}
	if transport.http.Proxy != nil {
		t.Error("a proxy of the environment could be used")
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	plain := newBackend(t, answers("application/json", "{}"))
	for _, tc := range []struct {
		name, origin, reason string
	}{
		{"nothing listens", "http://" + l.Addr().String(), "host can't be reached"},
		{"no TLS", strings.Replace(plain.URL, "http", "https", 1), "no proper answer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEdge(t, Config{}, tool("maps", tc.origin))
			wantRefusal(t, e.do(t, "GET", "/.tools/maps/x", "empty"), 502, tc.reason)
			if got := e.observed(t, 1); !slices.Equal(got, []string{"maps " + OutcomeUnreachable}) {
				t.Errorf("observed %q", got)
			}
		})
	}
	t.Run("no such name", func(t *testing.T) {
		e := newEdge(t, Config{}, &noticeboard.Tool{Name: "maps", Origin: "https://maps.example.org"})
		e.proxy.upstreams["maps"].transport.dialer.Resolver = nameServer(t, func(int64, bool) []netip.Addr { return nil })
		wantRefusal(t, e.do(t, "GET", "/.tools/maps/x", "empty"), 502, "name can't be resolved")
	})
}

func TestCertificates(t *testing.T) {
	var hits atomic.Int64
	b := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	b.Config.ErrorLog = log.New(io.Discard, "", 0)
	b.StartTLS()
	defer b.Close()
	e := newEdge(t, Config{}, tool("maps", b.URL))
	wantRefusal(t, e.do(t, "GET", "/.tools/maps/x", "empty"), 502, "certificate isn't valid")
	if hits.Load() != 0 {
		t.Error("the tool was asked")
	}
}

func TestTransportKey(t *testing.T) {
	base := noticeboard.Tool{Name: "a", Origin: "https://a.example.org", Hosts: []string{"b.example.org"}}
	same, name, origin, hosts, loopback := base, base, base, base, base
	same.Purpose, same.MaxSize = "other", 7
	name.Name, origin.Origin, hosts.Hosts, loopback.AllowLoopback = "b", "https://c.example.org", nil, true
	if TransportKey(&same) != TransportKey(&base) {
		t.Error("connections would be dropped for nothing")
	}
	for _, other := range []*noticeboard.Tool{&name, &origin, &hosts, &loopback} {
		if TransportKey(other) == TransportKey(&base) {
			t.Errorf("%+v would share connections with %+v", other, base)
		}
	}
}
