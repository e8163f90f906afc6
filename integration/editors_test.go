//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// uses are what wikis have that a policy could stop, each as a script that does the same: what it comes to is whether that worked. What has an
// allow works with that option alone. ELSEWHERE is another site.
var uses = []struct{ name, allow, script string }{
	{"blob worker, as of CodeEditor and MapLibre", "worker-src blob:", worker(`URL.createObjectURL(new Blob(["importScripts('" + location.origin + "/worker.js')"]))`)},
	{"proof of work, as of Anubis", "worker-src 'self'", worker(`'/worker.js'`)},
	{"WebAssembly", "", `WebAssembly.instantiate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])).then(() => true, () => false)`},
	{"picture to upload", "", `new Promise(done => { const i = new Image(); i.onload = () => done(true); i.onerror = () => done(false);
		i.src = URL.createObjectURL(new Blob(['<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'], {type: 'image/svg+xml'})); })`},
	{"film to upload", "", media(`URL.createObjectURL(new Blob([(x => Uint8Array.from(x, c => c.charCodeAt(0)))(atob(WAV))], {type: 'audio/wav'}))`)},
	{"own web font", "", `new FontFace('own', 'url(/font.woff2)').load().catch(() => {}).then(() => fetch('/font-asked')).then(r => r.ok)`},
	{"pictures of a commons", "img-src ELSEWHERE", element("img", "src", "image")},
	{"sound of a commons", "media-src ELSEWHERE", media(`'ELSEWHERE/sound'`)},
	{"captcha's script", "script-src ELSEWHERE", element("script", "src", "script")},
	{"captcha's frame", "frame-src ELSEWHERE", frame("frame")},
	{"analytics elsewhere", "connect-src ELSEWHERE", `fetch('ELSEWHERE/fetch').then(() => true, () => false)`},
	{"analytics at home", "", `Promise.resolve(navigator.sendBeacon('/count', 'seen'))`},
	{"web font's sheet elsewhere", "style-src ELSEWHERE", element("link", "href", "stylesheet")},
}

// wav is a sound of no length to speak of.
const wav = `'UklGRiQAAABXQVZFZm10IBAAAAABAAEAgD4AAIA+AAABAAgAZGF0YQAAAAA='`

func worker(address string) string {
	return `new Promise(done => { try { const w = new Worker(` + address + `); w.onmessage = e => done(e.data === 42); w.onerror = () => done(false); } catch (e) { done(false); } })`
}

// media, element and frame load from an address; where the policy stops it, the violation tells.
func media(address string) string {
	return strings.ReplaceAll(`new Promise(done => { const a = document.createElement('audio'); a.onloadedmetadata = () => done(true); a.onerror = () => done(!stopped('media-src'));
		addEventListener('securitypolicyviolation', e => e.effectiveDirective === 'media-src' && done(false)); a.src = `+address+`; })`, "WAV", wav)
}

func element(name, attribute, kind string) string {
	return fmt.Sprintf(`new Promise(done => { const e = document.createElement(%q); e.rel = 'stylesheet'; e.onload = () => done(true); e.onerror = () => done(false);
		e.%s = 'ELSEWHERE/%s'; document.head.append(e); })`, name, attribute, kind)
}

func frame(kind string) string {
	return `new Promise(done => { const e = document.createElement('iframe'); addEventListener('message', m => m.data === 'framed' && done(true));
		addEventListener('securitypolicyviolation', v => v.effectiveDirective === 'frame-src' && done(false)); e.src = 'ELSEWHERE/` + kind + `'; document.body.append(e); })`
}

// TestEnginesUses tries the lines of docs/editors.md that no package of MediaWiki here has.
func TestEnginesUses(t *testing.T) {
	elsewhere := serveOn(t, "127.0.0.2", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l := loads[strings.TrimPrefix(r.URL.Path, "/")]
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Content-Type", l.contentType)
		if r.URL.Path == "/frame" {
			l.body = "<script>parent.postMessage('framed', '*')</script>"
		}
		fmt.Fprint(w, l.body)
	})).URL
	var font atomic.Bool
	app := serveOn(t, "127.0.0.3", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/font.woff2":
			font.Store(true)
		case "/font-asked":
			if !font.Swap(false) {
				http.NotFound(w, r)
			}
		case "/worker.js":
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, "postMessage(42)")
		case "/":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, "<!doctype html><title>wiki</title><body><script>window.violations = []; addEventListener('securitypolicyviolation', e => violations.push(e.effectiveDirective)); "+
				"window.stopped = name => violations.includes(name)</script>")
		}
	})).URL
	a := newAuthority(t)
	allowed := ""
	for _, u := range uses {
		if u.allow != "" {
			allowed += "allow " + strings.ReplaceAll(u.allow, "ELSEWHERE", elsewhere) + "\n"
		}
	}
	for _, name := range formEngines {
		t.Run(name, func(t *testing.T) {
			e := engines[name](t, a)
			for policy, works := range map[string]bool{"csp\n": false, "csp {\n" + allowed + "}\n": true} {
				s := startEdge(t, edgeConfig{site: clientMask + policy + "reverse_proxy " + strings.TrimPrefix(app, "http://") + "\n"})
				for _, u := range uses {
					e.open(t, s.url+"/")
					script := strings.ReplaceAll(u.script, "ELSEWHERE", elsewhere)
					if got, want := value[bool](t, e, script), works || u.allow == ""; got != want {
						t.Errorf("%s with %q works: %t (%s)", u.name, policy, got, value[[]string](t, e, "violations"))
					}
					if stopped := value[[]string](t, e, "violations"); works && len(stopped) > 0 {
						t.Errorf("%s: the policy stopped %q", u.name, stopped)
					}
				}
			}
			t.Run("worker", func(t *testing.T) { wantWorkerBound(t, e, app, elsewhere) })
		})
	}
}

