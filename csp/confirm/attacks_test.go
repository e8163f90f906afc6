package confirm

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

// attempt is a genuine answer to a genuine page, five seconds after it was
// shown. Attacks change what they can.
type attempt struct {
	*scene
	f      *Flow
	form   Challenge
	act    Act
	cookie string
}

func (a *attempt) send() (Confirmation, error) {
	s := *a.scene
	s.act = a.act
	return s.answer(a.f, a.form, a.cookie)
}

// victim returns another reader's page and cookie.
func (a *attempt) victim() (Challenge, string) { return a.ask(a.scene.flow) }

func TestTokenAttacks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		attack func(*attempt)
		want   *refusal.Refusal
	}{
		{"none: the baseline", func(*attempt) {}, nil},
		{"none: the code typed with spaces", func(a *attempt) { a.form.Code = " " + a.form.Code[:2] + " " + a.form.Code[2:] + "\t" }, nil},

		{"a click without the code", func(a *attempt) { a.form.Code = "" }, ErrCode},
		{"a click with a guessed code", func(a *attempt) { a.form.Code = otherCode(a.form.Code) }, ErrCode},
		{"the code of another page", func(a *attempt) {
			other := a.form
			for other.Code == a.form.Code {
				other, _ = a.victim()
			}
			a.form.Code = other.Code
		}, ErrCode},
		{"a double click that was swapped onto a new page", func(a *attempt) {
			handOff, cookie := a.start(a.f, "")
			a.form, a.cookie = a.askAgain(a.f, handOff, cookie), cookie
			time.Sleep(300 * time.Millisecond)
		}, ErrTooFast},
		{"a script's instant answer", func(a *attempt) { a.form, a.cookie = a.ask(a.f) }, ErrTooFast},
		{"a page that was kept for later", func(*attempt) { time.Sleep(TokenLife) }, ErrExpired},
		{"a replay", func(a *attempt) { _, _ = a.send() }, ErrUsed},
		{"a second guess", func(a *attempt) {
			code := a.form.Code
			a.form.Code = otherCode(code)
			_, _ = a.send()
			a.form.Code = code
		}, ErrUsed},
		{"a replay in the token's last moment", func(a *attempt) {
			_, _ = a.send()
			time.Sleep(TokenLife - 5*time.Second - time.Millisecond)
		}, ErrUsed},

		{"no token", func(a *attempt) { a.form.Token = "" }, ErrMalformed},
		{"a token cut short", func(a *attempt) { a.form.Token = a.form.Token[:len(a.form.Token)-4] }, ErrMalformed},
		{"a token with a line break", func(a *attempt) { a.form.Token = a.form.Token[:8] + "\n" + a.form.Token[8:] }, ErrMalformed},
		{"a token of another version", func(a *attempt) { a.form.Token = tamper(a.form.Token, 0) }, ErrMalformed},
		{"a token with a changed purpose", func(a *attempt) { a.form.Token = tamper(a.form.Token, 3) }, ErrSignature},
		{"a token with a changed B", func(a *attempt) { a.form.Token = tamper(a.form.Token, 3+6+2+len(testWiki)+2) }, ErrSignature},
		{"a token with a changed signature", func(a *attempt) { a.form.Token = tamper(a.form.Token, -1) }, ErrSignature},
		{"a token forged with another key", func(a *attempt) {
			c, _, _ := a.f.open(useToken, a.form.Token)
			forger := *a.f
			forger.keys = testKeys(a.t, 9)
			a.form.Token = forger.sign(useToken, c)
		}, ErrSignature},
		{"a hand-off for a token", func(a *attempt) { a.form.Token, _ = a.start(a.f, "") }, ErrMalformed},
		{"a ticket for a token", func(a *attempt) { a.form.Token = a.f.Ticket(Confirmation{Act: a.act}) }, ErrMalformed},
		{"a token's fields signed as a ticket", func(a *attempt) {
			raw, _ := base64.RawURLEncoding.DecodeString(a.form.Token)
			fields, _ := unpack(raw[:len(raw)-32], shapes[useToken].fields)
			a.form.Token = a.keys.seal(useTicket, fields...)
		}, ErrSignature},

		{"a token of another purpose", func(a *attempt) { a.f = a.newFlow("reveal", testWiki, testPort) }, errPurpose},
		{"a token of another wiki", func(a *attempt) {
			a.f = a.newFlow("exempt", "https://other.example", testPort)
			a.f.shared = true
		}, errWiki},
		{"a token for another tool", func(a *attempt) { a.act.Subject = "tracker" }, ErrSubject},
		{"a token for another action", func(a *attempt) { a.act.Action = "grant-scripts" }, ErrAction},
		{"a declaration that changed", func(a *attempt) { a.act.Binding = Bind(`{"name":"weather","kinds":["data"]}`, "8") }, ErrBinding},
		{"a declaration that changed, and back", func(a *attempt) { a.act.Binding = Bind(`{"name":"weather"}`, "9") }, ErrBinding},

		{"a foreign token: the attacker's page in the reader's browser", func(a *attempt) { a.form, _ = a.victim(); time.Sleep(5 * time.Second) }, ErrOtherBrowser},
		{"a stolen token: the reader's page in the attacker's browser", func(a *attempt) { _, a.cookie = a.victim() }, ErrOtherBrowser},
		{"a stolen page and cookie at another client", func(a *attempt) { a.client = "203.0.113.10" }, errOtherClient},
		{"an unknown client", func(a *attempt) { a.client = "" }, errNoClient},
		{"a browser without cookies", func(a *attempt) { a.cookie = "" }, ErrNoBrowser},
		{"an overflown jar", func(a *attempt) { a.cookie = strings.Repeat("x=1; ", 300) }, ErrNoBrowser},
		{"a second browser cookie beside the genuine one", func(a *attempt) { a.cookie += "; " + a.cookie }, ErrNoBrowser},
		{"a second browser cookie with a broken value", func(a *attempt) { a.cookie += "; " + BrowserCookie + "=\"\x7f" }, ErrNoBrowser},
		{"a browser cookie in a foreign name's clothes", func(a *attempt) {
			a.cookie = strings.Replace(a.cookie, "__Host-Http-", "__Host-http-", 1)
		}, ErrNoBrowser},
		{"a forged browser cookie", func(a *attempt) { a.cookie = a.otherKeysCookie() }, ErrSignature},
		{"a cookie that is no signed one", func(a *attempt) { a.cookie = BrowserCookie + "=1" }, ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				a := &attempt{scene: s, f: s.flow, act: s.act}
				a.form, a.cookie = s.ask(s.flow)
				time.Sleep(5 * time.Second)
				tt.attack(a)
				got, err := a.send()
				wantRefusal(t, err, tt.want)
				if err != nil && got != (Confirmation{}) {
					t.Errorf("a refusal came with %+v", got)
				}
			})
		})
	}
}

