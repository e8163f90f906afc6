package anonproxy

import (
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/internal/testutil/wiretest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func startWire(t *testing.T, config *tls.Config) *wiretest.Server {
	t.Helper()
	config.Certificates = tooltest.Pair()
	return wiretest.Start(t, "127.0.0.1:0", config, func(string) (string, string) { return "application/json", "{}" })
}

// readers differ in all that a browser tells.
var readers = []map[string]string{
	{"User-Agent": "Mozilla/5.0 (X11)", "Accept-Language": "de", "Cookie": "session=alice", "Referer": "https://wiki/Alice", "X-Forwarded-For": "203.0.113.1", "Accept": "*/*"},
	{"User-Agent": "curl", "Accept-Language": "ja,en;q=0.1", "Cookie": "session=bob; x=y", "DNT": "1", "Accept-Encoding": "br", "Priority": "u=1", "Sec-CH-UA": `"x"`, "Range": "bytes=0-1"},
	{"Authorization": "Basic eA==", "If-None-Match": `"marked"`, "Origin": "https://wiki", "Te": "trailers", "Via": "1.1 x", "Connection": "close"},
}

func as(reader map[string]string) func(*http.Request) {
	return func(r *http.Request) {
		for name, value := range reader {
			r.Header.Set(name, value)
		}
	}
}

// What a tool gets is the same bytes, whoever asks and whoever asked before.
func TestToolGetsTheSameBytes(t *testing.T) {
	for _, proto := range []string{"h2", "http/1.1"} {
		t.Run(proto, func(t *testing.T) {
			server := startWire(t, &tls.Config{NextProtos: []string{proto}})
			e := newEdge(t, Config{}, tool("maps", "https://"+server.Address, noticeboard.Data, noticeboard.Img, noticeboard.Font, noticeboard.Style, noticeboard.Media))
			e.trust(t, "maps")
			var connections []wiretest.Connection
			for dest, kind := range map[string]string{"empty": "json", "image": "image/", "font": "font/", "style": "css", "video": "video"} {
				first := ""
				for i := range 30 {
					e.do(t, "GET", fmt.Sprintf("/.tools/maps/other/%d", i*i), dest, as(readers[i%len(readers)]))
					if i%3 == 2 {
						e.proxy.upstreams()["maps"].transport.Close() // so that some are the first of their connection
					}
					_, more := server.Take()
					connections = append(connections, more...)
					e.do(t, "GET", "/.tools/maps/place?name=here", dest, as(readers[i%len(readers)]))
					asked, more := server.Take()
					connections = append(connections, more...)
					if len(asked) != 1 || asked[0].Path != "/place?name=here" {
						t.Fatalf("the tool was asked %q", asked)
					}
					if first == "" {
						first = asked[0].Bytes
					}
					if asked[0].Bytes != first {
						t.Fatalf("for %s, reader %d:\n%s\nat first\n%s", dest, i, hex.Dump([]byte(asked[0].Bytes)), hex.Dump([]byte(first)))
					}
				}
				if proto == "http/1.1" && !strings.Contains(first, kind) {
					t.Errorf("for %s the tool got %q", dest, first)
				}
			}
			if len(connections) < 10 {
				t.Fatalf("only %d connections", len(connections))
			}
			for _, c := range connections {
				if c.Begin != connections[0].Begin || proto == "h2" != strings.HasPrefix(c.Begin, http2.ClientPreface) {
					t.Errorf("a connection begins %x, another %x", c.Begin, connections[0].Begin)
				}
			}
		})
	}
}

// TLS is the edge's own: the ClientHello is the same for all readers, but for what is random or a key.
func TestClientHelloIsTheSame(t *testing.T) {
	for _, tc := range []struct {
		name   string
		config *tls.Config
		hellos int
	}{
		{"TLS 1.3", &tls.Config{NextProtos: []string{"h2", "http/1.1"}}, 1},
		{"TLS 1.3 with a retry", &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP521}}, 2}, // no client offers its key at once
		{"TLS 1.2", &tls.Config{MaxVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := startWire(t, tc.config)
			e := newEdge(t, Config{}, tool("maps", "https://"+server.Address))
			e.trust(t, "maps")
			for i := range 6 {
				if a := e.do(t, "GET", "/.tools/maps/x", "empty", as(readers[i%len(readers)])); a.status/100 != 2 { // one wants a range
					t.Fatalf("got %d %s", a.status, a.body)
				}
				e.proxy.upstreams()["maps"].transport.Close()
			}
			_, connections := server.Take()
			if len(connections) != 6 {
				t.Fatalf("%d connections, want one for each reader", len(connections))
			}
			first := strings.Join(connections[0].Hello, "\n") + "\n"
			for i, c := range connections {
				if got := strings.Join(c.Hello, "\n") + "\n"; got != first {
					t.Errorf("handshake %d says\n%s\nthe first\n%s", i, got, first)
				}
			}
			const alpn, versions = "\n16: 000c02683208687474702f312e31\n", "\n43: 0403040303\n" // h2, http/1.1; TLS 1.3 and 1.2
			if n := strings.Count(first, "version 0303\n"); n != tc.hellos || strings.Count(first, alpn) != n || strings.Count(first, versions) != n {
				t.Errorf("%d ClientHellos say\n%s", n, first)
			}
			for _, resumed := range []string{"\n41:", "\n35: 0"} { // a pre-shared key, a session ticket
				if strings.Contains(first, resumed) {
					t.Errorf("a session is resumed, so handshakes can be linked:\n%s", first)
				}
			}
		})
	}
}
