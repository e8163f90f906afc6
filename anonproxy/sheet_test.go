package anonproxy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/anonproxy/mirror"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// Case 58: no sheet by proxy has the browser ask for anything, whatever it looks at.
func TestCase58SheetsLoadNothing(t *testing.T) {
	sheets := map[string]struct{ contentType, sheet, want string }{
		"attribute":     {"text/css", `a[title^="User:Z"]{font-family:sZ;background:url(/.tools/maps/z)}`, `a[title^="User:Z"]{font-family:sZ;background:url("")}`},
		"letters":       {"text/css", `@font-face{font-family:s;src:url(z.woff2);unicode-range:U+5A}`, `@font-face{font-family:s;src:url("");unicode-range:U+5A}`},
		"import":        {"text/css", `@import "z.css" supports(selector(:has(a)));`, `@import "" supports(selector(:has(a)));`},
		"in is and has": {"text/css", `p:is(:has(input[value^="a"])){&:not([b|="c"]){list-style:image-set("z" 1x)}}`, `p:is(:has(input[value^="a"])){&:not([b|="c"]){list-style:image-set("" 1x)}}`},
		"escaped":       {"text/css", `a{b:\75 rl(z);c:u\72l("z");d:src("z")}`, `a{b:url("");c:url("");d:src("")}`},
		"own":           {"text/css", `a{b:url(#c);d:url(data:image/png;base64,AA==)}`, `a{b:url("#c");d:url("data:image/png;base64,AA==")}`},
		"Latin-1":       {"text/css; charset=iso-8859-1", "a:after{content:'\xe9'}", `a:after{content:"é"}`},
		"with a mark":   {"text/css", "\ufeffa{b:url(z)}", `a{b:url("")}`},
	}
	withAndWithoutCache(t, func(t *testing.T, cfg Config) {
		b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
			sheet := sheets[r.URL.Query().Get("q")]
			cacheable(sheet.contentType, sheet.sheet)(w, r)
		})
		e := newEdge(t, cfg, tool("maps", b.URL, noticeboard.Style))
		for name, tc := range sheets {
			for _, dest := range []string{"style", ""} { // without a destination, too
				a := e.do(t, "GET", "/.tools/maps/x?q="+strings.ReplaceAll(name, " ", "+"), dest)
				if a.status != 200 || a.body != tc.want || a.header.Get("Content-Type") != sheetType {
					t.Errorf("%s: got %d %q %q, want %q", name, a.status, a.header.Get("Content-Type"), a.body, tc.want)
				}
			}
		}
	})
}

// What can't be rewritten isn't passed on.
func TestCase58BadSheets(t *testing.T) {
	withAndWithoutCache(t, func(t *testing.T, cfg Config) {
		var sheet string
		b := newBackend(t, func(w http.ResponseWriter, r *http.Request) { tooltest.Answers("text/css", sheet)(w, r) })
		e := newEdge(t, cfg, tool("maps", b.URL, noticeboard.Style))
		for path, tc := range map[string]struct{ sheet, reason string }{
			"large": {strings.Repeat("a{}", mirror.MaxSheet), mirror.ErrSheetSize.Error()},
			"UTF16": {"\xff\xfea\x00", mirror.ErrSheetText.Error()},
		} {
			sheet = tc.sheet
			wantRefusal(t, e.do(t, "GET", "/.tools/maps/"+path, "style"), 502, tc.reason)
		}
		sheet = "a{b:url(z)}"
		if a := e.do(t, "HEAD", "/.tools/maps/head", "style"); a.status != 200 || a.header.Get("Content-Length") != "" || a.header.Get("Content-Type") != sheetType {
			t.Errorf("HEAD: %d %v", a.status, a.header)
		}
		broken := newEdge(t, cfg, tool("cut", says(t, "HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nContent-Length: 99\r\n\r\na{"), noticeboard.Style))
		if a := broken.do(t, "GET", "/.tools/cut/x", "style"); a.status != 502 || strings.Contains(a.body, "a{") {
			t.Errorf("a sheet that breaks off: %d %q", a.status, a.body)
		}
		failing := newEdge(t, cfg, tool("failing", newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/css")
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte("a{b:url(z)}"))
		}).URL, noticeboard.Style))
		if a := failing.do(t, "GET", "/.tools/failing/x", "style"); a.status != 404 || a.body != `a{b:url("")}` {
			t.Errorf("an error's sheet: %d %q", a.status, a.body)
		}
	})
}
