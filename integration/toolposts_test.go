//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// bodies is a tool that keeps what is posted to it.
type bodies struct {
	*tool
	mu     sync.Mutex
	posted []string // method, path, type and body
}

func startBodies(t *testing.T) *bodies {
	b := new(bodies)
	b.tool = startTool(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		b.posted = append(b.posted, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Content-Type")+" "+string(body))
		b.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"ok":true}`)
	})
	return b
}

// take returns what has come since the last time.
func (b *bodies) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	posted := b.posted
	b.posted = nil
	return posted
}

// posting is the declaration of a tool with POST.
func (b *bodies) posting(name string) string {
	return strings.Replace(b.declaration(name), "kinds", "methods GET POST\nkinds", 1)
}

// ask has the page ask for something with fetch, and returns the status and the text.
func (b *browser) ask(t *testing.T, path, body, contentType string) string {
	t.Helper()
	options := ""
	if contentType != "" {
		options = fmt.Sprintf(", {method: 'POST', body: %q, headers: {'Content-Type': %q}}", body, contentType)
	}
	return evaluate[string](t, b, fmt.Sprintf("fetch(%q%s).then(async r => r.status + ' ' + (await r.text()).trim())", path, options))
}

// foreignPage tries all ways in which a page can send something to another origin's tools.
const foreignPage = `<!DOCTYPE html><title>-</title><body><iframe name=frame></iframe><script>
async function attack(wiki) {
	const results = {}, url = wiki + '/.tools/posts/x';
	const attempt = async (name, f) => { try { results[name] = String(await f()); } catch (e) { results[name] = e.name; } };
	for (const mode of ['cors', 'no-cors']) {
		for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json']) {
			await attempt(mode + ' ' + type, () => fetch(url, {method: 'POST', mode, credentials: 'include', headers: {'Content-Type': type}, body: 'a=1'}).then(r => r.type + r.status));
		}
	}
	await attempt('get', () => fetch(url, {mode: 'no-cors', credentials: 'include'}).then(r => r.type + r.status));
	await attempt('beacon', () => navigator.sendBeacon(url, 'a=1'));
	await attempt('image', () => new Promise(done => { const i = new Image(); i.onload = () => done('load'); i.onerror = () => done('error'); i.src = url; }));
	await attempt('events', () => new Promise(done => { const e = new EventSource(url, {withCredentials: true}); e.onopen = () => done('open'); e.onerror = () => done('error'); }));
	await attempt('socket', () => new Promise(done => { const s = new WebSocket(url.replace('http', 'ws')); s.onopen = () => done('open'); s.onerror = () => done('error'); }));
	for (const method of ['POST', 'GET']) {
		for (const enctype of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
			await attempt('form ' + method + ' ' + enctype, () => new Promise(done => {
				const form = Object.assign(document.createElement('form'), {action: url, method, enctype, target: 'frame'});
				form.append(Object.assign(document.createElement('input'), {name: 'a', value: '1'}));
				document.body.append(form);
				document.querySelector('iframe').onload = () => done('loaded');
				setTimeout(() => done('no load'), 1500);
				form.submit();
			}));
		}
	}
	return JSON.stringify(results);
}
</script>`

// TestGadgetPosts has a gadget send to a tool that declares POST and to one that doesn't. No
// page of another origin can, nor can a form.
func TestGadgetPosts(t *testing.T) {
	posts, reads := startBodies(t), startBodies(t)
	declaration := strings.Replace(posts.posting("posts"), "kinds", "streams events websocket\nkinds", 1)
	s := setScene(t, fronts[0], edgeConfig{app: declaration + reads.declaration("reads"), site: clientMask + "csp\nanonproxy\n"}, "")
	b := startBrowser(t)
	b.open(t, s.url+"/index.php/Main_Page")

	for contentType, body := range map[string]string{
		"application/json": `{"page": "Zürich", "lang": "de"}`, "application/x-www-form-urlencoded": "page=Z%C3%BCrich&lang=de",
	} {
		if got := b.ask(t, "/.tools/posts/api?x=1", body, contentType); got != `200 {"ok":true}` {
			t.Errorf("posting %s: %s", contentType, got)
		}
		if got, want := posts.take(), []string{"POST /api?x=1 " + contentType + " " + body}; !slices.Equal(got, want) {
			t.Errorf("the tool got %q, want %q", got, want)
		}
		if got := b.ask(t, "/.tools/reads/api?x=1", body, contentType); got != "405 the tool isn't declared for this method" {
			t.Errorf("posting to a tool that isn't declared for it: %s", got)
		}
	}
	for _, r := range posts.seen() {
		for _, name := range []string{"Cookie", "Origin", "Referer", "Sec-Fetch-Site", "Accept-Language"} {
			if r.Header.Get(name) != "" {
				t.Errorf("the tool got %s: %s", name, r.Header.Get(name))
			}
		}
	}

	// Of the same site, with its cookies, and of another.
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, foreignPage)
	})
	same, other := serveOn(t, "127.0.0.1", page), serveOn(t, "127.0.0.2", page)
	for name, origin := range map[string]string{"same site": strings.Replace(same.URL, "127.0.0.1", wikiHost, 1), "another site": other.URL} {
		b.open(t, origin)
		results := evaluate[string](t, b, fmt.Sprintf("attack(%q)", s.url))
		if got := append(posts.take(), reads.take()...); len(got) > 0 {
			t.Errorf("from %s the tool got %q", name, got)
		}
		var all map[string]string
		if err := json.Unmarshal([]byte(results), &all); err != nil || len(all) != 17 {
			t.Errorf("%v: %s", err, results)
		}
		for attack, result := range all {
			ok := result == "error" || result == "TypeError" || result == "opaque0" || strings.HasPrefix(attack, "form") || attack == "beacon"
			if !ok {
				t.Errorf("from %s %s: %s", name, attack, result)
			}
		}
	}

	// A page of the wiki that is led to send a form.
	for _, enctype := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data"} {
		b.open(t, s.url+"/load.php")
		answer, err := chromedp.RunResponse(b.ctx, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(() => {
			const form = Object.assign(document.createElement('form'), {action: '/.tools/posts/x', method: 'POST', enctype: %q});
			form.append(Object.assign(document.createElement('input'), {name: 'a', value: '1'}));
			document.documentElement.append(form);
			form.submit();
		})()`, enctype)))
		if err != nil || answer.Status != http.StatusForbidden { // a page says why
			t.Errorf("a form of %s: %+v %v", enctype, answer, err)
		}
		if got := posts.take(); len(got) > 0 {
			t.Errorf("by a form of %s the tool got %q", enctype, got)
		}
	}
}

