package caddymodule

import (
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/masking/spelling"
)

// Without client_mask and with plain logs, the same search along the same ways finds the
// address in what each app reads and in the logs: else the other tests could not fail.
func TestLeakBaseline(t *testing.T) {
	plain := strings.NewReplacer("skip_install_trust", `skip_install_trust
		log plain {
			output file {DIR}/plain.log
			format raw json
			level DEBUG
		}`, "masked json", "raw json").Replace(leakConfig)
	e := newLeakEdge(t, plain, "")
	for _, c := range leakClients() {
		for _, u := range e.upstreams {
			t.Run(c.name+", "+u.name, func(t *testing.T) {
				got := sendBytes(t, c.source, e.Site, leakForm{head: "X-Visitor: {ip}"}.request(c, e.Site, u.path, u.more))
				if got.status != u.status {
					t.Errorf("status %d, want %d", got.status, u.status)
				}
				seen := edgetest.NewHaystack(u.app.rec.taken())
				if _, ok := seen.Find(c.addr); !ok {
					t.Errorf("%s is not found in what the app got: %q", c.addr, seen.Raw)
				}
			})
		}
	}
	for _, protocol := range []string{"h1", "h2", "h3"} {
		c, u := leakClients()[0], e.upstream(t, "HTTP/1.1")
		ask(t, overTLS(t, protocol, c.source, e.tls, e.roots), u.path, leakForm{}, c)
		if _, ok := edgetest.NewHaystack(u.app.rec.taken()).Find(c.addr); !ok {
			t.Errorf("%s: %s is not found in what the app got", protocol, c.addr)
		}
	}
	failHandshakes(t, "127.61.77.3", e.tls)
	traces := e.Traces(t)
	for _, c := range leakClients() {
		for _, name := range []string{"/plain.log", "/access.log"} {
			if _, ok := edgetest.NewHaystack(traces[name]).Find(c.addr); !ok {
				t.Errorf("%s is not found in %s", c.addr, name)
			}
		}
		edgetest.WantNone(t, "the log that is masked all the same", traces["/edge.log"], c.addr)
	}
	if !strings.Contains(string(traces["/plain.log"]), "TLS handshake error from 127.61.77.3:") {
		t.Error("no failed handshake is found in the log")
	}
}

// In each form as it is sent, the search finds what must not arrive.
func TestLeakFormsHoldAddresses(t *testing.T) {
	without := map[string]bool{ // these are about something else
		"nothing special": true, "masks of ours": true, "Connection names the masks": true, "commas": true,
	}
	names := make(map[string]bool)
	for _, f := range leakForms() {
		if names[f.name] {
			t.Errorf("two forms are called %q", f.name)
		}
		names[f.name] = true
		for _, c := range leakClients() {
			if !f.isFor(c) || without[f.name] {
				continue
			}
			c.via = "" // the proxy's own line would be found
			sent := edgetest.NewHaystack([]byte(f.request(c, "edge.test", "/", "")))
			found := false
			for _, addr := range leakAddrs() {
				_, ok := sent.Find(addr)
				found = found || ok
			}
			if strings.Contains(f.name, "case 1") || strings.Contains(f.name, "(case 2)") { // in spellings that the search doesn't know
				finder := spelling.NewFinder(reqstate.Prefix(c.addr, 64))
				found = found || finder.Finds(sent.Raw)
			}
			if !found && (c.addr.Is4() || !strings.Contains(f.head+f.line, "{word}")) {
				t.Errorf("%s: the form %q holds no address: %q", c.name, f.name, sent.Raw)
			}
		}
	}
	if len(names) < 60 {
		t.Errorf("%d forms", len(names))
	}
}