// tamper changes one byte of a signed text; a negative place counts from the end.
func tamper(text string, at int) string {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	if at < 0 {
		at += len(raw)
	}
	raw[at] ^= 1
	return base64.RawURLEncoding.EncodeToString(raw)
}

func TestATooFastAnswerMayBeSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		c, cookie := s.ask(s.flow)
		_, err := s.answer(s.flow, c, cookie)
		wantRefusal(t, err, ErrTooFast)
		time.Sleep(TokenMinAge)
		if _, err := s.answer(s.flow, c, cookie); err != nil {
			t.Error(err)
		}
	})
}

// On a subdomain the browser is not known before the commit, which therefore has
// to stop what the other layout stops earlier.
func TestASubdomainLeavesBrowsersToTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		f := s.newFlow("exempt", testWiki, testDomain)
		ticket, attacker := s.confirm(f)
		_, reader := s.start(f, "")
		if attacker == reader {
			t.Fatal("two browsers have one cookie")
		}
		got, err := f.Commit(commitRequest(f, ticket, reader))
		wantRefusal(t, err, ErrOtherBrowser)
		if got != (Confirmation{}) {
			t.Errorf("a refusal came with %+v", got)
		}
	})
}

func TestHandOffAttacks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		attack func(s *scene, handOff, cookie string) *http.Request
		want   *refusal.Refusal
	}{
		{"none: the baseline", func(s *scene, handOff, cookie string) *http.Request {
			return pageRequest(s.flow, handOff, cookie)
		}, nil},
		{"a page without a hand-off", func(s *scene, _, cookie string) *http.Request {
			r := pageRequest(s.flow, "", cookie)
			r.URL.RawQuery = ""
			return r
		}, ErrMalformed},
		{"two hand-offs", func(s *scene, handOff, cookie string) *http.Request {
			return pageRequest(s.flow, handOff+"&"+HandOffParam+"="+handOff, cookie)
		}, ErrMalformed},
		{"a huge query", func(s *scene, handOff, cookie string) *http.Request {
			return pageRequest(s.flow, handOff+"&x="+strings.Repeat("x", maxSealed), cookie)
		}, ErrMalformed},
		{"a tampered subject", func(s *scene, handOff, cookie string) *http.Request {
			return pageRequest(s.flow, tamper(handOff, -32-18-10-1), cookie)
		}, ErrSignature},
		{"a leaked hand-off in the attacker's browser", func(s *scene, handOff, _ string) *http.Request {
			_, attacker := s.start(s.flow, "")
			return pageRequest(s.flow, handOff, attacker)
		}, ErrOtherBrowser},
		{"a leaked hand-off fetched by a server", func(s *scene, handOff, _ string) *http.Request {
			return pageRequest(s.flow, handOff, "")
		}, ErrNoBrowser},
		{"the attacker's hand-off in the reader's browser", func(s *scene, _, cookie string) *http.Request {
			attackers, _ := s.start(s.flow, "")
			return pageRequest(s.flow, attackers, cookie)
		}, ErrOtherBrowser},
		{"a hand-off of another purpose", func(s *scene, _, cookie string) *http.Request {
			handOff, _ := s.start(s.newFlow("reveal", testWiki, testPort), cookie)
			return pageRequest(s.flow, handOff, cookie)
		}, errPurpose},
		{"a hand-off of another wiki", func(s *scene, _, cookie string) *http.Request {
			handOff, _ := s.start(s.newFlow("exempt", "https://other.example", testPort), cookie)
			return pageRequest(s.flow, handOff, cookie)
		}, errWiki},
		{"a leaked hand-off and cookie at another client", func(s *scene, handOff, cookie string) *http.Request {
			s.client = "203.0.113.10"
			return pageRequest(s.flow, handOff, cookie)
		}, errOtherClient},
		{"an old hand-off from the history", func(s *scene, handOff, cookie string) *http.Request {
			time.Sleep(handOffLife)
			return pageRequest(s.flow, handOff, cookie)
		}, ErrExpired},
		{"a token for a hand-off", func(s *scene, handOff, cookie string) *http.Request {
			return pageRequest(s.flow, s.askAgain(s.flow, handOff, cookie).Token, cookie)
		}, ErrMalformed},
		{"a fetch of a genuine page", func(s *scene, handOff, cookie string) *http.Request {
			r := pageRequest(s.flow, handOff, cookie)
			r.Header.Set("Sec-Fetch-Mode", "cors")
			r.Header.Set("Sec-Fetch-Dest", "empty")
			return r
		}, ErrNotNavigation},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				handOff, cookie := s.start(s.flow, "")
				got, err := s.flow.OpenPage(tt.attack(s, handOff, cookie), true)
				wantRefusal(t, err, tt.want)
				if err != nil && got != (HandOff{}) {
					t.Errorf("a refusal came with %+v", got)
				}
			})
		})
	}
}

