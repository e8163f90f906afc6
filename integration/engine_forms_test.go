//go:build integration

package integration

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// formEngines are the browsers in which what readers do with forms and editors is tried.
var formEngines = []string{"Chromium", "Firefox"}

// formSite is a wiki whose forms lead to other sites: an OAuth consumer, a login elsewhere, a search engine.
type formSite struct{ elsewhere string }

func (s formSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	show := func(body string, values ...any) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		for i, v := range values {
			values[i] = template.HTMLEscapeString(fmt.Sprint(v))
		}
		fmt.Fprintf(w, "<!doctype html><title>page</title>"+body, values...)
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /oauth": // as Special:OAuth/authorize asks
		show(`<form method=post action=/oauth><button name=accept value=1>Allow</button></form>`)
	case "POST /oauth":
		http.Redirect(w, r, s.elsewhere+"/callback?code=accepted-"+r.FormValue("accept"), http.StatusFound)
	case "GET /login": // as PluggableAuth's button
		show(`<form method=post action=/login><button>Log in</button></form>`)
	case "POST /login":
		http.Redirect(w, r, s.elsewhere+"/identify?back="+url.QueryEscape("http://"+r.Host+"/assertion"), http.StatusSeeOther)
	case "GET /saml": // the wiki's own page posts the request
		show(`<form method=post action="%s/identify"><input name=back value="http://%s/assertion"><button>Log in</button></form>`, s.elsewhere, r.Host)
	case "POST /assertion":
		http.Redirect(w, r, "/welcome?user="+url.QueryEscape(r.FormValue("user")), http.StatusSeeOther)
	case "GET /search":
		show(`<form action="%s/find"><input name=q value=masks><button>Search elsewhere</button></form>`, s.elsewhere)
	default:
		show(`<h1>At %s</h1>`, r.URL.RequestURI())
	}
}

// identityProvider is the other site: it knows the user already, and its page posts that back by itself, as SAML's binding does.
func identityProvider(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if r.URL.Path != "/identify" {
		fmt.Fprintf(w, "<!doctype html><title>elsewhere</title><h1>At %s</h1>", template.HTMLEscapeString(r.URL.RequestURI()))
		return
	}
	fmt.Fprintf(w, `<!doctype html><title>identify</title><form method=post action="%s"><input name=user value=Ada></form><script>document.forms[0].submit()</script>`,
		template.HTMLEscapeString(r.FormValue("back")))
}

// TestEnginesLeaveByForms: OAuth, single sign-on and a search elsewhere end where they should under each preset; with the form-action that
// presets had they don't.
func TestEnginesLeaveByForms(t *testing.T) {
	other := serveOn(t, "127.0.0.2", http.HandlerFunc(identityProvider)).URL
	app := serveOn(t, "127.0.0.3", formSite{other}).URL
	a := newAuthority(t)
	site := func(directives string) *edge {
		return startEdge(t, edgeConfig{site: clientMask + directives + "\nreverse_proxy " + strings.TrimPrefix(app, "http://") + "\n"})
	}
	for _, name := range formEngines {
		t.Run(name, func(t *testing.T) {
			browser := engines[name](t, a)
			for _, preset := range []string{"mediawiki", "strict", "static"} {
				t.Run(preset, func(t *testing.T) {
					s := site("csp " + preset)
					for page, end := range map[string]string{
						"/oauth": other + "/callback?code=accepted-1", "/login": s.url + "/welcome?user=Ada",
						"/saml": s.url + "/welcome?user=Ada", "/search": other + "/find?q=masks",
					} {
						browser.open(t, s.url+page)
						browser.click(t, "button")
						until(t, browser, fmt.Sprintf("location.href === %q && document.querySelector('h1')", end))
					}
				})
			}
			t.Run("form-action", func(t *testing.T) {
				s := site("csp {\nallow form-action 'self'\n}\n")
				browser.open(t, s.url+"/search")
				value[any](t, browser, `void addEventListener('securitypolicyviolation', e => { window.stopped = e.effectiveDirective; })`)
				browser.click(t, "button")
				until(t, browser, "window.stopped === 'form-action'")
			})
		})
	}
}
