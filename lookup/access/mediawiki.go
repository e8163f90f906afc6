package access

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"
)

const (
	maxCached  = 10_000  // sessions, about 2 MB
	maxCookies = 8 << 10 // bytes
)

// MediaWiki asks a wiki who the visitor is, with the visitor's own session cookies. It
// believes nothing else: a redirect, an error, a late or odd response means that nobody
// is admitted. It is safe for concurrent use; close it when done.
type MediaWiki struct {
	config   MediaWikiConfig
	url      string
	client   *http.Client
	key      []byte                         // of the hashes that the cache goes by, this process's own
	admitted *lru.Cache[sessionKey, cached] // users with rights; when expired, the session is still known
	others   *lru.Cache[sessionKey, cached] // apart, so that made-up sessions push nobody out
	flights  singleflight.Group
	places   *places
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	mu       sync.Mutex // of the next two
	closed   bool
	underWay sync.WaitGroup
}

// sessionKey is a hash of the cookies of a session, never the cookies themselves.
type sessionKey [sha256.Size]byte

// cached is what a response said: a user, or why there is none.
type cached struct {
	user    User
	refused string // Anonymous, Blocked, or "" for a user
	until   time.Time
}

// NewMediaWiki makes a resolver that asks the wiki of the configuration.
func NewMediaWiki(c MediaWikiConfig) (*MediaWiki, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	m := &MediaWiki{config: c.withDefaults(), key: make([]byte, 32), places: newPlaces()}
	rand.Read(m.key) // never fails
	m.url = c.API + "?" + url.Values{"action": {"query"}, "meta": {"userinfo"}, "uiprop": {"rights|blockinfo"},
		"format": {"json"}, "formatversion": {"2"}}.Encode()
	m.client = &http.Client{Transport: m.config.Transport,
		// Not followed: cookies must go nowhere but to the URL that was configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	m.admitted, _ = lru.New[sessionKey, cached](maxCached) // fails for sizes below 1 alone
	m.others, _ = lru.New[sessionKey, cached](maxCached)
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m, nil
}

// Close ends requests under way. None is sent after it.
func (m *MediaWiki) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.cancel()
	m.underWay.Wait()
	m.client.CloseIdleConnections()
	return nil
}

var errClosed = errors.New("the resolver is closed")

// begin counts a request under way, unless the resolver is closed.
func (m *MediaWiki) begin() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	m.underWay.Add(1)
	return nil
}

// User implements [Resolver]. Requests of one session that come at once ask the wiki once.
func (m *MediaWiki) User(r *http.Request) (User, error) {
	cookies, err := m.sessionCookies(r)
	if err != nil {
		return User{}, anonymous(err)
	}
	if cookies == "" {
		return User{}, anonymous(nil)
	}
	key := m.keyOf(cookies)
	if c, ok := m.remembered(key); ok {
		return c.result()
	}
	client := m.config.Client(r)
	// Others wait for this response too, so the request to the wiki outlives the first visitor's.
	flight := m.flights.DoChan(string(key[:]), func() (any, error) {
		if err := m.begin(); err != nil {
			return cached{}, err
		}
		defer m.underWay.Done()
		if c, ok := m.remembered(key); ok { // since a moment
			return c, nil
		}
		c, err := m.query(client, cookies, m.admitted.Contains(key))
		if err == nil {
			m.remember(key, c)
		}
		return c, err
	})
	select {
	case result := <-flight:
		if errors.Is(result.Err, errBusy) {
			return User{}, busy()
		}
		if result.Err != nil {
			return User{}, unavailable(result.Err)
		}
		return result.Val.(cached).result()
	case <-r.Context().Done():
		return User{}, unavailable(r.Context().Err())
	}
}

func (m *MediaWiki) remembered(key sessionKey) (cached, bool) {
	c, ok := m.admitted.Get(key)
	if !ok {
		c, ok = m.others.Get(key)
	}
	return c, ok && time.Now().Before(c.until)
}

func (m *MediaWiki) remember(key sessionKey, c cached) {
	if c.user.Rights != 0 {
		m.others.Remove(key)
		m.admitted.Add(key, c)
		return
	}
	m.admitted.Remove(key)
	m.others.Add(key, c)
}

func (c cached) result() (User, error) {
	switch c.refused {
	case "":
		return c.user, nil
	case Anonymous:
		return User{}, anonymous(nil)
	}
	return User{}, blocked()
}

func (m *MediaWiki) keyOf(cookies string) (key sessionKey) {
	mac := hmac.New(sha256.New, m.key)
	io.WriteString(mac, cookies)
	mac.Sum(key[:0])
	return key
}

// sessionCookies returns the Cookie header for the wiki: the cookies of the login, as
// they came. What else the browser sends stays here.
func (m *MediaWiki) sessionCookies(r *http.Request) (header string, err error) {
	for _, c := range r.Cookies() {
		named := slices.ContainsFunc(m.config.Cookies, func(pattern string) bool {
			ok, _ := path.Match(pattern, c.Name)
			return ok
		})
		if !named || c.Value == "" {
			continue
		}
		value := c.Value
		if c.Quoted {
			value = `"` + value + `"`
		}
		if header != "" {
			header += "; "
		}
		if header += c.Name + "=" + value; len(header) > maxCookies {
			return "", fmt.Errorf("the session's cookies are longer than %d bytes", maxCookies)
		}
	}
	return header, nil
}

// Interface guard.
var _ Resolver = (*MediaWiki)(nil)