// wantWorkerBound: a blob's worker, where it is allowed, loads no more than its page.
func wantWorkerBound(t *testing.T, e engine, app, elsewhere string) {
	s := startEdge(t, edgeConfig{site: clientMask + "csp {\nallow worker-src blob:\n}\nreverse_proxy " + strings.TrimPrefix(app, "http://") + "\n"})
	e.open(t, s.url+"/")
	got := value[string](t, e, fmt.Sprintf(`new Promise(done => {
		const nested = 'fetch("ELSEWHERE/fetch").then(() => postMessage("nested"), () => postMessage("-"))';
		const w = new Worker(URL.createObjectURL(new Blob(['(' + (async function (elsewhere, nested) {
			const ran = [];
			await fetch(elsewhere + '/fetch').then(() => ran.push('fetch'), () => {});
			try { importScripts(elsewhere + '/script'); ran.push('importScripts'); } catch (e) {}
			await new Promise(end => { const x = new XMLHttpRequest(); x.open('GET', elsewhere + '/fetch'); x.onload = () => { ran.push('xhr'); end(); }; x.onerror = end; x.send(); });
			await new Promise(end => { try { const s = new WebSocket(elsewhere.replace('http', 'ws')); s.onopen = () => { ran.push('websocket'); end(); }; s.onerror = s.onclose = end; } catch (e) { end(); } });
			await import(elsewhere + '/script').then(() => ran.push('import'), () => {});
			await new Promise(end => { try { const inner = new Worker(URL.createObjectURL(new Blob([nested]))); inner.onmessage = m => { if (m.data !== '-') { ran.push(m.data); } end(); }; inner.onerror = end; } catch (e) { end(); } });
			postMessage('ran ' + ran);
		}) + ')(%[1]q, ' + JSON.stringify(nested.replace('ELSEWHERE', %[1]q)) + ')'])));
		w.onmessage = m => done(m.data);
		w.onerror = x => done('error ' + x.message);
	})`, elsewhere))
	if got != "ran " {
		t.Errorf("a worker loads from elsewhere: %q", got)
	}
}

// TestEnginesEditors edits with the real CodeEditor, whose worker comes from a blob, and with VisualEditor.
func TestEnginesEditors(t *testing.T) {
	a := newAuthority(t)
	for _, r := range releases {
		if r.tempAccounts {
			continue
		}
		f := fronts[0]
		f.wiki = r
		s := setScene(t, f, edgeConfig{site: clientMask + "csp {\nallow worker-src blob:\n}\n"}, "wfLoadExtensions( [ 'CodeEditor', 'VisualEditor' ] );\n")
		s.visitAdmin(t, sysop).save(t, "Sandbox", "The first text.")
		for _, name := range formEngines {
			t.Run(r.name+"/"+name, func(t *testing.T) {
				e := engines[name](t, a)
				e.open(t, s.url+"/index.php?title=Special:UserLogin")
				e.write(t, "#wpName1", adminName)
				e.write(t, "#wpPassword1", adminPassword)
				e.click(t, "#wpLoginAttempt")
				until(t, e, `document.querySelector('#pt-logout')`)

				e.open(t, s.url+"/index.php?title=Sandbox&veaction=edit")
				until(t, e, `document.querySelector('.ve-ce-documentNode') && document.querySelector('.ve-ce-documentNode').innerText.includes('The first text.')`)
				watchViolationsIn(t, e)()

				// The last page: to leave it unsaved has the browser ask.
				e.open(t, s.url+"/index.php?title=MediaWiki:Common.js&action=edit")
				until(t, e, `document.querySelector('.ace_editor') && document.querySelector('.ace_editor').env`)
				wantNoViolation := watchViolationsIn(t, e)
				value[any](t, e, `void document.querySelector('.ace_editor').env.editor.setValue('var = ;')`)
				until(t, e, `document.querySelector('.ace_gutter-cell.ace_error, .ace_gutter-cell .ace_error')`) // which the worker finds
				wantNoViolation()
			})
		}
	}
}

// watchViolationsIn watches a page, and returns what fails where the policy stopped something, since then or in the page's own time.
func watchViolationsIn(t *testing.T, e engine) func() {
	t.Helper()
	value[any](t, e, `void (window.violations = [], addEventListener('securitypolicyviolation', v => violations.push(v.effectiveDirective + ' ' + v.blockedURI)))`)
	return func() {
		t.Helper()
		value[any](t, e, violate)
		if got := value[[]string](t, e, `violations.filter(v => !v.includes('sentinel'))`); len(got) > 0 {
			t.Errorf("the policy stopped %q", got)
		}
	}
}
