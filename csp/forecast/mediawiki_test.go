package forecast

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseDefinition(t *testing.T) {
	text := "== tools ==\n* maps[ResourceLoader|default]|maps.js|maps.css\r\n" +
		"** Two-words.x [rights=edit]| two words.js | data.json\n*bare|Bare.vue\n" +
		"* none\n* 9digit|x.js\n* text|x.txt\n* bad|a#b.js|<x>.js|{{x}}.js\nnot a list|x.js\n" +
		"<!-- * off|off.js\n* off2|off2.js -->\n* long|" + strings.Repeat("x", 300) + ".js\n* last|last.js"
	var got []string
	for _, d := range parseDefinition(text) {
		got = append(got, d.name+": "+strings.Join(d.titles, ", "))
	}
	want := []string{
		"maps: MediaWiki:Gadget-maps.js, MediaWiki:Gadget-maps.css",
		"Two-words.x: MediaWiki:Gadget-two words.js, MediaWiki:Gadget-data.json",
		"bare: MediaWiki:Gadget-Bare.vue",
		"last: MediaWiki:Gadget-last.js",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func FuzzParseDefinition(f *testing.F) {
	f.Add("* maps[ResourceLoader|default]|maps.js|maps.css\n<!-- -->")
	f.Add("**a b|x.js||\r\n*[x]|y.js")
	f.Fuzz(func(t *testing.T, text string) {
		for _, d := range parseDefinition(text) {
			if d.name == "" || len(d.titles) == 0 {
				t.Fatalf("%+v", d)
			}
			for _, title := range d.titles {
				if !isCodeTitle(title) || strings.Contains(title, "|") {
					t.Fatalf("title %q", title)
				}
			}
		}
	})
}

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte(`{"continue":{"rvcontinue":"1|2"},"query":{"pages":[{"title":"X","revisions":[{"slots":{"main":{"content":"y"}}}]}]}}`))
	f.Add([]byte(`{"error":{"code":"readapidenied","info":"…"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		answer, err := parseAnswer(body)
		if (err == nil) != (answer != nil && answer.Query != nil) {
			t.Fatalf("%v, %v", answer, err)
		}
	})
}

// pageServer answers as api.php does, one page at a time after the first one of each
// query, as MediaWiki does where the result is large.
func pageServer(t *testing.T, pages map[string]string) (*httptest.Server, *[]string) {
	t.Helper()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		titles := strings.Split(q.Get("titles"), "|")
		asked = append(asked, fmt.Sprintf("%s %d", r.Host, len(titles)))
		at := 0
		fmt.Sscan(q.Get("rvcontinue"), &at)
		var list []map[string]any
		for i, title := range titles {
			page := map[string]any{"title": title}
			if text, ok := pages[title]; !ok {
				page["missing"] = true
			} else if i == at {
				page["revisions"] = []any{map[string]any{"slots": map[string]any{"main": map[string]any{"content": text}}}}
			}
			list = append(list, page)
		}
		answer := map[string]any{"query": map[string]any{"pages": list}}
		if at+1 < len(titles) {
			answer["continue"] = map[string]string{"rvcontinue": fmt.Sprint(at + 1), "continue": "||"}
		}
		json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	return server, &asked
}

func TestMediaWikiGadgetsContinues(t *testing.T) {
	pages := map[string]string{"MediaWiki:Common.js": "site code"}
	var definition strings.Builder
	for i := range 60 {
		fmt.Fprintf(&definition, "* g%d|g%d.js|shared.js\n", i, i)
		pages[fmt.Sprintf("MediaWiki:Gadget-g%d.js", i)] = fmt.Sprint("code ", i)
	}
	pages["MediaWiki:Gadget-shared.js"] = "shared"
	pages[definitionTitle] = definition.String()
	server, asked := pageServer(t, pages)

	code, err := MediaWikiGadgets(t.Context(), server.URL+"/api.php", "wiki.example")
	if err != nil {
		t.Fatal(err)
	}
	if len(code) != 60+60+1 {
		t.Errorf("%d pages of code", len(code))
	}
	for _, want := range []Code{
		{"g59", "MediaWiki:Gadget-g59.js", "code 59"}, {"g7", "MediaWiki:Gadget-shared.js", "shared"}, {"site", "MediaWiki:Common.js", "site code"},
	} {
		if !slices.Contains(code, want) {
			t.Errorf("no %+v", want)
		}
	}
	for _, line := range *asked {
		if host, n, _ := strings.Cut(line, " "); host != "wiki.example" || n > "50" && len(n) > 1 {
			t.Errorf("asked %s", line)
		}
	}
}

func TestMediaWikiGadgetsRefuses(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://elsewhere.example/")
			w.WriteHeader(status)
			w.Write([]byte(body))
		}
	}
	many := strings.Repeat("* g|1.js\n", 1)
	for i := range maxCodePages {
		many += fmt.Sprintf("* g%d|%d.js\n", i, i)
	}
	definition, _ := json.Marshal(map[string]any{"query": map[string]any{"pages": []any{
		map[string]any{"title": definitionTitle, "revisions": []any{map[string]any{"slots": map[string]any{"main": map[string]any{"content": many}}}}},
	}}})
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"an error page":    {answer(500, ""), "500"},
		"a redirect":       {answer(302, ""), "it redirects"},
		"no JSON":          {answer(200, "<html>"), "did not answer as"},
		"other JSON":       {answer(200, "{}"), "there is no query"},
		"a private wiki":   {answer(200, `{"error":{"code":"readapidenied","info":"You need read permission"}}`), "readapidenied"},
		"a huge answer":    {answer(200, strings.Repeat(" ", maxAnswer+1)), "more than 16777216 bytes"},
		"too many gadgets": {answer(200, string(definition)), "more than 2000 pages"},
		"endless":          {answer(200, `{"continue":{"x":"y"},"query":{"pages":[]}}`), "more than 400 requests"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.handler)
			defer server.Close()
			if _, err := MediaWikiGadgets(t.Context(), server.URL, ""); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	for _, address := range []string{"", "wiki.example", "ftp://wiki.example/", "https://user:secret@wiki.example/", "https://wiki.example/?x=1"} {
		if _, err := MediaWikiGadgets(t.Context(), address, ""); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// The bound is on all code together.
func TestMediaWikiGadgetsBytes(t *testing.T) {
	server, _ := pageServer(t, map[string]string{definitionTitle: "* a|a.js|b.js", "MediaWiki:Gadget-a.js": "12345", "MediaWiki:Gadget-b.js": "12345"})
	api, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	const all = len("* a|a.js|b.js") + 10
	if code, err := (&wikiReader{api: api, left: all}).read(t.Context()); err != nil || len(code) != 2 {
		t.Errorf("just enough: %v, %v", code, err)
	}
	if code, err := (&wikiReader{api: api, left: all - 1}).read(t.Context()); err == nil || !strings.Contains(err.Error(), "bytes of code") {
		t.Errorf("one byte too much: %v, %v", code, err)
	}
}

func TestMediaWikiGadgetsEnds(t *testing.T) {
	arrived := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := MediaWikiGadgets(ctx, server.URL, ""); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("got %v", err)
	}
}
