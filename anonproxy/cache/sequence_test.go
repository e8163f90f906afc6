package cache

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// turn is one request after a wait, what the tool would say to it, and what the
// reader gets.
type turn struct {
	wait   time.Duration
	says   string // "" breaks off, "304" needs validators
	want   Result // "" is an error
	body   string
	asked  string // validators the tool saw, "-" if it wasn't asked
	header string // NAME: value that the reader got
}

// TestSequences plays requests one after another.
func TestSequences(t *testing.T) {
	const s, sie = time.Second, "Cache-Control: max-age=10, stale-if-error=60\nEtag: \"1\""
	first := turn{0, sie, Miss, "1", "", ""}
	for _, tc := range []struct {
		name  string
		turns []turn
	}{
		{"304 makes fresh again", []turn{
			{0, "Cache-Control: max-age=10\nEtag: \"1\"", Miss, "1", "", "Age: 0"},
			{11 * s, "304\nCache-Control: max-age=10", Revalidated, "1", `"1"`, "Age: 0"},
			{9 * s, "", Hit, "1", "-", "Age: 9"},
		}},
		{"304 brings a new lifetime", []turn{
			{0, "Cache-Control: max-age=10\nEtag: \"1\"", Miss, "1", "", ""},
			{11 * s, "304\nCache-Control: max-age=100", Revalidated, "1", `"1"`, "Cache-Control: private, max-age=100"},
			{99 * s, "", Hit, "1", "-", ""},
			{2 * s, "304", Revalidated, "1", `"1"`, ""},
		}},
		{"304 without Cache-Control keeps the lifetime", []turn{
			{0, "Cache-Control: max-age=10\nEtag: \"1\"\nAge: 5", Miss, "1", "", ""},
			{6 * s, "304", Revalidated, "1", `"1"`, ""},
			{9 * s, "", Hit, "1", "-", ""},
		}},
		{"304 without Date", []turn{
			{0, "Cache-Control: max-age=10\nEtag: \"1\"", Miss, "1", "", ""},
			{11 * s, "304\nNODATE", Revalidated, "1", `"1"`, ""},
			{9 * s, "", Hit, "1", "-", ""},
		}},
		{"304 brings a new ETag of the same", []turn{
			{0, "Cache-Control: max-age=10\nLast-Modified: Sat, 01 Jan 2000 00:00:00 GMT", Miss, "1", "", ""},
			{11 * s, "304\nEtag: \"2\"", Revalidated, "1", "Sat, 01 Jan 2000 00:00:00 GMT", ""},
			{11 * s, "304", Revalidated, "1", `"2" Sat, 01 Jan 2000 00:00:00 GMT`, ""},
		}},
		{"304 about another ETag is asked again", []turn{
			{0, "Cache-Control: max-age=10\nEtag: \"1\"", Miss, "1", "", ""},
			{11 * s, "304\nEtag: \"9\"", Miss, "3", "", ""},
		}},
		{"304 with a weak form of the ETag", []turn{
			{0, "Cache-Control: max-age=10\nEtag: \"1\"", Miss, "1", "", ""},
			{11 * s, "304\nEtag: W/\"1\"", Revalidated, "1", `"1"`, ""},
		}},
		{"304 with no-store ends it", []turn{
			{0, "Cache-Control: max-age=10\nEtag: \"1\"", Miss, "1", "", ""},
			{11 * s, "304\nCache-Control: no-store", Revalidated, "1", `"1"`, ""},
			{0, "Cache-Control: max-age=10", Miss, "3", "", ""},
		}},
		{"304 with a cookie ends it", []turn{
			{0, "Cache-Control: max-age=10\nEtag: \"1\"", Miss, "1", "", ""},
			{11 * s, "304\nSet-Cookie: a=b", Revalidated, "1", `"1"`, ""},
			{0, "Cache-Control: max-age=10", Miss, "3", "", ""},
		}},
		{"200 replaces", []turn{
			{0, "Cache-Control: max-age=10\nEtag: \"1\"", Miss, "1", "", ""},
			{11 * s, "Cache-Control: max-age=10\nEtag: \"2\"", Miss, "2", `"1"`, "Age: 0"},
			{9 * s, "", Hit, "2", "-", "Age: 9"},
			{2 * s, "304", Revalidated, "2", `"2"`, ""},
		}},
		{"what isn't stored any more replaces too", []turn{
			{0, "Cache-Control: max-age=10, stale-if-error=99\nEtag: \"1\"", Miss, "1", "", ""},
			{11 * s, "Cache-Control: no-store", Pass, "2", `"1"`, ""},
			{0, "", "", "", "", ""},
		}},
		{"no-cache asks each time", []turn{
			{0, "Cache-Control: no-cache\nEtag: \"1\"", Miss, "1", "", ""},
			{0, "304", Revalidated, "1", `"1"`, "Cache-Control: private, no-cache"},
			{0, "304", Revalidated, "1", `"1"`, ""},
		}},
		{"no-cache and an error", []turn{
			{0, "Cache-Control: no-cache, stale-if-error=60\nEtag: \"1\"", Miss, "1", "", ""},
			{0, "", "", "", `"1"`, ""},
		}},
		{"a refreshed answer serves while it is asked for", []turn{
			{0, "Cache-Control: max-age=10, stale-while-revalidate=60\nEtag: \"1\"", Miss, "1", "", ""},
			{11 * s, "Cache-Control: max-age=10", Stale, "1", `"1"`, "Age: 11"},
			{0, "", Hit, "2", "-", "Age: 0"},
		}},
		{"a refresh that fails isn't tried at once", []turn{
			{0, "Cache-Control: max-age=10, stale-while-revalidate=60", Miss, "1", "", ""},
			{11 * s, "", Stale, "1", "", ""},
			{4 * s, "", Stale, "1", "-", ""},
			{2 * s, "Cache-Control: max-age=10", Stale, "1", "", ""},
			{0, "", Hit, "4", "-", ""},
		}},
		{"a refresh that may not be stored", []turn{
			{0, "Cache-Control: max-age=10, stale-while-revalidate=60", Miss, "1", "", ""},
			{11 * s, "Cache-Control: private", Stale, "1", "", ""},
			{0, "Cache-Control: private", Pass, "3", "", ""},
		}},
		{"no connection", []turn{first, {11 * s, "", Stale, "1", `"1"`, "Age: 11"}}},
		{"status 500", []turn{first, {11 * s, "500", Stale, "1", `"1"`, ""}}},
		{"status 502", []turn{first, {11 * s, "502", Stale, "1", `"1"`, ""}}},
		{"status 503", []turn{first, {11 * s, "503\nCache-Control: max-age=60", Stale, "1", `"1"`, ""}}},
		{"status 504", []turn{first, {11 * s, "504", Stale, "1", `"1"`, ""}}},
		{"status 501 is an answer", []turn{first, {11 * s, "501", Pass, "2", `"1"`, ""}}},
		{"status 404 is an answer", []turn{first, {11 * s, "404", Pass, "2", `"1"`, ""}}},
		{"an error too late", []turn{first, {71 * s, "", "", "", `"1"`, ""}}},
		{"a failure isn't tried at once", []turn{
			first, {11 * s, "", Stale, "1", `"1"`, ""}, {4 * s, "", Stale, "1", "-", ""}, {2 * s, "304", Revalidated, "1", `"1"`, ""},
		}},
		{"an error without stale-if-error", []turn{
			{0, "Cache-Control: max-age=10\nEtag: \"1\"", Miss, "1", "", ""}, {11 * s, "", "", "", `"1"`, ""},
		}},
		{"an error with must-revalidate", []turn{
			{0, "Cache-Control: max-age=10, stale-if-error=60, must-revalidate", Miss, "1", "", ""}, {11 * s, "", "", "", "", ""},
		}},
		{"an error with s-maxage", []turn{
			{0, "Cache-Control: s-maxage=10, stale-if-error=60", Miss, "1", "", ""}, {11 * s, "", "", "", "", ""},
		}},
		{"a broken first answer isn't stored", []turn{
			{0, "", "", "", "", ""}, {0, "Cache-Control: max-age=10", Miss, "2", "", ""},
		}},
		{"private answers are marked and unmarked", []turn{
			{0, "Cache-Control: private", Pass, "1", "", ""},
			{0, "Cache-Control: max-age=10", Miss, "2", "", ""},
			{0, "", Hit, "2", "-", ""},
		}},
		{"Age begins with the last part of a long life", []turn{
			{0, "Cache-Control: max-age=7200", Miss, "1", "", "Age: 0"},
			{3600 * s, "", Hit, "1", "-", "Age: 0"},
			{3599 * s, "", Hit, "1", "-", "Age: 3599"},
		}},
		{"Age of an answer that comes old", []turn{
			{0, "Cache-Control: max-age=100\nAge: 30", Miss, "1", "", "Age: 30"}, {10 * s, "", Hit, "1", "-", "Age: 40"},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(t, tc.turns) })
		})
	}
}

