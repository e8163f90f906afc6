package tools

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/anonproxy"
	"github.com/wikiveil/wikiveil/anonproxy/mirror"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/noticeboard"
)

const (
	libScript = "window.lib = 1"
	libSheet  = `@font-face{font-family:A;src:url(/a.woff2),url(https://evil.example/a.woff2)}`
	libFont   = "wOF2 font"
)

// newCDN is a service of a script, a font and its style sheet.
func newCDN(t *testing.T) *edgetest.Backend {
	return edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		file, ok := map[string][2]string{
			"/lib.js": {"text/javascript", libScript}, "/css?family=A": {"text/css", libSheet}, "/a.woff2": {"font/woff2", libFont},
		}[r.URL.RequestURI()]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", file[0])
		_, _ = io.WriteString(w, file[1])
	})
}

func pin(content string) string { return mirror.Integrity([]byte(content)) }

// mirrorSite is a whole edge with a mirror, whose script's pin and options of the app are given.
func mirrorSite(cdn *edgetest.Backend, script, options string) string {
	return `{
		{GLOBAL}
		metrics
		wikiveil {
			data_dir {DIR}/data
			` + options + `
			tool lib ` + cdn.URL + ` {
				purpose "Scripts and fonts of gadgets"
				contact cdn@example.org
				kinds   script style font
				executable
				mirror  /lib.js ` + script + `
				mirror  /css?family=A ` + pin(libSheet) + `
				mirror  /a.woff2 ` + pin(libFont) + `
				allow_loopback
			}
		}
	}
	http://{SITE} {
		client_mask
		csp
		encode
		anonproxy
		respond page
	}
	http://localhost:{PORT} {
		anonproxy
	}`
}

// load asks for a mirrored file as an element of a page does.
func loadFile(t *testing.T, e *edgetest.Edge, path, dest string) (*http.Response, string) {
	t.Helper()
	header := edgetest.Browser(dest, "alice")
	header.Set("Sec-Fetch-Mode", "no-cors")
	for _, name := range []string{"Range", "If-None-Match", "Accept-Encoding"} {
		header.Del(name)
	}
	return edgetest.Send(t, edgetest.From(t, "127.0.0.2"), http.MethodGet, "http://"+e.Site+path, header)
}

// waitForFile waits until the edge has fetched a file.
func waitForFile(t *testing.T, e *edgetest.Edge, path, dest, want string) {
	t.Helper()
	testutil.Eventually(t, path+" to be fetched", func() bool {
		resp, body := loadFile(t, e, path, dest)
		return resp.StatusCode == 200 && body == want
	})
}

// listed returns the noticeboard's entry of the mirror.
func listed(t *testing.T, e *edgetest.Edge) (entry struct {
	Label noticeboard.Label           `json:"label"`
	Files []noticeboard.MirrorAddress `json:"files"`
}) {
	t.Helper()
	_, list := boardPage(t, e)
	var page struct{ Tools []json.RawMessage }
	if err := json.Unmarshal([]byte(list), &page); err != nil || len(page.Tools) != 1 {
		t.Fatalf("%v: %s", err, list)
	}
	if err := json.Unmarshal(page.Tools[0], &entry); err != nil {
		t.Fatal(err)
	}
	return entry
}

