package noticeboard

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/page"
)

// A file as Toolhub's crawler takes it, with one entry that declares more.
func TestImport(t *testing.T) {
	data, err := os.ReadFile("testdata/toolinfo.json")
	if err != nil {
		t.Fatal(err)
	}
	board, err := Parse(data, "toolinfo.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(board.tools) != 1 || len(board.pending) != 3 {
		t.Fatalf("%d tools, %d pending", len(board.tools), len(board.pending))
	}
	got, _ := board.Lookup("maps")
	want := &Tool{
		Name: "maps", Origin: "https://maps.example.org", Kinds: []Kind{Img}, Methods: []string{"GET", "HEAD"}, Access: ByProxy,
		Title: "Maps of places", URL: "https://maps.example.org/about", Author: "Ada, Grace", Purpose: "Shows where things are.",
		Sends: "Coordinates", Source: "https://git.example.org/maps", Privacy: "https://maps.example.org/privacy/en",
		Contact: "https://bugs.example.org/maps",
	}
	if want, err = want.normalised(); err != nil {
		t.Fatal(err)
	}
	if got.content() != want.content() {
		t.Errorf("got  %s\nwant %s", got.canonical(), want.canonical())
	}
	for _, tc := range []struct{ name, purpose, url, contact string }{
		{"user-someone-Gadget.js", "Two lines.", "https://wiki.example.org/a", ""},
		{"long", strings.Repeat("é", 999) + "…", "", ""},
		{"links", "Hostile.", "", "https://feedback.example.org"},
	} {
		if !board.isListed(tc.name) {
			t.Fatalf("%s isn't listed", tc.name)
		}
		i := slices.IndexFunc(board.pending, func(t *Tool) bool { return t.Name == tc.name })
		if p := board.pending[i]; p.Purpose != tc.purpose || p.URL != tc.url || p.Contact != tc.contact || p.Source != "" || p.Privacy != "" {
			t.Errorf("%s: %+v", tc.name, p)
		}
		if _, ok := board.Lookup(tc.name); ok {
			t.Errorf("%s can be reached", tc.name)
		}
	}
}

func TestOneObject(t *testing.T) {
	board, err := Parse([]byte("\n"+`{"name":"x","wikiveil":{"name":"maps","origin":"https://maps.example.org"}}`+"\n"), "f")
	if err != nil {
		t.Fatal(err)
	}
	if tool, ok := board.Lookup("maps"); !ok || tool.Title != "maps" {
		t.Errorf("got %+v", tool)
	}
}

