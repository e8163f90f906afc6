//go:build integration

package integration

import (
	"context"
	"crypto/tls"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/csp/exempt"
)

// attacker goes the reader's way with a program, which can read and keep all that a browser hides
// from scripts.
type attacker struct {
	s    *consentScene
	http *http.Client
}

func (s *consentScene) attacker(t *testing.T) *attacker {
	t.Helper()
	var dialer net.Dialer
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: s.roots, ServerName: wikiHost},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, _ := net.SplitHostPort(addr)
			return dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	jar, _ := cookiejar.New(nil)
	return &attacker{s, &http.Client{
		Transport: transport, Jar: prefixJar{jar}, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// send does a request as a current browser's tab does, and returns the answer and where it leads.
func (a *attacker) send(t *testing.T, method, address string, form url.Values) (page, location string) {
	t.Helper()
	r, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", a.s.consent)
	}
	resp, err := a.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 400 {
		t.Fatalf("%s %s: %s %v\n%s", method, address, resp.Status, err, body)
	}
	return string(body), resp.Header.Get("Location")
}

// handOff is the address with a hand-off that is the attacker's.
func (a *attacker) handOff(t *testing.T) string {
	t.Helper()
	_, location := a.send(t, http.MethodGet, a.s.url+exempt.GoPath+"?tool=weather", nil)
	return location
}

// question is what a form asks.
type question struct{ action, token, code string }

var (
	tokenField = regexp.MustCompile(`name="token" value="([^"]+)"`)
	codeShown  = regexp.MustCompile(`class="code" dir="ltr">(\d{5})<`)
	formAction = regexp.MustCompile(`<form method="post" action="([^"]+)"`)
)

// ask returns the attacker's own form, old enough to be answered.
func (a *attacker) ask(t *testing.T) question {
	t.Helper()
	page, _ := a.send(t, http.MethodGet, a.handOff(t), nil)
	token, code, action := tokenField.FindStringSubmatch(page), codeShown.FindStringSubmatch(page), formAction.FindStringSubmatch(page)
	if token == nil || code == nil || action == nil {
		t.Fatalf("this page does not ask:\n%s", page)
	}
	time.Sleep(minimumAge)
	return question{a.s.consent + html.UnescapeString(action[1]), token[1], code[1]}
}

// ticket is the address with a ticket that is the attacker's.
func (a *attacker) ticket(t *testing.T) string {
	t.Helper()
	q := a.ask(t)
	_, location := a.send(t, http.MethodPost, q.action, url.Values{"token": {q.token}, "code": {q.code}})
	return location
}

// cookies are the attacker's own, with an exemption.
func (a *attacker) cookies(t *testing.T) []*http.Cookie {
	t.Helper()
	a.send(t, http.MethodGet, a.ticket(t), nil)
	wiki, err := url.Parse(a.s.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	return a.http.Jar.Cookies(wiki)
}

// prefixJar drops the probe, as browsers do that mind prefixes of cookies.
type prefixJar struct{ http.CookieJar }

func (j prefixJar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	j.CookieJar.SetCookies(u, slices.DeleteFunc(cookies, func(c *http.Cookie) bool { return strings.HasPrefix(c.Name, "__Http-") && !c.Secure }))
}
