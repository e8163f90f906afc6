package anonproxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/mirror"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// cdn is a stand-in for a service of scripts and fonts: what it has by path and query.
type cdn struct {
	*backend
	mu    sync.Mutex
	files map[string]cdnFile
	asked []*http.Request
}

type cdnFile struct{ contentType, body string }

func newCDN(t testing.TB) *cdn {
	c := &cdn{files: map[string]cdnFile{
		"/lib.js":             {"text/html", "window.lib = 1"}, // its name tells more than its type
		"/npm/@scope/lib@1":   {"application/javascript; charset=utf-8", "window.scoped = 1"},
		"/~user/old.js":       {"text/javascript", "window.old = 1"},
		"/css2?family=A:wght": {"text/css", `@font-face{font-family:A;src:url(/f/a.woff2)format("woff2"),url(https://evil.example/x.woff2)}`},
		"/f/a.woff2":          {"font/woff2", "wOF2" + strings.Repeat("x", 100)},
		"/plain":              {"text/plain", "words"},
		"/page":               {"text/html", "<script>"},
	}}
	c.backend = newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asked = append(c.asked, r)
		file, ok := c.files[r.URL.RequestURI()]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", file.contentType)
		w.Header().Set("Set-Cookie", "id=1")
		_, _ = io.WriteString(w, file.body)
	})
	return c
}

// replace changes what the service has.
func (c *cdn) replace(path, body string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files[path] = cdnFile{c.files[path].contentType, body}
}

// declare pins files of the service as they are now.
func (c *cdn) declare(paths ...string) *noticeboard.Tool {
	declared := tool("lib", c.URL, noticeboard.Script, noticeboard.Style, noticeboard.Font)
	declared.Executable = true
	for _, path := range paths {
		declared.Mirror = append(declared.Mirror, noticeboard.MirrorFile{Path: path, Integrity: mirror.Integrity([]byte(c.files[path].body))})
	}
	return declared
}

// newMirrorEdge is an edge whose mirrors were filled once.
func newMirrorEdge(t testing.TB, cfg Config, declared *noticeboard.Tool) *edge {
	t.Helper()
	e := newEdge(t, cfg, declared)
	e.proxy.FillMirrors(t.Context())
	return e
}

