//go:build integration

package integration

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/csp/exempt"
)

// framedTool has a page that says what it may do, and then sends a form, which a sandbox stops unless it has allow-forms.
type framedTool struct {
	mu   sync.Mutex
	seen []string
}

const framedPage = `<!doctype html><title>tool</title><form method="post" action="/form"></form><script>
fetch('/can?origin=' + self.origin + '&fullscreen=' + document.fullscreenEnabled, {mode: 'no-cors'}).finally(() => {
	document.forms[0].submit();
	setTimeout(() => fetch('/stays', {mode: 'no-cors'}), 500); // not where the form has led elsewhere
});
</script>`

func (f *framedTool) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/favicon.ico" {
		f.mu.Lock()
		f.seen = append(f.seen, r.Method+" "+r.URL.RequestURI())
		f.mu.Unlock()
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if r.URL.Path == "/page" {
		fmt.Fprint(w, framedPage)
	}
}

// take returns the requests so far, and forgets them.
func (f *framedTool) take() (seen []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen, f.seen = f.seen, nil
	return seen
}

func (f *framedTool) has(request string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.seen, request)
}

const framesCaddyfile = `
{
	admin off
	auto_https off
	persist_config off
	grace_period 1s
	storage file_system %[1]s/storage
	log {
		output file %[1]s/caddy.log
		format masked json
	}
	wikiveil {
		data_dir %[1]s/data
		tool chart %[2]s {
			access consent
			kinds frame
			sandbox allow-scripts allow-forms
			allow fullscreen
			rewrite
			allow_loopback
		}
		tool video %[3]s {
			access consent
			kinds frame
			sandbox allow-scripts allow-same-origin
			allow autoplay
			allow_loopback
		}
	}
}

%[4]s {
	bind 127.0.0.1
	tls %[6]s %[7]s
	client_mask
	csp {
		consent %[4]s %[5]s
	}
	anonproxy {
		canary off
	}
	reverse_proxy %[8]s
}

%[5]s {
	bind 127.0.0.1
	tls %[6]s %[7]s
	client_mask
	third_party_consent %[4]s %[5]s
}
`

// framesScene is a wiki whose pages show a chart and a video of two tools.
type framesScene struct {
	url, consent          string
	chart, video          framedTool
	chartOrigin, videoURL string
}

func newFramesScene(t *testing.T, a *authority) *framesScene {
	t.Helper()
	s, dir := new(framesScene), t.TempDir()
	for _, sub := range []string{"storage", "data"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	origin := func() string {
		_, port, _ := net.SplitHostPort(freeAddr(t, "127.0.0.1"))
		return "https://" + wikiHost + ":" + port
	}
	s.url, s.consent = origin(), origin()
	s.chartOrigin = "https://127.0.0.2:" + a.serve(t, "127.0.0.2", &s.chart)
	s.videoURL = "https://127.0.0.4:" + a.serve(t, "127.0.0.4", &s.video)
	app := serveOn(t, "127.0.0.3", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		const watch = `<!doctype html><title>wiki</title><script>var stopped = []; addEventListener('securitypolicyviolation', v => stopped.push(v.effectiveDirective + ' ' + v.blockedURI))</script>`
		switch r.URL.Path {
		case "/chart": // as a gadget or a template would write it that knows nothing of the edge
			fmt.Fprintf(w, watch+`<script src="/.tools/rewrite.js"></script><p>A chart</p>
				<script>var frame = document.createElement('iframe'); frame.src = '%s/page'; document.body.append(frame)</script>`, s.chartOrigin)
		case "/video":
			fmt.Fprint(w, watch+`<p>A video</p><iframe src="`+exempt.FramePath+`video/page" allow="autoplay *; fullscreen *"></iframe>`)
		default:
			fmt.Fprint(w, watch+`<p>A page</p>`)
		}
	}))
	loadCaddyfile(t, fmt.Sprintf(framesCaddyfile, dir, s.chartOrigin, s.videoURL, s.url, s.consent, a.cert, a.key, strings.TrimPrefix(app.URL, "http://")))
	return s
}

// TestEnginesFrames: a tool's page comes into a frame once its reader has agreed, and does there what is declared, whatever a hostile gadget tries.
func TestEnginesFrames(t *testing.T) {
	a := newAuthority(t)
	s := newFramesScene(t, a)
	for _, name := range formEngines {
		t.Run(name, func(t *testing.T) {
			e := engines[name](t, a)
			s.wantAsked(t, e, "before")
			s.attackWithoutConsent(t, e)

			s.agree(t, e, "chart")
			e.open(t, s.url+"/chart")
			s.wantSeen(t, "the chart", &s.chart, "GET /can?origin=null&fullscreen=true", "POST /form")
			if reached := value[bool](t, e, `frame.contentDocument !== null`); reached {
				t.Error("a gadget reaches into the page around the chart")
			}
			s.agree(t, e, "video")
			e.open(t, s.url+"/video")
			s.wantSeen(t, "the video", &s.video, "GET /can?origin="+s.videoURL+"&fullscreen=false", "GET /stays")
			s.attackWithConsent(t, e)

			e.open(t, s.url+exempt.ListPath)
			e.click(t, "main > form button, body > form button")
			until(t, e, `document.body.textContent.includes('None.')`)
			s.wantAsked(t, e, "withdrawn")
		})
	}
}

