//go:build integration

package integration

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// thirdParty is a server of another origin than the wiki, that counts the requests
// for each kind of resource a user script can load.
type thirdParty struct {
	url string

	mu       sync.Mutex
	requests map[string]int // by kind
}

// load is a kind of resource: how a user script loads it, with URL standing for
// the resource and done for what to call when the browser gave it or gave it up;
// the directive that forbids it; and how the third party answers.
type load struct {
	script, directive, contentType, body string
}

var loads = map[string]load{
	"script":     {`add('script', {src: URL})`, "script-src-elem", "text/javascript", ""},
	"fetch":      {`fetch(URL).then(done, done)`, "connect-src", "application/json", "{}"},
	"image":      {`add('img', {src: URL})`, "img-src", "image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'/>"},
	"font":       {`new FontFace('f', 'url(' + URL + ')').load().then(done, done)`, "font-src", "font/woff2", ""},
	"stylesheet": {`add('link', {rel: 'stylesheet', href: URL})`, "style-src-elem", "text/css", ""},
	"frame":      {`add('iframe', {src: URL})`, "frame-src", "text/html", "<p>framed"},
	"websocket":  {`var s = new WebSocket(URL.replace('http', 'ws')); s.onopen = s.onerror = s.onclose = done`, "connect-src", "text/plain", ""},
	"beacon":     {`navigator.sendBeacon(URL, 'seen'); done()`, "connect-src", "text/plain", ""},
	// MediaWiki checks user scripts for ES5, which knows no import().
	"import": {`(0, eval)('import("' + URL + '")').then(done, done)`, "script-src-elem", "text/javascript", ""},
}

// startThirdParty serves until the test ends, on a loopback address of its own.
func startThirdParty(t *testing.T) *thirdParty {
	t.Helper()
	third := &thirdParty{requests: make(map[string]int)}
	third.url = serveOn(t, "127.0.0.2", third).URL
	return third
}

// serveOn runs an HTTP server on a loopback address until the test ends.
func serveOn(t *testing.T, address string, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Listener.Close()
	var err error
	if server.Listener, err = net.Listen("tcp", net.JoinHostPort(address, "0")); err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	return server
}

func (p *thirdParty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind := strings.TrimPrefix(r.URL.Path, "/")
	p.mu.Lock()
	p.requests[kind]++
	p.mu.Unlock()
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Content-Type", loads[kind].contentType)
	fmt.Fprint(w, loads[kind].body)
}

func (p *thirdParty) counts() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.requests)
}

// reset forgets the requests so far.
func (p *thirdParty) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.requests)
}

// userScript is a MediaWiki user script that tries every load and writes into
// window.settled which of them the browser is done with.
func (p *thirdParty) userScript() string {
	var s strings.Builder
	s.WriteString(`window.settled = [];
function add(name, attributes, done) {
	var element = document.createElement(name);
	element.onload = element.onerror = done;
	for (var a in attributes) { element[a] = attributes[a]; }
	document.body.appendChild(element);
}
`)
	for _, kind := range slices.Sorted(maps.Keys(loads)) {
		script := strings.ReplaceAll(loads[kind].script, "URL", fmt.Sprintf("'%s/%s'", p.url, kind))
		script = strings.ReplaceAll(script, "})", "}, done)")
		fmt.Fprintf(&s, "(function (done) { %s; })(settle('%s'));\n", script, kind)
	}
	s.WriteString(`function settle(kind) {
	return function () { if (settled.indexOf(kind) < 0) { settled.push(kind); } };
}
`)
	return s.String()
}

// waitFor waits for a request that nothing in the page waits for.
func (p *thirdParty) waitFor(t *testing.T, kind string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); p.counts()[kind] == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the %s's request did not arrive", kind)
		}
	}
}
