package confirm

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestSetBrowser(t *testing.T) {
	b := testKeys(t, 1).newBrowser()
	h := http.Header{}
	setBrowser(h, b)
	want := []string{
		BrowserCookie + "=" + b.value + "; Path=/; Max-Age=2678400; HttpOnly; Secure; SameSite=Lax",
		"__Http-probe=1; HttpOnly; Path=/",
	}
	if got := h["Set-Cookie"]; !slices.Equal(got, want) {
		t.Errorf("set %q, want %q", got, want)
	}
}

func TestBrowsersDiffer(t *testing.T) {
	keys := testKeys(t, 1)
	a, b := keys.newBrowser(), keys.newBrowser()
	if a.ID() == b.ID() {
		t.Error("two new browsers are one")
	}
	if id := a.ID(); strings.Contains(a.value, encode(id[:])) {
		t.Error("B stands in the cookie")
	}
}

func TestCookie(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		value string
		count int
	}{
		{"none", nil, "", 0},
		{"alone", []string{"c=1"}, "1", 1},
		{"among others", []string{"a=c=9; c=1; cc=2; =c; C=3"}, "1", 1},
		{"without spaces", []string{"a=0;c=1;b=2"}, "1", 1},
		{"twice", []string{"c=1; c=2"}, "2", 2},
		{"twice in two lines", []string{"c=1", "c=2"}, "2", 2},
		{"once without a value", []string{"c=1; c"}, "", 2},
		{"with a quoted value", []string{`c="1"`}, `"1"`, 1},
		{"with tabs", []string{"\tc\t=\t1\t"}, "1", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			value, count := Cookie(&http.Request{Header: http.Header{"Cookie": tt.lines}}, "c")
			if value != tt.value || count != tt.count {
				t.Errorf("got %q, %d times; want %q, %d times", value, count, tt.value, tt.count)
			}
		})
	}
}

func TestEnforcesPrefixes(t *testing.T) {
	flow := newFuzzFlow(t)
	own := BrowserCookie + "=" + flow.keys.newBrowser().value
	for name, tt := range map[string]struct {
		cookies string
		want    bool
	}{
		"the browser cookie without the probe": {own, true},
		"a browser that keeps the probe":       {own + "; " + ProbeCookie + "=1", false},
		"a probe with another value":           {ProbeCookie + "=; " + own, false},
		"a browser that was never asked":       {"", false},
		"a browser cookie that is not ours":    {BrowserCookie + "=" + testKeys(t, 2).newBrowser().value, false},
		"two browser cookies":                  {own + "; " + own, false},
	} {
		r := httptest.NewRequest("GET", testWiki, nil)
		r.Header.Set("Cookie", tt.cookies)
		if got := flow.EnforcesPrefixes(r); got != tt.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