// cookie returns the value of a cookie that scripts can't see.
func (b *browser) cookie(t *testing.T, wiki, suffix string) (value string) {
	t.Helper()
	b.do(t, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		got, err := cdp.Call(ctx, tab, network.GetCookies, network.GetCookiesParams{URLs: []string{wiki}})
		if err != nil {
			return err
		}
		for _, cookie := range got.Cookies {
			if strings.HasSuffix(cookie.Name, suffix) {
				value = cookie.Value
			}
		}
		return nil
	}))
	if value == "" {
		t.Fatalf("no cookie %s", suffix)
	}
	return value
}

// TestGadgetCantSayWhoReads has gadgets send what is the reader's own, as far as the real wiki tells
// them: in the browser of one who is logged in and of one who is not. An ordinary gadget's requests pass.
func TestGadgetCantSayWhoReads(t *testing.T) {
	posts := startBodies(t)
	s := setScene(t, fronts[0], edgeConfig{app: posts.posting("posts"), site: clientMask + "csp\nanonproxy\n"}, "")
	admin := s.visitAdmin(t, sysop)
	admin.createAccount(t, "Marie Keller")
	for _, name := range []string{"", "Marie Keller"} {
		way := startRoad(t, alice, s.addr)
		port := s.addr[strings.LastIndex(s.addr, ":"):]
		b := startBrowser(t, chromedp.Flag("host-resolver-rules", "MAP "+wikiHost+port+" "+way.address))
		b.open(t, s.url+"/index.php/Main_Page")
		if name != "" {
			b.logIn(t, s.url, name)
		}
		b.waitFor(t, `window.mw && mw.loader && mw.loader.using`)
		evaluate[chromedp.Void](t, b, `mw.loader.using(['mediawiki.user', 'mediawiki.api']).then(() => { mw.user.sessionId(); document.cookie = 'gadget=k3v9qf2m1t8s7r6p; path=/'; })`)

		for _, request := range ordinary {
			path, body, _ := strings.Cut(request, " ")
			contentType := ""
			if body != "" {
				contentType = "application/json"
			}
			if got := b.ask(t, "/.tools/posts"+path, body, contentType); !strings.HasPrefix(got, "200 ") {
				t.Errorf("as %q: an ordinary request %s is refused: %s", name, request, got)
			}
		}
		posts.take()

		shown := evaluate[string](t, b, `fetch('/api.php?action=query&meta=userinfo&format=json').then(r => r.json()).then(r => r.query.userinfo.name)`)
		field := "mask"
		if name != "" {
			field = "user name"
		}
		secrets := map[string]string{
			shown: field,
			evaluate[string](t, b, `mw.user.sessionId()`): "session",
			evaluate[string](t, b, `document.cookie`):     "",
			"k3v9qf2m1t8s7r6p":                            "cookie gadget",
			alice:                                         "address",
		}
		if name != "" {
			secrets[b.cookie(t, s.url, "_session")] = "session"
			secrets[evaluate[string](t, b, `mw.config.get('wgUserName')`)] = "user name"
		} else if !strings.EqualFold(shown, s.maskOf(t, alice).String()) {
			t.Fatalf("the wiki calls the reader %s, the mask is %s", shown, s.maskOf(t, alice))
		}
		for secret, field := range secrets {
			for form, script := range map[string]string{
				"query":  `['/a?lang=en&who=' + encodeURIComponent(v)]`,
				"path":   `['/users/' + encodeURIComponent(v).replace(/%2F/g, '') + '/edits.json']`,
				"base64": `['/a?who=' + encodeURIComponent(btoa(v))]`,
				"JSON":   `['/a', JSON.stringify({page: 'Berlin', reader: {name: v}}), 'application/json']`,
				"form":   `['/a', new URLSearchParams({page: 'Berlin', reader: v}).toString(), 'application/x-www-form-urlencoded']`,
				"title":  `['/a?title=' + encodeURIComponent('User talk:' + v.replace(/ /g, '_'))]`,
			} {
				request := evaluate[[]string](t, b, fmt.Sprintf("(v => %s)(%q)", script, secret))
				request = append(request, "", "")
				got := b.ask(t, "/.tools/posts"+request[0], request[1], request[2])
				if !strings.HasPrefix(got, "403 the request carries your "+field) || strings.Contains(got, secret) {
					t.Errorf("as %q: the %s %q as %s: %s", name, field, secret, form, got)
				}
			}
		}
		if got := posts.take(); len(got) > 0 {
			t.Errorf("as %q: the tool got %q", name, got)
		}
	}
}

