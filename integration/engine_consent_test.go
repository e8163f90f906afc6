//go:build integration

package integration

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/csp/exempt"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// TestEnginesConsent is about third parties and consent in the browsers that TestConsent is not about: Firefox, whose
// readers can let a tool through, and WebKitGTK, whose readers can't, since scripts there can write any cookie.
func TestEnginesConsent(t *testing.T) {
	s := newConsentScene(t)
	for _, name := range others() {
		t.Run(name, func(t *testing.T) {
			e := engines[name](t, s.authority)
			s.wantNothing(t, e, "before")
			t.Run("gadget", func(t *testing.T) { s.attackByTransplant(t, e) })
			if name == "Firefox" {
				t.Run("low popup", func(t *testing.T) { s.lowPopup(t, e) })
				t.Run("reader", func(t *testing.T) { s.consentAndWithdraw(t, e) })
			} else {
				t.Run("reader", func(t *testing.T) { s.noConsent(t, e) })
			}
		})
	}
}

// loadsIn opens a page of the wiki and returns what the gadget there got from the tool.
func (s *consentScene) loadsIn(t *testing.T, e engine) map[string]int {
	t.Helper()
	s.tool.reset()
	s.other.reset()
	e.open(t, s.url+"/index.php/Main_Page")
	until(t, e, "window.settled && settled.length > 0")
	// Not every engine tells of each load that it gave up (Firefox says nothing of some), so this waits for quiet.
	settled := value[[]string](t, e, `(async () => {
		for (let last = 0, quiet = 0; quiet < 30; last = settled.length) {
			await new Promise(done => setTimeout(done, 100));
			quiet = settled.length === last ? quiet + 1 : 0;
		}
		return settled;
	})()`)
	if len(settled) < len(loads)/2 {
		t.Errorf("the gadget is done with %v alone", settled)
	}
	t.Logf("the gadget is done with %v", settled)
	// A worker is another way to ask: one of the wiki's own making, for which no rule of other sites stands.
	value[any](t, e, fmt.Sprintf(`new Promise(done => {
		setTimeout(done, 3000);
		try {
			const worker = new Worker(URL.createObjectURL(new Blob(['fetch(%q).finally(() => postMessage(1))'])));
			worker.onmessage = worker.onerror = done;
		} catch (error) { done(); }
	})`, s.other.url+"/fetch"))
	if counts := s.other.counts(); len(counts) > 0 {
		t.Errorf("requests reached a site that is not declared: %v", counts)
	}
	return s.tool.counts()
}

func (s *consentScene) wantNothing(t *testing.T, e engine, when string) {
	t.Helper()
	if got := s.loadsIn(t, e); len(got) > 0 {
		t.Errorf("%s: the gadget loaded %v", when, got)
	}
}

// attackByTransplant: the gadget plants in the reader's browser what the attacker got in another, and sends its tab
// to commit another ticket of the attacker's. Case 38.
func (s *consentScene) attackByTransplant(t *testing.T, e engine) {
	a := s.attacker(t)
	planted := a.cookies(t)
	before := s.counted(t)
	for _, c := range planted {
		value[any](t, e, fmt.Sprintf("void (document.cookie = %q)", c.Name+"="+c.Value+"; Secure; Path=/"))
	}
	s.wantNothing(t, e, "with the attacker's cookies")
	e.open(t, a.ticket(t))
	until(t, e, `document.body.innerText.includes('Nothing was changed')`)
	s.wantNothing(t, e, "after the attacker's ticket")
	if after := s.counted(t); after["granted"] != before["granted"] {
		t.Errorf("granted are %d, before %d", after["granted"], before["granted"])
	}
}

// consentAndWithdraw is the reader's way.
func (s *consentScene) consentAndWithdraw(t *testing.T, e engine) {
	told := func(page string) string {
		e.open(t, page)
		return value[string](t, e, fmt.Sprintf(`fetch(%q, {credentials: 'include'}).then(r => r.ok ? r.json().then(d => d.tools.weather.state + ' ' + d.tools.weather.ask) : 'refused ' + r.status)`,
			s.url+noticeboard.ReaderToolsPath))
	}
	if got := told(s.url + "/index.php/Main_Page"); got != "off /.privacy/go?tool=weather" {
		t.Errorf("before consent a gadget is told %q", got)
	}
	e.open(t, s.url+exempt.GoPath+"?tool=weather")
	until(t, e, `document.querySelector('.code')`)
	if origin := value[string](t, e, `location.origin`); origin != s.consent {
		t.Fatalf("the form is on %s", origin)
	}
	time.Sleep(minimumAge)
	e.write(t, "input[name=code]", value[string](t, e, `document.querySelector('.code').textContent`))
	e.click(t, "form button")
	until(t, e, fmt.Sprintf("location.href === %q", s.url+exempt.ListPath))
	if got := s.loadsIn(t, e); !maps.Equal(got, granted) {
		t.Errorf("with consent the gadget loaded %v, want %v", got, granted)
	}
	if got := told(s.url + "/index.php/Main_Page"); got != "consented undefined" {
		t.Errorf("with consent a gadget is told %q", got)
	}
	// Another port of the wiki's host, and another site. The wiki lets both read what it answers, so what is refused them is refused by the edge.
	for _, page := range []string{s.hostile.put("nothing"), s.tool.url + "/frame"} {
		if got := told(page); got != "refused 403" {
			t.Errorf("%s is told %q", page, got)
		}
	}
	join := s.startSharedWorker(t, e)
	e.open(t, s.url+exempt.ListPath)
	e.click(t, "article button")
	until(t, e, `location.pathname === '/.privacy/exemptions' && document.body.textContent.includes('None.')`)
	s.wantNothing(t, e, "withdrawn")
	join()
}

