package policy

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/csp/bare"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

const ownAnswersSite = `{
		{GLOBAL}
		servers {
			{SERVERS}
		}
	}
	https://{SITE} {
		tls {CERT} {KEY}
		csp
		reverse_proxy {APP}
	}
	https://127.0.0.1:{PLAINPORT} {
		tls {CERT} {KEY}
		client_mask
		csp strict
		reverse_proxy {APP}
	}
	http://{PLAIN} {
		csp
		reverse_proxy {APP}
	}`

// ownAnswersEdge is a wiki over https, and over http at plain.
func ownAnswersEdge(t *testing.T, servers string) (e *edgetest.Edge, a *edgetest.Backend, plain string, roots *x509.CertPool) {
	t.Helper()
	a = edgetest.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") })
	certificate, key, roots := edgetest.SelfSigned(t)
	plain = edgetest.FreePort(t)
	other := edgetest.FreePort(t)
	e = edgetest.New(t, strings.NewReplacer("{SERVERS}", servers, "{CERT}", certificate, "{KEY}", key, "{APP}", a.Address(), "{PLAIN}", plain,
		"{PLAINPORT}", other[strings.LastIndexByte(other, ':')+1:]).Replace(ownAnswersSite))
	return e, a, plain, roots
}

// Case 54: what the server answers by itself over HTTP/1.1 has a policy that lets nothing load.
func TestCase54OwnAnswersOverHTTP1(t *testing.T) {
	testutil.Slow(t)
	for name, tt := range map[string]struct{ servers, before string }{
		"no wrappers":      {"", ""},
		"a wrapper before": {"listener_wrappers {\nproxy_protocol {\nallow 127.0.0.0/8\n}\ntls\n}", "PROXY TCP4 203.0.113.77 127.0.0.1 4711 443\r\n"},
		"in the config":    {"listener_wrappers {\nproxy_protocol {\nallow 127.0.0.0/8\n}\ntls\ncsp\n}", "PROXY TCP4 203.0.113.77 127.0.0.1 4711 443\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			e, a, plain, _ := ownAnswersEdge(t, tt.servers)
			for scheme, address := range map[string]string{"http": plain, "https": e.Site} {
				for request, status := range map[string]int{
					"GET /%zz HTTP/1.1\r\nHost: " + address + "\r\n\r\n":                                                         400,
					"GET / HTTP/1.1\r\nHost: " + address + "\r\nTransfer-Encoding: gzip\r\n\r\n":                                 501,
					"GET / HTTP/4.0\r\nHost: " + address + "\r\n\r\n":                                                            505,
					"POST / HTTP/1.1\r\nHost: " + address + "\r\nContent-Length: 1\r\nExpect: more\r\n\r\nx":                     417,
					"GET /" + strings.Repeat("x", 20<<10) + " HTTP/1.1\r\nHost: " + address + "\r\n\r\n":                         431,
					"GET /" + strings.Repeat("x", bare.HeaderLimit(64<<10)+5<<10) + " HTTP/1.1\r\nHost: " + address + "\r\n\r\n": 431,
				} {
					conn, err := net.Dial("tcp", address)
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					if _, err := io.WriteString(conn, tt.before); err != nil {
						t.Fatal(err)
					}
					if scheme == "https" {
						conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
					}
					go io.WriteString(conn, request)
					resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
					if err != nil {
						t.Errorf("%s %.60q: %v", scheme, request, err)
						continue
					}
					body, _ := io.ReadAll(resp.Body)
					policy := resp.Header[policyHeader]
					if resp.StatusCode != status || len(policy) != 1 || !strings.Contains(policy[0], "default-src 'none'") || strings.Contains(string(body), "page") {
						t.Errorf("%s %.60q: %s with the policy %q: %q", scheme, request, resp.Status, policy, body)
					}
				}
			}
			if n := len(a.Take()); n != 0 {
				t.Errorf("the app got %d requests", n)
			}
		})
	}
}