func TestTicketAttacks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		attack func(s *scene, ticket, cookie string) *http.Request
		want   *refusal.Refusal
	}{
		{"none: the baseline", func(s *scene, ticket, cookie string) *http.Request {
			return commitRequest(s.flow, ticket, cookie)
		}, nil},
		{"a replay", func(s *scene, ticket, cookie string) *http.Request {
			_, _ = s.flow.Commit(commitRequest(s.flow, ticket, cookie))
			return commitRequest(s.flow, ticket, cookie)
		}, ErrUsed},
		{"a ticket kept for later", func(s *scene, ticket, cookie string) *http.Request {
			time.Sleep(TicketLife)
			return commitRequest(s.flow, ticket, cookie)
		}, ErrExpired},
		{"the attacker's ticket in the reader's browser", func(s *scene, ticket, _ string) *http.Request {
			_, reader := s.start(s.flow, "")
			return commitRequest(s.flow, ticket, reader)
		}, ErrOtherBrowser},
		{"a ticket and cookie at another client", func(s *scene, ticket, cookie string) *http.Request {
			s.client = "203.0.113.10"
			return commitRequest(s.flow, ticket, cookie)
		}, errOtherClient},
		{"a ticket in a browser that never started", func(s *scene, ticket, _ string) *http.Request {
			return commitRequest(s.flow, ticket, "")
		}, ErrNoBrowser},
		{"a transplanted cookie beside the reader's own", func(s *scene, ticket, cookie string) *http.Request {
			_, reader := s.start(s.flow, "")
			return commitRequest(s.flow, ticket, reader+"; "+cookie)
		}, ErrNoBrowser},
		{"a transplanted cookie in a header line of its own", func(s *scene, ticket, cookie string) *http.Request {
			_, reader := s.start(s.flow, "")
			r := commitRequest(s.flow, ticket, reader)
			r.Header.Add("Cookie", cookie)
			return r
		}, ErrNoBrowser},
		{"a token for a ticket: the code was never typed", func(s *scene, _, _ string) *http.Request {
			c, cookie := s.ask(s.flow)
			return commitRequest(s.flow, c.Token, cookie)
		}, ErrMalformed},
		{"a hand-off for a ticket", func(s *scene, _, _ string) *http.Request {
			return commitRequest(s.flow, first(s.start(s.flow, "")), "")
		}, ErrMalformed},
		{"a widened ticket", func(s *scene, ticket, cookie string) *http.Request {
			return commitRequest(s.flow, tamper(ticket, -32-34-1), cookie)
		}, ErrSignature},
		{"a ticket of another purpose", func(s *scene, _, _ string) *http.Request {
			ticket, cookie := s.confirm(s.newFlow("reveal", testWiki, testPort))
			return commitRequest(s.flow, ticket, cookie)
		}, errPurpose},
		{"a ticket of another wiki", func(s *scene, _, _ string) *http.Request {
			ticket, cookie := s.confirm(s.newFlow("exempt", "https://other.example", testPort))
			return commitRequest(s.flow, ticket, cookie)
		}, errWiki},
		{"no ticket", func(s *scene, _, cookie string) *http.Request {
			return commitRequest(s.flow, "", cookie)
		}, ErrMalformed},
		{"a ticket sent by HEAD", func(s *scene, ticket, cookie string) *http.Request {
			r := commitRequest(s.flow, ticket, cookie)
			r.Method = http.MethodHead
			return r
		}, ErrMethod},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				ticket, cookie := s.confirm(s.flow)
				got, err := s.flow.Commit(tt.attack(s, ticket, cookie))
				wantRefusal(t, err, tt.want)
				if err != nil && got != (Confirmation{}) {
					t.Errorf("a refusal came with %+v", got)
				}
			})
		})
	}
}

// A refusal for the browser's sake must not use the ticket up: whoever saw it
// could take it from its reader.
func TestAStolenTicketIsNotUsedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		ticket, cookie := s.confirm(s.flow)
		_, thief := s.start(s.flow, "")
		_, err := s.flow.Commit(commitRequest(s.flow, ticket, thief))
		wantRefusal(t, err, ErrOtherBrowser)
		_, err = s.flow.Commit(commitRequest(s.flow, ticket, cookie))
		wantRefusal(t, err, nil)
	})
}

// Redeem takes only forms that ReadForm made; an empty one answers nothing.
func TestTheEmptyFormAnswersNothing(t *testing.T) {
	s := newScene(t)
	_, err := s.flow.Redeem(formRequest(s.flow, url.Values{}.Encode(), ""), Form{}, s.act)
	wantRefusal(t, err, ErrMalformed)
}

func first(a, _ string) string { return a }
