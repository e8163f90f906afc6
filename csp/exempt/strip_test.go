package exempt

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/csp/confirm"
)

func TestStripCookies(t *testing.T) {
	const (
		browser = confirm.BrowserCookie + "=B"
		grants  = GrantsCookie + "=G"
		probe   = confirm.ProbeCookie + "=1"
	)
	for name, tt := range map[string]struct{ lines, want []string }{
		"none":                   {nil, nil},
		"the app's alone":        {[]string{"a=1;b=2 ; __Host-session=3; c"}, []string{"a=1;b=2 ; __Host-session=3; c"}},
		"all of ours":            {[]string{browser + "; " + grants + "; " + probe}, nil},
		"among the app's":        {[]string{"a=1; " + browser + "; b=2; " + grants + "; c=3; " + probe}, []string{"a=1; b=2; c=3"}},
		"twice":                  {[]string{grants + "; a=1; " + grants}, []string{"a=1"}},
		"in several lines":       {[]string{"a=1", browser, "b=2; " + grants, "c=3;d=4"}, []string{"a=1", "b=2", "c=3;d=4"}},
		"without blanks":         {[]string{"a=1;" + grants + ";b=2"}, []string{"a=1; b=2"}},
		"with many blanks":       {[]string{" \t" + GrantsCookie + "\t =\tG ; a=1"}, []string{"a=1"}},
		"in another case":        {[]string{"__HOST-http-WIKIVEIL-Exemptions=G; a=1; __hTTP-PROBE=1"}, []string{"a=1"}},
		"without a value":        {[]string{GrantsCookie + "; a=1; " + confirm.ProbeCookie + "="}, []string{"a=1"}},
		"without a name":         {[]string{"=" + grants + "; a=1; ==" + grants}, []string{"a=1"}},
		"a control character":    {[]string{"\x01" + grants + "; a=1"}, []string{"a=1"}},
		"a name yet to come":     {[]string{"__Host-Http-wikiveil-new=1; a=1"}, []string{"a=1"}},
		"within a quoted string": {[]string{`a="x; ` + grants + `; y"; b=1`}, []string{`a="x; y"; b=1`}},
		"only as a value":        {[]string{"a=" + GrantsCookie}, []string{"a=" + GrantsCookie}},
		"longer and shorter names": {
			[]string{"__Http-probe2=1; __Host-Http-wikiveil=2; x__Host-Http-wikiveil-browser=3"},
			[]string{"__Http-probe2=1; __Host-Http-wikiveil=2; x__Host-Http-wikiveil-browser=3"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{"Accept": {"*/*"}}
			if tt.lines != nil {
				h["Cookie"] = slices.Clone(tt.lines)
			}
			if stripped := StripCookies(h); stripped == slices.Equal(tt.lines, tt.want) {
				t.Errorf("it reports %v", stripped)
			}
			got, there := h["Cookie"]
			if !slices.Equal(got, tt.want) || there != (tt.want != nil) || h.Get("Accept") != "*/*" {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestStripSetCookies(t *testing.T) {
	forged := []string{
		GrantsCookie + "=x", GrantsCookie + "=x; Path=/; Secure; HttpOnly", confirm.BrowserCookie + "=x", confirm.ProbeCookie + "=1; HttpOnly; Path=/",
		"  \t" + GrantsCookie + "=x", GrantsCookie + " \t=x", strings.ToUpper(GrantsCookie) + "=x; Max-Age=0", "__hOST-hTTP-wikiveil-x=1",
		"=" + GrantsCookie + "=x; Path=/", " = " + GrantsCookie + "=x", "==" + GrantsCookie + "=x", GrantsCookie, GrantsCookie + "; Path=/", "=" + GrantsCookie,
		"\x00" + GrantsCookie + "=x", "\x7f=" + GrantsCookie + "\x01=x", "=\t__http-PROBE",
	}
	genuine := []string{
		"session=1; Path=/; HttpOnly", "__Host-session=1; Secure; Path=/", "a=" + GrantsCookie + "=x", "a=b; Comment=" + GrantsCookie + "=x",
		"__Http-probes=1", "__Host-Http-other=1", "x" + GrantsCookie + "=1", "", ";", "=", "=;" + GrantsCookie + "=x", "a=b, " + GrantsCookie + "=x",
	}
	for _, line := range forged {
		h := http.Header{"Set-Cookie": {line}}
		if StripSetCookies(h); len(h) != 0 {
			t.Errorf("%q stays", line)
		}
	}
	for _, line := range genuine {
		h := http.Header{"Set-Cookie": {line}}
		if StripSetCookies(h); len(h["Set-Cookie"]) != 1 {
			t.Errorf("%q goes", line)
		}
	}
	shared := slices.Concat(forged[:3], genuine, forged[3:])
	before := slices.Clone(shared)
	h := http.Header{"Set-Cookie": shared}
	if StripSetCookies(h); !slices.Equal(h["Set-Cookie"], genuine) || !slices.Equal(shared, before) {
		t.Errorf("%q stay", h["Set-Cookie"])
	}
}

// What is left has no cookie that the edge would take for its own, and all the others.
func FuzzStripCookies(f *testing.F) {
	f.Add("a=1; "+GrantsCookie+"=x; b=2", "=__HTTP-probe=1")
	f.Add(";;; "+confirm.BrowserCookie, " \t;")
	f.Add(`a="; `+GrantsCookie+`="`, "")
	f.Fuzz(func(t *testing.T, one, two string) {
		h := http.Header{"Cookie": {one, two}}
		var others []string
		for _, line := range h["Cookie"] {
			for pair := range strings.SplitSeq(line, ";") {
				if pair = strings.Trim(pair, " \t"); pair != "" && !isReserved(cookieName(pair)) {
					others = append(others, pair)
				}
			}
		}
		StripCookies(h)
		r := &http.Request{Header: h}
		for _, name := range []string{GrantsCookie, confirm.BrowserCookie, confirm.ProbeCookie} {
			if _, n := confirm.Cookie(r, name); n != 0 {
				t.Errorf("%s is left of %q, %q: %q", name, one, two, h["Cookie"])
			}
		}
		var left []string
		for _, line := range h["Cookie"] {
			for pair := range strings.SplitSeq(line, ";") {
				if pair = strings.Trim(pair, " \t"); pair != "" {
					left = append(left, pair)
				}
			}
		}
		if !slices.Equal(left, others) {
			t.Errorf("%q, %q became %q, want %q", one, two, left, others)
		}
	})
}

// A browser that reads what is left as RFC 6265bis says (section 5.6) stores nothing
// that it would send back as one of the edge's cookies.
func FuzzStripSetCookies(f *testing.F) {
	f.Add(GrantsCookie + "=x; Path=/")
	f.Add("=" + confirm.BrowserCookie + "=x")
	f.Add("a=1, " + confirm.ProbeCookie + "=1")
	f.Fuzz(func(t *testing.T, line string) {
		h := http.Header{"Set-Cookie": {line}}
		if StripSetCookies(h); len(h) == 0 {
			return
		}
		pair, _, _ := strings.Cut(line, ";")
		name, value, named := strings.Cut(pair, "=")
		if !named {
			name, value = "", pair
		}
		sent := strings.Trim(name, " \t") + "=" + strings.Trim(value, " \t")
		r := &http.Request{Header: http.Header{"Cookie": {strings.TrimPrefix(sent, "=")}}}
		for _, name := range []string{GrantsCookie, confirm.BrowserCookie, confirm.ProbeCookie} {
			if _, n := confirm.Cookie(r, name); n != 0 {
				t.Errorf("%q stays, and comes back as %q", line, r.Header["Cookie"])
			}
		}
	})
}
