package noticeboard

import (
	"slices"
	"strings"
	"testing"
)

func TestReadRefreshFile(t *testing.T) {
	tool, err := (&Tool{Name: "maps", Origin: "https://maps.example.org"}).normalised()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, text string
		want       []string
		reason     string
	}{
		{"paths", "# all pages\n/a\r\n\n  /b?c=d\nimg /seal", []string{"/a", "/b?c=d", "img /seal"}, ""},
		{"nothing", "", nil, ""},
		{"an address", "/a\nhttps://b.example.org/", nil, "line 2 isn't a path"},
		{"two slashes", "//b.example.org/a", nil, "line 1 isn't a path"},
		{"no UTF-8", "/\xff", nil, "line 1 isn't a path"},
		{"a kind of its own", "/a\nfont /b", nil, "line 2 is for a kind that the tool doesn't declare"},
		{"a long line", "/a\n/" + strings.Repeat("x", 20<<10), nil, "line 2 is too long"},
		{"too many", strings.Repeat("/a\n", maxRefreshPaths+1), nil, "more than 1000000 paths"},
		{"too large", strings.Repeat("#"+strings.Repeat("x", 15<<10)+"\n", maxRefreshFile>>13), nil, "larger than"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tool.ReadRefreshFile(strings.NewReader(tc.text))
			if tc.reason == "" && (err != nil || !slices.Equal(got, tc.want)) {
				t.Errorf("got %q, %v; want %q", got, err, tc.want)
			}
			if tc.reason != "" && (err == nil || !strings.Contains(err.Error(), tc.reason)) {
				t.Errorf("got %q, %v; want an error with %q", got, err, tc.reason)
			}
		})
	}
}

func FuzzParseRefresh(f *testing.F) {
	for _, seed := range []string{"/a", "img /a?b", "font", "img  /a", "/a b", "//a", "", " /a", "data /%zz"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		kind, path, err := ParseRefresh(entry)
		if err != nil {
			return
		}
		if !isRequestPath(path) || strings.ContainsAny(path, " \r\n") || kind != "" && string(kind)+" "+path != entry || kind == "" && path != entry {
			t.Errorf("%q is %q, %q", entry, kind, path)
		}
	})
}

// The path of the operator's file is in the hash, and not on the page.
func TestRefreshFileIsNotPublic(t *testing.T) {
	page := testPage(t, &Tool{Name: "maps", Origin: "https://maps.example.org", RefreshFile: "/srv/secret-place/paths"})
	for _, accept := range []string{"application/json", "text/html"} {
		if body := get(page, "GET", "/.tools/", accept).Body.String(); strings.Contains(body, "secret-place") || !strings.Contains(body, "maps.example.org") {
			t.Errorf("%s shows the file: %s", accept, body)
		}
	}
}
