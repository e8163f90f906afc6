package exempt

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/internal/page"
)

const (
	// backCookie keeps from which page of the wiki a reader came to a question, until it is answered.
	backCookie = "__Host-Http-wikiveil-back"
	backLife   = 15 * time.Minute // a little longer than a question counts
	// maxBack bounds it, in bytes: a longer address isn't led back to.
	maxBack = 1024
)

// rememberBack has the browser keep the page that led to a question: what it says itself, and no parameter, which a link on another site could
// name.
func (s *Site) rememberBack(h http.Header, r *http.Request) {
	if path := s.pageOf(r.Referer()); path != "" {
		confirm.SetCookie(h, backCookie, base64.RawURLEncoding.EncodeToString([]byte(path)), backLife)
		return
	}
	forgetBack(h, r)
}

// back returns the address to go on to once a question is answered: of the page that led to it if that is known, else of the list. It is the wiki's
// whatever the cookie holds.
func (s *Site) back(h http.Header, r *http.Request) string {
	value, count := confirm.Cookie(r, backCookie)
	forgetBack(h, r)
	path, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || count != 1 || !strings.HasPrefix(string(path), "/") {
		return page.Link(r, ListPath)
	}
	if from := s.pageOf(s.c.Flow.Wiki() + string(path)); from != "" {
		return s.c.Flow.Wiki() + from // as a path alone //other.example would lead elsewhere
	}
	return page.Link(r, ListPath)
}

func forgetBack(h http.Header, r *http.Request) {
	if _, count := confirm.Cookie(r, backCookie); count > 0 {
		confirm.SetCookie(h, backCookie, "", 0)
	}
}

// pageOf returns the path and query of an address if it is one of the wiki's and none of the pages here, which would begin anew; else "".
func (s *Site) pageOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || len(address) > maxBack || u.User != nil || u.Scheme+"://"+u.Host != s.c.Flow.Wiki() || u.Opaque != "" || Handles(u.Path) {
		return ""
	}
	return u.RequestURI()
}
