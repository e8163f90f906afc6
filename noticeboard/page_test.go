package noticeboard

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func testPage(t *testing.T, tools ...*Tool) *Page {
	t.Helper()
	board, err := New(tools)
	if err != nil {
		t.Fatal(err)
	}
	page, err := NewPage(board, "/.tools/")
	if err != nil {
		t.Fatal(err)
	}
	return page
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
		&Tool{Name: "demo", Origin: "http://127.0.0.1:9000", AllowLoopback: true, Contact: "the village pump"},
	)
	w := get(page, "GET", "/.tools/", browserAccept)
	body := w.Body.String()
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("got %d %s", w.Code, w.Header().Get("Content-Type"))
	}
	for _, want := range []string{
		"Shows where things are", "Coordinates", "A day", "images, style sheets", "https://maps.example.org</code>", "https://tiles.example.org</code>",
		"/.tools/maps/", `href="https://git.example.org/maps"`, `href="https://maps.example.org/privacy"`, `href="mailto:maps@example.org"`,
		"Maps &lt;script&gt;", "the village pump</dd>", "For tests only", "Not stated.",
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

func TestPageLoadsItsStyleOnly(t *testing.T) {
	page := testPage(t)
	w := get(page, "GET", "/.tools/", browserAccept)
	const want = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
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
	if got := strings.Join(w.Header().Values("Vary"), ","); got != "Cookie,Accept" {
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
			if w.Header().Get("Vary") != "Accept" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
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
