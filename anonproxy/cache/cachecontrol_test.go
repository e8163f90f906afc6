package cache

import (
	"net/http"
	"strings"
	"testing"
)

func TestControl(t *testing.T) {
	for _, tc := range []struct {
		name   string
		header http.Header
		want   string
	}{
		{"nothing said", nil, "no-store"},
		{"a minute", http.Header{"Cache-Control": {"public, max-age=60"}}, "private, max-age=60"},
		{"a quote without an end", http.Header{"Cache-Control": {`max-age=60, x="y`}}, "no-store"}, // case 63
		{"a comma in quotes", http.Header{"Cache-Control": {`x="no-store, private", max-age=60`}}, "private, max-age=60"},
		{"quoted", http.Header{"Cache-Control": {`max-age="60"`}}, "private, max-age=60"},
		{"no name", http.Header{"Cache-Control": {`=1, max-age=60`}}, "no-store"},
		{"a year", http.Header{"Cache-Control": {"max-age=31536000, immutable"}}, "private, max-age=3600"},
		{"quoted", http.Header{"Cache-Control": {`Max-Age="60"`}}, "private, max-age=60"},
		{"aged", http.Header{"Cache-Control": {"max-age=60"}, "Age": {"20"}}, "private, max-age=40"},
		{"aged a year", http.Header{"Cache-Control": {"max-age=31536000"}, "Age": {"31535990"}}, "private, max-age=10"},
		{"stale", http.Header{"Cache-Control": {"max-age=60"}, "Age": {"61"}}, "no-store"},
		{"zero", http.Header{"Cache-Control": {"max-age=0"}}, "no-store"},
		{"shared only", http.Header{"Cache-Control": {"s-maxage=60"}}, "no-store"},
		{"no-store", http.Header{"Cache-Control": {"max-age=60, No-Store"}}, "no-store"},
		{"no-store in another field", http.Header{"Cache-Control": {"max-age=60", "no-store"}}, "no-store"},
		{"private", http.Header{"Cache-Control": {"private, max-age=60"}}, "no-store"},
		{"private fields", http.Header{"Cache-Control": {`private="x", max-age=60`}}, "no-store"},
		{"no-cache", http.Header{"Cache-Control": {"no-cache, max-age=60"}}, "no-store"},
		{"contradiction", http.Header{"Cache-Control": {"max-age=60, max-age=61"}}, "no-store"},
		{"negative", http.Header{"Cache-Control": {"max-age=-1"}}, "no-store"},
		{"huge", http.Header{"Cache-Control": {"max-age=99999999999999999999"}}, "private, max-age=3600"},
		{"words", http.Header{"Cache-Control": {"max-age=soon"}}, "no-store"},
		{"line break", http.Header{"Cache-Control": {"max-age=60\r\nX: y"}}, "no-store"},
		{"cookie", http.Header{"Cache-Control": {"max-age=60"}, "Set-Cookie": {"a=b"}}, "no-store"},
		{"varies by anything", http.Header{"Cache-Control": {"max-age=60"}, "Vary": {"*"}}, "no-store"},
		{"varies by a constant", http.Header{"Cache-Control": {"max-age=60"}, "Vary": {"Accept, Origin"}}, "private, max-age=60"},
		{"pragma", http.Header{"Pragma": {"no-cache"}, "Expires": {"Fri, 31 Dec 9999 23:59:59 GMT"}}, "no-store"},
		{"pragma beside an empty Cache-Control", http.Header{"Cache-Control": {" ,", ""}, "Pragma": {"no-cache"}, "Expires": {"Fri, 31 Dec 9999 23:59:59 GMT"}}, "no-store"},
		{"pragma beside Cache-Control", http.Header{"Cache-Control": {"max-age=60"}, "Pragma": {"no-cache"}}, "private, max-age=60"}, // RFC 9111 section 5.4
		{"expires", http.Header{"Expires": {"Fri, 31 Dec 9999 23:59:59 GMT"}}, "private, max-age=3600"},
		{"expired while another cache had it", http.Header{"Expires": {timed("NOW-1h")}, "Date": {timed("NOW-2h")}}, "no-store"},
		{"expired", http.Header{"Expires": {"0"}}, "no-store"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := Control(200, tc.header, nil); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestControlOfErrorsAndRedirects(t *testing.T) {
	minute := http.Header{"Cache-Control": {"max-age=60"}}
	if got := Control(404, minute, nil); got != "no-store" {
		t.Errorf("an error: %q", got)
	}
	// Section 5.2.2.3: no-store counts unless the status is understood.
	understood := http.Header{"Cache-Control": {"no-store, must-understand, max-age=60"}}
	for status, want := range map[int]string{200: "private, max-age=60", 206: "private, max-age=60", 201: "no-store", 202: "no-store"} {
		if got := Control(status, understood, nil); got != want {
			t.Errorf("must-understand with %d: %q, want %q", status, got, want)
		}
	}
	for name, tc := range map[string]struct {
		hop  Hop
		want string
	}{
		"permanent":                  {Hop{301, nil}, "private, max-age=60"},
		"permanent for ten seconds":  {Hop{308, http.Header{"Cache-Control": {"max-age=10"}}}, "private, max-age=10"},
		"permanent and private":      {Hop{308, http.Header{"Cache-Control": {"private"}}}, "no-store"},
		"for now":                    {Hop{302, nil}, "no-store"},
		"for now, for a year":        {Hop{302, http.Header{"Cache-Control": {"max-age=31536000"}}}, "private, max-age=60"},
		"for now, for nobody's keep": {Hop{307, http.Header{"Cache-Control": {"no-store"}}}, "no-store"},
	} {
		if got := Control(200, minute, []Hop{tc.hop}); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

func FuzzControl(f *testing.F) {
	for _, seed := range []string{"max-age=60", `max-age="60", x="y`, "no-store", "max-age=60\r\nX: y", "s-maxage=1, max-age=0", ";"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, lifetime string) {
		out := Control(200, http.Header{"Cache-Control": {lifetime}}, nil)
		if out != "no-store" && strings.Trim(strings.TrimPrefix(out, "private, max-age="), "0123456789") != "" {
			t.Fatalf("%q passes as %q", lifetime, out)
		}
	})
}