func play(t *testing.T, turns []turn) {
	c := newCache(t, Config{})
	for i, turn := range turns {
		time.Sleep(turn.wait)
		asked := []string(nil)
		fetch := &origin{answer: func(_ int, v *Validators) (*Response, error) {
			switch {
			case turn.says == "":
				return nil, errTool
			case strings.HasPrefix(turn.says, "304") && v == nil:
				return says("Cache-Control: max-age=10", fmt.Sprint(i+2)), nil
			}
			return says(turn.says, fmt.Sprint(i+1)), nil
		}}
		g := ask(t, c, key("/x"), fetch.fetch)
		synctest.Wait()
		if asked = fetch.asked; asked == nil {
			asked = []string{"-"}
		}
		if g.result != turn.want || (g.err != nil) != (turn.want == "") || turn.want != "" && g.body != turn.body {
			t.Fatalf("turn %d: got %+v, want %s %q", i+1, g, turn.want, turn.body)
		}
		if last := asked[len(asked)-1]; last != turn.asked {
			t.Fatalf("turn %d: the tool saw %q, want %q", i+1, asked, turn.asked)
		}
		if name, value, ok := strings.Cut(turn.header, ": "); ok && !slices.Equal(g.header.Values(name), []string{value}) {
			t.Fatalf("turn %d: header %v, want %s", i+1, g.header, turn.header)
		}
	}
}

