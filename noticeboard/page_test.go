package noticeboard

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func pageOf(t *testing.T, live *Live) *Page {
	t.Helper()
	page, err := live.Page(PageOptions{Prefix: "/.tools/"})
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func testPage(t *testing.T, tools ...*Tool) *Page {
	t.Helper()
	return pageOf(t, mustLive(t, files(t), "", tools...))
}

func get(page *Page, method, target, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	return w
}

const browserAccept = "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8"

func TestPageForPeople(t *testing.T) {
	page := testPage(t,
		&Tool{
			Name: "maps", Origin: "https://maps.example.org", Hosts: []string{"tiles.example.org"}, Title: "Maps <script>alert(1)</script>",
			Purpose: "Shows where things are", Sends: "Coordinates", Retention: "A day", Kinds: []Kind{Img, Style},
			Source: "https://git.example.org/maps", Privacy: "https://maps.example.org/privacy", Contact: "maps@example.org",
		},
		&Tool{
			Name: "demo", Origin: "http://127.0.0.1:9000", AllowLoopback: true, Contact: "the village pump",
			Methods: []string{"GET", "POST"}, Streams: []Stream{WebSocket},
		},
	)
	w := get(page, "GET", "/.tools/", browserAccept)
	body := w.Body.String()
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("got %d %s", w.Code, w.Header().Get("Content-Type"))
	}
	for _, want := range []string{
		"Shows where things are", "Coordinates", "A day", "images, style sheets", "https://maps.example.org</code>", "https://tiles.example.org</code>",
		"/.tools/maps/", `href="https://git.example.org/maps"`, `href="https://maps.example.org/privacy"`, `href="mailto:maps@example.org"`,
		"Maps &lt;script&gt;", "the village pump</bdi></dd>", "For tests only", "Not stated.",
		"What gadgets may send along", "Does it stay connected?", "Gadgets may send it messages that way.",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(strings.ToLower(body), "<script") {
		t.Error("the page holds a script element")
	}
	if strings.Count(body, "For tests only") != 1 {
		t.Error("the label for test tools stands at the wrong tools")
	}
}

// hostile is meant to break out of whatever it is put into.
const hostile = `"'><script>alert(1)</script><img src=x onerror=alert(2)>{{.}}</style><!--`

// Readers are told that a tool can tell them apart, and only of those that can.
func TestPageTellsOfPseudonyms(t *testing.T) {
	tools := []*Tool{
		{Name: "maps", Origin: "https://maps.example.org", Personal: SomethingPersonal, Pseudonym: true},
		{Name: "demo", Origin: "https://demo.example.org", Personal: SomethingPersonal},
		{Name: "direct", Origin: "https://direct.example.org", Access: ByConsent, Pseudonym: true},
	}
	body := get(testPage(t, tools...), "GET", "/.tools/", browserAccept).Body.String()
	const told = "Can it tell readers apart?"
	if article, _, _ := strings.Cut(body[strings.Index(body, `id="tool-maps"`):], "</article>"); !strings.Contains(article, told) {
		t.Error("the tool's article doesn't tell of its pseudonym")
	}
	if n := strings.Count(body, told); n != 1 {
		t.Errorf("%d tools are said to tell readers apart", n)
	}
	if list := get(testPage(t, tools...), "GET", "/.tools/", "application/json").Body.String(); strings.Count(list, `"pseudonym": true`) != 2 {
		t.Errorf("JSON: %s", list)
	}
}

// Case 39. Readers are told that a tool gets their name, and only of those that do.
func TestCase39PageTellsOfNames(t *testing.T) {
	body := get(testPage(t,
		&Tool{Name: "edits", Origin: "https://edits.example.org", Access: ByBoth, Names: NamesReader},
		&Tool{Name: "demo", Origin: "https://demo.example.org"},
	), "GET", "/.tools/", browserAccept).Body.String()
	const told = "Does it get your user name?"
	article, _, _ := strings.Cut(body[strings.Index(body, `id="tool-edits"`):], "</article>")
	if !strings.Contains(article, told) || strings.Count(body, told) != 1 {
		t.Errorf("%d tools are said to get the name", strings.Count(body, told))
	}
}

// Hostile strings in every field that takes text, in listed tools, in why a tool
// was disabled: nothing of it becomes markup.
func TestPageEscapes(t *testing.T) {
	link := "https://evil.example.org/" + hostile
	tool := &Tool{
		Name: "maps", Origin: "https://maps.example.org", Access: ByBoth, Title: hostile, Author: hostile, Purpose: hostile, Sends: hostile,
		Retention: hostile, Contact: hostile, Reviewer: hostile, URL: link, Source: link, Privacy: link,
	}
	name, err := json.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	text := string(name)
	file := toolsFile(t, `{"name":`+text+`,"title":`+text+`,"description":`+text+`,"author":`+text+`,"url":`+text+`}`)
	l := mustLive(t, files(t), file, tool)
	for _, stop := range []Stop{{Tool: "maps", By: hostile, Why: hostile, Prefix: "/" + strings.ReplaceAll(hostile, "</", "<")}, {Tool: "maps", By: hostile, Why: hostile}} {
		if err := l.state.Disable(t.Context(), stop); err != nil {
			t.Fatal(err)
		}
	}
	page, err := l.Page(PageOptions{Prefix: "/.tools/", Withdraw: "/withdraw" + strings.ReplaceAll(hostile, "alert(1)", "")})
	if err != nil {
		t.Fatal(err)
	}
	body := get(page, "GET", "/.tools/", browserAccept).Body.String()
	if n := strings.Count(body, "alert(1)"); n != 19 {
		t.Errorf("the hostile text stands %d times: are all fields shown?", n)
	}
	for _, bad := range []string{"<script", "<img", "<!--", "</style", "href=\"javascript:", "onerror=alert(2)>"} {
		if strings.Contains(strings.ToLower(body), bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
	answer := get(page, "GET", "/.tools/?format=json", "").Body.String()
	if !json.Valid([]byte(answer)) || strings.Contains(answer, "<") {
		t.Error("the JSON holds markup, or isn't JSON")
	}
}

func TestPageShowsTheState(t *testing.T) {
	ctx := t.Context()
	direct, expired := *exemplary(), *mapsTool()
	direct.Name, direct.Access = "direct", ByConsent
	direct.Reviewed = date(t, time.Now().Add(-48*time.Hour))
	expired.Name, expired.Expires = "expired", date(t, time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC))
	l := mustLive(t, files(t), toolsFile(t, `{"name":"listed","title":"Listed one"}`), mapsTool(), &direct, &expired)
	page, err := l.Page(PageOptions{Prefix: "/.tools/", Withdraw: "https://consent.example.org/mine"})
	if err != nil {
		t.Fatal(err)
	}
	show := func() string { return get(page, "GET", "/.tools/", browserAccept).Body.String() }
	first := show()
	for _, want := range []string{
		`<p class="label label-D">Label D</p>`, `<p class="label label-C">Label C</p>`, "Listed one", "Listed, not in use",
		"Out of use: the tool&#39;s declaration expired: 2020-01-02.", `<a href="https://consent.example.org/mine">`,
		"Directly by your browser, once you have agreed", "<strong>maps</strong> was added", "<strong>expired</strong> expired",
		"A person has reviewed the declaration within a year.",
	} {
		if !strings.Contains(first, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	rendered := page.last.Load()
	show()
	if page.last.Load() != rendered {
		t.Error("the page was rendered again though nothing changed")
	}
	if err := l.Disable(ctx, Stop{Tool: "maps", By: "somebody@example.org", Why: "taken over"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Disable(ctx, Stop{Tool: "direct", Prefix: "/a", By: "somebody@example.org", Why: "leaks"}); err != nil {
		t.Fatal(err)
	}
	after := show()
	for _, want := range []string{
		"Out of use: the tool is disabled: taken over.", "<strong>maps</strong> was disabled. Reason: taken over",
		"addresses that begin with <code>/a</code>. Reason: leaks", "<strong>direct</strong> (<code>/a</code>) was disabled",
	} {
		if !strings.Contains(after, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	answer := get(page, "GET", "/.tools/?format=json", "").Body.String()
	if strings.Contains(after+answer, "somebody") {
		t.Error("the page tells the public who acted")
	}
	var list struct {
		Tools []struct {
			Name, Standing, Reason, Label string
			Unmet                         []string
			Stopped                       []struct{ Prefix, Why string }
			Hash                          string `json:"declaration_hash"`
			Revision                      uint64
		}
		Pending []struct{ Name, Standing string }
		Changes []Change
	}
	if err := json.Unmarshal([]byte(answer), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Tools) != 3 || len(list.Pending) != 1 || len(list.Changes) != 6 {
		t.Fatalf("JSON %s", answer)
	}
	maps, second := list.Tools[0], list.Tools[1]
	if maps.Standing != "disabled" || maps.Reason != "the tool is disabled: taken over" || maps.Label != "" || maps.Revision == 0 {
		t.Errorf("maps %+v", maps)
	}
	e := lookUp(t, l, "direct")
	if second.Standing != "usable" || second.Label != "C" || second.Hash != e.Hash || len(second.Stopped) != 1 || second.Unmet[0] != "proxy_only" {
		t.Errorf("direct %+v", second)
	}
	if list.Pending[0].Name != "listed" || list.Pending[0].Standing != "pending" {
		t.Errorf("pending %+v", list.Pending)
	}
}

func TestWithdrawAddress(t *testing.T) {
	l := mustLive(t, files(t), "")
	for address, good := range map[string]bool{
		"": true, "/.privacy/mine": true, "https://consent.example.org:9443/mine": true,
		"javascript:alert(1)": false, "//evil.example.org": false, "mine": false, "data:text/html,x": false, `/\evil.example.org`: false,
	} {
		if _, err := l.Page(PageOptions{Prefix: "/.tools/", Withdraw: address}); (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// A page turns by itself when a tool expires.
func TestPageExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tool := mapsTool()
		tool.Expires = date(t, time.Now().Add(time.Hour))
		page := testPage(t, tool)
		time.Sleep(time.Hour - time.Nanosecond)
		if body := get(page, "GET", "/.tools/", "").Body.String(); strings.Contains(body, "Out of use") {
			t.Error("it expired too soon")
		}
		time.Sleep(time.Nanosecond)
		if body := get(page, "GET", "/.tools/", "").Body.String(); !strings.Contains(body, "Out of use: the tool&#39;s declaration expired") {
			t.Error("it didn't expire")
		}
	})
}

func TestPageRevalidation(t *testing.T) {
	page := testPage(t, mapsTool())
	first := get(page, "GET", "/.tools/", "")
	r := httptest.NewRequest("GET", "/.tools/", nil)
	r.Header.Set("If-None-Match", first.Header().Get("ETag"))
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	if w.Code != http.StatusNotModified || w.Body.Len() != 0 || w.Header().Get("Content-Security-Policy") == "" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
	if other := get(page, "GET", "/.tools/?format=json", "").Header().Get("ETag"); other == first.Header().Get("ETag") {
		t.Error("two forms have one ETag")
	}
}

func TestPageLoadsItsStyleOnly(t *testing.T) {
	page := testPage(t)
	w := get(page, "GET", "/.tools/", browserAccept)
	const want = "default-src 'none'; style-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
	if got := w.Header().Get("Content-Security-Policy"); got != want {
		t.Errorf("policy %q, want %q", got, want)
	}
	body := w.Body.String()
	// A stricter site-wide policy must find nothing inline to stop.
	if strings.Contains(body, " style=") || strings.Contains(body, "<style") {
		t.Error("the page has inline style")
	}
	link := regexp.MustCompile(`<link rel="stylesheet" href="(/\.tools/style\.css\?[0-9a-f]{12})">`).FindStringSubmatch(body)
	if link == nil {
		t.Fatal("the page has no style sheet")
	}
	path, _, _ := strings.Cut(link[1], "?")
	if !page.Handles(path) || !page.Handles("/.tools/") || page.Handles("/.tools/maps/") || page.Handles("/style.css") {
		t.Error("the page doesn't know its paths")
	}
	css := get(page, "GET", link[1], "text/css,*/*")
	if css.Code != 200 || css.Header().Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(css.Body.String(), "prefers-color-scheme: dark") {
		t.Errorf("style sheet: %d %v", css.Code, css.Header())
	}
	if !strings.Contains(body, "No tool is declared") {
		t.Error("an empty board doesn't say so")
	}
}

func TestPageKeepsOtherPolicies(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Security-Policy", "default-src 'self'")
	w.Header().Set("Vary", "Cookie")
	testPage(t).ServeHTTP(w, httptest.NewRequest("GET", "/.tools/", nil))
	if got := w.Header().Values("Content-Security-Policy"); len(got) != 2 || got[0] != "default-src 'self'" {
		t.Errorf("policies %q", got)
	}
	if got := strings.Join(w.Header().Values("Vary"), ","); got != "Cookie,Accept, Accept-Language" {
		t.Errorf("Vary %q", got)
	}
}

func TestPageNegotiation(t *testing.T) {
	page := testPage(t, &Tool{Name: "maps", Origin: "https://maps.example.org", MaxSize: 5})
	for _, tc := range []struct {
		name, method, target, accept string
		status                       int
		contentType                  string
	}{
		{"browser", "GET", "/.tools/", browserAccept, 200, "text/html; charset=utf-8"},
		{"anything", "GET", "/.tools/", "*/*", 200, "text/html; charset=utf-8"},
		{"no accept", "GET", "/.tools/", "", 200, "text/html; charset=utf-8"},
		{"program", "GET", "/.tools/", "application/json", 200, "application/json"},
		{"browser asks for JSON", "GET", "/.tools/?format=json", browserAccept, 200, "application/json"},
		{"program asks for HTML", "GET", "/.tools/?format=html", "application/json", 200, "text/html; charset=utf-8"},
		{"unknown format", "GET", "/.tools/?format=xml", "", 400, "text/plain; charset=utf-8"},
		{"head", "HEAD", "/.tools/", "application/json", 200, "application/json"},
		{"post", "POST", "/.tools/", "", 405, "text/plain; charset=utf-8"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := get(page, tc.method, tc.target, tc.accept)
			if w.Code != tc.status || w.Header().Get("Content-Type") != tc.contentType {
				t.Fatalf("got %d %q", w.Code, w.Header().Get("Content-Type"))
			}
			if w.Header().Get("Vary") != "Accept, Accept-Language" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("headers %v", w.Header())
			}
			switch {
			case tc.method == "HEAD" && w.Body.Len() != 0:
				t.Error("HEAD got a body")
			case tc.method == "POST" && w.Header().Get("Allow") != "GET, HEAD":
				t.Errorf("Allow %q", w.Header().Get("Allow"))
			case tc.method == "GET" && tc.contentType == "application/json":
				var list struct{ Tools []Tool }
				if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
					t.Fatal(err)
				}
				if len(list.Tools) != 1 || list.Tools[0].Origin != "https://maps.example.org" || list.Tools[0].MaxSize != 5 {
					t.Errorf("list %+v", list)
				}
			}
		})
	}
}

func TestEmptyBoardIsAList(t *testing.T) {
	w := get(testPage(t), http.MethodGet, "/.tools/?format=json", "")
	if !strings.Contains(w.Body.String(), `"tools": []`) {
		t.Errorf("JSON %s, want an empty list and no null", w.Body)
	}
}