// Case 54: a TLS port that is spoken to in plain HTTP, by a raw socket, answers nothing, or where the config has Caddy's
// http_redirect, where to go instead, without a document. Over TLS the policy stays.
func TestCase54PlainHTTPToATLSPort(t *testing.T) {
	testutil.Slow(t)
	for name, tt := range map[string]struct {
		servers  string
		redirect bool
	}{
		"no wrappers":        {"", false},
		"before tls":         {"listener_wrappers {\nhttp_redirect\ntls\n}", true},
		"before tls and csp": {"listener_wrappers {\nhttp_redirect\ntls\ncsp\n}", true},
	} {
		t.Run(name, func(t *testing.T) {
			e, a, _, _ := ownAnswersEdge(t, tt.servers)
			for request, read := range map[string]bool{ // by http_redirect
				"GET / HTTP/1.1\r\nHost: " + e.Site + "\r\n\r\n":                                                  true,
				"GET //evil.example/ HTTP/1.1\r\nHost: " + e.Site + "\r\n\r\n":                                    true,
				"GET / HTTP/1.1\r\nHost: " + e.Site + "\r\n\r\nGET /two HTTP/1.1\r\nHost: " + e.Site + "\r\n\r\n": true,
				"POST / HTTP/1.1\r\nHost: " + e.Site + "\r\nContent-Length: 1\r\nExpect: more\r\n\r\nx":           true,
				"GET /%zz HTTP/1.1\r\nHost: " + e.Site + "\r\n\r\n":                                               false,
				"GET / HTTP/1.1\r\nHost: " + e.Site + "\r\nTransfer-Encoding: gzip\r\n\r\n":                       false,
				"GET /" + strings.Repeat("x", 2<<20) + " HTTP/1.1\r\nHost: " + e.Site + "\r\n\r\n":                false,
				"PUT x HTTP/1.1\r\n\r\n": false,
				"no request\r\n\r\n":     false,
				"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00": false,
			} {
				conn, err := net.Dial("tcp", e.Site)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				go io.WriteString(conn, request)
				answer, err := io.ReadAll(conn)
				want := ""
				if tt.redirect && read {
					_, path, _ := strings.Cut(request, " ")
					path, _, _ = strings.Cut(path, " ")
					want = "HTTP/1.0 308 Permanent Redirect\r\nLocation: https://" + e.Site + path + "\r\nContent-Length: 0\r\n\r\n"
				}
				// A TLS alert is no document, and the connection may be reset over what wasn't read.
				if got := string(answer); got != want && !strings.HasPrefix(got, "\x15\x03") {
					t.Errorf("%.60q: %q (%v), want %q", request, got, err, want)
				}
			}
			if n := len(a.Take()); n != 0 {
				t.Errorf("the app got %d requests", n)
			}
			conn, err := tls.Dial("tcp", e.Site, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go io.WriteString(conn, "GET /%zz HTTP/1.1\r\nHost: "+e.Site+"\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || resp.StatusCode != 400 || resp.Header.Get(policyHeader) != bare.Policy {
				t.Errorf("over TLS: %v, %v", resp, err)
			}
		})
	}
}

// Case 54: over HTTP/2 and HTTP/3, too, no address is too long for an answer with the policy, and one that is far too
// long has no answer, or one without a body, which browsers replace by a page of their own.
func TestCase54OwnAnswersOverTLS(t *testing.T) {
	testutil.Slow(t)
	e, a, _, roots := ownAnswersEdge(t, "")
	for _, protocol := range []string{"h1", "h2", "h3"} {
		config := &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, Protocols: new(http.Protocols)}}
		if protocol == "h3" {
			client.Transport = edgetest.NewH3(t, "127.61.9.9", e.Site, config)
		} else {
			client.Transport.(*http.Transport).Protocols.SetHTTP1(protocol == "h1")
			client.Transport.(*http.Transport).Protocols.SetHTTP2(protocol == "h2")
			defer client.CloseIdleConnections()
		}
		for length, status := range map[int]int{10: 200, 12 << 10: 200, 16 << 10: 431, 17 << 10: 431, 60 << 10: 431, 300 << 10: 0, 3 << 20: 0} {
			resp, err := client.Get("https://" + e.Site + "/" + strings.Repeat("X", length))
			if err != nil {
				if status != 0 {
					t.Errorf("%s, %d bytes: %v", protocol, length, err)
				}
				continue
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			policy := resp.Header.Get(policyHeader)
			switch {
			case status == 0 && resp.StatusCode == 431 && protocol == "h3" && len(body) == 0:
			case status == 0 && resp.StatusCode == 431 && protocol == "h1" && policy == bare.Policy:
			case resp.StatusCode != status || policy == "":
				t.Errorf("%s, %d bytes: %s with the policy %q: %.100q", protocol, length, resp.Status, policy, body)
			}
		}
		for _, r := range a.Take() {
			if len(r.RequestURI) > 16<<10 {
				t.Errorf("%s: the app got %d bytes of address", protocol, len(r.RequestURI))
			}
			if r.Header.Get("X-Forwarded-Proto") != "https" {
				t.Errorf("%s: the app is told of %q", protocol, r.Header.Get("X-Forwarded-Proto"))
			}
		}
	}
	if got := e.Metrics(t)[`wikiveil_refused_requests_total{reason="header_too_large"}`]; got != 9 {
		t.Errorf("%v are counted, want 9", got)
	}
}

// Where the server's own answers can't be reached, nothing starts.
func TestCase54RefusedWithoutListener(t *testing.T) {
	for name, tt := range map[string]struct{ servers, want string }{
		"before tls": {"listener_wrappers {\ncsp\ntls\n}", "stands before tls"},
		"arguments":  {"listener_wrappers {\ncsp strict\n}", "wrong argument count"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			e := &edgetest.Edge{Dir: dir, Log: filepath.Join(dir, "edge.log"), Admin: edgetest.FreePort(t), Site: edgetest.FreePort(t)}
			adapted, _, err := edgetest.AdaptWarnings(e.Expand("{\n{GLOBAL}\nservers {\n" + tt.servers + "\n}\n}\nhttp://{SITE} {\ncsp\n}"))
			if err == nil {
				var config caddy.Config
				if err := json.Unmarshal(adapted, &config); err != nil {
					t.Fatal(err)
				}
				err = caddy.Validate(&config)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