// TestHitsLookLikeMisses compares all that a reader gets.
func TestHitsLookLikeMisses(t *testing.T) {
	for _, tc := range []struct {
		name, header string
		unknown      bool // the tool gives no length
		size         int
	}{
		{"small", "Cache-Control: max-age=60", false, 10},
		{"empty", "Cache-Control: max-age=60", false, 0},
		{"no length", "Cache-Control: max-age=60", true, 10},
		{"at the hold", "Cache-Control: max-age=60", true, DefaultHold},
		{"missing", "404\nCache-Control: max-age=60", false, 10},
		{"no content", "204\nCache-Control: max-age=60", false, 0},
		{"shared only", "Cache-Control: s-maxage=60", false, 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, Config{})
				o := &origin{answer: func(int, *Validators) (*Response, error) {
					r := says(tc.header, strings.Repeat("x", tc.size))
					if tc.unknown {
						r.Length = -1
					}
					return r, nil
				}}
				miss := ask(t, c, key("/x"), o.fetch)
				time.Sleep(30 * time.Second)
				hit := ask(t, c, key("/x"), o.fetch)
				if miss.result != Miss || hit.result != Hit || hit.header.Get("Age") != "30" && tc.header != "Cache-Control: s-maxage=60" {
					t.Fatalf("got %s and %s, Age %s", miss.result, hit.result, hit.header.Get("Age"))
				}
				for _, g := range []got{miss, hit} {
					if len(g.header["Age"]) != 1 || (g.header.Get("Etag") != "") != (g.status == 200) {
						t.Errorf("%s: header %v", g.result, g.header)
					}
					g.header.Del("Age")
				}
				if fmt.Sprint(miss.header) != fmt.Sprint(hit.header) || miss.body != hit.body || miss.status != hit.status {
					t.Errorf("miss %v\nhit %v", miss.header, hit.header)
				}
			})
		})
	}
}

