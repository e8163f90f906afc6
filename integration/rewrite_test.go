//go:build integration

package integration

import (
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// gadgetPatterns are how gadgets of real wikis load from elsewhere, without a word about the proxy. TOOL stands for the tool's own origin, CDN for a
// library's; each sets loaded[NAME] or makes the condition true.
var gadgetPatterns = []struct{ name, script, condition string }{
	{"fetch", `fetch('TOOL/data.json?p=fetch').then(r => r.json()).then(d => { loaded.fetch = d.answer; })`, ""},
	{"Request", `fetch(new Request('TOOL/data.json?p=request')).then(r => r.json()).then(d => { loaded.Request = d.answer; })`, ""},
	{"XMLHttpRequest", `var x = new XMLHttpRequest(); x.open('GET', 'TOOL/data.json?p=xhr'); x.onload = () => { loaded.XMLHttpRequest = JSON.parse(x.responseText).answer; }; x.send();`, ""},
	{"getJSON", `$.getJSON('TOOL/data.json', {p: 'getjson'}).done(d => { loaded.getJSON = d.answer; })`, ""},
	{"jQuery's JSONP", `$.ajax({url: 'TOOL/data.json', data: {p: 'jsonp'}, dataType: 'jsonp'}).done(d => { loaded["jQuery's JSONP"] = d.answer; })`, ""},
	{"JSONP by hand", `window.byHand = d => { loaded['JSONP by hand'] = d.answer; };
		var s = document.createElement('script'); s.src = 'TOOL/data.json?p=hand&callback=byHand'; document.head.appendChild(s);`, ""},
	{"ForeignApi", `mw.loader.using('mediawiki.ForeignApi').then(() => new mw.ForeignApi('TOOL/data.json', {anonymous: true}).get({action: 'query'}))
		.then(d => { loaded.ForeignApi = d.answer; })`, ""},
	{"Image", `var i = new Image(); i.onload = () => { loaded.Image = 42; }; i.src = 'TOOL/picture.svg?p=image';`, ""},
	{"jQuery's element", `$('<img>', {src: 'TOOL/picture.svg?p=element'}).on('load', () => { loaded["jQuery's element"] = 42; }).appendTo('body')`, ""},
	{"markup", `$('body').append('<p><img id="markup" src="TOOL/picture.svg?p=markup"></p>')`, `document.getElementById('markup').naturalWidth > 0`},
	{"innerHTML", `document.body.appendChild(document.createElement('div')).innerHTML = '<img id="inner" srcset="//HOST/picture.svg?p=inner 1x">'`,
		`document.getElementById('inner').naturalWidth > 0`},
	{"style sheet", `mw.loader.load('TOOL/sheet.css', 'text/css')`, `getComputedStyle(document.body).outlineColor === 'rgb(1, 2, 3)'`},
	{"addCSS", `mw.loader.using('mediawiki.util').then(() => mw.util.addCSS('body { background: url("TOOL/picture.svg?p=addcss") }'))`,
		`performance.getEntriesByName(location.origin + '/.tools/maps/picture.svg?p=addcss').length`},
	{"inline style", `$('<div>').css({width: 9, height: 9, backgroundImage: 'url(TOOL/picture.svg?p=style)'}).appendTo('body')`,
		`performance.getEntriesByName(location.origin + '/.tools/maps/picture.svg?p=style').length`},
	{"library", `mw.loader.load('CDN/lib.js')`, `window.library === 42`},
	{"getScript", `mw.loader.getScript('CDN/lib.js?2').then(() => { loaded.getScript = window.second; })`, ""},
}

const rewriteLibrary, rewriteSecond = "window.library = 42;", "window.second = 42;"

// TestEnginesRunGadgetsUnmodified has gadgets load from the tool's own addresses on the real wiki, led to the proxy by the edge's script, which
// the wiki's pages name in their head. The policy stops what isn't led there.
func TestEnginesRunGadgetsUnmodified(t *testing.T) {
	tool := startTool(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/data.json":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"answer": 42}`)
		case "/picture.svg":
			w.Header().Set("Content-Type", "image/svg+xml")
			fmt.Fprint(w, `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>`)
		case "/sheet.css":
			w.Header().Set("Content-Type", "text/css")
			fmt.Fprint(w, `body { outline: 1px solid rgb(1, 2, 3) }`)
		default:
			http.NotFound(w, r)
		}
	})
	library := startTool(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		if r.URL.RawQuery == "2" {
			fmt.Fprint(w, rewriteSecond)
		} else {
			fmt.Fprint(w, rewriteLibrary)
		}
	})
	hash := func(text string) string {
		sum := sha512.Sum384([]byte(text))
		return "sha384-" + base64.StdEncoding.EncodeToString(sum[:])
	}
	s := setScene(t, fronts[0], edgeConfig{
		app: fmt.Sprintf("tool maps %s {\nkinds data img style\nrewrite\nallow_loopback\n}\ntool cdn %s {\nkinds script\nexecutable\nrewrite\nmirror /lib.js %s\nmirror /lib.js?2 %s\nallow_loopback\n}\n",
			tool.url, library.url, hash(rewriteLibrary), hash(rewriteSecond)),
		site: clientMask + "csp\nanonproxy {\ncanary off\n}\n",
	}, "$wgHooks['BeforePageDisplay'][] = static fn ( $out ) => $out->addHeadItem( 'wikiveil', '<script src=\"/.tools/rewrite.js\"></script>' );\n")
	var gadget strings.Builder
	gadget.WriteString("window.loaded = {};\n")
	for _, p := range gadgetPatterns {
		fmt.Fprintf(&gadget, "(function () { %s })();\n", p.script)
	}
	script := strings.NewReplacer("TOOL", tool.url, "CDN", library.url, "HOST", strings.TrimPrefix(tool.url, "http://")).Replace(gadget.String())
	wait(t, "the mirror", func() bool {
		resp, err := http.Get(strings.Replace(s.url, wikiHost, "127.0.0.1", 1) + "/.tools/rewrite.js")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return len(library.seen()) == 2
	})
	a := newAuthority(t)
	for _, name := range formEngines {
		t.Run(name, func(t *testing.T) {
			e := engines[name](t, a)
			e.open(t, s.url+"/index.php/Main_Page")
			until(t, e, `window.mw && mw.loader.using && window.jQuery && document.readyState === 'complete'`)
			value[any](t, e, fmt.Sprintf(`void (window.violations = [], addEventListener('securitypolicyviolation', v => violations.push(v.effectiveDirective + ' ' + v.blockedURI)),
				document.head.appendChild(document.createElement('script')).textContent = %q)`, script))
			for _, p := range gadgetPatterns {
				t.Run(p.name, func(t *testing.T) {
					condition := p.condition
					if condition == "" {
						condition = fmt.Sprintf("loaded[%q] === 42", p.name)
					}
					until(t, e, condition)
				})
			}
			if violations := value[[]string](t, e, `violations`); len(violations) > 0 {
				t.Errorf("the policy stopped %q", violations)
			}
		})
	}
	for _, r := range tool.seen() {
		if r.Header.Get("Origin") != "" || r.Header.Get("Referer") != "" || strings.Contains(r.URL.RawQuery, "allback") {
			t.Errorf("the tool saw %s, %v", r.URL, r.Header)
		}
	}
}
