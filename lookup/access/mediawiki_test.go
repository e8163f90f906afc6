package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wikiveil/wikiveil/internal/text"
)

func TestRightsOfARealWikisUsers(t *testing.T) {
	all := RightsOf(Info, Reveal, Audit)
	for session, c := range map[string]struct {
		config MediaWikiConfig
		want   User
		reason string
	}{
		"admin":             {want: User{"wiki:1", "Admin", RightsOf(Info)}},
		"patroller":         {want: User{"wiki:3", "Patroller", RightsOf(Info)}},
		"checkuser":         {want: User{"wiki:4", "Checker", all}},
		"plain":             {want: User{"wiki:7", "Plain", 0}},
		"blocked-partly":    {want: User{"wiki:5", "PartlyBlocked", RightsOf(Info)}},
		"blocked-sitewide":  {reason: Blocked},
		"blocked-composite": {reason: Blocked},
		"anonymous":         {reason: Anonymous},
		"anonymous-blocked": {reason: Anonymous},
		"expired-session":   {reason: Anonymous},
		"unknown-action":    {reason: Unavailable},
		"checkuser ":        {config: MediaWikiConfig{Site: "enwiki"}, want: User{"wiki:enwiki:4", "Checker", all}},
		"admin ": {config: MediaWikiConfig{InfoRight: "noratelimit", RevealRight: "userrights", AuditRight: "editinterface"},
			want: User{"wiki:1", "Admin", all}},
		"patroller ": {config: MediaWikiConfig{InfoRight: "Block", RevealRight: "bloc"}, want: User{"wiki:3", "Patroller", 0}},
	} {
		t.Run(session, func(t *testing.T) {
			w := startWiki(t, nil)
			c.config.API = w.URL + "/w/api.php"
			user, err := resolver(t, c.config).User(visitor(strings.TrimSpace(session)))
			if reason := reasonOf(t, err); reason != c.reason || user != c.want {
				t.Errorf("got %+v, %v; want %+v, %q", user, err, c.want, c.reason)
			}
			if n := len(w.questions()); n != 1 {
				t.Errorf("it was asked %d times", n)
			}
		})
	}
}

func TestWikiIsToldTheSessionAndNothingElse(t *testing.T) {
	w := startWiki(t, nil)
	m := resolver(t, MediaWikiConfig{API: w.URL + "/w/api.php", Host: "wiki.example"})
	r := visitor("")
	r.RemoteAddr = "203.0.113.77:5555"
	for name, value := range map[string]string{
		"Cookie": `GeoIP=NL:Utrecht; wiki_session=patroller; wikiUserID=3; wikiUserName="Patroller"; ` +
			`wikiToken=abc; __Host-Http-exempt=secret; centralauth_User=P; ss0-centralauth_Session=s; analytics=1`,
		"X-Forwarded-For": "203.0.113.77", "Authorization": "Bearer secret", "User-Agent": "Mozilla/5.0",
		"Accept-Language": "nl", "Referer": "http://wiki.example/wiki/User:P", "Origin": "http://wiki.example",
		"Forwarded": "for=203.0.113.77", "Sec-Fetch-Mode": "navigate",
	} {
		r.Header.Set(name, value)
	}
	if _, err := m.User(r); err != nil {
		t.Fatal(err)
	}
	got := w.questions()[0]
	if got.Method != http.MethodGet || got.Host != "wiki.example" || got.URL.Path != "/w/api.php" || got.ContentLength != 0 {
		t.Errorf("%s %s %s", got.Method, got.Host, got.URL)
	}
	if q := got.URL.Query().Encode(); q != "action=query&format=json&formatversion=2&meta=userinfo&uiprop=rights%7Cblockinfo" {
		t.Errorf("query %s", q)
	}
	want := http.Header{"Accept": {"application/json"}, "User-Agent": {"wikiveil"},
		"Cookie": {`wiki_session=patroller; wikiUserID=3; wikiUserName="Patroller"; wikiToken=abc; centralauth_User=P; ss0-centralauth_Session=s`}}
	for name, values := range got.Header {
		if !slices.Equal(values, want[name]) {
			t.Errorf("%s: %q, want %q", name, values, want[name])
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("not sent: %v", want)
	}
}

func TestNoSessionIsNotAsked(t *testing.T) {
	for name, cookie := range map[string]string{
		"no cookies":       "",
		"others":           "GeoIP=NL; mode=dark",
		"malformed":        "wiki_session; =x; ;;",
		"bad value":        "wiki_session=a\\b",
		"too long":         "wiki_session=" + strings.Repeat("x", maxCookies),
		"too many":         strings.Repeat("wiki_session=xxxxxxxxxxxxxxxx; ", maxCookies/30+1),
		"edge's own":       "__Host-Http-consent=x",
		"name's beginning": "wiki_session_old=1",
	} {
		t.Run(name, func(t *testing.T) {
			w := startWiki(t, nil)
			r := visitor("")
			r.Header.Set("Cookie", cookie)
			_, err := resolver(t, MediaWikiConfig{API: w.URL}).User(r)
			if reason := reasonOf(t, err); reason != Anonymous {
				t.Errorf("got %v, want %q", err, Anonymous)
			}
			if n := len(w.questions()); n != 0 {
				t.Errorf("the wiki was asked %d times", n)
			}
			holdsNone(t, err, "xxxx")
		})
	}
}

func jsonBody(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, body)
	}
}