func TestMirror(t *testing.T) {
	c := newCDN(t)
	declared := c.declare("/lib.js", "/npm/@scope/lib@1", "/~user/old.js", "/css2?family=A:wght", "/f/a.woff2", "/plain", "/page")
	e := newMirrorEdge(t, Config{}, declared)
	fetched := c.hits.Load()
	host := strings.TrimPrefix(c.URL, "http://")
	for _, a := range e.proxy.upstreams()["lib"].tool.MirrorAddresses("/.tools/") {
		if len(a.Version) != 16 || a.Versioned != "/.tools/lib/~"+a.Version+"/"+host+a.Path {
			t.Errorf("version %q, versioned address %q", a.Version, a.Versioned)
		}
	}
	for name, tc := range map[string]struct {
		path, dest  string
		contentType string // "" where it is refused
		body        string // or reason
		status      int
	}{
		"script":                   {"/lib.js", "script", "text/javascript; charset=utf-8", "window.lib = 1", 200},
		"script by host":           {"/~" + host + "/lib.js", "script", "text/javascript; charset=utf-8", "window.lib = 1", 200},
		"script without metadata":  {"/lib.js", "", "text/javascript; charset=utf-8", "window.lib = 1", 200},
		"script by service's type": {"/npm/@scope/lib@1", "script", "text/javascript; charset=utf-8", "window.scoped = 1", 200},
		"path like a host":         {"/~" + host + "/~user/old.js", "script", "text/javascript; charset=utf-8", "window.old = 1", 200},
		"path like a host, short":  {"/~user/old.js", "script", "", "isn't one of those that are mirrored", 404},
		"font":                     {"/f/a.woff2", "font", "font/woff2", "wOF2", 200},
		"sheet":                    {"/css2?family=A:wght", "style", "text/css; charset=utf-8", `url("")`, 200},
		"script as a worker":       {"/lib.js", "worker", "", "serves no workers", 403},
		"script as a shared one":   {"/lib.js", "sharedworker", "", "serves no workers", 403},
		"script as a service":      {"/lib.js", "serviceworker", "", "serves no workers", 403},
		"script as a frame":        {"/lib.js", "iframe", "", "serves no workers, frames", 403},
		"script as a page":         {"/lib.js", "document", "", "serves no workers, frames or documents", 403},
		"script as data":           {"/lib.js", "empty", "", "isn't for this kind of use", 403},
		"font as a script":         {"/f/a.woff2", "script", "", "isn't for this kind of use", 403},
		"sheet as a script":        {"/css2?family=A:wght", "script", "", "isn't for this kind of use", 403},
		"script as a sheet":        {"/lib.js", "style", "", "isn't for this kind of use", 403},
		"not pinned":               {"/other.js", "script", "", "isn't one of those that are mirrored", 404},
		"another query":            {"/lib.js?x", "script", "", "isn't one of those that are mirrored", 404},
		"empty query":              {"/lib.js?", "script", "", "isn't one of those that are mirrored", 404},
		"no query":                 {"/css2", "style", "", "isn't one of those that are mirrored", 404},
		"another host":             {"/~evil.example/lib.js", "script", "", "isn't one of those that are mirrored", 404},
		"root":                     {"/", "script", "", "isn't one of those that are mirrored", 404},
		"dot segments":             {"/f/../lib.js", "script", "", "dot segment", 400},
		"kind that isn't declared": {"/plain", "empty", "", "isn't one of the declared kinds", 502},
		"type that isn't allowed":  {"/page", "", "", "has a content type that isn't allowed", 502},
	} {
		t.Run(name, func(t *testing.T) {
			got := e.do(t, "GET", "/.tools/lib"+tc.path, tc.dest)
			if tc.contentType == "" {
				wantRefusal(t, got, tc.status, tc.body)
				return
			}
			if got.status != 200 || got.header.Get("Content-Type") != tc.contentType || !strings.Contains(got.body, tc.body) {
				t.Errorf("got %d %v %q", got.status, got.header, got.body)
			}
			wantForced(t, got)
			for name, want := range map[string]string{"Set-Cookie": "", "Cache-Control": "public, max-age=3600", "Accept-Ranges": "bytes"} {
				if got.header.Get(name) != want {
					t.Errorf("%s is %q, want %q", name, got.header.Get(name), want)
				}
			}
		})
	}
	wantRefusal(t, e.do(t, "GET", "/.tools/lib/lib.js", "script", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }), 403, "only pages of this wiki")
	wantRefusal(t, e.do(t, "GET", "/.tools/lib/lib.js", "script", func(r *http.Request) { r.Header.Set("Service-Worker", "script") }), 403, "service workers")
	wantRefusal(t, e.do(t, "POST", "/.tools/lib/lib.js", "empty"), 405, "isn't declared for this method")
	if n := c.hits.Load() - fetched; n != 0 {
		t.Errorf("readers' requests made %d to the service", n)
	}
	for _, r := range c.asked[1:] {
		if fmt.Sprint(r.Header) != fmt.Sprint(c.asked[0].Header) {
			t.Errorf("the service sees requests that differ: %v, %v", r.Header, c.asked[0].Header)
		}
	}
}