func TestBadFile(t *testing.T) {
	ours := func(members string) string {
		return `{"name": "maps", "wikiveil": {"origin": "https://maps.example.org"` + members + `}}`
	}
	var many []string
	for i := range maxTools + 1 {
		many = append(many, fmt.Sprintf(`{"name":"t%d"}`, i))
	}
	for _, tc := range []struct{ name, data, reason string }{
		{"empty", "", "reading f: it isn't whole JSON"},
		{"cut", `[{"name": "a"}`, "reading f: it isn't whole JSON"},
		{"cut in an entry", `[{"name": "a"`, "reading f: it isn't whole JSON"},
		{"not JSON", "tool maps", "reading f: line 1: it isn't JSON"},
		{"not JSON further down", "[\n{},\n{]", "reading f: line 3: it isn't JSON"},
		{"missing comma", "[{\"name\":\"a\"}\n{\"name\":\"b\"}]", "reading f: line 2: it isn't JSON"},
		{"text", `"tools"`, "line 1: a tool must be a JSON object"},
		{"null", `null`, "line 1: a tool must be a JSON object"},
		{"null entry", "[\nnull]", "reading f:2: a tool must be a JSON object"},
		{"list of lists", `[[]]`, "a tool must be a JSON object"},
		{"more after it", "{\"name\":\"a\"}\n{}", "something follows the end"},
		{"more after the list", "[]x", "something follows the end"},
		{"not UTF-8", "[{\"name\":\"\xff\"}]", "it isn't UTF-8"},
		{"too large", "[" + strings.Repeat(" ", maxFile) + "]", "larger than 4194304 bytes"},
		{"too many", "[" + strings.Join(many, ",") + "]", "more than 2000 tools"},
		{"too deep", `{"name":"a","x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "nested deeper than 32"},
		{"far too deep", `{"name":"a","x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, "isn't JSON"},
		{"no name", "[\n{}]", "reading f:2: a tool's name must be"},
		{"control byte in a listed name", `{"name":"a\u0000"}`, "a tool's name must be"},
		{"turned listed name", `{"name":"a\u202eb"}`, "a tool's name must be"},
		{"long listed name", `{"name":"` + strings.Repeat("a", 256) + `"}`, "a tool's name must be"},
		{"name of another type", `{"name":5}`, "name can't be a JSON number"},
		{"title of another type", `{"name":"a","title":[]}`, "title can't be a JSON array"},
		{"author of another type", `{"name":"a","author":5}`, "author can't be a JSON number"},
		{"name twice", `{"name":"a","name":"b"}`, `the member "name" is given twice`},
		{"name twice, by case", `{"name":"a","Name":"b"}`, `the member "name" is given twice`},
		{"ours twice", `{"name":"a","wikiveil":{},"Wikiveil":{}}`, `the member "wikiveil" is given twice`},
		{"origin twice", `{"name":"a","wikiveil":{"origin":"https://a.example.org","origin":"https://b.example.org"}}`, `the member "origin" is given twice`},
		{"ours outside", `{"name":"a","origin":"https://a.example.org"}`, `tool "a": origin does nothing here: move it into an object "wikiveil"`},
		{"ours isn't an object", `{"name":"a","wikiveil":true}`, `tool "a": wikiveil: a JSON bool stands`},
		{"unknown member", "[\n\n" + ours(`, "kind": "img"`) + "]", `reading f:3: tool "maps": wikiveil: unknown field "kind"`},
		{"no origin", `{"name":"a","wikiveil":{}}`, `tool "a": origin "" is missing`},
		{"bad name", `{"name":"User:A","wikiveil":{"origin":"https://a.example.org"}}`, `tool "User:A": name must be`},
		{"unknown kind", ours(`, "kinds": ["image"]`), `kind "image" is unknown: use some of`},
		{"script", ours(`, "kinds": ["script"]`), `kind "script" isn't allowed`},
		{"wildcard", ours(`, "hosts": ["*"]`), `host "*" is a wildcard`},
		{"wildcard below", ours(`, "hosts": ["*.org"]`), `host "*.org" is a wildcard`},
		{"scheme alone", ours(`, "hosts": ["https:"]`), `host "https:" has an empty port`},
		{"scheme as the origin", `{"name":"a","wikiveil":{"origin":"https:"}}`, `origin "https:" isn't an origin`},
		{"public suffix", ours(`, "hosts": ["co.uk"]`), `host "co.uk" is a public suffix`},
		{"too many hosts", ours(`, "hosts": [` + strings.Repeat(`"a.example.org",`, 32) + `"b.example.org"]`), "hosts are more than 32"},
		{"long text", ours(`, "purpose": "` + strings.Repeat("a", 1001) + `"`), "purpose is longer than 1000 characters"},
		{"bad date", ours(`, "expires": "soon"`), "not a day such as 2026-07-01"},
		{"negative revision", ours(`, "revision": -1`), "revision can't be a JSON number -1"},
		{"twice", "[{\"name\":\"a\"},\n{\"name\":\"a\"}]", `tool "a" is declared twice, in f:1 and in f:2: rename or remove one`},
		{"twice once named", `[{"name":"a"},{"name":"b","wikiveil":{"name":"a","origin":"https://a.example.org"}}]`, `tool "a" is declared twice`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			board, err := Parse([]byte(tc.data), "f")
			if err == nil || !strings.Contains(err.Error(), tc.reason) || board != nil {
				t.Fatalf("error %v, want one that says %q", err, tc.reason)
			}
		})
	}
}

func TestTooManyTools(t *testing.T) {
	var tools []*Tool
	for i := range maxTools + 1 {
		tools = append(tools, &Tool{Name: fmt.Sprintf("t%d", i), Origin: "https://a.example.org"})
	}
	if _, err := New(tools); err == nil || !strings.Contains(err.Error(), "the most is 2000") {
		t.Errorf("error %v", err)
	}
	if _, err := New(tools[:maxTools]); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	seed, err := os.ReadFile("testdata/toolinfo.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	for _, s := range []string{
		`[]`, `{"name":"a"}`, `[{"name":"a","author":[{"name":"b"}],"privacy_policy_url":[]}]`, `{"name":"a","wikiveil":null}`,
		`{"name":"a","wikiveil":{"origin":"https://a.example.org","access":"consent","kinds":["script"],"executable":true,"integrity":["` + testIntegrity + `"]}}`,
		`{"name":"a","wikiveil":{"origin":"https://a.example.org","expires":"2027-01-01","timeout":"1s","max_size":1}}`,
		`[[[[`, `{"a":{"a":`, "\xef\xbb\xbf[]", `{"name":"a\u202e"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		board, err := Parse(data, "f")
		if err != nil {
			return
		}
		for tool := range board.All() {
			if tool.Has(Script) && (tool.Proxied() || !tool.Executable || len(tool.Integrity) == 0) {
				t.Fatalf("a script got through: %+v", tool)
			}
			again, err := tool.normalised()
			if err != nil || again.content() != tool.content() {
				t.Fatalf("%s isn't in normal form: %v", tool.canonical(), err)
			}
		}
		var listings []Listing
		for tool := range board.All() {
			listings = append(listings, Listing{Tool: tool, Hash: tool.Hash()})
		}
		for _, tool := range board.pending {
			listings = append(listings, Listing{Tool: tool, Refusal: errListed})
		}
		rendered, err := renderPage(PageOptions{Prefix: "/.tools/"}, listings, nil, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		shown, err := rendered.page(page.Frame{})
		if err != nil {
			t.Fatal(err)
		}
		if html := strings.ToLower(string(shown.body)); strings.Contains(html, "<script") || strings.Contains(html, "javascript:") && strings.Contains(html, `href="javascript:`) {
			t.Fatalf("the page runs what the file says: %s", html)
		}
	})
}
