package caddymodule

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// leakUpstream is one way to reach an app: a path of the site, and what Caddy does with it.
type leakUpstream struct {
	name      string
	path      string
	directive string // {APP} is the app
	over      wire
	peer      bool // the app is told a peer address
	status    int  // of a request that passes
	more      string
	app       *leakApp
}

func leakUpstreams(t *testing.T) []*leakUpstream {
	t.Helper()
	upstreams := []*leakUpstream{
		{name: "HTTP/1.1", path: "/h1/", directive: "reverse_proxy {APP}", over: wireH1},
		{name: "h2", path: "/h2/", directive: "reverse_proxy h2c://{APP}", over: wireH2},
		{name: "FastCGI", path: "/fastcgi/", over: wireFastCGI, peer: true,
			directive: "reverse_proxy {APP} {\ntransport fastcgi\nrequest_buffers 1MiB\n}"},
		{name: "php_fastcgi", path: "/php/", over: wireFastCGI, peer: true,
			directive: "root {DIR}\nphp_fastcgi {APP} {\nrequest_buffers 1MiB\n}"},
		{name: "PROXY protocol v1", path: "/v1/", over: wireProxy, peer: true,
			directive: "reverse_proxy {APP} {\ntransport http {\nproxy_protocol v1\n}\n}"},
		{name: "PROXY protocol v2", path: "/v2/", over: wireProxy, peer: true,
			directive: "reverse_proxy {APP} {\ntransport http {\nproxy_protocol v2\n}\n}"},
		{name: "error page", path: "/error/", directive: "error 404", over: wireH1, status: http.StatusNotFound},
		{name: "WebSocket", path: "/ws/", directive: "reverse_proxy {APP}", over: wireH1, status: http.StatusSwitchingProtocols,
			more: "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"},
	}
	for _, u := range upstreams {
		if u.status == 0 {
			u.status = http.StatusOK
		}
		var answer http.HandlerFunc
		if u.name == "WebSocket" {
			answer = echoWebSocket
		}
		u.app = newLeakApp(t, u.over, answer)
	}
	return upstreams
}

// takes reports whether a form can be sent along this way.
func (u *leakUpstream) takes(f leakForm) bool {
	switch u.name {
	case "WebSocket":
		return !f.onlyH1()
	case "h2":
		return !strings.Contains(f.head, "\nUpgrade:") // h2 has none, and Caddy itself makes it 502
	}
	return true
}

// leakConfig has a site with all the upstreams, over HTTP and over TLS. {MASK} is the client_mask directive.
const leakConfig = `{
	{GLOBAL}
	auto_https disable_redirects
	skip_install_trust
	metrics {
		per_host
	}
	servers {
		trusted_proxies static ` + leakRange + `
	}
	wikiveil {
		secret ` + edgetest.Secret + `
	}
}
(site) {
	log {
		output file {DIR}/access.log
		format masked json
	}
	{MASK}
	{UPSTREAMS}
	handle_errors {
		reverse_proxy {ERRORS} {
			header_up Error-Status {err.status_code}
		}
	}
}
http://:{PORT} {
	import site
}
https://` + leakHost + `:{TLSPORT} {
	# At the first handshake and not while the config starts, as Caddy's own tls app has a data race there.
	tls internal {
		on_demand
	}
	import site
}
`

// leakEdge is an edge whose every trace is searched.
type leakEdge struct {
	*edgetest.Edge
	tls       string // host:port
	roots     *x509.CertPool
	upstreams []*leakUpstream
}

func newLeakEdge(t *testing.T, config, mask string) *leakEdge {
	t.Helper()
	e := &leakEdge{tls: edgetest.FreePort(t), upstreams: leakUpstreams(t)}
	var directives strings.Builder
	errors := ""
	for _, u := range e.upstreams {
		fmt.Fprintf(&directives, "handle %s* {\n%s\n}\n", u.path, strings.ReplaceAll(u.directive, "{APP}", u.app.Address()))
		if u.name == "error page" {
			errors = u.app.Address()
		}
	}
	config = strings.NewReplacer("{MASK}", mask, "{UPSTREAMS}", directives.String(), "{ERRORS}", errors,
		"{TLSPORT}", e.tls[strings.LastIndexByte(e.tls, ':')+1:]).Replace(config)
	e.Edge = edgetest.New(t, config)
	if err := os.WriteFile(filepath.Join(e.Dir, "index.php"), []byte("<?php\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e.roots = rootOf(t, e.Edge, e.tls)
	return e
}

func (e *leakEdge) upstream(t *testing.T, name string) *leakUpstream {
	t.Helper()
	for _, u := range e.upstreams {
		if u.name == name {
			return u
		}
	}
	t.Fatalf("no upstream %q", name)
	return nil
}
