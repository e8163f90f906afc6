package caddymodule

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// Chains of proxies, trusted and not, good and broken: whoever Caddy takes for the client is
// masked, and no other hop's address passes either.
func TestLeakOfProxyChains(t *testing.T) {
	testutil.Slow(t)
	const (
		trusted = "trusted_proxies static " + leakRange + " 198.51.100.0/24"
		strict  = "\ntrusted_proxies_strict"
		client  = "203.0.113.77"
		forged  = "192.0.2.55"
		peer    = leakProxy
	)
	for _, c := range []struct {
		name, servers, source string
		head                  string
		client                string // "": refused
	}{
		{"stranger, believed in nothing", trusted, "127.61.2.3", "X-Forwarded-For: 203.0.113.77, 198.51.100.23", "127.61.2.3"},
		{"nobody trusted", "", peer, "X-Forwarded-For: 203.0.113.77, 198.51.100.23", peer},
		{"no header", trusted, peer, "", peer},
		{"one hop", trusted, peer, "X-Forwarded-For: " + client, client},
		{"two hops", trusted, peer, "X-Forwarded-For: 203.0.113.77, 198.51.100.23", client},
		{"two hops, two lines", trusted, peer, "X-Forwarded-For: 203.0.113.77\nX-Forwarded-For: 198.51.100.23", client},
		{"two hops, strict", trusted + strict, peer, "X-Forwarded-For: 203.0.113.77, 198.51.100.23", client},
		{"forged start", trusted, peer, "X-Forwarded-For: 192.0.2.55, 203.0.113.77, 198.51.100.23", forged},
		{"forged start, strict", trusted + strict, peer, "X-Forwarded-For: 192.0.2.55, 203.0.113.77, 198.51.100.23", client},
		{"all trusted, strict", trusted + strict, peer, "X-Forwarded-For: 198.51.100.23, 127.61.9.9", "198.51.100.23"},
		{"ports", trusted + strict, peer, "X-Forwarded-For: 203.0.113.77:4711,198.51.100.23:80", client},
		{"mapped", trusted + strict, peer, "X-Forwarded-For: ::ffff:203.0.113.77,198.51.100.23", client},
		{"mapped, hex, bracketed", trusted + strict, peer, "X-Forwarded-For: [::ffff:cb00:714d]:80", client},
		{"IPv6", trusted + strict, peer, "X-Forwarded-For: 2001:DB8:1:2:3:4:5:6, 198.51.100.23", "2001:db8:1:2:3:4:5:6"},
		{"IPv6, full", trusted, peer, "X-Forwarded-For: 2001:0db8:0001:0002:0003:0004:0005:0006", "2001:db8:1:2:3:4:5:6"},
		{"zoned", trusted, peer, "X-Forwarded-For: fe80::1%eth0, 203.0.113.77", "fe80::1"},
		{"zoned, with port", trusted + strict, peer, "X-Forwarded-For: [fe80::1%25eth0]:80, 198.51.100.23", "fe80::1"},
		{"commas", trusted, peer, "X-Forwarded-For: ,,,", ""},
		{"empty", trusted, peer, "X-Forwarded-For:", ""},
		{"unknown", trusted, peer, "X-Forwarded-For: unknown", ""},
		{"unknown first", trusted, peer, "X-Forwarded-For: unknown, 203.0.113.77", ""},
		{"open bracket", trusted + strict, peer, "X-Forwarded-For: 203.0.113.77, [::1", ""},
		{"only an open bracket", trusted, peer, "X-Forwarded-For: [::1", ""},
		{"quoted", trusted, peer, `X-Forwarded-For: "203.0.113.77"`, client},
		{"obfuscated", trusted, peer, "X-Forwarded-For: _hidden, 203.0.113.77", ""},
		{"not an address", trusted, peer, "X-Forwarded-For: 203.0.113.777, 203.0.113, 203.0.113.77.", ""},
		{"Forwarded in place of it", trusted, peer, "Forwarded: for=203.0.113.77;by=198.51.100.23", peer},
		{"unspecified", trusted, peer, "X-Forwarded-For: 0.0.0.0", ""},
		{"loopback", trusted, peer, "X-Forwarded-For: ::1, 203.0.113.77", "::1"},
		// Case 4: a mask is nobody's address.
		{"a mask", trusted, peer, "X-Forwarded-For: 2001:2f::1, 203.0.113.77", ""},
		{"a mask, strict", trusted + strict, peer, "X-Forwarded-For: 203.0.113.77, 2001:2f::1", ""},
		{"a network's mask, strict", trusted + strict, peer, "X-Forwarded-For: 203.0.113.77, 2001:2e::1, 198.51.100.23", ""},
		{"any ORCHID, strict", trusted + strict, peer, "X-Forwarded-For: [2001:20::1]:80", ""},
		{"a stranger's mask, believed in nothing", trusted, "127.61.2.3", "X-Forwarded-For: 2001:2f::1", "127.61.2.3"},
		// Case 3: what can only mean one address is read.
		{"case 3, brackets", trusted + strict, peer, "X-Forwarded-For: [2001:db8:1:2::9]", "2001:db8:1:2::9"},
		{"case 3, brackets, not strict", trusted, peer, "X-Forwarded-For: [2001:db8:1:2::9], 198.51.100.23", "2001:db8:1:2::9"},
		{"case 3, port without brackets", trusted + strict, peer, "X-Forwarded-For: 2001:db8:1:2:3:4:5:6:51108", "2001:db8:1:2:3:4:5:6"},
		{"case 3, port without brackets, two hops", trusted + strict, peer, "X-Forwarded-For: 2001:db8:1:2:3:4:5:6:51108, 198.51.100.23", "2001:db8:1:2:3:4:5:6"},
		{"case 3, quotes", trusted + strict, peer, `X-Forwarded-For: "203.0.113.9"`, "203.0.113.9"},
		{"case 3, zeros", trusted + strict, peer, "X-Forwarded-For: 203.0.113.009", "203.0.113.9"},
		{"case 3, zeros that may be octal", trusted + strict, peer, "X-Forwarded-For: 203.0.113.011", ""},
		{"case 3, dash", trusted + strict, peer, "X-Forwarded-For: -", ""},
		{"case 3, empty", trusted + strict, peer, "X-Forwarded-For:", ""},
		{"case 3, unknown", trusted + strict, peer, "X-Forwarded-For: unknown", ""},
		{"case 3, unreadable after the client", trusted + strict, peer, "X-Forwarded-For: 203.0.113.77, unknown, 198.51.100.23", ""},
		{"case 3, unreadable before the client", trusted + strict, peer, "X-Forwarded-For: unknown, 203.0.113.77, 198.51.100.23", client},
		{"case 3, Forwarded", trusted + strict + "\nclient_ip_headers Forwarded", peer, `Forwarded: for="[2001:db8:1:2::9]:4711";by=198.51.100.23`, "2001:db8:1:2::9"},
		{"case 3, Forwarded, obfuscated", trusted + strict + "\nclient_ip_headers Forwarded", peer, "Forwarded: for=_hidden", ""},
		{"case 3, two headers, the first blank", trusted + strict + "\nclient_ip_headers X-Hops X-Way", peer, "X-Hops:\nX-Way: 203.0.113.77", client},
		{"another header", trusted + "\nclient_ip_headers X-Real-IP", peer, "X-Real-IP: 203.0.113.77\nX-Forwarded-For: 192.0.2.55", client},
		{"a header of the operator's own", trusted + "\nclient_ip_headers X-Hops", peer, "X-Hops: 203.0.113.77, 198.51.100.23, 192.0.2.55", client},
		{"a header of the operator's own, strict", trusted + strict + "\nclient_ip_headers X-Hops X-Way", peer,
			"X-Hops: unknown\nX-Way: 192.0.2.55, 203.0.113.77, 198.51.100.23", ""},
		{"a header of the operator's own, from a stranger", trusted + "\nclient_ip_headers X-Hops", "127.61.2.3", "X-Hops: 203.0.113.77, 127.61.2.3", "127.61.2.3"},
		{"long chain", trusted + strict, peer, "X-Forwarded-For: 203.0.113.77" + strings.Repeat(", 198.51.100.23", 500), client},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newLeakApp(t, wireH1, nil)
			e := edgetest.New(t, `{
				{GLOBAL}
				servers {
					`+c.servers+`
				}
				wikiveil {
					secret `+edgetest.Secret+`
				}
			}
			http://{SITE} {
				client_mask
				reverse_proxy `+a.Address()+`
			}`)
			head := strings.ReplaceAll(strings.Trim("GET / HTTP/1.1\nHost: "+e.Site+"\nX-Visitor: "+c.client+"\nX-Client-Info: ip="+c.client+"\n"+c.head, "\n")+"\n\n", "\n", "\r\n")
			got := sendBytes(t, c.source, e.Site, head)
			if c.client == "" {
				if got.status != http.StatusServiceUnavailable || !strings.Contains(string(got.body), "can't tell the client's address") {
					t.Errorf("status %d, %s", got.status, got.body)
				}
				if requests := a.Take(); len(requests) != 0 {
					t.Errorf("the app got %d requests", len(requests))
				}
				return
			}
			secrets := append(leakAddrs(), netip.MustParseAddr(forged))
			if addr := netip.MustParseAddr(c.client); !addr.IsUnspecified() && addr != netip.IPv6Loopback() {
				secrets = append(secrets, addr)
			}
			edgetest.WantNone(t, "the app", a.rec.taken(), secrets...)
			r := a.One(t)
			if got.status != http.StatusOK {
				t.Errorf("status %d", got.status)
			}
			want := edgetest.ClientMask(t, c.client)
			if mask, xff := r.Header.Values("Client-Mask"), r.Header.Values("X-Forwarded-For"); !slices.Equal(mask, []string{want}) || !slices.Equal(xff, mask) {
				t.Errorf("Client-Mask %q, X-Forwarded-For %q, want %s", mask, xff, want)
			}
		})
	}
}

