package tools

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"

	"github.com/wikiveil/wikiveil/anonproxy/selfcheck"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// transcript asks for a tool's transcript until there is one.
func transcript(t *testing.T, e *edgetest.Edge, tool string) (*http.Response, string) {
	t.Helper()
	var resp *http.Response
	var body string
	testutil.Eventually(t, "a transcript of "+tool, func() bool {
		resp, body = anyone(t, e, http.MethodGet, "/.tools/"+tool+"/transcript", nil)
		return resp.StatusCode == 200
	})
	return resp, body
}

func anyone(t *testing.T, e *edgetest.Edge, method, path string, header http.Header) (*http.Response, string) {
	t.Helper()
	return edgetest.Send(t, edgetest.From(t, "127.0.0.2"), method, "http://"+e.Site+path, header)
}

// saved writes what was fetched to a file.
func saved(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "saved.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTranscripts(t *testing.T) {
	tool, fonts := edgetest.JSONTool(t), edgetest.JSONTool(t) // the mirror's files are asked for, by the edge itself
	e := boardEdge(t,
		fileTool("maps", tool, ""),
		fileTool("direct", tool, `, "access": "consent"`),
		fileTool("off", tool, `, "disabled": true`),
		fileTool("font", fonts, `, "mirror": [{"path": "/a.woff2", "integrity": "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}]`),
		`{"name": "listed", "title": "Only listed"}`,
	)
	resp, signed := transcript(t, e, "maps")
	want := map[string]string{
		"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "public, max-age=300", "X-Content-Type-Options": "nosniff", "Vary": "Accept, Accept-Language",
		"Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "DENY",
	}
	for name, value := range want {
		if got := resp.Header.Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if !slices.Contains(resp.Header["Content-Security-Policy"], selfcheck.PagePolicy) {
		t.Errorf("policies %q", resp.Header["Content-Security-Policy"])
	}
	resp, page := anyone(t, e, http.MethodGet, "/.tools/maps/transcript", http.Header{"Accept": {"text/html"}})
	if resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("got %q", resp.Header.Get("Content-Type"))
	}
	wantWords(t, "the page", page, "The tool can’t tell readers apart", "GET /wikiveil-canary?x=1 HTTP/1.1", "User-Agent: Wikiveil/1", "How to check this")
	html, list := boardPage(t, e)
	wantWords(t, "the noticeboard", html, `<a href="/.tools/maps/transcript">`)
	wantWords(t, "the noticeboard's JSON", list, `"transcript": "/.tools/maps/transcript"`)
	for _, none := range []string{"direct", "font", "off"} {
		if strings.Contains(html, "/.tools/"+none+"/transcript") {
			t.Errorf("the noticeboard links to a transcript of %s", none)
		}
	}
	if resp, body := anyone(t, e, http.MethodHead, "/.tools/maps/transcript", nil); resp.StatusCode != 200 || body != "" || resp.ContentLength != int64(len(signed)) {
		t.Errorf("HEAD: %d, %q, length %d", resp.StatusCode, body, resp.ContentLength)
	}
	if resp, _ := anyone(t, e, http.MethodGet, "/.tools/maps/transcript", http.Header{"If-None-Match": {etag(t, e)}}); resp.StatusCode != 304 {
		t.Errorf("with its ETag: %d", resp.StatusCode)
	}
	for name, tc := range map[string]struct {
		method, path string
		status       int
		reason       string
	}{
		"unknown":          {"GET", "nothing/transcript", 404, "no tool of that name"},
		"by consent":       {"GET", "direct/transcript", 404, "by consent alone"},
		"mirror":           {"GET", "font/transcript", 404, "is a mirror"},
		"listed":           {"GET", "listed/transcript", 404, "no tool of that name"},
		"out of use":       {"GET", "off/transcript", 404, "the tool is disabled"},
		"unknown format":   {"GET", "maps/transcript?format=xml", 400, "unknown format"},
		"POST":             {"POST", "maps/transcript", 405, "only read"},
		"another spelling": {"GET", "maps/%74ranscript", 200, `"requests"`},
	} {
		resp, body := anyone(t, e, tc.method, "/.tools/"+tc.path, nil)
		if resp.StatusCode != tc.status || !strings.Contains(body, tc.reason) {
			t.Errorf("%s: got %d %q", name, resp.StatusCode, body)
		}
		if (resp.Header.Get("Retry-After") != "") != (tc.status == 503) {
			t.Errorf("%s: Retry-After %q", name, resp.Header.Get("Retry-After"))
		}
	}
	if n := len(tool.Take()); n != 0 {
		t.Errorf("the tool itself got %d requests", n)
	}
	wantAnswer(t, e, "maps/transcript/", tool) // only the one address is the edge's
	series := e.Metrics(t)
	if v, ok := series[`wikiveil_tool_canary_failed{tool="maps"}`]; !ok || v != 0 || series[`wikiveil_tool_canary_time_seconds{tool="maps"}`] < 1e9 {
		t.Errorf("metrics: %v", series)
	}
	for _, private := range []string{"ada-lovelace", "bob-the-builder", "ada0123456789abcdef", "192.0.2.17", "2001:db8:b0b", "2001:2f:ada"} {
		if strings.Contains(e.ReadLog(t), private) {
			t.Errorf("the log holds %q of an invented reader", private)
		}
	}
}

