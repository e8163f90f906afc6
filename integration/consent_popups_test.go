//go:build integration

package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/preload"
	"github.com/chromedp/chromedp"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/csp/exempt"
)

// bait puts a button on the page that runs a script when the reader clicks it: only then a script may
// open a window.
func (b *browser) bait(t *testing.T, script string) {
	t.Helper()
	evaluate[chromedp.Void](t, b, fmt.Sprintf(`(() => {
		const button = document.createElement('button');
		button.id = 'bait';
		button.textContent = 'Win a prize';
		button.style = 'position: fixed; top: 0; left: 0; width: 300px; height: 100px; z-index: 9999';
		button.addEventListener('click', () => { %s });
		document.body.append(button);
	})()`, script))
	b.do(t, click("#bait"))
}

// popup returns the window whose address has the start.
func (b *browser) popup(t *testing.T, start string) (tab *browser, closeIt func()) {
	t.Helper()
	var ctx context.Context
	var cancel context.CancelFunc
	wait(t, "the window "+start, func() bool {
		targets, err := chromedp.Targets(b.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range targets {
			if target.Type == "page" && strings.HasPrefix(target.URL, start) && target.TargetID != chromedp.FromContext(b.ctx).Target.TargetID {
				ctx, cancel = chromedp.NewContext(b.ctx, chromedp.WithTargetID(target.TargetID))
				return true
			}
		}
		return false
	})
	return &browser{ctx: ctx}, cancel
}

// attackByPopup: a gadget opens the form in a window of its own and reads what it can, at each moment.
func attackByPopup(t *testing.T, s *consentScene, b *browser) {
	s.openWiki(t, b)
	b.bait(t, `
		window.seen = new Set();
		window.popup = open('/.privacy/go?tool=weather', 'popup', 'width=600,height=700');
		window.watch = setInterval(() => {
			for (const look of [() => popup.location.href, () => popup.document.documentElement.outerHTML, () => popup.name, () => popup.length]) {
				try { seen.add(String(look())); } catch (error) { seen.add(error.name); }
			}
			seen.add('closed ' + popup.closed);
		}, 1);`)
	form, closeIt := b.popup(t, s.consent)
	defer closeIt()
	form.waitFor(t, `document.querySelector('.code')`)
	if !evaluate[bool](t, form, `window.opener === null`) {
		t.Error("the form has an opener")
	}
	b.waitFor(t, `seen.has('closed true')`)
	seen := evaluate[string](t, b, `clearInterval(watch), [...seen].join('\n')`)
	for _, secret := range []string{"handoff=", "ticket=", "token", `class="code`, s.consent} {
		if strings.Contains(seen, secret) {
			t.Errorf("the gadget has seen %q in\n%s", secret, seen)
		}
	}
	if refused := evaluate[string](t, b, `(() => { try { return popup.document ? 'a document' : 'no document' } catch (error) { return error.name } })()`); refused != "SecurityError" && refused != "no document" {
		t.Errorf("reading the form gives %s", refused)
	}
	s.wantNoExemption(t, b)
}

// attackByFrames: neither the page that starts nor the form shows in a frame.
func attackByFrames(t *testing.T, s *consentScene, b *browser) {
	s.openForm(t, b) // so that there is a browser cookie
	address := evaluate[string](t, b, `location.href`)
	frame := func(url, sandbox string) string {
		return fmt.Sprintf(`<iframe %s src="%s"></iframe>`, sandbox, strings.ReplaceAll(url, "&", "&amp;"))
	}
	s.openWiki(t, b)
	b.take()
	evaluate[chromedp.Void](t, b, fmt.Sprintf(`document.body.insertAdjacentHTML('beforeend', %q)`, frame("/.privacy/go?tool=weather", "")+frame(address, "")))
	s.wantViolations(t, b, "frame-src", "frame-src")
	for _, sandbox := range []string{"", `sandbox="allow-forms allow-scripts allow-same-origin"`, "sandbox"} {
		for _, url := range []string{s.url + exempt.GoPath + "?tool=weather", address} {
			page := s.hostile.put(frame(url, sandbox))
			s.wantRefusal(t, "not_a_navigation", func() { b.open(t, page) })
		}
	}
	s.wantNoExemption(t, b)
}

// attackByLookalikes: forms that look like the genuine one and send the attacker's token, as a page and in a
// sandboxed frame. The reader clicks.
func attackByLookalikes(t *testing.T, s *consentScene, b *browser) {
	a := s.attacker(t)
	for _, frame := range []string{"%s", `<iframe sandbox="allow-forms" width="800" height="600" srcdoc='%s'></iframe>`} {
		q := a.ask(t)
		s.openForm(t, b)
		form := fmt.Sprintf(`<form method="post" action="%s"><input type="hidden" name="token" value="%s"><input type="hidden" name="code" value="%s">`+
			`<button style="position: fixed; top: 0; left: 0; width: 300px; height: 100px">Confirm</button></form>`, q.action, q.token, q.code)
		b.open(t, s.hostile.put(`<body style="margin: 0">`+fmt.Sprintf(frame, form)))
		s.wantRefusal(t, "other_origin", func() {
			refused := s.counted(t)["other_origin"]
			wait(t, "a click that meets the button", func() bool { // a frame takes its time to show
				b.do(t, chromedp.MouseClickXY(50, 50))
				time.Sleep(100 * time.Millisecond)
				return s.counted(t)["other_origin"] > refused
			})
		})
	}
	s.wantNoExemption(t, b)
}

// attackByDoubleClick: the form slips under the reader's second click, and waits there until a third.
func attackByDoubleClick(t *testing.T, s *consentScene, b *browser) {
	b.do(t, chromedp.EmulateViewport(1280, 1400)) // all of the form is to be seen
	defer b.do(t, chromedp.EmulateViewport(1280, 900))
	s.openForm(t, b)
	where := evaluate[[]float64](t, b, `(() => {
		const box = document.querySelector('form button').getBoundingClientRect();
		return [box.x + box.width / 2, box.y + box.height / 2];
	})()`)
	hit := chromedp.MouseClickXY(where[0], where[1])
	before := s.counted(t)
	s.openWiki(t, b)
	evaluate[chromedp.Void](t, b, `void document.addEventListener('click', event => { event.preventDefault(); location.assign('/.privacy/go?tool=weather'); }, true)`)
	b.do(t, hit)
	b.waitFor(t, `document.querySelector('.code')`)
	b.do(t, hit)
	time.Sleep(minimumAge)
	b.do(t, hit)
	if !evaluate[bool](t, b, `document.querySelector('form input[name=code]').validity.valueMissing`) {
		t.Error("the form can be sent without a code")
	}
	after := s.counted(t)
	before["asked"]++
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("counted are %v, want only one more form asked for: %v", after, before)
	}
	// A browser that does not mind what is missing.
	s.wantRefusal(t, "wrong_code", func() {
		evaluate[chromedp.Void](t, b, `void (document.forms[0].noValidate = true)`)
		b.do(t, click("form button"))
	})
	s.wantNoExemption(t, b)
}