// Caddy drops names with an underscore or a dot by itself, until an operator lets them in.
func TestLeakByAliasesLetIn(t *testing.T) {
	const client = "127.61.2.3"
	a := newLeakApp(t, wireH1, nil)
	e := edgetest.New(t, `{
		{GLOBAL}
		servers {
			expected_underscore_headers X_* Client_* Http_* Remote_* Cf_*
			expected_dot_headers X.* Client.* 127.*
		}
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	http://{SITE} {
		client_mask
		reverse_proxy `+a.Address()+`
	}`)
	for _, line := range []string{
		"X_Forwarded_For: {other}", "X.Forwarded.For: {other}", "X_Real_IP: {other}", "X.Real.Ip: {other}", "x_real_ip: {ip}",
		"Http_X_Forwarded_For: {other}", "Http_Client_IP: {other}", "Remote_Addr: {other}", "Cf_Connecting_IP: {other}",
		"Client_IP: {other}", "Client_Mask: 2001:2f::bad", "Client.Mask: 2001:2f::bad", "client_network_masks: 2001:2e::bad", "Client.Network: tor",
		"X_Visitor: {ip}", "X.Visitor: {hex}", "X.127.61.2.3: seen", "127.61.2.3: seen",
	} {
		t.Run(line, func(t *testing.T) {
			c := leakClients()[0]
			got := sendBytes(t, client, e.Site, leakForm{head: line}.request(c, e.Site, "/", ""))
			seen := a.rec.taken()
			edgetest.WantNone(t, "the app", seen, leakAddrs()...)
			if got.status != http.StatusOK {
				t.Errorf("status %d", got.status)
			}
			for _, forged := range []string{"::bad", ": tor"} {
				if strings.Contains(string(seen), forged) {
					t.Errorf("forged: %q", seen)
				}
			}
			a.One(t)
		})
	}
	e.SearchTraces(t, leakAddrs()...)
}