// An address that names a version is for good, one of another version is not.
func TestMirrorLifetimes(t *testing.T) {
	c := newCDN(t)
	declared := c.declare("/lib.js", "/css2?family=A:wght", "/f/a.woff2")
	e := newMirrorEdge(t, Config{}, declared)
	addresses := e.proxy.upstreams()["lib"].tool.MirrorAddresses("/.tools/")
	script, sheet, font := addresses[0], addresses[1], addresses[2]
	const forGood = "public, max-age=31536000, immutable"

	got := e.do(t, "GET", script.Versioned, "script")
	if got.status != 200 || got.body != "window.lib = 1" || got.header.Get("Cache-Control") != forGood || got.header.Get("ETag") != `"`+script.Integrity+`"` {
		t.Errorf("got %+v", got)
	}
	wantForced(t, got)
	other := strings.Replace(script.Versioned, script.Version, strings.Repeat("0", 16), 1)
	if got := e.do(t, "GET", other, "script"); got.status != 200 || got.header.Get("Cache-Control") != "public, max-age=3600" {
		t.Errorf("another version: %+v", got)
	}
	if got := e.do(t, "GET", sheet.Versioned, "style"); got.header.Get("Cache-Control") != forGood || !strings.Contains(got.body, `url("`+font.Versioned+`")`) {
		t.Errorf("sheet: %+v", got)
	} else if got.header.Get("ETag") == `"`+sheet.Integrity+`"` {
		t.Error("a sheet that was rewritten has the validator of what it was")
	}
	// With the font's pin the sheet's content changes, and so must its address.
	repinned := *declared
	repinned.Mirror = append([]noticeboard.MirrorFile{}, declared.Mirror...)
	repinned.Mirror[2].Integrity = mirror.Integrity([]byte("another"))
	for i, changes := range []bool{false, true, true} {
		if after := repinned.MirrorAddresses("/.tools/")[i]; (after.Version != addresses[i].Version) != changes {
			t.Errorf("%s: version %s, then %s", after.Path, addresses[i].Version, after.Version)
		}
	}

	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, tc := range map[string]struct {
		got    answer
		status int
		body   string
	}{
		"known":         {e.do(t, "GET", script.Versioned, "script", header("If-None-Match", `"`+script.Integrity+`"`)), 304, ""},
		"known other":   {e.do(t, "GET", script.Versioned, "script", header("If-None-Match", `"x"`)), 200, "window.lib = 1"},
		"head":          {e.do(t, "HEAD", script.Versioned, "script"), 200, ""},
		"range":         {e.do(t, "GET", font.Address, "font", header("Range", "bytes=0-3")), 206, "wOF2"},
		"range outside": {e.do(t, "GET", font.Address, "font", header("Range", "bytes=1000-")), 416, "invalid range: failed to overlap\n"},
	} {
		if tc.got.status != tc.status || tc.got.body != tc.body {
			t.Errorf("%s: got %d %q", name, tc.got.status, tc.got.body)
		}
	}
}

func TestMirrorOfTwoHosts(t *testing.T) {
	fonts, files := newCDN(t), newCDN(t)
	files.replace("/f/a.woff2", "wOF2, of the other host")
	sheet := fmt.Sprintf("a{src:url(%s/f/a.woff2?#iefix);b:url(//%s/f/a.woff2);c:url(/f/a.woff2);d:url(%s/lib.js)}",
		files.URL, files.Listener.Addr(), files.URL)
	fonts.files["/css2?family=A:wght"] = cdnFile{"text/css", sheet}
	declared := fonts.declare("/css2?family=A:wght")
	declared.Hosts = []string{files.Listener.Addr().String()}
	declared.Mirror = append(declared.Mirror, noticeboard.MirrorFile{
		Path: files.URL + "/f/a.woff2", Integrity: mirror.Integrity([]byte("wOF2, of the other host")),
	})
	e := newMirrorEdge(t, Config{}, declared)
	font := e.proxy.upstreams()["lib"].tool.MirrorAddresses("/.tools/")[1]
	want := fmt.Sprintf(`a{src:url("%s#iefix");b:url("%s");c:url("");d:url("")}`, font.Versioned, font.Versioned)
	if got := e.do(t, "GET", "/.tools/lib/css2?family=A:wght", "style"); got.body != want {
		t.Errorf("got  %d %s\nwant %s", got.status, got.body, want)
	}
	for _, path := range []string{font.Address, font.Versioned, "/.tools/lib/~" + files.Listener.Addr().String() + "/f/a.woff2"} {
		if got := e.do(t, "GET", path, "font"); got.body != "wOF2, of the other host" {
			t.Errorf("%s: got %d %q", path, got.status, got.body)
		}
	}
	wantRefusal(t, e.do(t, "GET", "/.tools/lib/f/a.woff2", "font"), 404, "isn't one of those")
}

