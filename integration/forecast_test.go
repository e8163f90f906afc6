//go:build integration

package integration

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/chromedp/chromedp"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/csp/forecast"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// gadget is one of the wiki's that asks another origin for something. In its code URL
// stands for that origin; it writes into window.works whether it got what it wanted.
type gadget struct {
	name, address string
	kinds         string // that it uses
	code          string
	answer        http.HandlerFunc
	url           string
}

// gadgets are four with an origin each. Their code is ES5, as MediaWiki wants it.
func gadgets() []*gadget {
	return []*gadget{
		{name: "picture", address: "127.0.0.11", kinds: "img", answer: servePicture, code: `
			var image = new Image();
			image.onload = function () { settle( 'picture', image.naturalWidth === 8 ); };
			image.onerror = function () { settle( 'picture', false ); };
			image.src = 'URL/tile.svg?place=Oslo';`},
		{name: "type", address: "127.0.0.12", kinds: "font, style", answer: serveType, code: `
			var link = document.createElement( 'link' );
			link.rel = 'stylesheet';
			link.href = 'URL/style.css';
			link.onerror = function () { settle( 'type', false ); };
			link.onload = function () {
				document.fonts.load( '16px Veiled' ).then( function ( faces ) { settle( 'type', faces.length === 1 ); },
					function () { settle( 'type', false ); } );
			};
			document.head.appendChild( link );`},
		{name: "weather", address: "127.0.0.13", kinds: "data", answer: serveWeather, code: `
			fetch( 'URL/now.json' ).then( function ( r ) { return r.json(); } )
				.then( function ( w ) { settle( 'weather', w.sky === 'clear' ); }, function () { settle( 'weather', false ); } );`},
		{name: "sound", address: "127.0.0.14", kinds: "media", answer: serveSound, code: `
			var audio = new Audio();
			audio.onloadedmetadata = function () { settle( 'sound', audio.duration > 0 ); };
			audio.onerror = function () { settle( 'sound', false ); };
			audio.src = 'URL/bell.wav';`},
	}
}

// settleCode begins each gadget.
const settleCode = `function settle( name, worked ) {
	window.works = window.works || {};
	window.works[ name ] = worked;
}
`

func servePicture(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "image/svg+xml")
	io.WriteString(w, `<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>`)
}

// serveType has a font of this machine's beside the style sheet, by a relative address.
func serveType(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if r.URL.Path == "/font.ttf" {
		w.Header().Set("Content-Type", "font/ttf")
		fonts, _ := filepath.Glob("/usr/share/fonts/truetype/*/*.ttf")
		if len(fonts) == 0 {
			http.Error(w, "no font is installed", http.StatusInternalServerError)
			return
		}
		http.ServeFile(w, r, fonts[0])
		return
	}
	w.Header().Set("Content-Type", "text/css")
	io.WriteString(w, `@font-face { font-family: Veiled; src: url( font.ttf ); }`)
}

