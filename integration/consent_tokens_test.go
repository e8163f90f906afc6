//go:build integration

package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/csp/exempt"
)

// submit sends the form with another token, "" for its own, and a code, past the browser's own checks.
func (b *browser) submit(t *testing.T, token, code string) {
	t.Helper()
	evaluate[chromedp.Void](t, b, fmt.Sprintf(`(() => {
		const form = document.forms[0];
		form.token.value = %q || form.token.value;
		form.code.value = %q;
		setTimeout(() => form.submit());
	})()`, token, code))
}

// attackByHandOff: a gadget sends the reader to a form that is the attacker's.
func attackByHandOff(t *testing.T, s *consentScene, b *browser) {
	handOff := s.attacker(t).handOff(t)
	s.openWiki(t, b)
	s.wantRefusal(t, "no_browser_cookie", func() { b.leave(t, handOff) })
	s.openForm(t, b) // now there is a browser cookie
	s.openWiki(t, b)
	s.wantRefusal(t, "other_browser", func() { b.leave(t, handOff) })
	b.waitFor(t, `document.body.textContent.includes('Nothing was changed') && document.forms.length === 0`)
	s.wantNoExemption(t, b)
}

// attackByTicket: a gadget brings the attacker's own ticket to an end in the reader's browser.
func attackByTicket(t *testing.T, s *consentScene, b *browser) {
	a := s.attacker(t)
	ticket := a.ticket(t)
	s.openWiki(t, b)
	s.wantRefusal(t, "no_browser_cookie", func() { b.leave(t, ticket) })
	s.openForm(t, b)
	s.openWiki(t, b)
	s.wantRefusal(t, "not_a_navigation", func() {
		evaluate[chromedp.Void](t, b, "fetch("+quote(ticket)+").then(() => {})")
	})
	s.wantRefusal(t, "other_browser", func() { b.leave(t, ticket) })
	s.wantNoExemption(t, b)
	s.wantBlocked(t, "after a foreign ticket", b)
}

// attackByForeignToken: even in the reader's own form, another's token is worth nothing.
func attackByForeignToken(t *testing.T, s *consentScene, b *browser) {
	q := s.attacker(t).ask(t)
	s.openForm(t, b)
	s.wantRefusal(t, "other_browser", func() { b.submit(t, q.token, q.code) })
	s.wantNoExemption(t, b)
}

// attackByReplay: a token that was used is so for good, though it is the reader's.
func attackByReplay(t *testing.T, s *consentScene, b *browser) {
	s.openForm(t, b)
	token, code := evaluate[string](t, b, `document.forms[0].token.value`), text(t, b, ".code")
	s.answer(t, b)
	b.waitForLocation(t, s.url+exempt.ListPath)
	s.openForm(t, b)
	s.wantRefusal(t, "used", func() { b.submit(t, token, code) })
	// Withdrawing makes it another browser.
	b.open(t, s.url+exempt.ListPath)
	b.do(t, click("article button"))
	b.waitFor(t, `document.body.textContent.includes('None.')`)
	s.openForm(t, b)
	s.wantRefusal(t, "other_browser", func() { b.submit(t, token, code) })
	s.wantNoExemption(t, b)
}

// attackByGuessing: one guess, and the token is gone.
func attackByGuessing(t *testing.T, s *consentScene, b *browser) {
	s.openForm(t, b)
	token, code := evaluate[string](t, b, `document.forms[0].token.value`), text(t, b, ".code")
	time.Sleep(minimumAge)
	wrong := "00000"
	if code == wrong {
		wrong = "00001"
	}
	s.wantRefusal(t, "wrong_code", func() { b.submit(t, "", wrong) })
	s.openForm(t, b)
	s.wantRefusal(t, "used", func() { b.submit(t, token, code) })
	s.wantNoExemption(t, b)
}

