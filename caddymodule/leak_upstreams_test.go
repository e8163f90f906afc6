package caddymodule

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// Every hostile form, of every kind of client, to an app behind every kind of upstream:
// no byte of the address arrives, and the mask does.
func TestLeakToUpstreams(t *testing.T) {
	testutil.Slow(t)
	e := newLeakEdge(t, leakConfig, "client_mask")
	for _, u := range e.upstreams {
		t.Run(u.name, func(t *testing.T) {
			for i, c := range leakClients() {
				if i%2 == 1 && u.name != "HTTP/1.1" {
					continue // enough to tell the upstreams apart
				}
				t.Run(c.name, func(t *testing.T) {
					for _, f := range leakForms() {
						if f.isFor(c) && u.takes(f) {
							t.Run(f.name, func(t *testing.T) { tryForm(t, e, u, c, f, nil) })
						}
					}
				})
			}
		})
	}
	e.SearchTraces(t, leakAddrs()...)
	for _, c := range leakClients() {
		if !strings.Contains(e.ReadLog(t), edgetest.ClientMask(t, c.addr.String())) {
			t.Errorf("the log does not hold the mask of %s: was there anything to find?", c.name)
		}
	}
}

func TestLeakByNetworksMode(t *testing.T) {
	testutil.Slow(t)
	for _, mode := range []string{"xff", "off"} {
		t.Run(mode, func(t *testing.T) {
			e := newLeakEdge(t, leakConfig, "client_mask {\nnetworks "+mode+"\n}")
			u := e.upstream(t, "HTTP/1.1")
			for _, c := range leakClients()[:3] {
				networks := networkMasksOf(t, c.addr)
				xff := append(slices.Clone(networks), edgetest.ClientMask(t, c.addr.String()))
				if mode == "off" {
					xff, networks = xff[len(xff)-1:], nil
				}
				t.Run(c.name, func(t *testing.T) {
					for _, f := range leakForms() {
						if f.isFor(c) {
							t.Run(f.name, func(t *testing.T) { tryForm(t, e, u, c, f, &wantedHeaders{xff, networks}) })
						}
					}
				})
			}
			e.SearchTraces(t, leakAddrs()...)
		})
	}
}

// wantedHeaders is what an app is to get for its lists of masks.
type wantedHeaders struct{ xff, networks []string }

// tryForm sends a form over HTTP/1.1 and looks at what came of it.
func tryForm(t *testing.T, e *leakEdge, u *leakUpstream, c leakClient, f leakForm, want *wantedHeaders) {
	t.Helper()
	got := sendBytes(t, c.source, e.Site, f.request(c, e.Site, u.path, u.more))
	edgetest.WantNone(t, "the response", got.raw, leakAddrs()...)
	checkForm(t, e, u, c, f, got, want)
}

// checkForm looks at what came of a form: nothing to any app but masks.
func checkForm(t *testing.T, e *leakEdge, u *leakUpstream, c leakClient, f leakForm, got leakAnswer, want *wantedHeaders) {
	t.Helper()
	requests := u.app.Take()
	for _, other := range e.upstreams {
		wire := other.app.rec.taken()
		edgetest.WantNone(t, "the app behind "+other.name, wire, leakAddrs()...)
		wantNoSpelling(t, "the app behind "+other.name, wire, c.addr)
		if others := other.app.Take(); len(others) != 0 && other.status != http.StatusNotFound {
			t.Errorf("the app behind %s got %d requests", other.name, len(others))
		}
	}
	if got.status >= 500 {
		t.Errorf("status %d: %q", got.status, got.body)
	}
	if f.status != 0 {
		if got.status != f.status || !strings.Contains(got.body, f.reason) {
			t.Errorf("status %d %q, want %d with %q", got.status, got.body, f.status, f.reason)
		}
		if len(requests) != 0 && u.status != http.StatusNotFound {
			t.Errorf("the app got %d requests", len(requests))
		}
		return
	}
	if len(requests) != 1 {
		t.Fatalf("status %d %q; the app got %d requests, want 1", got.status, got.body, len(requests))
	}
	if got.status != u.status {
		t.Errorf("status %d, want %d", got.status, u.status)
	}
	if want == nil {
		want = &wantedHeaders{[]string{edgetest.ClientMask(t, c.addr.String())}, networkMasksOf(t, c.addr)}
	}
	checkMasks(t, requests[0], c, u.peer, want)
}

// checkMasks checks what an app sees of a client.
func checkMasks(t *testing.T, r *http.Request, c leakClient, peer bool, want *wantedHeaders) {
	t.Helper()
	mask := edgetest.ClientMask(t, c.addr.String())
	for name, want := range map[string][]string{
		"Client-Mask": {mask}, "X-Forwarded-For": want.xff, "Client-Network-Masks": want.networks, "Client-Network": nil,
	} {
		if got := strings.Join(r.Header.Values(name), "|"); got != strings.Join(want, ", ") {
			t.Errorf("%s: %q, want %q", name, got, strings.Join(want, ", "))
		}
	}
	if peer && r.RemoteAddr != "["+mask+"]:0" {
		t.Errorf("the peer address is %s, want [%s]:0", r.RemoteAddr, mask)
	}
	if len(r.Trailer) != 0 {
		t.Errorf("trailers: %v", r.Trailer)
	}
}