func serveWeather(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"sky": "clear"}`)
}

// serveSound serves a tenth of a second of silence.
func serveSound(w http.ResponseWriter, r *http.Request) {
	const rate, samples = 8000, 800
	w.Header().Set("Content-Type", "audio/wav")
	b := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, 36+samples)...)
	b = append(b, "WAVEfmt "...)
	for _, field := range []any{uint32(16), uint16(1), uint16(1), uint32(rate), uint32(rate), uint16(1), uint16(8)} {
		b, _ = binary.Append(b, binary.LittleEndian, field)
	}
	b = binary.LittleEndian.AppendUint32(append(b, "data"...), samples)
	w.Write(append(b, []byte(strings.Repeat("\x80", samples))...))
}

// install starts the gadgets' servers and puts the gadgets into the wiki.
func install(t *testing.T, admin *visitor, list []*gadget) map[string]*tool {
	t.Helper()
	servers := make(map[string]*tool)
	definition := "== Gadgets ==\n"
	for _, g := range list {
		server := new(tool)
		server.url = serveOn(t, g.address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			server.mu.Lock()
			server.requests = append(server.requests, r.Clone(t.Context()))
			server.mu.Unlock()
			g.answer(w, r)
		})).URL
		g.url, servers[g.name] = server.url, server
		admin.save(t, "MediaWiki:Gadget-"+g.name+".js", settleCode+strings.ReplaceAll(g.code, "URL", g.url))
		definition += "* " + g.name + "[ResourceLoader|default]|" + g.name + ".js\n"
	}
	admin.save(t, "MediaWiki:Gadgets-definition", definition)
	return servers
}

// browse opens pages of the wiki as a new reader and returns what the gadgets say on each.
func browse(t *testing.T, e *edge, list []*gadget, pages ...string) (works []map[string]bool, b *browser) {
	t.Helper()
	b = startBrowser(t)
	for _, page := range pages {
		b.open(t, e.url+page)
		b.waitFor(t, fmt.Sprintf("window.works && Object.keys( works ).length === %d", len(list)))
		works = append(works, evaluate[map[string]bool](t, b, "window.works"))
	}
	return works, b
}

// wantWorks fails unless all gadgets work, or none.
func wantWorks(t *testing.T, when string, works []map[string]bool, list []*gadget, want bool) {
	t.Helper()
	for _, on := range works {
		for _, g := range list {
			if on[g.name] != want {
				t.Errorf("%s: gadget %s works: %t, want %t", when, g.name, on[g.name], want)
			}
		}
	}
}

// reload has the edge run another config at its place, with its storage.
func (e *edge) reload(t *testing.T, config edgeConfig) {
	t.Helper()
	admin := strings.TrimPrefix(e.admin, "http://")
	loadCaddyfile(t, fmt.Sprintf(edgeCaddyfile, admin, e.dir, "masked json", "wikiveil {\n"+config.app+"\n}", e.url, config.site, config.others))
}

// forecast runs `wikiveil csp forecast`, which finds the wiki's code through the edge.
func (e *edge) forecast(t *testing.T, args ...string) *forecast.Forecast {
	t.Helper()
	u, _ := url.Parse(e.url)
	_, port, _ := net.SplitHostPort(e.addr)
	args = append([]string{"forecast", "--json", "--origin", e.url, "--allow-loopback",
		"--wiki", "http://127.0.0.1:" + port + "/api.php", "--wiki-host", u.Host, "--address", strings.TrimPrefix(e.admin, "http://")}, args...)
	out, err := runCommand(t, "csp", args...)
	if err != nil {
		t.Fatalf("csp %q: %v\n%s", args, err, out)
	}
	made := new(forecast.Forecast)
	if err := json.Unmarshal([]byte(out), made); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return made
}

// runCommand runs one of wikiveil's commands and returns what it printed.
func runCommand(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := &cobra.Command{Use: name, SilenceErrors: true, SilenceUsage: true}
	caddycmd.Commands()[name].CobraFunc(cmd)
	cmd.SetArgs(args)
	was := os.Stdout
	os.Stdout = file
	defer func() { os.Stdout = was }()
	runErr := cmd.Execute()
	out, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(out), runErr
}

// TestForecastOfRealGadgets browses a real wiki with four gadgets in report mode, and has
// the forecast name them and draft declarations. Enforced without the drafts the policy breaks
// all four; with them, the hashes that one of them lacks, and the code changed as the forecast says, none, and
// the third parties see no reader.
func TestForecastOfRealGadgets(t *testing.T) {
	list := gadgets()
	pages := []string{"/index.php/Main_Page", "/index.php/Special:RecentChanges", "/index.php?title=Main_Page&action=history"}
	w := newWiki(t, releases[0], "")
	dataDir := "data_dir " + t.TempDir() + "\n"
	config := func(app, policy string) edgeConfig {
		return fronts[0].config(t, w, edgeConfig{app: dataDir + app, site: clientMask + policy})
	}
	e := startEdge(t, config("", "csp {\nsite wiki\nmode report\nreports\n}\n"))
	admin := newVisitor(e, sysop, new(transcript))
	admin.login(t)
	servers := install(t, admin, list)

	works, b := browse(t, e, list, pages...)
	wantWorks(t, "in report mode", works, list, true)
	reported := e.waitForCount(t, uint64(5*len(pages))) // style and font are two
	// Some are told to the page twice, and reported once.
	seen := make(map[violation]bool)
	violations, _ := b.take()
	for _, v := range violations {
		seen[v] = true
	}
	if len(seen) != int(reported) {
		t.Errorf("%d reports of %d violations: %+v", reported, len(seen), violations)
	}

	// The forecast names the four.
	drafts := filepath.Join(t.TempDir(), "drafts")
	made := e.forecast(t, "--draft", drafts)
	var got, want []string
	for _, g := range made.Gadgets {
		got = append(got, fmt.Sprint(g.Name, " ", g.Evidence, " ", g.Kinds, " ", g.Origins, " ", g.Share == 1))
	}
	for _, g := range list {
		want = append(want, fmt.Sprint(g.name, " code [", strings.ReplaceAll(g.kinds, ",", ""), "] [", g.url, "] true"))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || made.PageViews != uint64(len(pages)) || len(made.Code) > 0 {
		t.Fatalf("forecast of %d page views, %+v\n%s\nwant\n%s", made.PageViews, made.Code, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	checkDrafts(t, drafts, list)

	// It is right: enforced as it is, the policy breaks all four.
	e.reload(t, config("", "csp {\nsite wiki\nreports\n}\n"))
	for _, server := range servers {
		server.take()
	}
	works, _ = browse(t, e, list, pages[0])
	wantWorks(t, "enforced without the drafts", works, list, false)
	for name, server := range servers {
		if seen := server.take(); len(seen) > 0 {
			t.Errorf("enforced, yet the server of %s was asked: %v", name, seen)
		}
	}
	before := e.waitForCount(t, reported+4) // without the style sheet nothing asks for the font

	// Applying the drafts: the declarations as they are, the mirror as the command prints it that stands in its
	// draft, and the code changed as the forecast says.
	e.reload(t, config("import "+filepath.Join(drafts, "tools.Caddyfile")+"\n"+completeMirror(t, drafts), "csp {\nsite wiki\nreports\n}\nanonproxy\n"))
	for _, g := range list {
		title := "MediaWiki:Gadget-" + g.name + ".js"
		i := slices.IndexFunc(made.Tools, func(tool forecast.Tool) bool { return tool.Origin == g.url })
		if tool := made.Tools[i]; len(tool.Paths) != 1 || !slices.Equal(tool.Titles, []string{title}) {
			t.Fatalf("%s is to be reached at %q, which is to stand in %q", g.url, tool.Paths, tool.Titles)
		}
		admin.save(t, title, settleCode+strings.ReplaceAll(g.code, "URL", made.Tools[i].Paths[0]))
	}
	works, b = browse(t, e, list, pages...)
	wantWorks(t, "enforced with the drafts", works, list, true)
	// When the violation that this makes has been seen, all before have been.
	evaluate[chromedp.Void](t, b, violate)
	violations, failures := b.take()
	if len(violations) != 1 || violations[0].Blocked != "http://sentinel.invalid/" || len(failures) != 1 {
		t.Errorf("enforced with the drafts: violations %+v, failures %q", violations, failures)
	}
	if after := e.waitForCount(t, before+1); after != before+1 {
		t.Errorf("%d reports came after the drafts were applied", after-before-1)
	}
	for name, server := range servers {
		seen := server.take()
		if len(seen) == 0 {
			t.Errorf("the server of %s was not asked", name)
		}
		for _, r := range seen {
			head, _ := json.Marshal(r.Header)
			for _, word := range []string{"cookie", "referer", "origin\"", "sec-", "forwarded", "mozilla", "chrome", wikiHost} {
				if strings.Contains(strings.ToLower(string(head)), word) {
					t.Errorf("the server of %s saw %q: %s", name, word, head)
				}
			}
		}
	}
	for _, tool := range e.forecast(t).Tools {
		if declared := tool.Status == forecast.Proxied && len(tool.Missing) == 0; declared == strings.Contains(tool.Origin, "sentinel") || len(tool.Drafts) > 0 {
			t.Errorf("after the drafts were applied: %+v", tool)
		}
	}
}

// pinCommand is what a mirror's draft says to run: the name and the address of one sheet.
var pinCommand = regexp.MustCompile(`wikiveil tools pin (\S+) '([^']+)'`)

