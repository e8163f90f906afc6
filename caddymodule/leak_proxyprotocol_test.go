package caddymodule

import (
	"bytes"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// proxyHeader is what a balancer sends before a client's bytes.
func proxyHeader(t *testing.T, version byte, client string) string {
	t.Helper()
	source := &net.TCPAddr{IP: net.ParseIP(client), Port: 4711}
	to := &net.TCPAddr{IP: net.ParseIP(leakOther), Port: 443}
	if source.IP.To4() == nil {
		to.IP = net.ParseIP("2001:db8:ffff::1")
	}
	var b bytes.Buffer
	if _, err := proxyproto.HeaderProxyFromAddrs(version, source, to).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A balancer before the edge speaks the PROXY protocol, and the edge speaks it to the app: the
// client is whom the balancer names, and what the app reads is the mask.
func TestLeakThroughPROXYProtocol(t *testing.T) {
	apps := make(map[string]*leakApp)
	routes := ""
	for _, path := range []string{"plain", "v1", "v2"} {
		over, transport := wireProxy, "proxy_protocol "+path
		if path == "plain" {
			over, transport = wireH1, ""
		}
		apps[path] = newLeakApp(t, over, nil)
		routes += "handle /" + path + " {\nreverse_proxy " + apps[path].Address() + " {\ntransport http {\n" + transport + "\n}\n}\n}\n"
	}
	e := edgetest.New(t, `{
		{GLOBAL}
		servers {
			listener_wrappers {
				proxy_protocol {
					allow `+leakRange+`
				}
			}
		}
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	http://{SITE} {
		log {
			output file {DIR}/access.log
			format masked json
		}
		client_mask
		`+routes+`
	}`)
	for _, c := range []struct{ name, source, before, client string }{
		{"v1, IPv4", leakProxy, proxyHeader(t, 1, "203.0.113.77"), "203.0.113.77"},
		{"v2, IPv4", leakProxy, proxyHeader(t, 2, "203.0.113.77"), "203.0.113.77"},
		{"v1, IPv6", leakProxy, proxyHeader(t, 1, "2001:db8:1:2:3:4:5:6"), "2001:db8:1:2:3:4:5:6"},
		{"v2, IPv6", leakProxy, proxyHeader(t, 2, "2001:db8:1:2:3:4:5:6"), "2001:db8:1:2:3:4:5:6"},
		{"v1, mapped", leakProxy, "PROXY TCP6 ::ffff:203.0.113.77 ::ffff:198.51.100.23 4711 443\r\n", "203.0.113.77"},
		{"v1, unknown", leakProxy, "PROXY UNKNOWN\r\n", leakProxy},
		{"v1, unknown with addresses", leakProxy, "PROXY UNKNOWN 203.0.113.77 198.51.100.23 4711 443\r\n", leakProxy},
		{"v2, local", leakProxy, "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", leakProxy},
		{"none", leakProxy, "", leakProxy},
		{"not from a balancer", "127.61.2.3", proxyHeader(t, 1, "203.0.113.77"), "127.61.2.3"},
	} {
		for path, a := range apps {
			t.Run(c.name+" to "+path, func(t *testing.T) {
				request := "GET /" + path + " HTTP/1.1\r\nHost: " + e.Site + "\r\nX-Forwarded-For: 203.0.113.77\r\nX-Visitor: " + c.client + "\r\n\r\n"
				got := sendBytes(t, c.source, e.Site, c.before+request)
				if got.status != http.StatusOK {
					t.Errorf("status %d", got.status)
				}
				edgetest.WantNone(t, "the response", got.raw, leakAddrs()...)
				seen := a.rec.taken()
				edgetest.WantNone(t, "the app", seen, leakAddrs()...)
				r, mask := a.One(t), edgetest.ClientMask(t, c.client)
				if xff := r.Header.Get("X-Forwarded-For"); xff != mask {
					t.Errorf("X-Forwarded-For: %q, want %s", xff, mask)
				}
				if path == "plain" {
					return
				}
				if r.RemoteAddr != "["+mask+"]:0" {
					t.Errorf("the peer is %s, want the mask %s and port 0", r.RemoteAddr, mask)
				}
				if path == "v1" && bytes.Contains(seen, []byte("PROXY ")) && !bytes.Contains(seen, []byte("PROXY TCP6 "+mask+" :: 0 0\r\n")) {
					t.Errorf("the header is not %q, in %q", "PROXY TCP6 "+mask+" :: 0 0", seen)
				}
			})
		}
	}
	for _, broken := range []string{
		"PROXY TCP4 203.0.113.77 198.51.100.23 4711\r\n", "PROXY TCP4 203.0.113.777 198.51.100.23 4711 443\r\n",
		"PROXY TCP9 203.0.113.77\r\n", "PROXY 203.0.113.77 " + strings.Repeat("x", 200) + "\r\n",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x02\xcb\x00\x71\x4d",
	} {
		t.Run("broken", func(t *testing.T) {
			conn := dialFrom(t, leakProxy, e.Site)
			defer conn.Close()
			if _, err := conn.Write([]byte(broken + "GET /plain HTTP/1.1\r\nHost: " + e.Site + "\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
			var answer bytes.Buffer
			answer.ReadFrom(conn) // or a reset
			if status, _, _ := strings.Cut(answer.String(), "\r\n"); strings.Contains(status, " 5") {
				t.Errorf("answered %q", status)
			}
			edgetest.WantNone(t, "the answer", answer.Bytes(), leakAddrs()...)
			for path, a := range apps {
				edgetest.WantNone(t, path, a.rec.taken(), leakAddrs()...)
				if n := len(a.Take()); n != 0 {
					t.Errorf("the app behind %s got %d requests", path, n)
				}
			}
		})
	}
	e.SearchTraces(t, append(leakAddrs(), netip.MustParseAddr("2001:db8:ffff::1"))...)
}