// startSharedWorker: in another tab, with consent, a gadget starts a worker that would outlive it. What is returned has a page join it, and fails
// where the worker runs or loads.
func (s *consentScene) startSharedWorker(t *testing.T, e engine) (join func()) {
	home := e.windows(t)
	e.open(t, s.url+"/index.php/Main_Page")
	value[any](t, e, fmt.Sprintf(`(() => {
		const button = document.createElement('button');
		button.id = 'bait';
		button.style = 'position: fixed; top: 0; left: 0; width: 300px; height: 100px; z-index: 9999';
		button.onclick = () => { open(%q, '_blank'); };
		document.body.append(button);
	})()`, workerURL)) // a page without gadgets, which would load, too
	e.click(t, "#bait")
	newWindow(t, e, home)
	until(t, e, `document.readyState === 'complete' && location.href !== 'about:blank'`)
	connect := `new Promise(done => {
		addEventListener('securitypolicyviolation', v => v.effectiveDirective === 'worker-src' && done(v.effectiveDirective));
		const port = new SharedWorker(%s, 'lasting').port;
		port.onmessage = message => done(message.data);
		port.postMessage(%q);
	})`
	blob := `localStorage.lasting = URL.createObjectURL(new Blob(['onconnect = c => { c.ports[0].onmessage = m => fetch(m.data).then(() => c.ports[0].postMessage("loads"), () => c.ports[0].postMessage("runs")); }']))`
	wantStopped := func(when, address string) {
		if got := value[string](t, e, fmt.Sprintf(connect, address, s.tool.url+"/fetch")); got != "worker-src" {
			t.Errorf("%s: the shared worker: %s, want it stopped by worker-src", when, got)
		}
	}
	wantStopped("with consent", blob)
	e.use(t, home[0])
	return func() {
		s.tool.reset()
		wantStopped("withdrawn", "localStorage.lasting")
		if counts := s.tool.counts(); len(counts) > 0 {
			t.Errorf("withdrawn: the shared worker loaded %v", counts)
		}
	}
}

// noConsent is the way of a reader whose browser lets scripts write the cookie: it ends before the question.
func (s *consentScene) noConsent(t *testing.T, e engine) {
	s.wantRefusal(t, "cookie_prefixes", func() { e.open(t, s.url+exempt.GoPath+"?tool=weather") })
	until(t, e, `document.body.innerText.includes('does not keep scripts from writing the cookie')`)
	if origin := value[string](t, e, `location.origin`); origin != s.url {
		t.Errorf("the reader is at %s", origin)
	}
	e.open(t, s.url+exempt.ListPath)
	until(t, e, `document.body.innerText.includes('This browser can let no tool through')`)
}

// lowPopup: a gadget opens the question in a window so low, scrolled by a text fragment, that only the code would be in
// sight. Case 53.
func (s *consentScene) lowPopup(t *testing.T, e engine) {
	home := e.windows(t)
	e.open(t, s.url+"/index.php/Main_Page")
	value[any](t, e, fmt.Sprintf(`(() => {
		const button = document.createElement('button');
		button.id = 'bait';
		button.style = 'position: fixed; top: 0; left: 0; width: 300px; height: 100px; z-index: 9999';
		button.onclick = () => { open(%q, '', 'width=480,height=330'); };
		document.body.append(button);
	})()`, exempt.GoPath+"?tool=weather#:~:text=To%20confirm"))
	e.click(t, "#bait")
	newWindow(t, e, home)
	defer e.use(t, home[0])
	until(t, e, `document.querySelector('.code')`)
	got := value[string](t, e, `[location.hash, innerHeight < 400, scrollY, getComputedStyle(document.forms[0]).display, getComputedStyle(document.querySelector('.too-small')).display].join(' ')`)
	if want := "#question true 0 none block"; got != want {
		t.Errorf("the popup is %q, want %q", got, want)
	}
	if strings.Contains(value[string](t, e, `document.body.innerText`), value[string](t, e, `document.querySelector('.code').textContent`)) {
		t.Error("the code is shown")
	}
}