func etag(t *testing.T, e *edgetest.Edge) string {
	t.Helper()
	resp, _ := anyone(t, e, http.MethodGet, "/.tools/maps/transcript", nil)
	return resp.Header.Get("Etag")
}

func TestToolsVerifyCommand(t *testing.T) {
	testutil.Slow(t)
	tool := edgetest.JSONTool(t)
	secret := filepath.Join(t.TempDir(), "refreshed-paths") // where the operator keeps files is nobody's business
	if err := os.WriteFile(secret, []byte("/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := boardEdge(t, fileTool("maps", tool, fmt.Sprintf(`, "kinds": ["data", "img"], "refresh_file": %q, "refresh_every": "24h"`, secret)), fileTool("named", tool, `, "pseudonym": true, "personal": "some"`))
	_, first := transcript(t, e, "maps")
	transcript(t, e, "named")
	_, published := anyone(t, e, http.MethodGet, transcriptsPath, nil)
	var shown publishedTranscripts
	if err := json.Unmarshal([]byte(published), &shown); err != nil || shown.Transcripts["maps"] != "/.tools/maps/transcript" || shown.Noticeboard != "/.tools/" {
		t.Fatalf("%v: %s", err, published)
	}
	if strings.Contains(first, "refreshed-paths") {
		t.Error("the transcript tells where the operator keeps a file")
	}
	at := "http://" + e.Site + "/.tools/maps/transcript"
	firstFile, keyFile := saved(t, first), saved(t, published)
	otherKey, err := note.NewEd25519VerifierKey(transcriptSigner, make(ed25519.PublicKey, ed25519.PublicKeySize))
	if err != nil {
		t.Fatal(err)
	}
	foreignKey, err := note.NewEd25519VerifierKey("\x1b[1m", make(ed25519.PublicKey, ed25519.PublicKeySize))
	if err != nil {
		t.Fatal(err)
	}
	tampered := saved(t, strings.Replace(first, `"name":"maps"`, `"name":"mops"`, 1))

	out, err := edgetest.Run(t, "", "tools", "verify", at)
	if err != nil {
		t.Fatal(err)
	}
	wantWords(t, "the verdict", out, "OK: "+at, "number 1", "as on the noticeboard", shown.PublicKey+", the site's own word", "GET data over http/1.1:",
		"  GET /wikiveil-canary?x=1 HTTP/1.1\n  Host: "+strings.TrimPrefix(tool.URL, "http://")+"\n  User-Agent: Wikiveil/1", "Accept-Encoding: identity")
	if out, err = edgetest.Run(t, "", "tools", "verify", strings.Replace(at, "maps", "named", 1)); err != nil || !strings.Contains(out, "can't tell readers apart by its requests, but for a day by the name") {
		t.Errorf("of a tool with pseudonyms: %v: %s", err, out)
	}
	for _, key := range []string{shown.PublicKey, keyFile} {
		if out, err = edgetest.Run(t, "", "tools", "verify", firstFile, "--key", key); err != nil || !strings.Contains(out, "as given") || !strings.Contains(out, "not compared with the noticeboard") {
			t.Errorf("with the key %s: %v: %s", key, err, out)
		}
	}
	out, err = edgetest.Run(t, "", "tools", "verify", at, "--json", "--key", keyFile)
	var verdicts []verdict
	if jsonErr := json.Unmarshal([]byte(out), &verdicts); err != nil || jsonErr != nil || len(verdicts) != 1 || !verdicts[0].OK || !verdicts[0].Pinned || !verdicts[0].Noticeboard {
		t.Errorf("as JSON: %v, %v: %s", err, jsonErr, out)
	}
	for name, tc := range map[string]struct {
		args   []string
		reason string
	}{
		"another key":           {[]string{at, "--key", otherKey}, "signed with another key"},
		"another key, as JSON":  {[]string{at, "--json", "--key", otherKey}, "signed with another key"},
		"tampered":              {[]string{tampered, "--key", keyFile}, "the transcript's signature is wrong"},
		"one of two":            {[]string{at, tampered, "--key", keyFile}, "the transcript's signature is wrong"},
		"a file without a key":  {[]string{firstFile}, "a file can't vouch for itself"},
		"no file":               {[]string{"/nonexistent", "--key", keyFile}, "no such file"},
		"no transcript":         {[]string{keyFile, "--key", keyFile}, "not a transcript of its form"},
		"too old":               {[]string{at, "--max-age", "1ns"}, "too old"},
		"negative age":          {[]string{at, "--max-age", "-1s"}, "must not be negative"},
		"no key":                {[]string{at, "--key", "abc"}, "neither a key"},
		"a key of another name": {[]string{at, "--key", foreignKey}, "neither a key"},
		"a file that is no key": {[]string{at, "--key", tampered}, "not a public key such as"},
		"the noticeboard":       {[]string{"http://" + e.Site + "/.tools/"}, "not the address of a transcript"},
		"an unknown tool":       {[]string{"http://" + e.Site + "/.tools/stats/transcript"}, `with 404: "no tool of that name`},
		"nobody there":          {[]string{"http://" + edgetest.FreePort(t) + "/.tools/maps/transcript"}, "asking the site"},
	} {
		if out, err := edgetest.Run(t, "", append([]string{"tools", "verify"}, tc.args...)...); err == nil || !strings.Contains(err.Error(), tc.reason) {
			t.Errorf("%s: got %v: %s", name, err, out)
		}
	}

	// A declaration that changes has a transcript of its own, which continues the chain.
	edgetest.WriteTools(t, e.Dir, fileTool("maps", tool, `, "kinds": ["data"]`))
	var second string
	testutil.Eventually(t, "the second transcript", func() bool {
		_, second = transcript(t, e, "maps")
		return second != first
	})
	if out, err = edgetest.Run(t, "", "tools", "verify", at, firstFile, "--key", keyFile); err != nil || !strings.Contains(out, "number 2") {
		t.Errorf("the chain: %v: %s", err, out)
	}
	// One who serves the old one for the new declaration is found out.
	stale := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.tools/maps/transcript":
			fmt.Fprint(w, first)
		default:
			_, body := anyone(t, e, http.MethodGet, r.URL.RequestURI(), nil)
			fmt.Fprint(w, body)
		}
	})
	if out, err = edgetest.Run(t, "", "tools", "verify", stale.URL+"/.tools/maps/transcript"); err == nil || !strings.Contains(err.Error(), "of another declaration than the noticeboard's") {
		t.Errorf("a replaced declaration: %v: %s", err, out)
	}
	// So is one whose noticeboard shows what its hash isn't of.
	lying := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		_, body := anyone(t, e, http.MethodGet, r.URL.RequestURI(), nil)
		fmt.Fprint(w, strings.Replace(body, `"title": "The maps"`, `"title": "The best maps"`, 1))
	})
	if out, err = edgetest.Run(t, "", "tools", "verify", lying.URL+"/.tools/maps/transcript"); err == nil || !strings.Contains(err.Error(), "of another declaration than the noticeboard's") {
		t.Errorf("another declaration under its hash: %v: %s", err, out)
	}
}