// What the service does later changes nothing, and nothing but the pinned file is given.
func TestMirrorOutlivesItsService(t *testing.T) {
	dir := t.TempDir()
	c := newCDN(t)
	declared := c.declare("/lib.js")
	c.replace("/lib.js", "window.evil = 1")
	start := func() (*edge, *mirror.Store) {
		store := mirror.New(mirror.Config{Dir: dir})
		t.Cleanup(func() { _ = store.Close() })
		var outcomes atomic.Value
		e := newMirrorEdge(t, Config{Mirrors: store, ObserveMirror: func(tool, outcome string) { outcomes.Store(tool + " " + outcome) }}, declared)
		t.Log(outcomes.Load())
		return e, store
	}
	e, _ := start()
	wantRefusal(t, e.do(t, "GET", "/.tools/lib/lib.js", "script"), 502, "differs from the one that is pinned: its hash is "+mirror.Integrity([]byte("window.evil = 1")))
	if got := e.observed(t, 1); got[0] != "lib mismatch" {
		t.Errorf("observed %q", got)
	}
	if logs := e.logs.String(); !strings.Contains(logs, "file=/lib.js outcome=mismatch") {
		t.Errorf("logged %s", logs)
	}
	c.replace("/lib.js", "window.lib = 1")
	e, _ = start()
	serves := func(e *edge, when string) {
		t.Helper()
		if got := e.do(t, "GET", "/.tools/lib/lib.js", "script"); got.status != 200 || got.body != "window.lib = 1" {
			t.Errorf("%s: got %d %q", when, got.status, got.body)
		}
	}
	serves(e, "with the service")
	c.replace("/lib.js", "window.evil = 2")
	serves(e, "after a change")
	c.Close()
	serves(e, "without the service")
	e, store := start()
	serves(e, "after a restart without the service")

	// One that is damaged on the disk is none.
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(kept) != 1 || os.Truncate(kept[0], 100) != nil {
		t.Fatalf("kept %q, %v", kept, err)
	}
	e, _ = start()
	got := e.do(t, "GET", "/.tools/lib/lib.js", "script")
	wantRefusal(t, got, 503, "couldn't be fetched yet")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestMirrorRefusesServices(t *testing.T) {
	elsewhere := newBackend(t, tooltest.Answers("text/javascript", "window.lib = 1"))
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		change  func(*noticeboard.Tool)
		status  int
		outcome string
	}{
		"not found":           {http.NotFound, nil, 503, "tool_error"},
		"error with the file": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); fmt.Fprint(w, "window.lib = 1") }, nil, 503, "tool_error"},
		"truncated": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "14")
			fmt.Fprint(w, "window.")
		}, nil, 503, "unreachable"},
		"huge": {func(w http.ResponseWriter, _ *http.Request) {
			for range 1000 {
				_, _ = w.Write(make([]byte, 10_000))
			}
		}, func(t *noticeboard.Tool) { t.MaxSize = 100_000 }, 503, "too_large"},
		"huge by its word": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000000")
			_, _ = w.Write(make([]byte, 1000))
		}, func(t *noticeboard.Tool) { t.MaxSize = 100_000 }, 503, "too_large"},
		"compressed": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			fmt.Fprint(w, "window.lib = 1")
		}, nil, 503, "refused_response"},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/lib.js", http.StatusFound)
		}, nil, 503, "refused_response"},
		"slow": {func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, func(t *noticeboard.Tool) { t.Timeout = noticeboard.Duration(100 * time.Millisecond) }, 503, "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t, tc.handler)
			declared := tool("lib", b.URL, noticeboard.Script)
			declared.Executable, declared.Mirror = true, []noticeboard.MirrorFile{{Path: "/lib.js", Integrity: mirror.Integrity([]byte("window.lib = 1"))}}
			if tc.change != nil {
				tc.change(declared)
			}
			var outcome string
			store := mirror.New(mirror.Config{Dir: t.TempDir()})
			defer store.Close()
			e := newMirrorEdge(t, Config{Mirrors: store, ObserveMirror: func(_, o string) { outcome = o }}, declared)
			wantRefusal(t, e.do(t, "GET", "/.tools/lib/lib.js", "script"), tc.status, "couldn't be fetched yet")
			if outcome != tc.outcome {
				t.Errorf("outcome %q, want %q: %s", outcome, tc.outcome, e.logs)
			}
		})
	}
	if n := elsewhere.hits.Load(); n != 0 {
		t.Errorf("a host that isn't declared got %d requests", n)
	}
}

