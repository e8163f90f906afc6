package exempt

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"
)

func TestMarkPersonal(t *testing.T) {
	for name, tt := range map[string]struct {
		cache []string
		want  string
	}{
		"nothing":                 {nil, "private, no-cache"},
		"public":                  {[]string{"public, max-age=3600"}, "private, no-cache, max-age=3600"},
		"in capitals":             {[]string{"PUBLIC, S-MaxAge=10"}, "private, no-cache"},
		"shared caches":           {[]string{"s-maxage=3600, proxy-revalidate, must-revalidate"}, "private, no-cache, must-revalidate"},
		"MediaWiki's":             {[]string{"s-maxage=18000, must-revalidate, max-age=0"}, "private, no-cache, must-revalidate, max-age=0"},
		"no-store":                {[]string{"no-store"}, "private, no-cache, no-store"},
		"public and no-store":     {[]string{"public, no-store"}, "private, no-cache, no-store"},
		"several lines":           {[]string{"public", "no-store, max-age=0", "s-maxage=1"}, "private, no-cache, no-store, max-age=0"},
		"private already":         {[]string{"private, no-cache"}, "private, no-cache"},
		"private for a field":     {[]string{`private="Set-Cookie, X-Y", max-age=5`}, "private, no-cache, max-age=5"},
		"no-cache for a field":    {[]string{`no-cache="Set-Cookie", public`}, "private, no-cache"},
		"kept without asking":     {[]string{"max-age=99, immutable, stale-while-revalidate=9, stale-if-error=9"}, "private, no-cache, max-age=99"},
		"a string with a comma":   {[]string{`ext="a, public, \"b", public`}, `private, no-cache, ext="a, public, \"b"`},
		"a string without an end": {[]string{`ext="no-transform, public`}, "private, no-cache, no-store"},
		"empty items":             {[]string{",, ,public,", ""}, "private, no-cache"},
		"no-transform":            {[]string{"no-transform"}, "private, no-cache, no-transform"},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{"Content-Type": {"text/html"}}
			if tt.cache != nil {
				h["Cache-Control"] = tt.cache
			}
			for range 2 { // a second time changes nothing
				MarkPersonal(h)
				if got := h["Cache-Control"]; len(got) != 1 || got[0] != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				if got := h["Vary"]; !slices.Equal(got, []string{"Cookie"}) {
					t.Errorf("Vary is %q", got)
				}
			}
		})
	}
}

// Whatever the app says, what goes out is private, and marking it again changes nothing.
func FuzzMarkPersonal(f *testing.F) {
	f.Add("public, max-age=1", "Accept")
	f.Add(`ext="a, b\"", s-maxage=1`, "*")
	f.Add(`x="`, ",,")
	f.Fuzz(func(t *testing.T, cache, vary string) {
		h := http.Header{"Cache-Control": {cache}, "Vary": {vary}}
		MarkPersonal(h)
		once := h.Clone()
		list, ok := splitList(h.Get("Cache-Control"))
		if !ok || len(h["Cache-Control"]) != 1 || len(list) < 2 || list[0] != "private" || list[1] != "no-cache" {
			t.Fatalf("%q became %q", cache, h["Cache-Control"])
		}
		for _, directive := range list[2:] {
			if name, _, _ := strings.Cut(strings.ToLower(directive), "="); slices.Contains([]string{"public", "s-maxage"}, strings.TrimSpace(name)) {
				t.Errorf("%q became %q", cache, list)
			}
		}
		if !httpguts.HeaderValuesContainsToken(h["Vary"], "Cookie") && !httpguts.HeaderValuesContainsToken(h["Vary"], "*") {
			t.Errorf("Vary %q became %q", vary, h["Vary"])
		}
		if MarkPersonal(h); !maps.EqualFunc(h, once, slices.Equal) {
			t.Errorf("%v became %v", once, h)
		}
	})
}

func TestMarkPersonalVary(t *testing.T) {
	for name, tt := range map[string]struct{ vary, want []string }{
		"another":          {[]string{"Accept-Encoding"}, []string{"Accept-Encoding", "Cookie"}},
		"in a list":        {[]string{"Accept-Encoding, cookie"}, []string{"Accept-Encoding, cookie"}},
		"in a second line": {[]string{"Accept-Encoding", "COOKIE"}, []string{"Accept-Encoding", "COOKIE"}},
		"everything":       {[]string{"*"}, []string{"*"}},
		"a longer name":    {[]string{"Cookie2"}, []string{"Cookie2", "Cookie"}},
	} {
		h := http.Header{"Vary": tt.vary}
		if MarkPersonal(h); !slices.Equal(h["Vary"], tt.want) {
			t.Errorf("%s: got %q, want %q", name, h["Vary"], tt.want)
		}
	}
}

func TestMarkPersonalForOtherCaches(t *testing.T) {
	h := http.Header{}
	for _, name := range []string{"CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Surrogate-Control", "X-Accel-Expires", "Expires"} {
		h.Set(name, "3600")
	}
	MarkPersonal(h)
	if len(h) != 3 || h.Get("Expires") == "" {
		t.Errorf("left are %v", h)
	}
}

// Where what is stored may be used again, as a picture, the browser may go on to do so.
func TestMarkPrivate(t *testing.T) {
	page := http.Header{"Cache-Control": {"public, max-age=60, must-revalidate, stale-if-error=5"}}
	MarkPrivate(page, true)
	if got := page.Get("Cache-Control"); got != "private, no-cache, max-age=60, must-revalidate" {
		t.Errorf("page: got %q", got)
	}
	for name, c := range map[string]struct{ before, want http.Header }{
		"none":        {http.Header{}, http.Header{"Cache-Control": {"private"}}},
		"public":      {http.Header{"Cache-Control": {"public, s-maxage=99, max-age=60"}}, http.Header{"Cache-Control": {"private, max-age=60"}}},
		"two lines":   {http.Header{"Cache-Control": {"S-MaxAge=1", "must-revalidate, Public"}}, http.Header{"Cache-Control": {"private, must-revalidate"}}},
		"private":     {http.Header{"Cache-Control": {"private, must-revalidate, max-age=0"}}, http.Header{"Cache-Control": {"private, must-revalidate, max-age=0"}}},
		"one field":   {http.Header{"Cache-Control": {`private="Set-Cookie", max-age=5`}}, http.Header{"Cache-Control": {"private, max-age=5"}}},
		"no-store":    {http.Header{"Cache-Control": {"no-store"}}, http.Header{"Cache-Control": {"private, no-store"}}},
		"used again":  {http.Header{"Cache-Control": {"public, max-age=9, immutable"}}, http.Header{"Cache-Control": {"private, max-age=9, immutable"}}},
		"CDN's own":   {http.Header{"Cdn-Cache-Control": {"max-age=9"}, "Cloudflare-Cdn-Cache-Control": {"max-age=9"}}, http.Header{"Cache-Control": {"private"}}},
		"other words": {http.Header{"Surrogate-Control": {"max-age=9"}, "X-Accel-Expires": {"9"}, "Edge-Control": {"x"}, "Expires": {"x"}}, http.Header{"Cache-Control": {"private"}, "Expires": {"x"}}},
	} {
		MarkPrivate(c.before, false)
		if fmt.Sprint(c.before) != fmt.Sprint(c.want) {
			t.Errorf("%s: got %v, want %v", name, c.before, c.want)
		}
	}
}