// TestNothingOfTheToolsHeaderPasses: an ETag, a date or a made-up field could mark a browser.
func TestNothingOfTheToolsHeaderPasses(t *testing.T) {
	c := newCache(t, Config{})
	etags := map[string]bool{}
	for i := range 2 {
		o := &origin{answer: func(int, *Validators) (*Response, error) {
			return says(fmt.Sprintf("Cache-Control: max-age=60\nEtag: \"reader-%d\"\nLast-Modified: NOW-%dh\nX-Reader: %d\nServer: x", i, i+1, i), "same"), nil
		}}
		for range 2 {
			g := ask(t, c, key(fmt.Sprint("/", i)), o.fetch)
			etags[g.header.Get("Etag")] = true
			for name := range g.header {
				if !slices.Contains([]string{"Accept-Ranges", "Age", "Cache-Control", "Content-Length", "Content-Type", "Etag"}, name) {
					t.Errorf("the reader got %s", name)
				}
			}
		}
	}
	if len(etags) != 1 {
		t.Errorf("ETags %v for the same body", etags)
	}
}

// TestKeysAreApart stores an answer under each of some keys that are alike.
func TestKeysAreApart(t *testing.T) {
	c := newCache(t, Config{})
	keys := []Key{
		key("/x"), key("/x?"), key("/x?a"), key("/x?a=b"), key("/X"), key("/x/"), key("/%78"), key("/x%3Fa"), key("//x"), key("/x?a&b"), key("/x?b&a"),
		toolKey("maps2", "/x"), toolKey("map", "s/x"),
	}
	base := Scope{Tool: "maps", Declaration: "1", Variant: "data"}
	for _, change := range []func(*Scope){
		func(s *Scope) { s.Declaration = "2" }, func(s *Scope) { s.Variant = "img" }, func(s *Scope) { s.Tool, s.Declaration = "maps1", "" },
		func(s *Scope) { s.Declaration, s.Variant = "1d", "ata" },
	} {
		s := base
		change(&s)
		k := key("/x")
		k.Scope = makeScope(s)
		keys = append(keys, k)
	}
	for round := range 2 {
		for i, k := range keys {
			o := &origin{answer: func(int, *Validators) (*Response, error) {
				return says("Cache-Control: max-age=60", fmt.Sprint("answer ", i)), nil
			}}
			if g := ask(t, c, k, o.fetch); g.body != fmt.Sprint("answer ", i) || g.result != []Result{Miss, Hit}[round] {
				t.Errorf("round %d, key %d: got %s %q", round, i, g.result, g.body)
			}
		}
	}
}

func TestHeadFromGet(t *testing.T) {
	c := newCache(t, Config{})
	o := &origin{answer: func(int, *Validators) (*Response, error) { return says("Cache-Control: max-age=60", "12345"), nil }}
	if _, ok := c.Lookup(t.Context(), key("/x")); ok {
		t.Fatal("found what was never asked for")
	}
	get := ask(t, c, key("/x"), o.fetch)
	a, ok := c.Lookup(t.Context(), key("/x"))
	if !ok {
		t.Fatal("not found")
	}
	defer a.Close()
	head := reply(&a, http.MethodHead, http.Header{"Range": {"bytes=0-1"}}, &Range{0, 1})
	if head.body != "" || head.status != 200 || fmt.Sprint(head.header) != fmt.Sprint(get.header) || o.count() != 1 {
		t.Errorf("HEAD got %+v, GET %v", head, get.header)
	}
}