// Within the declared hosts redirects are followed, and a sheet's addresses are relative
// to where they led.
func TestMirrorFollowsRedirects(t *testing.T) {
	c := newCDN(t)
	c.files["/v2/f/sheet.css"] = cdnFile{"text/css", "a{b:url(a.woff2)}"}
	c.files["/v2/f/a.woff2"] = cdnFile{"font/woff2", "wOF2"}
	first := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, c.URL+"/v2/f"+r.URL.Path, http.StatusFound)
	})
	declared := tool("lib", first.URL, noticeboard.Style, noticeboard.Font)
	declared.Hosts = []string{c.Listener.Addr().String()}
	declared.Mirror = []noticeboard.MirrorFile{
		{Path: "/sheet.css", Integrity: mirror.Integrity([]byte("a{b:url(a.woff2)}"))},
		{Path: c.URL + "/v2/f/a.woff2", Integrity: mirror.Integrity([]byte("wOF2"))},
	}
	e := newMirrorEdge(t, Config{}, declared)
	font := e.proxy.upstreams()["lib"].tool.MirrorAddresses("/.tools/")[1]
	if got := e.do(t, "GET", "/.tools/lib/sheet.css", "style"); got.body != `a{b:url("`+font.Versioned+`")}` {
		t.Errorf("got %d %q", got.status, got.body)
	}
}

// What is stopped is neither served, by whatever address, nor fetched.
func TestMirrorStops(t *testing.T) {
	c := newCDN(t)
	var stop atomic.Value
	stop.Store("/lib.js")
	refuse := func(_, path string) (int, string) {
		if s := stop.Load().(string); s == "all" || s != "" && strings.HasPrefix(path, s) {
			return 403, "stopped by a test"
		}
		return 0, ""
	}
	e := newMirrorEdge(t, Config{Refuse: refuse}, c.declare("/lib.js", "/f/a.woff2"))
	if n := c.hits.Load(); n != 1 {
		t.Errorf("%d files were fetched, want the one that isn't stopped", n)
	}
	script := e.proxy.upstreams()["lib"].tool.MirrorAddresses("/.tools/")[0]
	addresses := []string{script.Address, script.Versioned, "/.tools/lib/~" + c.Listener.Addr().String() + "/lib.js"}
	check := func(status int) {
		t.Helper()
		for _, address := range addresses {
			got := e.do(t, "GET", address, "script")
			if got.status != status {
				t.Errorf("%s: got %d %q", address, got.status, got.body)
			}
			if status == 403 {
				wantRefusal(t, got, 403, "stopped by a test")
			}
		}
	}
	check(403)
	stop.Store("")
	e.proxy.FillMirrors(t.Context())
	check(200)
	stop.Store("/lib.js")
	check(403)
	if got := e.do(t, "GET", "/.tools/lib/f/a.woff2", "font"); got.status != 200 {
		t.Errorf("the other file: %d", got.status)
	}
	stop.Store("all")
	check(403)
	wantRefusal(t, e.do(t, "GET", "/.tools/lib/f/a.woff2", "font"), 403, "stopped by a test")

	expired := c.declare("/lib.js")
	if err := expired.Expires.UnmarshalText([]byte("2020-01-01")); err != nil {
		t.Fatal(err)
	}
	before := c.hits.Load()
	wantRefusal(t, newMirrorEdge(t, Config{}, expired).do(t, "GET", "/.tools/lib/lib.js", "script"), 403, "expired")
	if c.hits.Load() != before {
		t.Error("an expired tool's file was fetched")
	}
}