// ordinary is what gadgets ask for all day; what follows a space is posted.
var ordinary = []string{
	"/api/rest_v1/page/summary/Berlin?lang=de",
	"/api/rest_v1/page/summary/Marie_Curie?lang=en",
	"/w/api.php?action=query&format=json&prop=extracts%7Cpageimages&exintro=1&titles=Main_Page%7CG%C3%B6ttingen%7C%E6%9D%B1%E4%BA%AC&uselang=de",
	"/w/api.php?action=query&list=geosearch&gscoord=52.5200%7C13.4050&gsradius=10000&gslimit=50&format=json&formatversion=2",
	"/w/api.php?action=wbgetentities&ids=Q64%7CQ1055&props=labels%7Cclaims&languages=en%7Cde%7Cpt-br&format=json",
	"/tiles/osm-intl/12/2146/1422.png.json?lang=local&v=1763845461",
	"/search?q=Keller+Kirche+Stra%C3%9Fe&lang=de-AT&limit=20&offset=40&skin=vector-2022",
	"/pageviews/per-article/en.wikipedia/all-access/user/Albert_Einstein/daily/20261001/20261122",
	"/forecast?latitude=47.3769&longitude=8.5417&hourly=temperature_2m&timezone=Europe%2FZurich&start_date=2026-11-22",
	"/sparql?query=SELECT%20%3Fitem%20%3FitemLabel%20WHERE%20%7B%3Fitem%20wdt%3AP31%20wd%3AQ146.%7D%20LIMIT%2010&format=json",
	"/thumb/a/a9/Example.jpg/640px-Example.jpg.json?sha1=d0edeb1d3e1c3f2c9b0c3f6f1a1f5d3c0b2a4e99",
	"/diff?from=1181432100&to=1181432177&model=damaging%7Cgoodfaith&wiki=enwiki",
	`/translate {"from":"de","to":"en","html":"<p id=\"mwAQ\">Die <a href=\"./Stadt\">Stadt</a> liegt am Rhein, 12 km von der Mündung; gegründet 1291.</p>"}`,
	`/cite {"url":"https://doi.org/10.1038/s41586-020-2649-2","format":"mediawiki-basefields","isbn":"978-3-16-148410-0"}`,
	`/batch {"titles":["Main Page","Talk:Zürich/Archive 2","User talk:Example","Wikipedia:Sandbox"],"revision":48213370,"bbox":[5.95,45.81,10.49,47.80]}`,
}