// wantSeen waits until a tool has seen the last of these requests, and fails unless it saw them all, and a form only if one is among them.
func (s *framesScene) wantSeen(t *testing.T, what string, tool *framedTool, requests ...string) {
	t.Helper()
	wait(t, what, func() bool { return tool.has(requests[len(requests)-1]) })
	seen := tool.take()
	for _, want := range append(requests, "GET /page") {
		if !slices.Contains(seen, want) {
			t.Errorf("%s: the tool saw %q, not %q", what, seen, want)
		}
	}
	if slices.Contains(seen, "POST /form") != slices.Contains(requests, "POST /form") {
		t.Errorf("%s: the tool saw %q", what, seen)
	}
}

func (s *framesScene) wantNothing(t *testing.T, when string) {
	t.Helper()
	if seen := append(s.chart.take(), s.video.take()...); len(seen) > 0 {
		t.Errorf("%s: the tools saw %q", when, seen)
	}
}

// wantAsked fails unless both frames ask, and the tools see nothing.
func (s *framesScene) wantAsked(t *testing.T, e engine, when string) {
	t.Helper()
	for path, origin := range map[string]string{"/chart": s.chartOrigin, "/video": s.videoURL} {
		e.open(t, s.url+path)
		until(t, e, fmt.Sprintf(`(d => d && d.querySelector('a[target=_blank]') && d.body.innerText.includes(%q))(document.querySelector('iframe').contentDocument)`, origin))
		if stopped := value[[]string](t, e, `stopped`); len(stopped) > 0 {
			t.Errorf("%s: the policy stopped %q on %s", when, stopped, path)
		}
	}
	s.wantNothing(t, when)
}

// attackWithoutConsent: a gadget frames the tool on its own page, in the page that asks, and by a page that it makes.
func (s *framesScene) attackWithoutConsent(t *testing.T, e engine) {
	e.open(t, s.url+"/video")
	until(t, e, `document.querySelector('iframe').contentDocument.querySelector('a[target=_blank]')`)
	value[any](t, e, fmt.Sprintf(`(async () => {
		const asking = document.querySelector('iframe'), d = asking.contentDocument;
		let inside = 0;
		asking.contentWindow.addEventListener('securitypolicyviolation', () => inside++);
		const frame = (doc, set) => { const f = doc.createElement('iframe'); set(f); doc.body.append(f); };
		frame(document, f => f.src = %[1]q);
		frame(document, f => f.srcdoc = '<iframe src="%[1]s"></iframe>');
		frame(d, f => f.src = %[1]q);
		asking.contentWindow.fetch(%[1]q, {mode: 'no-cors'}).catch(() => {});
		for (let i = 0; i < 400 && (stopped.length < 1 || inside < 2); i++) { await new Promise(done => setTimeout(done, 25)); }
		if (stopped.length < 1 || inside < 2) { throw new Error(stopped + ' and ' + inside); }
	})()`, s.videoURL+"/page"))
	// A gadget leads the page that asks away, to the tool.
	value[any](t, e, fmt.Sprintf(`(async () => {
		const before = stopped.length;
		document.querySelector('iframe').contentWindow.location = %q;
		for (let i = 0; i < 400 && stopped.length === before; i++) { await new Promise(done => setTimeout(done, 25)); }
		if (stopped.length === before) { throw new Error('not stopped'); }
	})()`, s.videoURL+"/page"))
	s.wantNothing(t, "a hostile gadget, without consent")
}

// attackWithConsent: where the reader let the video through, a gadget takes the sandbox off its frame, and loads more by the page around it.
func (s *framesScene) attackWithConsent(t *testing.T, e engine) {
	value[any](t, e, `(async () => {
		const around = document.querySelector('iframe').contentWindow, d = around.document, frame = d.querySelector('iframe');
		let inside = [];
		around.addEventListener('securitypolicyviolation', v => inside.push(v.effectiveDirective));
		frame.removeAttribute('sandbox');
		const script = d.createElement('script');
		script.textContent = 'parent.ran = true';
		d.body.append(script);
		const picture = d.createElement('img');
		picture.src = frame.src.replace('/page', '/picture');
		d.body.append(picture);
		for (let i = 0; i < 400 && inside.length < 2; i++) { await new Promise(done => setTimeout(done, 25)); }
		if (inside.length < 2 || window.ran) { throw new Error(inside + ' ' + window.ran); }
		frame.remove();
		d.body.append(frame);
	})()`)
	s.wantSeen(t, "the video without the attribute", &s.video, "GET /can?origin="+s.videoURL+"&fullscreen=false", "GET /stays")
	value[any](t, e, fmt.Sprintf(`(async () => {
		const frame = document.createElement('iframe');
		frame.src = %q;
		document.body.append(frame);
		for (let i = 0; i < 400 && !stopped.length; i++) { await new Promise(done => setTimeout(done, 25)); }
		if (!stopped.length) { throw new Error('not stopped'); }
	})()`, s.videoURL+"/page"))
	s.wantNothing(t, "a frame of the gadget's own, with consent")
}

// agree is the reader's way through the question.
func (s *framesScene) agree(t *testing.T, e engine, tool string) {
	t.Helper()
	e.open(t, s.url+"/") // where they may be led back to: it frames nothing
	e.open(t, s.url+exempt.GoPath+"?tool="+tool)
	until(t, e, `document.querySelector('.code')`)
	time.Sleep(minimumAge)
	e.write(t, "input[name=code]", value[string](t, e, `document.querySelector('.code').textContent`))
	e.click(t, "form button")
	until(t, e, fmt.Sprintf("location.origin === %q", s.url))
	s.wantNothing(t, "agreed to "+tool)
}