// A tool whose canary fails is out of reach, and everybody is told.
func TestCanaryFailsClosed(t *testing.T) {
	var differences []string
	runCanary = func(ctx context.Context, cfg selfcheck.Config) (*selfcheck.Result, error) {
		result, err := selfcheck.Run(ctx, cfg)
		if err == nil {
			result.Differences = append(result.Differences, differences...)
		}
		return result, err
	}
	t.Cleanup(func() { runCanary = selfcheck.Run }) // after the edge has stopped
	differences = []string{"GET data over h2: the requests differ in the header fields Accept-Language"}
	tool := edgetest.JSONTool(t)
	e := boardEdge(t, fileTool("maps", tool, ""))
	_, signed := transcript(t, e, "maps")
	wantRefused(t, e, "maps/x", 503, "the edge found that it could tell readers apart", tool)
	if got := e.Metrics(t)[`wikiveil_tool_canary_failed{tool="maps"}`]; got != 1 {
		t.Errorf("the metric is %v", got)
	}
	wantWords(t, "the log", e.ReadLog(t), "CANARY FAILED", "Accept-Language", `"stopped":true`)
	_, page := anyone(t, e, http.MethodGet, "/.tools/maps/transcript?format=html", nil)
	wantWords(t, "the page", page, "The tool could tell readers apart", "Accept-Language")
	if out, err := edgetest.Run(t, "", "tools", "verify", "http://"+e.Site+"/.tools/maps/transcript"); err == nil ||
		!strings.Contains(err.Error(), "the tool can tell readers apart") || !strings.Contains(out, "FAILED") {
		t.Errorf("verified: %v: %s", err, out)
	}

	// A reload doesn't let it through, nor run the canary again.
	reloadSite(t, e, "\n# again\n"+boardSite)
	wantRefused(t, e, "maps/x", 503, "could tell readers apart", tool)
	if _, again := transcript(t, e, "maps"); again != signed {
		t.Error("a reload made another transcript")
	}
	// Who only wants to be told says so.
	reloadSite(t, e, strings.Replace(boardSite, "anonproxy", "anonproxy {\ncanary report_only\n}", 1))
	wantAnswer(t, e, "maps/x", tool)
	reloadSite(t, e, boardSite)
	wantRefused(t, e, "maps/x", 503, "could tell readers apart", tool)

	// When it succeeds the tool is back.
	differences = nil
	status, body := e.Post(t, adminCanary, canaryRequest{Tool: "maps"})
	var reports []canaryReport
	if err := json.Unmarshal([]byte(body), &reports); err != nil || status != 200 || len(reports) != 1 || reports[0].Sequence != 2 || len(reports[0].Differences) > 0 {
		t.Fatalf("running it: %d, %v: %s", status, err, body)
	}
	wantAnswer(t, e, "maps/x", tool)
	_, body = edgetest.Send(t, http.DefaultClient, http.MethodGet, "http://"+e.Admin+adminCanary+"?tool=maps", nil)
	if err := json.Unmarshal([]byte(body), &reports); err != nil || len(reports) != 1 || len(reports[0].Kept) != 2 || reports[0].Kept[0] != signed {
		t.Errorf("what is kept: %v: %s", err, body)
	}
	for name, tc := range map[string]struct {
		body   any
		status int
		reason string
	}{
		"unknown tool":  {canaryRequest{Tool: "stats"}, 404, "no tool of that name"},
		"unknown field": {map[string]string{"name": "maps"}, 400, "with the fields tool"},
	} {
		if status, body := e.Post(t, adminCanary, tc.body); status != tc.status || !strings.Contains(body, tc.reason) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

// After a start, which makes all canaries due at once, they come apart.
func TestCanariesComeApart(t *testing.T) {
	tool := edgetest.JSONTool(t)
	var entries []string
	for i := range 12 {
		entries = append(entries, fileTool(fmt.Sprintf("maps%d", i), tool, ""))
	}
	e := boardEdge(t, entries...)
	for i := range entries {
		transcript(t, e, fmt.Sprintf("maps%d", i))
	}
	var first, last time.Time
	now := time.Now()
	for _, book := range canaryBooks.All() {
		for name, s := range book.all {
			if s.due.Before(now.Add(defaultCanaryEvery/20)) || s.due.After(now.Add(defaultCanaryEvery)) {
				t.Errorf("%s is due in %v", name, s.due.Sub(now))
			}
			if first.IsZero() || s.due.Before(first) {
				first = s.due
			}
			if s.due.After(last) {
				last = s.due
			}
		}
	}
	if spread := last.Sub(first); spread < defaultCanaryEvery/4 { // by chance once in some 100,000 runs
		t.Errorf("all are due within %v", spread)
	}
}

// reloadSite reloads with the tools in use all the time, so that what is pooled stays.
func reloadSite(t *testing.T, e *edgetest.Edge, caddyfile string) {
	t.Helper()
	e.Load(t, caddyfile)
	http.DefaultClient.CloseIdleConnections()
}

// Two sites share a canary unless tools could tell them apart; a restart continues the
// chain; many reloads leave nothing behind.
func TestCanaryOverReloads(t *testing.T) {
	testutil.Slow(t)
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		goleak.VerifyNone(t, ignore,
			goleak.IgnoreTopFunction("github.com/DeRuina/timberjack.(*Logger).millRun"),
			goleak.IgnoreTopFunction("github.com/caddyserver/certmagic.(*Cache).maintainAssets"),
			goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
		)
	})
	e := edgetest.Place(t)
	config := func(contact string) string {
		site := func(host, option string) string {
			return "http://" + host + ":{PORT} {\nanonproxy {\nrequire_fetch_metadata\n" + option + "\n}\n}\n"
		}
		return "{\n{GLOBAL}\nwikiveil {\ntool maps https://maps.example.org {\nkinds style\n}\n}\n}\n" +
			site("a.test", "timeout 1m") + site("b.test", "timeout 2m") + site("c.test", "user_agent_contact "+contact)
	}
	stop := func() {
		http.DefaultClient.CloseIdleConnections()
		e.Load(t, "{\nadmin off\n}")
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	}
	ask := func(host string) (t1 *selfcheck.Transcript) {
		t.Helper()
		var signed string
		testutil.Eventually(t, "the transcript at "+host, func() bool {
			r, err := http.NewRequest(http.MethodGet, "http://"+e.Site+"/.tools/maps/transcript", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = host
			client := edgetest.From(t, "127.0.0.2")
			resp, err := client.Do(r)
			if err != nil {
				return false
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			lines := strings.Split(string(body), "\n")
			if resp.StatusCode != 200 || err != nil || len(lines) < 2 {
				return false
			}
			t1 = new(selfcheck.Transcript)
			signed = lines[1]
			return json.Unmarshal([]byte(signed), t1) == nil
		})
		if signed == "" {
			t.Fatal("nothing")
		}
		return t1
	}
	e.Load(t, config("one@wiki.example"))
	a, b, c := ask("a.test"), ask("b.test"), ask("c.test")
	if a.Sequence != b.Sequence || !a.Time.Equal(b.Time) || c.Tool.Name != "maps" {
		t.Errorf("two sites have number %d and %d", a.Sequence, b.Sequence)
	}
	names := func(t *selfcheck.Transcript, contact string) bool {
		return strings.Contains(selfcheck.Text(t.Requests[0].Protocol, t.Requests[0].Bytes), "anonymizing proxy; "+contact+")")
	}
	if names(a, "one@wiki.example") || !names(c, "one@wiki.example") {
		t.Error("the sites' agents are mixed up")
	}
	if books := pool.Left("canaries"); len(books) != 2 {
		t.Errorf("held are %q, want 2", books)
	}
	for i := range 20 {
		e.Load(t, config(fmt.Sprintf("two%d@wiki.example", i%2)))
	}
	if again := ask("a.test"); again.Sequence != a.Sequence {
		t.Errorf("reloads made number %d", again.Sequence)
	}
	stop()
	if left := pool.Left("canaries"); left != nil {
		t.Errorf("still held: %q", left)
	}
	// The same edge says the same within the interval: nothing new is published.
	e.Load(t, config("one@wiki.example"))
	again := ask("a.test")
	stop()
	if again.Sequence < a.Sequence {
		t.Errorf("after a restart the number is %d, and was %d", again.Sequence, a.Sequence)
	}
}

func TestCanaryOff(t *testing.T) {
	tool := edgetest.JSONTool(t)
	e := boardEdge(t, fileTool("maps", tool, ""))
	e.Load(t, strings.Replace(boardSite, "anonproxy", "anonproxy {\ncanary off\n}", 1))
	for _, path := range []string{"/.tools/maps/transcript", transcriptsPath} {
		if resp, body := anyone(t, e, http.MethodGet, path, nil); resp.StatusCode != 404 || !strings.Contains(body, "switched the canary off") {
			t.Errorf("%s: got %d %s", path, resp.StatusCode, body)
		}
	}
	if html, list := boardPage(t, e); strings.Contains(html+list, "/transcript") {
		t.Error("the noticeboard links to a transcript")
	}
	if status, body := e.Post(t, adminCanary, canaryRequest{Tool: "maps"}); status != 404 || !strings.Contains(body, "no site has a canary") {
		t.Errorf("running it: %d %s", status, body)
	}
	wantAnswer(t, e, "maps/x", tool)
}

func TestCanaryConfig(t *testing.T) {
	for name, tt := range map[string]struct{ option, reason string }{
		"nothing":      {"canary", "wrong argument count"},
		"unknown":      {"canary never", `"never" is not expected`},
		"off and more": {"canary off report_only", "off has no other options"},
		"off, every":   {"canary off every 1h", "off has no other options"},
		"twice":        {"canary report_only report_only", `"report_only" is not expected`},
		"no duration":  {"canary every", `"every" is not expected`},
		"bad duration": {"canary every soon", `"soon" is not a duration`},
		"too often":    {"canary every 59s", `"59s" is not a duration`},
		"too seldom":   {"canary every 25h", "not from a minute to a day"},
		"given twice":  {"canary off\ncanary off", "canary is given twice"},
		"block":        {"canary {\n}", "wrong argument count"},
	} {
		t.Run(name, func(t *testing.T) {
			edgetest.WantRefused(t, edgetest.Validate(t, "{\n{GLOBAL}\n}\nhttp://{SITE} {\nanonproxy {\n"+tt.option+"\n}\n}\n"), tt.reason)
		})
	}
	for _, c := range []CanaryConfig{{Off: true, ReportOnly: true}, {Every: caddy.Duration(time.Second)}, {Every: -1}} {
		if c.validate() == nil { // what comes by JSON
			t.Errorf("%+v is accepted", c)
		}
	}
	if err := edgetest.Validate(t, "{\n{GLOBAL}\n}\nhttp://{SITE} {\nanonproxy {\ncanary every 10m report_only\n}\n}\n"); err != nil {
		t.Error(err)
	}
}

// What is damaged in the storage is left behind: the numbers begin anew, and the log tells.
func TestCanaryDamagedStore(t *testing.T) {
	tool := edgetest.JSONTool(t)
	e := boardEdge(t, fileTool("maps", tool, ""))
	transcript(t, e, "maps")
	files, err := filepath.Glob(filepath.Join(e.Dir, "storage", canaryDir, "*", "maps.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v: %v", files, err)
	}
	for name, damage := range map[string]string{"cut": `["`, "empty": `[]`, "another form": `{"version":2}`, "not signed": `["wikiveil/v1/transcript\n{}\n"]`} {
		edgetest.ReplaceFile(t, files[0], damage)
		status, body := e.Post(t, adminCanary, canaryRequest{Tool: "maps"})
		var reports []canaryReport
		if err := json.Unmarshal([]byte(body), &reports); err != nil || status != 200 || reports[0].Sequence != 1 || reports[0].Error != "" {
			t.Errorf("%s: %d, %v: %s", name, status, err, body)
		}
	}
	wantWords(t, "the log", e.ReadLog(t), "the kept transcripts can't be used")
	// Where the storage doesn't take it, what was shown stays, and the trouble is told.
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(files[0], "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, before := transcript(t, e, "maps")
	if _, body := e.Post(t, adminCanary, canaryRequest{Tool: "maps"}); !strings.Contains(body, `"error":"publishing the transcript: loading wikiveil/transcripts/`) {
		t.Errorf("got %s", body)
	}
	if _, after := transcript(t, e, "maps"); after != before {
		t.Error("another transcript is shown than is stored")
	}
	if got := e.Metrics(t)[`wikiveil_tool_canary_broken{tool="maps"}`]; got != 1 {
		t.Errorf("the metric is %v", got)
	}
	wantAnswer(t, e, "maps/x", tool)
}