// attackBySpeed: whatever knows the code at once is no person.
func attackBySpeed(t *testing.T, s *consentScene, b *browser) {
	b.open(t, s.url+exempt.GoPath+"?tool=weather")
	s.wantRefusal(t, "too_fast", func() {
		evaluate[chromedp.Void](t, b, `(() => {
			const form = document.forms[0];
			form.code.value = document.querySelector('.code').textContent;
			setTimeout(() => form.submit());
		})()`)
	})
	s.wantNoExemption(t, b)
}

// attackByPosting: a script of the wiki sends the attacker's own form in the reader's browser. The wiki's
// policy stops fetch, and the consent origin the form.
func attackByPosting(t *testing.T, s *consentScene, b *browser) {
	q := s.attacker(t).ask(t)
	s.openForm(t, b)
	s.openWiki(t, b)
	post := fmt.Sprintf(`fetch(%q, {method: 'POST', mode: 'no-cors', credentials: 'include', headers: {'Content-Type': 'application/x-www-form-urlencoded'}, body: new URLSearchParams({token: %q, code: %q})}).then(() => {}, () => {})`, q.action, q.token, q.code)
	form := fmt.Sprintf(`(() => {
		const form = document.createElement('form');
		form.method = 'post';
		form.action = %q;
		for (const [name, value] of [['token', %q], ['code', %q]]) {
			form.append(Object.assign(document.createElement('input'), {name, value}));
		}
		document.body.append(form);
		form.submit();
	})()`, q.action, q.token, q.code)
	before := s.counted(t)
	b.take()
	evaluate[chromedp.Void](t, b, post)
	s.wantViolations(t, b, "connect-src")
	if after := s.counted(t); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("the consent origin was asked: %v, before %v", after, before)
	}
	s.wantRefusal(t, "other_origin", func() { evaluate[chromedp.Void](t, b, "void setTimeout(() => { "+form+" })") })

	// From a page without a policy.
	b.open(t, s.hostile.put("nothing"))
	s.wantRefusal(t, "other_origin", func() { evaluate[chromedp.Void](t, b, post) })
	s.wantRefusal(t, "other_origin", func() { evaluate[chromedp.Void](t, b, "void setTimeout(() => { "+form+" })") })
	s.wantNoExemption(t, b)
}

// attackByOverflow: a gadget drowns the edge's cookies and plants those of the attacker, who let the
// tool through in another browser.
func attackByOverflow(t *testing.T, s *consentScene, b *browser) {
	a := s.attacker(t)
	foreign := a.cookies(t)
	ticket := a.ticket(t)
	s.grant(t, b)
	s.openWiki(t, b)
	evaluate[chromedp.Void](t, b, `(() => {
		for (let i = 0; i < 1000; i++) { document.cookie = 'drown' + i + '=1; Path=/; Secure'; }
	})()`)
	wait(t, "the jar to overflow", func() bool {
		left := b.cookies(t, s.url)
		return left[confirm.BrowserCookie] == "" && left[exempt.GrantsCookie] == ""
	})
	for _, c := range foreign {
		evaluate[chromedp.Void](t, b, fmt.Sprintf(`(async () => {
			const name = %q, value = %q;
			for (const prefix of ['', '=', ' ', '\t', '\u0001', '= ']) {
				for (const more of ['; Path=/; Secure', '; Path=/; Secure; HttpOnly', '; Path=/', '']) {
					document.cookie = prefix + name + '=' + value + more;
					document.cookie = prefix + name.toLowerCase() + '=' + value + more;
				}
			}
			await cookieStore.set({name, value, path: '/'}).catch(() => {});
			await cookieStore.set({name: '', value: name + '=' + value, path: '/'}).catch(() => {});
		})()`, c.Name, c.Value))
	}
	for name, value := range b.cookies(t, s.url) {
		for _, c := range foreign {
			if value == c.Value && (name == confirm.BrowserCookie || name == exempt.GrantsCookie) {
				t.Errorf("the attacker's %s is in the reader's jar", name)
			}
		}
	}
	s.wantBlocked(t, "after the transplant", b)
	s.wantRefusal(t, "no_browser_cookie", func() { b.leave(t, ticket) })
	s.wantNoExemption(t, b)
}
