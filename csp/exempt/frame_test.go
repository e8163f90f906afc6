package exempt

import (
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// video is a tool that shows pages in frames.
func video() noticeboard.Tool {
	tool := images("video")
	tool.Kinds = []noticeboard.Kind{noticeboard.Frame}
	tool.Sandbox, tool.Allow = []string{"allow-same-origin", "allow-scripts"}, []string{"autoplay", "fullscreen"}
	return tool
}

// frame asks as a frame of the wiki's page does.
func (b *browser) frame(rest string) *httptest.ResponseRecorder {
	r := b.request("GET", wiki+FramePath+rest, "")
	r.Header.Set("Sec-Fetch-Dest", "iframe")
	return b.send(r)
}

// wantAsking fails unless w names the tool and asks, and its policy lets nothing be framed.
func (s *scene) wantAsking(when string, w *httptest.ResponseRecorder) {
	s.t.Helper()
	body, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
	if w.Code != 200 || !strings.Contains(body, `href="/.privacy/go?tool=video"`) || !strings.Contains(body, "https://video.example/embed/a") || strings.Contains(body, "<iframe") {
		s.t.Errorf("%s: %d\n%s", when, w.Code, body)
	}
	if policy != framedPolicy("'self'", "") || w.Header().Get("X-Frame-Options") != "SAMEORIGIN" || w.Header().Get("Cache-Control") != "no-store" {
		s.t.Errorf("%s: %v", when, w.Header())
	}
}

func TestFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.declared = append(s.declared, video())
		b, other := s.browser(), s.browser()
		const page = "video/embed/a%2Fb?start=1&x=%22%3E%3Cscript%3E"
		s.wantAsking("at first", b.frame(page))
		b.grant("maps")
		s.wantAsking("with another tool", b.frame(page))
		b.grant("video")
		w := b.frame(page)
		body, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
		if want := `<iframe src="https://video.example/embed/a%2Fb?start=1&amp;x=%22%3E%3Cscript%3E" title="video" sandbox="allow-same-origin allow-scripts" allow="autoplay *; fullscreen *"></iframe>`; !strings.Contains(body, want) {
			t.Errorf("with consent, no %s in\n%s", want, body)
		}
		if want := "; frame-ancestors 'self'; base-uri 'none'; frame-src https://video.example; sandbox allow-same-origin allow-scripts"; !strings.HasSuffix(policy, want) ||
			!strings.HasPrefix(policy, "default-src 'none'; style-src 'nonce-") || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("with consent, %v", w.Header())
		}
		s.wantAsking("another's", other.frame(page))
		// No page of the wiki's gets the origin.
		if tools, err := b.site.Tools(b.request("GET", wiki+"/wiki/Page", "")); err != nil || len(tools) != 2 {
			t.Errorf("let through are %v (%v)", tools, err)
		} else if templates, err := s.policies.For(tools); err != nil || strings.Contains(templates[0].Header(csp.Nonce{}), "video.example") {
			t.Errorf("the policy is %q (%v)", templates[0].Header(csp.Nonce{}), err)
		}
		script := b.request("GET", wiki+FramePath+page, "")
		script.Header.Set("Sec-Fetch-Mode", "cors")
		s.wantAsking("a script's", b.send(script))
		s.declared[2].Sandbox = []string{"allow-popups", "allow-scripts"}
		s.wantAsking("declared anew", b.frame(page))
		b.grant("video")
		if policy := b.frame(page).Header().Get("Content-Security-Policy"); !strings.HasSuffix(policy, "sandbox allow-popups allow-scripts") {
			t.Errorf("declared anew, %q", policy)
		}
		b.post(wiki+ListPath, map[string][]string{"tool": {"video"}})
		s.wantAsking("withdrawn", b.frame(page))
	})
}

// A sandbox that is not declared allows nothing.
func TestFrameWithoutSandbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		tool := video()
		tool.Sandbox, tool.Allow = nil, nil
		s.declared = append(s.declared, tool)
		b := s.browser()
		b.grant("video")
		w := b.frame("video")
		if body := w.Body.String(); !strings.Contains(body, `src="https://video.example/" title="video" sandbox="" allow=""`) ||
			!strings.HasSuffix(w.Header().Get("Content-Security-Policy"), "; sandbox") {
			t.Errorf("%v\n%s", w.Header(), body)
		}
	})
}

func TestFrameRefusals(t *testing.T) {
	s := newScene(t)
	own := video()
	own.Name, own.Origin = "own", wiki
	consent := video()
	consent.Name, consent.Hosts = "port", []string{strings.TrimPrefix(port, "https://")}
	s.declared = append(s.declared, video(), own, consent)
	b := s.browser()
	s.wantRefusal(b.frame("nothing/embed"), errNoFrame)
	s.wantRefusal(b.frame("maps/embed"), errNoFrame) // without the kind
	s.wantRefusal(b.frame(""), errNoFrame)
	s.wantRefusal(b.frame("%76ideo/embed"), errNoFrame)
	s.wantRefusal(b.frame("localhost:8080/"), errNoFrame)
	s.wantRefusal(b.frame("own/wiki/Main_Page"), errOwnFrame)
	s.wantRefusal(b.frame("port/consent"), errOwnFrame)
	s.wantRefusal(b.post(wiki+FramePath+"video/", nil), errMethod)
	// What a stranger writes into the address is text, and not much of it.
	w := b.frame("video/" + strings.Repeat("a", 5000) + `"><script>`)
	if bad := active.FindString(w.Body.String()); bad != "" || len(w.Body.String()) > 20_000 || strings.Count(w.Body.String(), strings.Repeat("a", 300)) > 1 {
		t.Errorf("the page has %q:\n%s", bad, w.Body)
	}
}