func TestMirrorWholeEdge(t *testing.T) {
	cdn := newCDN(t)
	e := edgetest.New(t, mirrorSite(cdn, pin(libScript), ""))
	// Nobody has asked yet.
	testutil.Eventually(t, "the edge to fetch by itself", func() bool {
		return e.Metrics(t)[`wikiveil_tool_mirror_fetches_total{outcome="kept",tool="lib"}`] == 3
	})
	seen := cdn.Take()
	if len(seen) != 3 {
		t.Fatalf("two sites made %d requests for 3 files", len(seen))
	}
	for _, r := range seen {
		if r.Header.Get("User-Agent") != seen[0].Header.Get("User-Agent") || len(r.Header) != 3 || !strings.Contains(r.UserAgent(), "Wikiveil") {
			t.Errorf("the service saw %v", r.Header)
		}
	}
	entry := listed(t, e)
	if entry.Label != noticeboard.LabelB || len(entry.Files) != 3 {
		t.Fatalf("listed as %+v", entry)
	}
	html, _ := boardPage(t, e)
	wantWords(t, "the page", html, "Nothing about readers", "/.tools/lib/lib.js", "By no reader")

	for i, want := range []struct{ dest, body string }{
		{"script", libScript},
		{"style", fmt.Sprintf(`@font-face{font-family:A;src:url("%s"),url("")}`, entry.Files[2].Versioned)},
		{"font", libFont},
	} {
		for address, lifetime := range map[string]string{entry.Files[i].Address: "public, max-age=3600", entry.Files[i].Versioned: "public, max-age=31536000, immutable"} {
			resp, body := loadFile(t, e, address, want.dest)
			if resp.StatusCode != 200 || body != want.body || resp.Header.Get("Cache-Control") != lifetime || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: got %d %q %v", address, resp.StatusCode, body, resp.Header)
			}
			if len(resp.Header["Set-Cookie"]) > 0 {
				t.Errorf("%s: sets a cookie that a shared cache would keep", address)
			}
		}
	}
	// encode marks its validators, and understands them.
	header := edgetest.Browser("style", "alice")
	header["Accept-Encoding"], header["If-None-Match"] = []string{"gzip"}, nil
	header.Del("Range")
	resp, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.2"), http.MethodGet, "http://"+e.Site+entry.Files[1].Address, header)
	header["If-None-Match"] = resp.Header["Etag"]
	if again, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.2"), http.MethodGet, "http://"+e.Site+entry.Files[1].Address, header); again.StatusCode != 304 {
		t.Errorf("asked again with %q: %d", resp.Header["Etag"], again.StatusCode)
	}
	if resp, body := loadFile(t, e, "/.tools/lib/other.js", "script"); resp.StatusCode != 404 || !strings.Contains(body, "isn't one of those that are mirrored") {
		t.Errorf("what isn't pinned: %d %q", resp.StatusCode, body)
	}
	if resp, body := loadFile(t, e, "/.tools/lib/lib.js", "worker"); resp.StatusCode != 403 || !strings.Contains(body, "no workers") {
		t.Errorf("a worker: %d %q", resp.StatusCode, body)
	}
	if n := len(cdn.Take()); n != 0 {
		t.Errorf("readers made %d requests to the service", n)
	}

	// The kill switch stops one file by all its addresses, and then the tool.
	for _, kill := range []switchRequest{{Tool: "lib", URL: "/lib.js", Why: "a hole"}, {Tool: "lib", Why: "a hole"}} {
		if status, body := e.Post(t, adminDisableTools, kill); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		for _, address := range []string{entry.Files[0].Address, entry.Files[0].Versioned} {
			if resp, body := loadFile(t, e, address, "script"); resp.StatusCode != 403 || !strings.Contains(body, "a hole") {
				t.Errorf("stopped: %s: %d %q", address, resp.StatusCode, body)
			}
		}
		resp, _ := loadFile(t, e, entry.Files[2].Address, "font")
		if want := map[bool]int{true: 403, false: 200}[kill.URL == ""]; resp.StatusCode != want {
			t.Errorf("the other file: %d, want %d", resp.StatusCode, want)
		}
	}
}

// Files stay over reloads and restarts, whatever the service does.
func TestMirrorOverRestarts(t *testing.T) {
	testutil.Slow(t)
	cdn := newCDN(t)
	e := edgetest.New(t, mirrorSite(cdn, pin(libScript), "mirror_dir {DIR}/mirrors"))
	waitForFile(t, e, "/.tools/lib/lib.js", "script", libScript)
	waitForFile(t, e, "/.tools/lib/a.woff2", "font", libFont)
	for range 3 {
		reload(t, e, mirrorSite(cdn, pin(libScript), "mirror_dir {DIR}/mirrors\nkeep 2"))
	}
	cdn.Take()
	cdn.Close()
	e.Load(t, "{\n{GLOBAL}\n}\n")
	for dir := range mirrorStores.All() {
		t.Errorf("a store stays: %s", dir)
	}
	files, err := os.ReadDir(filepath.Join(e.Dir, "mirrors"))
	if err != nil || len(files) != 3 {
		t.Fatalf("kept %v, %v", files, err)
	}
	if info, err := files[0].Info(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("kept as %v, %v", info, err)
	}
	e.Load(t, mirrorSite(cdn, pin(libScript), "mirror_dir {DIR}/mirrors"))
	for path, want := range map[string][2]string{"/.tools/lib/lib.js": {"script", libScript}, "/.tools/lib/a.woff2": {"font", libFont}} {
		if resp, body := loadFile(t, e, path, want[0]); resp.StatusCode != 200 || body != want[1] {
			t.Errorf("%s: after a restart without the service: %d %q", path, resp.StatusCode, body)
		}
	}
}