// Whatever is wrong with the wiki, nobody is admitted, nothing is remembered, and a
// redirect's goal hears nothing.
func TestWikisFailuresAdmitNobody(t *testing.T) {
	const secret = "s3cr3tsession"
	elsewhere := startWiki(t, jsonBody(`{"query":{"userinfo":{"id":4,"name":"Checker","rights":["block","checkuser"]}}}`))
	userinfo := func(fields string) http.HandlerFunc {
		return jsonBody(`{"batchcomplete":true,"query":{"userinfo":{` + fields + `}}}`)
	}
	redirect := func(status int, to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, status) }
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"error":           {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) }, "status 500"},
		"forbidden":       {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }, "status 403"},
		"redirect away":   {redirect(302, elsewhere.URL), "status 302"},
		"permanent":       {redirect(308, elsewhere.URL), "status 308"},
		"redirect within": {redirect(301, "/api.php"), "status 301"},
		"HTML":            {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<!DOCTYPE html>") }, "in JSON"},
		"no type": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			io.WriteString(w, "{}")
		}, "in JSON"},
		"nothing":           {jsonBody(""), "not of its form"},
		"garbage":           {jsonBody("[[["), "not of its form"},
		"a list":            {jsonBody("[]"), "not of its form"},
		"empty":             {jsonBody("{}"), "not of its form"},
		"API error":         {jsonBody(`{"error":{"code":"readonly","info":"x"}}`), "the error readonly"},
		"hostile code":      {jsonBody(`{"error":{"code":"\u001b[31m"}}`), "not of its form"},
		"errors":            {jsonBody(`{"errors":[{"code":"x"}],"query":{"userinfo":{"id":4,"name":"C","rights":["block"]}}}`), "not of its form"},
		"error beside user": {jsonBody(`{"error":{"code":"x"},"query":{"userinfo":{"id":4,"name":"C","rights":["block"]}}}`), "the error x"},
		"no user":           {jsonBody(`{"batchcomplete":true,"query":{}}`), "not of its form"},
		"no id":             {userinfo(`"name":"C","rights":["block"]`), "not of its form"},
		"negative id":       {userinfo(`"id":-1,"name":"C","rights":["block"]`), "not of its form"},
		"id in text":        {userinfo(`"id":"4","name":"C","rights":["block"]`), "not of its form"},
		"half an id":        {userinfo(`"id":4.5,"name":"C","rights":["block"]`), "not of its form"},
		"no name":           {userinfo(`"id":4,"rights":["block"]`), "not of its form"},
		"empty name":        {userinfo(`"id":4,"name":"","rights":["block"]`), "not of its form"},
		"name of lines":     {userinfo(`"id":4,"name":"a\nb","rights":["block"]`), "not of its form"},
		"no rights":         {userinfo(`"id":4,"name":"C"`), "not of its form"},
		"null rights":       {userinfo(`"id":4,"name":"C","rights":null`), "not of its form"},
		"rights in text":    {userinfo(`"id":4,"name":"C","rights":"block"`), "not of its form"},
		"rights as object":  {userinfo(`"id":4,"name":"C","rights":{"block":true}`), "not of its form"},
		"too long":          {jsonBody(`{"a":"` + strings.Repeat("x", maxResponse) + `"}`), "longer than"},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for r.Context().Err() == nil {
				io.WriteString(w, strings.Repeat(" ", 1<<16))
			}
		}, "longer than"},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "500")
			io.WriteString(w, `{"query":{"userinfo":{"id":4,"name":"C","rights":["block"]}}}`)
		}, "EOF"},
		"hangs up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		"never answers": {func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}, "deadline exceeded"},
		"never ends": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"query":`)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var well atomic.Bool
			w := startWiki(t, func(rw http.ResponseWriter, r *http.Request) {
				if !well.Load() {
					c.answer(rw, r)
					return
				}
				jsonBody(`{"query":{"userinfo":{"id":4,"name":"C","rights":["block"]}}}`)(rw, r)
			})
			config := MediaWikiConfig{API: w.URL + "/api.php"}
			if strings.HasPrefix(name, "never") {
				config.Timeout = 50 * time.Millisecond
			}
			m := resolver(t, config)
			user, err := m.User(visitor(secret))
			refusal := refusalOf(t, err)
			if refusal.Reason != Unavailable || refusal.Cause == nil || !strings.Contains(refusal.Cause.Error(), c.want) || user != (User{}) {
				t.Errorf("got %+v, %v (%v); want %q with %q", user, err, refusal.Cause, Unavailable, c.want)
			}
			holdsNone(t, err, secret, w.URL)
			well.Store(true)
			m.config.Timeout = time.Minute
			if user, err := m.User(visitor(secret)); err != nil || !user.Rights.Has(Info) {
				t.Errorf("when the wiki is well again: %+v, %v", user, err)
			}
		})
	}
	t.Cleanup(func() {
		if n := len(elsewhere.questions()); n != 0 {
			t.Errorf("another server got %d requests, with cookies %q", n, elsewhere.questions()[0].Header["Cookie"])
		}
	})
}

func TestUnreachableWiki(t *testing.T) {
	w := startWiki(t, nil)
	w.Close()
	_, err := resolver(t, MediaWikiConfig{API: w.URL}).User(visitor("admin"))
	if r := refusalOf(t, err); r.Reason != Unavailable || !strings.Contains(fmt.Sprint(r.Cause), "refused") {
		t.Errorf("got %v, %v", r, r.Cause)
	}
}

func TestBlocksThatAnswersCanHave(t *testing.T) {
	for name, c := range map[string]struct {
		fields  string
		blocked bool
	}{
		"none":            {``, false},
		"sitewide":        {`,"blockid":1,"blockedby":"A","blockpartial":false`, true},
		"partial":         {`,"blockid":1,"blockedby":"A","blockpartial":true`, false},
		"before 1.33":     {`,"blockid":1,"blockedby":"A"`, true},
		"several":         {`,"blockid":null,"blockedby":"","blockpartial":false`, true},
		"several partial": {`,"blockid":null,"blockedby":"","blockpartial":true`, false},
		"by the system":   {`,"systemblocktype":"proxy","blockreason":"x"`, true},
		"odd partial":     {`,"blockid":1,"blockpartial":1`, true},
		"partial in text": {`,"blockid":1,"blockpartial":"true"`, true},
	} {
		t.Run(name, func(t *testing.T) {
			a, ok, err := parseResponse([]byte(`{"query":{"userinfo":{"id":4,"name":"C","rights":["block"]` + c.fields + `}}}`))
			if err != nil || !ok || a.blocked != c.blocked {
				t.Errorf("got %+v, %v, %v; want blocked %v", a, ok, err, c.blocked)
			}
		})
	}
}

func TestVisitorsWithoutAccount(t *testing.T) {
	for name, fields := range map[string]string{
		"anonymous":       `"id":0,"name":"127.0.0.1","anon":true`,
		"of old form":     `"id":0,"name":"127.0.0.1","anon":""`,
		"flag alone":      `"id":4,"name":"C","anon":true`,
		"id alone":        `"id":0,"name":"C"`,
		"temporary":       `"id":4,"name":"~2026-1","temp":true`,
		"temp of old way": `"id":4,"name":"~2026-1","temp":""`,
	} {
		t.Run(name, func(t *testing.T) {
			if a, ok, err := parseResponse([]byte(`{"query":{"userinfo":{` + fields + `,"rights":["block"]}}}`)); ok || err != nil {
				t.Errorf("got %+v, %v, %v", a, ok, err)
			}
		})
	}
	if _, ok, err := parseResponse([]byte(`{"query":{"userinfo":{"id":4,"name":"C","anon":false,"temp":false,"rights":[]}}}`)); !ok || err != nil {
		t.Errorf("an account that says it is neither: %v, %v", ok, err)
	}
}

// pipes connects a client and an HTTP server within a synctest bubble, whose clock does
// not wait for real connections.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	p <- server
	return client, nil
}

func TestAnswersAreKeptForAMinute(t *testing.T) {
	for session, want := range map[string]string{"patroller": "", "plain": "", "blocked-sitewide": Blocked, "anonymous": Anonymous} {
		t.Run(session, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				conns := make(pipes)
				server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					asked++
					recorded(w, r)
				})}
				go server.Serve(conns)
				m, err := NewMediaWiki(MediaWikiConfig{API: "http://wiki.localhost/api.php",
					Transport: &http.Transport{DialContext: conns.dial, DisableKeepAlives: true}})
				if err != nil {
					t.Fatal(err)
				}
				check := func(questions int) {
					t.Helper()
					if _, err := m.User(visitor(session)); reasonOf(t, err) != want {
						t.Errorf("got %v, want %q", err, want)
					}
					if asked != questions {
						t.Errorf("%d questions, want %d", asked, questions)
					}
				}
				check(1)
				time.Sleep(time.Minute - time.Nanosecond)
				check(1)
				time.Sleep(time.Nanosecond)
				check(2)
				if _, err := m.User(visitor("checkuser")); err != nil || asked != 3 {
					t.Errorf("another session: %v, %d questions", err, asked)
				}
				m.Close()
				close(conns)
				server.Close()
			})
		})
	}
}

func TestRequestsOfOneSessionAskOnce(t *testing.T) {
	const visitors = 50
	var began sync.WaitGroup
	began.Add(visitors)
	w := startWiki(t, func(rw http.ResponseWriter, r *http.Request) {
		began.Wait()
		recorded(rw, r)
	})
	m := resolver(t, MediaWikiConfig{API: w.URL, Timeout: time.Minute})
	var all sync.WaitGroup
	for range visitors {
		all.Go(func() {
			began.Done()
			if u, err := m.User(visitor("patroller")); err != nil || u.Name != "Patroller" {
				t.Errorf("%+v, %v", u, err)
			}
		})
	}
	all.Wait()
	if n := len(w.questions()); n != 1 {
		t.Errorf("it was asked %d times, want once", n)
	}
}

func TestVisitorWhoLeavesTakesNoOneWithHim(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	w := startWiki(t, func(rw http.ResponseWriter, r *http.Request) {
		close(asked)
		<-answer
		recorded(rw, r)
	})
	m := resolver(t, MediaWikiConfig{API: w.URL, Timeout: time.Minute})
	ctx, leave := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := m.User(visitor("patroller").WithContext(ctx))
		first <- err
	}()
	<-asked
	leave()
	if err := <-first; reasonOf(t, err) != Unavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("who left: %v", err)
	}
	second := make(chan error)
	go func() {
		_, err := m.User(visitor("patroller"))
		second <- err
	}()
	close(answer)
	if err := <-second; err != nil {
		t.Errorf("who stayed: %v", err)
	}
}

func TestClosingEndsQuestions(t *testing.T) {
	asked := make(chan struct{})
	w := startWiki(t, func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	})
	m := resolver(t, MediaWikiConfig{API: w.URL, Timeout: time.Hour})
	got := make(chan error)
	go func() {
		_, err := m.User(visitor("patroller"))
		got <- err
	}()
	<-asked
	m.Close()
	if err := <-got; reasonOf(t, err) != Unavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := m.User(visitor("admin")); !errors.Is(err, errClosed) {
		t.Errorf("after closing: %v, want %v", err, errClosed)
	}
}

// What is remembered is bounded, and holds no cookies.
func TestMemory(t *testing.T) {
	m := resolver(t, MediaWikiConfig{API: "http://127.0.0.1:1"})
	other := resolver(t, MediaWikiConfig{API: "http://127.0.0.1:1"})
	cookies := "wiki_session=s3cr3tsession"
	key := m.keyOf(cookies)
	if again, another := m.keyOf(cookies), m.keyOf(cookies+"x"); key != again || key == another {
		t.Error("the key does not tell sessions apart")
	}
	if key == other.keyOf(cookies) {
		t.Error("the hash has no key of its own: it can be looked up in a table")
	}
	for i := range maxCached + 100 {
		m.remember(m.keyOf(fmt.Sprint(cookies, i)), cached{user: User{Rights: RightsOf(Info)}, until: time.Now().Add(time.Hour)})
		m.remember(m.keyOf(fmt.Sprint(cookies, "x", i)), cached{refused: Anonymous, until: time.Now().Add(time.Hour)})
	}
	if n, others := m.admitted.Len(), m.others.Len(); n != maxCached || others != maxCached {
		t.Errorf("%d and %d sessions are remembered, want %d", n, others, maxCached)
	}
	if dump := fmt.Sprintf("%q %+v %q %+v", m.admitted.Keys(), m.admitted.Values(), m.others.Keys(), m.others.Values()); strings.Contains(dump, "s3cr3t") {
		t.Error("the cache holds cookies")
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	for name, c := range map[string]struct {
		config MediaWikiConfig
		want   string
	}{
		"plain":          {MediaWikiConfig{API: "https://wiki.example/w/api.php"}, ""},
		"nothing":        {MediaWikiConfig{}, "not an http or https URL"},
		"no URL":         {MediaWikiConfig{API: "http://[::1"}, "not a URL"},
		"a path":         {MediaWikiConfig{API: "/w/api.php"}, "not an http or https URL"},
		"another scheme": {MediaWikiConfig{API: "ftp://wiki.example/"}, "not an http or https URL"},
		"a password":     {MediaWikiConfig{API: "http://u:hunter2@wiki.example/"}, "more than a host and a path"},
		"a query":        {MediaWikiConfig{API: "http://wiki.example/?a=b"}, "more than a host and a path"},
		"a fragment":     {MediaWikiConfig{API: "http://wiki.example/#a"}, "more than a host and a path"},
		"timeout":        {MediaWikiConfig{API: "https://a", Timeout: -1}, "negative"},
		"kept too long":  {MediaWikiConfig{API: "https://a", CacheFor: time.Hour}, "not from 0 to 10m"},
		"no cookies":     {MediaWikiConfig{API: "https://a", Cookies: []string{}}, "no cookies"},
		"bad pattern":    {MediaWikiConfig{API: "https://a", Cookies: []string{"[a"}}, "not of its form"},
		"empty pattern":  {MediaWikiConfig{API: "https://a", Cookies: []string{""}}, "not of its form"},
		"index.php":      {MediaWikiConfig{API: "https://a/w/index.php"}, "another entry point"},
		// Case 20: the cookies would cross the network in clear.
		"case 20, another machine": {MediaWikiConfig{API: "http://203.0.113.5/api.php"}, "in clear"},
		"case 20, a private one":   {MediaWikiConfig{API: "http://10.0.0.5/api.php"}, "in clear"},
		"case 20, a name":          {MediaWikiConfig{API: "http://mediawiki:8080/api.php"}, "in clear"},
		"case 20, a trick":         {MediaWikiConfig{API: "http://localhost.example/api.php"}, "in clear"},
		"case 20, mapped":          {MediaWikiConfig{API: "http://[::ffff:10.0.0.5]/api.php"}, "in clear"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := NewMediaWiki(c.config)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("the error holds a password")
			}
			if m != nil {
				m.Close()
			}
		})
	}
}

func FuzzParseAnswer(f *testing.F) {
	for _, name := range []string{"admin", "anonymous", "blocked-composite", "blocked-partly", "blocked-sitewide", "unknown-action"} {
		rec := httptest.NewRecorder()
		recorded(rec, visitor(name))
		f.Add(rec.Body.Bytes())
	}
	f.Add([]byte(`{"query":{"userinfo":{"id":1e3,"name":"\u0000","rights":[null]}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, ok, err := parseResponse(data)
		if ok && (err != nil || a.id <= 0 || a.name == "" || !text.Printable(a.name, 255) || a.rights == nil) {
			t.Errorf("%q gives %+v, %v", data, a, err)
		}
		if err != nil && len(err.Error()) > 120 {
			t.Errorf("a long error: %v", err)
		}
	})
}

func FuzzSessionCookies(f *testing.F) {
	f.Add("wiki_session=a; wikiUserName=\"b\"; other=c")
	f.Add("wiki_session=a\r\nX-Evil: 1")
	f.Add("xToken=é; xToken=\"")
	m, err := NewMediaWiki(MediaWikiConfig{API: "http://127.0.0.1:1"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Cookie"] = []string{header}
		got, err := m.sessionCookies(r)
		if err != nil || got == "" {
			return
		}
		if strings.ContainsFunc(got, func(c rune) bool { return c < ' ' || c > '~' }) || len(got) > maxCookies {
			t.Errorf("%q gives %q", header, got)
		}
		again := httptest.NewRequest(http.MethodGet, "/", nil)
		again.Header["Cookie"] = []string{got}
		if second, err := m.sessionCookies(again); err != nil || second != got {
			t.Errorf("%q gives %q, and that %q", header, got, second)
		}
	})
}