// Two proxies with one store ask the service once.
func TestMirrorsShareAStore(t *testing.T) {
	c := newCDN(t)
	store := mirror.New(mirror.Config{Dir: t.TempDir()})
	defer store.Close()
	a, b := newMirrorEdge(t, Config{Mirrors: store}, c.declare("/lib.js")), newMirrorEdge(t, Config{Mirrors: store}, c.declare("/lib.js"))
	for _, e := range []*edge{a, b} {
		if got := e.do(t, "GET", "/.tools/lib/lib.js", "script"); got.status != 200 {
			t.Errorf("got %d %q", got.status, got.body)
		}
	}
	if n := c.hits.Load(); n != 1 {
		t.Errorf("the service was asked %d times", n)
	}
}

// A file of another host isn't taken from a path of the tool that is stopped.
func TestMirrorFollowsNoRedirectToStops(t *testing.T) {
	c := newCDN(t)
	other := newBackend(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, c.URL+"/lib.js", http.StatusFound) })
	declared := c.declare("/f/a.woff2")
	declared.Hosts = []string{other.Listener.Addr().String()}
	declared.Mirror = append(declared.Mirror, noticeboard.MirrorFile{Path: other.URL + "/lib.js", Integrity: mirror.Integrity([]byte("window.lib = 1"))})
	stopped := true
	e := newMirrorEdge(t, Config{Refuse: func(_, path string) (int, string) {
		if stopped && path == "/lib.js" {
			return 403, "stopped by a test"
		}
		return 0, ""
	}}, declared)
	if logs := e.logs.String(); !strings.Contains(logs, "stopped by a test") {
		t.Errorf("fetched from a path that is stopped: %s", logs)
	}
	stopped = false
	if e = newMirrorEdge(t, Config{}, declared); e.do(t, "GET", "/.tools/lib/~"+other.Listener.Addr().String()+"/lib.js", "script").status != 200 {
		t.Error("a redirect within the declared hosts isn't followed")
	}
}

// What a proxy has in memory goes with it.
func TestMirrorLetsGo(t *testing.T) {
	c := newCDN(t)
	store := mirror.New(mirror.Config{Memory: 20})
	board := func(path string) *noticeboard.Board {
		b, err := noticeboard.New([]*noticeboard.Tool{c.declare(path)})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, path := range []string{"/lib.js", "/~user/old.js", "/lib.js"} { // 14 bytes each
		outcome := ""
		p, err := New(board(path), Config{Mirrors: store, ObserveMirror: func(_, o string) { outcome = o }})
		if err != nil {
			t.Fatal(err)
		}
		if p.FillMirrors(t.Context()); outcome != outcomes.Kept {
			t.Errorf("%s: %s", path, outcome)
		}
		for range 2 {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// Over TLS a mirror takes no request that doesn't say what it is for.
func TestMirrorOverTLS(t *testing.T) {
	c := newCDN(t)
	e := newMirrorEdge(t, Config{RequireFetchMetadata: true}, c.declare("/lib.js"))
	wantRefusal(t, e.do(t, "GET", "/.tools/lib/lib.js", ""), 403, "no Sec-Fetch headers")
}

func BenchmarkMirror(b *testing.B) {
	c := newCDN(b)
	e := newMirrorEdge(b, Config{}, c.declare("/lib.js"))
	r := httptest.NewRequest("GET", "/.tools/lib/lib.js", nil)
	r.Header = http.Header{"Sec-Fetch-Dest": {"script"}, "Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Site": {"same-origin"}}
	b.ReportAllocs()
	for b.Loop() {
		e.proxy.ServeHTTP(httptest.NewRecorder(), r)
	}
}
