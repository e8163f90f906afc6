package lookup

import (
	"bytes"
	"context"
	"crypto/tls"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/csp/confirm"
)

// surfer is somebody's browser, with a session of the wiki or without.
type surfer struct {
	*revealScene
	client *http.Client
	user   string // of basic_auth
}

func (s *revealScene) browser(source, session string) *surfer {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	client := edgetest.From(s.t, source)
	transport := client.Transport.(*http.Transport)
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		return dial(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: s.roots}
	client.Jar = jar
	b := &surfer{revealScene: s, client: client}
	b.login(session)
	return b
}

func (b *surfer) login(session string) {
	wiki, err := url.Parse(b.wiki)
	if err != nil {
		b.t.Fatal(err)
	}
	b.client.Jar.SetCookies(wiki, []*http.Cookie{{Name: "wiki_session", Value: session, Path: "/", Secure: true, HttpOnly: true}})
}

// answered is a response that was read.
type answered struct {
	*http.Response
	body string
}

// all is everything of the response that a trace can be in.
func (a answered) all() []byte {
	var b bytes.Buffer
	a.Header.Write(&b)
	b.WriteString(a.body)
	return b.Bytes()
}

// navigate does what a browser does when somebody on a page of from follows a link or sends a form.
func (b *surfer) navigate(from, method, target string, form url.Values, change func(*http.Request)) answered {
	b.t.Helper()
	r, err := http.NewRequest(method, target, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	h := r.Header
	switch {
	case strings.HasPrefix(target, from+"/"):
		h.Set("Sec-Fetch-Site", "same-origin")
	case strings.Contains(from, "wiki.localhost"):
		h.Set("Sec-Fetch-Site", "same-site")
	default:
		h.Set("Sec-Fetch-Site", "cross-site")
	}
	h.Set("Sec-Fetch-Mode", "navigate")
	h.Set("Sec-Fetch-Dest", "document")
	h.Set("Sec-Fetch-User", "?1")
	h.Set("Accept", "text/html,*/*;q=0.8")
	if method == http.MethodPost {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
		h.Set("Origin", from)
	}
	if b.user != "" {
		r.SetBasicAuth(b.user, b.user)
	}
	if change != nil {
		change(r)
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answered{resp, string(body)}
}

// publish has a client of a wiki publish something, and returns its mask.
func (s *revealScene) publish(wiki, source string) string {
	s.t.Helper()
	s.app.Take()
	if a := s.browser(source, "").navigate(wiki, "POST", wiki+"/edit", nil, nil); a.StatusCode != 200 {
		s.t.Fatalf("publishing: %d %s", a.StatusCode, a.body)
	}
	return s.app.One(s.t).Header.Get("Client-Mask")
}

// start presses the button on the wiki.
func (b *surfer) start(mask string) answered {
	b.t.Helper()
	return b.navigate(b.wiki, "POST", b.wiki+"/.privacy/masks/reveal", url.Values{"mask": {mask}}, nil)
}

// askPage is a page that asks.
type askPage struct {
	*surfer
	action, token, code, subject string
	text                         string
}

var (
	formAction = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	codeShown  = regexp.MustCompile(`class="code"[^>]*>(\d{5})<`)
)

func field(t *testing.T, text, name string) string {
	t.Helper()
	found := regexp.MustCompile(`name="` + name + `"[^>]* value="([^"]*)"`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("the page has no field %s:\n%s", name, text)
	}
	return html.UnescapeString(found[1])
}

// open goes from the wiki to the page that asks.
func (b *surfer) open(mask string) *askPage {
	b.t.Helper()
	started := b.start(mask)
	location := started.Header.Get("Location")
	if started.StatusCode != http.StatusSeeOther || !strings.HasPrefix(location, b.origin+revealPath+"?"+confirm.HandOffParam+"=") {
		b.t.Fatalf("starting: %d to %q: %s", started.StatusCode, location, started.body)
	}
	a := b.navigate(b.wiki, "GET", location, nil, nil)
	if a.StatusCode != http.StatusOK {
		b.t.Fatalf("opening the page: %d %s", a.StatusCode, a.body)
	}
	return b.read(a.body)
}

// read takes a page's form.
func (b *surfer) read(text string) *askPage {
	b.t.Helper()
	action, code := formAction.FindStringSubmatch(text), codeShown.FindStringSubmatch(text)
	if action == nil || code == nil {
		b.t.Fatalf("the page asks nothing:\n%s", text)
	}
	return &askPage{b, action[1], field(b.t, text, "token"), code[1], field(b.t, text, "subject"), text}
}

func (p *askPage) form(reason string) url.Values {
	return url.Values{"token": {p.token}, "code": {p.code}, "subject": {p.subject}, "reason": {reason}}
}

// send sends the page's form, with what is changed in it.
func (p *askPage) send(form url.Values, change func(*http.Request)) answered {
	p.t.Helper()
	return p.navigate(p.origin, "POST", p.origin+p.action, form, change)
}

// waitToRead takes longer than the least age of a form.
func waitToRead() { time.Sleep(confirm.TokenMinAge + 50*time.Millisecond) }
