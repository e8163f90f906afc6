package caddymodule

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// Clients of each protocol over TLS: a client has one mask in all of them, and no form leaks in any.
func TestLeakByClientProtocol(t *testing.T) {
	testutil.Slow(t)
	e := newLeakEdge(t, leakConfig, "client_mask")
	masks := make(map[netip.Addr]map[string]bool)
	for _, protocol := range []string{"h1", "h2", "h3"} {
		t.Run(protocol, func(t *testing.T) {
			for _, c := range leakClients() {
				t.Run(c.name, func(t *testing.T) {
					client := overTLS(t, protocol, c.source, e.tls, e.roots)
					for _, u := range []string{"HTTP/1.1", "FastCGI", "error page"} {
						u := e.upstream(t, u)
						got := ask(t, client, u.path, leakForm{}, c)
						if got.proto != map[string]int{"h1": 1, "h2": 2, "h3": 3}[protocol] {
							t.Fatalf("the protocol is HTTP/%d", got.proto)
						}
						seen := u.app.One(t).Header.Get("Client-Mask")
						if masks[c.addr] == nil {
							masks[c.addr] = make(map[string]bool)
						}
						masks[c.addr][seen] = true
					}
					for _, f := range leakForms() {
						if f.isFor(c) && !f.onlyH1() {
							t.Run(f.name, func(t *testing.T) { tryFormOverTLS(t, e, client, c, f) })
						}
					}
				})
			}
		})
	}
	for addr, seen := range masks {
		if len(seen) != 1 || !seen[edgetest.ClientMask(t, addr.String())] {
			t.Errorf("%s has the masks %v, want %s in every protocol", addr, seen, edgetest.ClientMask(t, addr.String()))
		}
	}
	e.SearchTraces(t, leakAddrs()...)
}

func tryFormOverTLS(t *testing.T, e *leakEdge, client *http.Client, c leakClient, f leakForm) {
	t.Helper()
	u := e.upstream(t, "HTTP/1.1")
	got := ask(t, client, u.path, f, c)
	var head strings.Builder
	got.header.Write(&head)
	edgetest.WantNone(t, "the response", []byte(head.String()), leakAddrs()...)
	checkForm(t, e, u, c, f, got.leakAnswer, nil)
}

type tlsAnswer struct {
	leakAnswer
	proto int
}

// ask sends a form over TLS.
func ask(t *testing.T, client *http.Client, path string, f leakForm, c leakClient) tlsAnswer {
	t.Helper()
	r, err := http.NewRequest("GET", "https://"+leakHost+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = f.header(c)
	return askFor(t, client, r)
}

func askFor(t *testing.T, client *http.Client, r *http.Request) tlsAnswer {
	t.Helper()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return tlsAnswer{leakAnswer{resp.StatusCode, resp.Header, string(body), nil}, resp.ProtoMajor}
}

// What h2 and h3 spell in their own ways: the authority, trailers, methods, and split cookies.
func TestLeakByPseudoHeaders(t *testing.T) {
	// A site for all hosts. With per_host, Caddy makes labels of whatever Host such a site is sent over TLS, before any handler.
	config := strings.NewReplacer("https://"+leakHost+":{TLSPORT} {", "https://"+leakHost+":{TLSPORT}, https://:{TLSPORT} {",
		"per_host", "").Replace(leakConfig)
	e := newLeakEdge(t, config, "client_mask")
	u := e.upstream(t, "HTTP/1.1")
	for _, protocol := range []string{"h2", "h3"} {
		for _, c := range leakClients()[:3] {
			client := overTLS(t, protocol, c.source, e.tls, e.roots)
			for _, form := range []leakForm{
				{name: ":authority is it", host: "{url}", status: 400, reason: ownAddress},
				{name: ":authority is it, with port", host: "{url}:443", status: 400, reason: ownAddress},
				{name: ":authority is it, mapped", host: "[{mapped}]", status: 400, reason: ownAddress},
				{name: ":authority holds it", host: "{ip}.nip.example", status: 400, reason: ownAddress, v4: true},
				{name: ":method holds it", line: "{word}", status: 400, reason: ownAddress, v4: true},
				{name: "trailers", line: "POST", body: "X-Real-Ip: {ip}\nX-Visitor: {hex}"},
				{name: "cookies", head: "Cookie: a={ip}; b={full}\nCookie: c={hex}"},
			} {
				if !form.isFor(c) {
					continue
				}
				t.Run(protocol+"/"+c.name+"/"+form.name, func(t *testing.T) {
					r, err := http.NewRequest(expandForm(form.line, c, "", ""), "https://"+leakHost+u.path, nil)
					if err != nil {
						t.Fatal(err)
					}
					r.Header, r.Host = form.header(c), expandForm(form.host, c, "", "")
					if form.body != "" {
						r.Body, r.ContentLength = io.NopCloser(strings.NewReader("ok")), -1
						r.Trailer = leakForm{head: form.body}.header(leakClient{addr: c.addr})
					}
					got := askFor(t, client, r)
					checkForm(t, e, u, c, form, got.leakAnswer, nil)
				})
			}
		}
	}
	e.SearchTraces(t, leakAddrs()...)
}