func TestMirrorWithWrongPin(t *testing.T) {
	cdn := newCDN(t)
	e := edgetest.New(t, mirrorSite(cdn, pin("another"), ""))
	resp, body := loadFile(t, e, "/.tools/lib/lib.js", "script") // waits for the edge's own attempt
	if resp.StatusCode != 502 || !strings.Contains(body, "differs from the one that is pinned: its hash is "+pin(libScript)) {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
	// The reader may be told before the log and the metrics are.
	testutil.Eventually(t, "the log to tell", func() bool { return strings.Contains(e.ReadLog(t), `"file":"/lib.js","outcome":"mismatch"`) })
	for _, name := range []string{`wikiveil_tool_mirror_fetches_total{outcome="mismatch",tool="lib"}`, `wikiveil_tool_requests_total{outcome="mismatch",tool="lib"}`} {
		testutil.Eventually(t, name+" to count", func() bool { return e.Metrics(t)[name] > 0 })
	}
	e.Load(t, mirrorSite(cdn, pin(libScript), ""))
	waitForFile(t, e, "/.tools/lib/lib.js", "script", libScript)
}

// A mirror that comes with the followed file is fetched without any request for it.
func TestMirrorInToolsFile(t *testing.T) {
	testutil.Slow(t)
	cdn := newCDN(t)
	e := boardEdge(t, fileTool("maps", cdn, ""))
	edgetest.WriteTools(t, e.Dir, fileTool("lib", cdn, fmt.Sprintf(`, "kinds": ["font"], "mirror": [{"path": "/a.woff2", "integrity": %q}]`, pin(libFont))))
	testutil.Eventually(t, "the file to be fetched", func() bool { return len(cdn.Take()) > 0 })
	waitForFile(t, e, "/.tools/lib/a.woff2", "font", libFont)
}

// Validating a config asks nobody and leaves nothing.
func TestValidateFetchesNoMirror(t *testing.T) {
	cdn := newCDN(t)
	dir := filepath.Join(t.TempDir(), "mirrors")
	if err := edgetest.Validate(t, mirrorSite(cdn, pin(libScript), "mirror_dir "+dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil || len(cdn.Take()) > 0 {
		t.Errorf("validating made a directory (%v) or a request", err)
	}
	edgetest.WantRefused(t, edgetest.Validate(t, "{\nwikiveil {\nmirror_dir\n}\n}\nhttp://{SITE} {\n}\n"), "after 'mirror_dir', at Caddyfile:3")
}

// A proxy that the noticeboard has outgrown lets go of its files.
func TestToolProxyLetsGoOfMirrors(t *testing.T) {
	cdn := newCDN(t)
	store := mirror.New(mirror.Config{Memory: int64(len(libScript))})
	for range 2 {
		kept := false
		board, err := noticeboard.New([]*noticeboard.Tool{{
			Name: "lib", Origin: cdn.URL, AllowLoopback: true, Kinds: []noticeboard.Kind{noticeboard.Script}, Executable: true,
			Mirror: []noticeboard.MirrorFile{{Path: "/lib.js", Integrity: pin(libScript)}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		p, err := newToolProxy(board, anonproxy.Config{Mirrors: store, ObserveMirror: func(_, outcome string) { kept = outcome == outcomes.Kept }})
		if err != nil {
			t.Fatal(err)
		}
		if p.FillMirrors(t.Context()); !kept {
			t.Error("there is no room for the file")
		}
		if err := p.held.Release(); err != nil {
			t.Fatal(err)
		}
	}
}
