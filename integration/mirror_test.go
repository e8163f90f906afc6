//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/mirror"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// serveFiles is a service that has files by path and query, as type and content.
func serveFiles(t *testing.T, files map[string][2]string) *tool {
	t.Helper()
	return startTool(t, func(w http.ResponseWriter, r *http.Request) {
		file, ok := files[r.URL.RequestURI()]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Content-Type", file[0])
		fmt.Fprint(w, file[1])
	})
}

// anyFont returns a font of this machine, which Chromium needs anyhow.
func anyFont(t *testing.T) string {
	t.Helper()
	fonts, err := filepath.Glob("/usr/share/fonts/truetype/*/*.ttf")
	if err != nil || len(fonts) == 0 {
		t.Fatalf("no font on this machine (%v): install fonts-liberation", err)
	}
	font, err := os.ReadFile(fonts[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(font)
}

// mirroredFiles returns where the noticeboard says a mirror's files are, once the edge
// has fetched all.
func (e *edge) mirroredFiles(t *testing.T, fetched func() bool) []noticeboard.MirrorAddress {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !fetched(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the edge hasn't fetched all files")
		}
	}
	r, err := http.NewRequest(http.MethodGet, "http://"+e.addr+"/.tools/?format=json", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = strings.TrimPrefix(e.url, "http://")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var page struct {
		Tools []struct {
			Files []noticeboard.MirrorAddress `json:"files"`
		} `json:"tools"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil || len(page.Tools) != 1 {
		t.Fatalf("the noticeboard says %+v (%v)", page, err)
	}
	return page.Tools[0].Files
}

// TestMirroredLibraryAndFonts has a gadget of the real wiki use a script and a font of
// services that the policy keeps browsers from, out of the edge's copies.
func TestMirroredLibraryAndFonts(t *testing.T) {
	const script = `window.lib = (window.lib || 0) + 1;`
	font := anyFont(t)
	fonts := serveFiles(t, map[string][2]string{"/s/mirrored.ttf": {"font/ttf", font}})
	sheet := `@import url("` + fonts.url + `/not-pinned.css");
@font-face{font-family:'Mirrored';src:local('No such font'),url(` + fonts.url + `/s/mirrored.ttf) format('truetype')}
@font-face{font-family:'Escaped';src:\75rl(` + fonts.url + `/s/not-pinned.ttf)}
body{font-family:Mirrored,Escaped;background:url(` + fonts.url + `/pixel.png);list-style:image-set("` + fonts.url + `/set.png" 1x)}`
	cdn := serveFiles(t, map[string][2]string{
		"/npm/lib@1": {"application/javascript", script}, "/css2?family=Mirrored:wght@400": {"text/css", sheet},
	})
	pin := func(content string) string { return mirror.Integrity([]byte(content)) }
	fontHost := strings.TrimPrefix(fonts.url, "http://")
	s := setScene(t, fronts[0], edgeConfig{
		app: "data_dir " + t.TempDir() + "\ntool cdn " + cdn.url + " {\nhosts " + fontHost + "\nkinds script style font\nexecutable\nallow_loopback\n" +
			"mirror /npm/lib@1 " + pin(script) + "\nmirror /css2?family=Mirrored:wght@400 " + pin(sheet) + "\n" +
			"mirror " + fonts.url + "/s/mirrored.ttf " + pin(font) + "\n}\n",
		site: clientMask + "csp\nanonproxy\n",
	}, "")
	files := s.mirroredFiles(t, func() bool { return len(cdn.seen())+len(fonts.seen()) == 3 })
	s.visitAdmin(t, sysop).save(t, "MediaWiki:Common.js", fmt.Sprintf(
		`mw.loader.load('%s'); mw.loader.load('%s'); mw.loader.load('%s', 'text/css');`, files[0].Versioned, files[0].Address, files[1].Address))

	b := startBrowser(t)
	b.open(t, s.url+"/index.php/Main_Page")
	b.waitFor(t, `window.lib === 2 && Array.from(document.fonts).some(f => f.family.includes('Mirrored'))`)
	if status := evaluate[string](t, b, `document.fonts.load('20px Mirrored').then(f => f.map(x => x.status).join() + ' ' + document.fonts.check('20px Mirrored'))`); status != "loaded true" {
		t.Errorf("the font is %s", status)
	}
	if got := evaluate[string](t, b, `document.fonts.load('20px Escaped').then(f => 'loaded', e => e.name)`); got != "NetworkError" {
		t.Errorf("a font that isn't pinned: %s", got)
	}
	if got := evaluate[string](t, b, `getComputedStyle(document.body).backgroundImage + getComputedStyle(document.body).listStyleImage`); strings.Contains(got, fontHost) {
		t.Errorf("the style sheet still leads to the service: %s", got)
	}
	// The font that came has the file's length, and may be kept for good.
	head := evaluate[string](t, b, `Promise.all(performance.getEntriesByType('resource').filter(e => e.name.includes('/.tools/')).map(e => e.initiatorType + ' ' + new URL(e.name).pathname + ' ' + e.decodedBodySize)).then(l => l.join('\n'))`)
	at, err := url.Parse(files[2].Versioned)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("css %s %d", at.Path, len(font)); !strings.Contains(head, want) {
		t.Errorf("loaded\n%s\nwithout %s", head, want)
	}
	if violations, failures := b.take(); len(violations)+len(failures) > 0 {
		t.Errorf("violations %+v, failures %q", violations, failures)
	}

	// As a worker the script runs outside of the page's sight.
	if got := evaluate[string](t, b, fmt.Sprintf(`new Promise(done => {
		try { var w = new Worker('%s'); w.onerror = () => done('refused'); w.onmessage = () => done('runs'); } catch (e) { done(e.name); }
	})`, files[0].Address)); got != "refused" {
		t.Errorf("a worker: %s", got)
	}
	if n := len(cdn.seen()) + len(fonts.seen()); n != 3 {
		t.Errorf("the services got %d requests, want the edge's 3 alone", n)
	}
	for _, r := range append(cdn.seen(), fonts.seen()...) {
		if agent := r.UserAgent(); !strings.HasPrefix(agent, "Wikiveil/") || len(r.Header) != 3 {
			t.Errorf("a service saw %v", r.Header)
		}
	}
}
