//go:build integration

package integration

import (
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"io"
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

// rewriteEdges are what the script must leave alone, or do as the browser would: each a script and what it comes to. TOOL is the tool's origin, HOST its host.
var rewriteEdges = []struct{ name, script, want string }{
	{"a name in a style", `restyledBy("font-family: 'x//HOST'")`, "0 font-family: 'x//HOST'"},
	{"a style's priority", `restyledBy("color: red !important; background-image: url(TOOL/p.svg)").then(s => s.startsWith('1 ') && s.includes('color: red !important') && s.includes('/.tools/maps/p.svg'))`, "true"},
	{"innerHTML null", `(d => { d.innerHTML = '<b>x</b>'; d.innerHTML = null; return d.childNodes.length; })(document.createElement('div'))`, "0"},
	{"src null", `(i => { i.src = null; return i.hasAttribute('src'); })(new Image())`, "true"},
	{"text in markup", `(d => { d.innerHTML = '<code>url(TOOL/p.svg) style="url(TOOL/p.svg)"</code>'; return d.textContent; })(document.createElement('div'))`, `url(TOOL/p.svg) style="url(TOOL/p.svg)"`},
	{"styles in markup", `(d => { d.innerHTML = '<p style="background: url(&quot;TOOL/p.svg&quot;)"></p><style>p { background: url(TOOL/p.svg) }</style>';
		return d.firstChild.style.backgroundImage.includes('/.tools/maps/') && d.lastChild.textContent.includes('/.tools/maps/'); })(document.createElement('div'))`, "true"},
	{"Request with a body", `fetch(new Request('TOOL/echo', {method: 'POST', body: 'abc', headers: {'Content-Type': 'application/json'}})).then(r => r.json()).then(d => d.got)`, "POST application/json abc"},
	{"JSONP", `jsonp('TOOL/object?callback=take')`, `load {"ran":1}`},
	{"JSONP of text", `jsonp('TOOL/text?callback=take')`, "error"},
	{"JSONP of text that is run", `jsonp('TOOL/text?callback=setTimeout')`, "error"},
	{"JSONP of a list that is run", `jsonp('TOOL/list?callback=setTimeout')`, "load"},
	{"JSONP called twice", `jsonp('TOOL/object?callback=take&callback=other')`, "error"},
	{"JSONP of two names", `jsonp('TOOL/object?callback=take&jsonp=other')`, "error"},
}

// rewritePage counts how often styles are set, and stops where that has no end.
const rewritePage = `<!doctype html><title>wiki</title><script>
	window.restyled = 0;
	new MutationObserver(records => {
		restyled += records.length;
		if (restyled > 100) { document.querySelectorAll('[style]').forEach(e => e.remove()); }
	}).observe(document, {subtree: true, attributes: true, attributeFilter: ['style']});
	const settled = () => new Promise(done => setTimeout(done)); // mutations come before
	const restyledBy = async style => {
		const element = document.createElement('span');
		element.setAttribute('style', style);
		await settled();
		restyled = 0;
		document.body.append(element);
		await settled();
		return restyled + ' ' + element.getAttribute('style');
	};
	const jsonp = async address => {
		window.taken = '';
		window.take = data => { taken = ' ' + JSON.stringify(data); };
		const script = document.createElement('script');
		const event = await new Promise(done => { script.onload = script.onerror = done; script.src = address; document.head.append(script); });
		await settled();
		await settled();
		return event.type + taken + (window.ran || '');
	};
</script><script src="/.tools/rewrite.js"></script><body><p id="stopped" style="position: fixed; --address: url(TOOL/p.svg)">`

// TestEnginesRewriteHarmless: what the script changes is addresses that load, and nothing else.
func TestEnginesRewriteHarmless(t *testing.T) {
	tool := startTool(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/echo":
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, `{"got": %q}`, r.Method+" "+r.Header.Get("Content-Type")+" "+string(body))
		case "/object":
			fmt.Fprint(w, `{"ran":1}`)
		case "/text":
			fmt.Fprint(w, `"window.ran = 'ran'"`)
		case "/list":
			fmt.Fprint(w, `["window.ran = 'ran'"]`)
		}
	})
	names := strings.NewReplacer("TOOL", tool.url, "HOST", strings.TrimPrefix(tool.url, "http://"))
	app := serveOn(t, "127.0.0.3", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path == "/bound" {
			w.Header().Set("Content-Security-Policy", "style-src 'self'")
		}
		fmt.Fprint(w, names.Replace(rewritePage))
	})).URL
	s := startEdge(t, edgeConfig{
		app:  fmt.Sprintf("tool maps %s {\nkinds data img\nmethods GET POST\nrewrite\nallow_loopback\n}\n", tool.url),
		site: clientMask + "csp\nanonproxy {\ncanary off\n}\nreverse_proxy " + strings.TrimPrefix(app, "http://") + "\n",
	})
	a := newAuthority(t)
	for _, name := range formEngines {
		t.Run(name, func(t *testing.T) {
			e := engines[name](t, a)
			for _, edge := range rewriteEdges {
				t.Run(edge.name, func(t *testing.T) {
					e.open(t, s.url+"/")
					got := value[string](t, e, "Promise.resolve("+names.Replace(edge.script)+").then(String)")
					if want := names.Replace(edge.want); got != want {
						t.Errorf("%q, want %q", got, want)
					}
				})
			}
			t.Run("a style that the policy stopped", func(t *testing.T) {
				for path, want := range map[string]string{"/": "fixed", "/bound": "static"} {
					e.open(t, s.url+path)
					if got := value[string](t, e, `settled().then(() => getComputedStyle(document.getElementById('stopped')).position)`); got != want {
						t.Errorf("%s: the position is %s, want %s", path, got, want)
					}
				}
			})
		})
	}
	for _, r := range tool.seen() {
		if strings.Contains(r.URL.RawQuery, "other") {
			t.Errorf("the tool saw %s", r.URL)
		}
	}
}