// completeMirror runs the command and returns the declaration that it prints.
func completeMirror(t *testing.T, drafts string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(drafts, "incomplete.Caddyfile"))
	if err != nil {
		t.Fatal(err)
	}
	command := pinCommand.FindStringSubmatch(string(text))
	if command == nil {
		t.Fatalf("it doesn't say what to run:\n%s", text)
	}
	declaration, err := runCommand(t, "tools", "pin", command[1], command[2], "--allow-loopback")
	if err != nil {
		t.Fatal(err)
	}
	return declaration
}

// checkDrafts looks whether the drafts are the smallest: each of one origin, with no kind
// but those used, by the proxy. The style sheet with its font can only be a mirror, see completeMirror.
func checkDrafts(t *testing.T, dir string, list []*gadget) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "tools.json"))
	if err != nil {
		t.Fatal(err)
	}
	board, err := noticeboard.Parse(data, "tools.json")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for tool := range board.All() {
		got = append(got, fmt.Sprintf("%s %s %s %s %t", tool.Origin, tool.Hosts, tool.Kinds, tool.Access, strings.HasPrefix(tool.Purpose, forecast.FillIn)))
	}
	for _, g := range list {
		if g.name != "type" {
			want = append(want, fmt.Sprintf("%s [] [%s] proxy true", g.url, strings.ReplaceAll(g.kinds, ",", "")))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("drafts\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// take returns the requests so far, and starts anew.
func (s *tool) take() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.requests
	s.requests = nil
	return seen
}

// waitForCount waits until so many reports were counted, and returns how many were.
func (e *edge) waitForCount(t *testing.T, count uint64) uint64 {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(e.admin + "/wikiveil/csp/reports")
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Reports struct{ Accepted uint64 }
		}
		err = json.NewDecoder(resp.Body).Decode(&answer)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("asking for reports: %s %v", resp.Status, err)
		}
		if answer.Reports.Accepted >= count {
			return answer.Reports.Accepted
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d reports, want %d", answer.Reports.Accepted, count)
		}
	}
}

