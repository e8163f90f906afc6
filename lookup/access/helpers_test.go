package access

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wiki is a server that answers as a MediaWiki did: what it is asked with the session
// cookie wiki_session=NAME is answered from testdata's NAME.json.
type wiki struct {
	*httptest.Server
	mu    sync.Mutex
	asked []*http.Request
}

func startWiki(t *testing.T, answer http.HandlerFunc) *wiki {
	t.Helper()
	w := new(wiki)
	if answer == nil {
		answer = recorded
	}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.asked = append(w.asked, r.Clone(r.Context()))
		w.mu.Unlock()
		answer(rw, r)
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *wiki) questions() []*http.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

// recorded gives the answers of a real MediaWiki 1.39.17 of Debian.
func recorded(rw http.ResponseWriter, r *http.Request) {
	name := "anonymous"
	if c, err := r.Cookie("wiki_session"); err == nil {
		name = c.Value
	}
	data, err := os.ReadFile(filepath.Join("testdata", "mediawiki-1.39", filepath.Base(name)+".json"))
	if err != nil {
		http.NotFound(rw, r)
		return
	}
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.Header().Set("Cache-Control", "private, must-revalidate, max-age=0")
	rw.Write(data)
}

func resolver(t *testing.T, c MediaWikiConfig) *MediaWiki {
	t.Helper()
	m, err := NewMediaWiki(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// visitor is a request with a session, as a browser sends it.
func visitor(session string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://wiki.example/.privacy/masks/", nil)
	if session != "" {
		r.AddCookie(&http.Cookie{Name: "wiki_session", Value: session})
	}
	return r
}

// refusalOf returns the refusal in an error, which must be one.
func refusalOf(t *testing.T, err error) *refusal.Refusal {
	t.Helper()
	refused, ok := refusal.Of(err)
	if !ok {
		t.Fatalf("got %v, want a refusal", err)
	}
	return refused
}

func reasonOf(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	return refusalOf(t, err).Reason
}

// holdsNone fails if an error tells a visitor's cookie.
func holdsNone(t *testing.T, err error, secrets ...string) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		for _, s := range secrets {
			if strings.Contains(e.Error(), s) {
				t.Errorf("the error holds %q: %v", s, e)
			}
		}
	}
}