// attackByEscape: of whatever the wiki answers, a gadget makes a page, and loads from there.
func attackByEscape(t *testing.T, s *consentScene, b *browser) {
	s.tool.reset()
	s.openWiki(t, b)
	wait(t, "the gadget's own loads", func() bool { return evaluate[int](t, b, `settled.length`) > len(loads) })
	b.bait(t, `window.popup = open('about:blank', 'popup');`)
	b.waitFor(t, `window.popup`)
	for _, path := range []string{
		"about:blank", "/index.php/Nowhere", "/resources/assets/licenses/cc-by.png", "/load.php?modules=startup&only=scripts&raw=1",
		"/index.php?title=MediaWiki:Worker.js&action=raw&ctype=text/javascript", "/api.php?action=query&format=json",
	} {
		got := evaluate[string](t, b, fmt.Sprintf(`(async () => {
			const sleep = time => new Promise(done => setTimeout(done, time));
			if (popup.location.href !== %[1]q) { popup.location = %[1]q; }
			for (let i = 0; !popup.location.href.endsWith(%[1]q) || popup.document.readyState !== 'complete'; i++) {
				if (i > 1000) { return 'the window stays at ' + popup.location.href; }
				await sleep(10);
			}
			const found = [];
			const tell = (how, start) => new Promise(done => {
				const heard = event => { popup.document.removeEventListener('securitypolicyviolation', heard); found.push(how + ' ' + event.effectiveDirective.replace(/-elem$/, '')); done(); };
				popup.document.addEventListener('securitypolicyviolation', heard);
				setTimeout(() => { found.push(how + ' undecided'); done(); }, 5000);
				start(what => { popup.document.removeEventListener('securitypolicyviolation', heard); found.push(how + ' ' + what); done(); });
			});
			const root = popup.document.body || popup.document.documentElement;
			const add = (name, attributes) => done => {
				const element = Object.assign(popup.document.createElement(name), attributes);
				if (name !== 'iframe') { element.onload = () => done('loaded'); } // what is blocked there is an empty page
				root.append(element);
			};
			await tell('image', add('img', {src: %[2]q + '/image'}));
			await tell('script', add('script', {src: %[2]q + '/script'}));
			await tell('frame', add('iframe', {src: '/index.php/Nowhere'}));
			await tell('worker', done => { try { new popup.Worker('/load.php?modules=startup&only=scripts&raw=1').onmessage = () => done('runs'); } catch (error) { } });
			await tell('blob worker', done => { try { new popup.Worker(popup.URL.createObjectURL(new Blob(['postMessage(1)']))).onmessage = () => done('runs'); } catch (error) { } });
			return found.join(', ');
		})()`, path, s.tool.url))
		if want := "image img-src, script script-src, frame frame-src, worker worker-src, blob worker worker-src"; got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	// The edge's own pages leave whoever opened them.
	evaluate[chromedp.Void](t, b, `void (popup.location = '/.privacy/exemptions')`)
	b.waitFor(t, `popup.closed`)
	left, closeIt := b.popup(t, s.url+exempt.ListPath)
	defer closeIt()
	left.waitFor(t, `window.opener === null`)
	if counts := s.tool.counts(); len(counts) > 0 {
		t.Errorf("the tool got %v", counts)
	}
}

// attackBySpeculation: a gadget has the browser load the page that starts ahead, so that there
// would be a browser cookie and a hand-off that no reader asked for.
func attackBySpeculation(t *testing.T, s *consentScene, b *browser) {
	handOff := s.attacker(t).handOff(t)
	// Without this, Chromium preloads nothing for a page that is automated.
	b.do(t, command(preload.Enable, cdp.Empty{}))
	defer b.do(t, command(preload.Disable, cdp.Empty{}))
	for _, rule := range []string{"prefetch", "prerender"} {
		s.openWiki(t, b)
		s.wantRefusal(t, "speculative", func() {
			evaluate[chromedp.Void](t, b, fmt.Sprintf(`(() => {
				const script = document.createElement('script');
				script.type = 'speculationrules';
				script.textContent = JSON.stringify({%q: [{urls: ['/.privacy/go?tool=weather'], eagerness: 'immediate'}]});
				document.head.append(script);
			})()`, rule))
		})
	}
	s.openWiki(t, b)
	s.wantRefusal(t, "speculative", func() {
		evaluate[chromedp.Void](t, b, fmt.Sprintf(`(() => {
			const script = document.createElement('script');
			script.type = 'speculationrules';
			script.textContent = JSON.stringify({prefetch: [{urls: [%q], eagerness: 'immediate'}]});
			document.head.append(script);
		})()`, handOff))
	})
	if value, found := b.cookies(t, s.url)[confirm.BrowserCookie]; found {
		t.Errorf("there is a browser cookie: %s", value)
	}
	s.wantNoExemption(t, b)
}