// TestGadgetsCodeIsRead reads the code of a real wiki's gadgets through the edge.
func TestGadgetsCodeIsRead(t *testing.T) {
	s := setScene(t, fronts[0], edgeConfig{site: clientMask}, "")
	api := "http://" + s.addr + "/api.php"
	u, _ := url.Parse(s.url)
	if code, err := forecast.MediaWikiGadgets(t.Context(), api, u.Host); err != nil || len(code) > 0 {
		t.Errorf("a wiki without gadgets: %v, %v", code, err)
	}
	admin := s.visitAdmin(t, sysop)
	long := "/* " + strings.Repeat("long ", 200_000) + "*/"
	for title, text := range map[string]string{
		"MediaWiki:Gadgets-definition":   "== Maps ==\n* maps[ResourceLoader|default|rights=edit]|maps.js|maps.css|shared_lib.js\n* clock [ResourceLoader] | clock.js | shared_lib.js\n* gone|gone.js\n",
		"MediaWiki:Gadget-maps.js":       "// https://maps.example.org",
		"MediaWiki:Gadget-maps.css":      "/* //fonts.example.org */",
		"MediaWiki:Gadget-clock.js":      "// ünïcode " + long,
		"MediaWiki:Gadget-shared lib.js": "// " + long,
		"MediaWiki:Common.js":            "// https://site.example.org",
	} {
		admin.save(t, title, text)
	}
	code, err := forecast.MediaWikiGadgets(t.Context(), api, u.Host)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range code {
		got = append(got, fmt.Sprintf("%s %s %.20s %t", c.Gadget, c.Title, c.Text, len(c.Text) > 1_000_000))
	}
	want := []string{
		"maps MediaWiki:Gadget-maps.js // https://maps.exam false",
		"maps MediaWiki:Gadget-maps.css /* //fonts.example.o false",
		"maps MediaWiki:Gadget-shared_lib.js // /* long long long true",
		"clock MediaWiki:Gadget-shared_lib.js // /* long long long true",
		"clock MediaWiki:Gadget-clock.js // ünïcode /* long l true",
		"site MediaWiki:Common.js // https://site.exam false",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestGadgetsCodeOfPrivateWiki is refused with the wiki's reason.
func TestGadgetsCodeOfPrivateWiki(t *testing.T) {
	s := setScene(t, fronts[0], edgeConfig{site: clientMask}, "\n$wgGroupPermissions['*']['read'] = false;\n")
	u, _ := url.Parse(s.url)
	if _, err := forecast.MediaWikiGadgets(t.Context(), "http://"+s.addr+"/api.php", u.Host); err == nil || !strings.Contains(err.Error(), "readapidenied") {
		t.Errorf("got %v", err)
	}
}
