package anonproxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func newCache(t testing.TB, cfg cache.Config) *cache.Cache {
	t.Helper()
	c, err := cache.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// cachedEdge is an edge with a cache, whose connections to tools end before it does.
func cachedEdge(t testing.TB, cfg cache.Config, tools ...*noticeboard.Tool) (*edge, *cache.Cache) {
	c := newCache(t, cfg)
	return newEdge(t, Config{Cache: c}, tools...), c
}

// TestWithCache runs the tests of what passes and what is refused over again.
func TestWithCache(t *testing.T) {
	everyEdgeCached = true
	defer func() { everyEdgeCached = false }()
	for name, test := range map[string]func(*testing.T){
		"built": TestAnswerIsBuilt, "one": TestOneAnswerReachesTheReader, "site policy": TestSitePolicyStays, "outer": TestOuterHandlersMayChangeHeaders,
		"statuses": TestStatuses, "head": TestHead, "size": TestSizeLimit, "broken": TestBrokenAnswers, "timeouts": TestTimeouts,
		"streaming": TestStreaming, "leaves": TestReaderLeaves, "large": TestLargeBody, "redirects": TestRedirects,
	} {
		t.Run(name, test)
	}
}

// cacheable is a tool whose answers may be kept, with all that might mark a reader.
func cacheable(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("Cache-Control", "max-age=600")
		h.Set("Etag", `"tool"`)
		h.Set("Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT")
		h.Set("X-Made-Up", "0")
		_, _ = io.WriteString(w, body)
	}
}

func TestHitsAndMissesHaveOneHeader(t *testing.T) {
	b := newBackend(t, cacheable("application/json", `{"a":1}`))
	e, c := cachedEdge(t, cache.Config{}, tool("maps", b.URL))
	miss := e.do(t, "GET", "/.tools/maps/x?y", "empty")
	hit := e.do(t, "GET", "/.tools/maps/x?y", "empty", hostileHeaders("other"), noConditions)
	head := e.do(t, "HEAD", "/.tools/maps/x?y", "empty")
	if b.hits.Load() != 1 || c.Stats().Requests[cache.Hit] != 2 || miss.body != `{"a":1}` || hit.body != miss.body || head.body != "" {
		t.Fatalf("%d fetches, %+v, %q, %q", b.hits.Load(), c.Stats(), miss.body, hit.body)
	}
	for _, a := range []answer{miss, hit, head} {
		wantForced(t, a)
		if a.header.Get("Cache-Control") != "private, max-age=600" || a.header.Get("Age") == "" || a.header.Get("Accept-Ranges") != "bytes" ||
			!strings.HasPrefix(a.header.Get("Etag"), `"`) || strings.Contains(a.header.Get("Etag"), "tool") || a.header.Get("Last-Modified") != "" {
			t.Errorf("header %v", a.header)
		}
		a.header.Del("Age")
		a.header.Del("Date")
	}
	if fmt.Sprint(miss.header) != fmt.Sprint(hit.header) || fmt.Sprint(miss.header) != fmt.Sprint(head.header) {
		t.Errorf("miss %v\nhit  %v\nHEAD %v", miss.header, hit.header, head.header)
	}
	got := e.observed(t, 3)
	if !slices.Equal(got, []string{"maps ok", "maps ok", "maps ok"}) {
		t.Errorf("observed %q", got)
	}
}

// noConditions takes away what would change the answer.
func noConditions(r *http.Request) {
	for _, name := range []string{"Range", "If-Range", "If-None-Match"} {
		r.Header.Del(name)
	}
}

// TestNothingOfReadersReachesTheTool records what the tool gets, with each header
// that a cache might be tempted to send on.
func TestNothingOfReadersReachesTheTool(t *testing.T) {
	for _, lifetime := range []string{"max-age=600", "no-store", "no-cache", "max-age=0"} {
		t.Run(lifetime, func(t *testing.T) {
			var mu sync.Mutex
			var requests []string
			b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
				var text bytes.Buffer
				fmt.Fprintln(&text, r.Method, r.URL)
				_ = r.Header.WriteSubset(&text, map[string]bool{"If-None-Match": r.Header.Get("If-None-Match") == `"tool"`})
				mu.Lock()
				requests = append(requests, text.String())
				mu.Unlock()
				w.Header().Set("Cache-Control", lifetime)
				w.Header().Set("Etag", `"tool"`)
				w.Header().Set("Content-Type", "text/plain")
				_, _ = io.WriteString(w, "0123456789")
			})
			e, _ := cachedEdge(t, cache.Config{}, tool("maps", b.URL))
			etag := e.do(t, "GET", "/.tools/maps/x", "empty").header.Get("Etag")
			for i := range 6 {
				a := e.do(t, "GET", "/.tools/maps/x", "empty", hostileHeaders(fmt.Sprint("reader", i)), noConditions, func(r *http.Request) {
					r.Header.Set("Cache-Control", "no-cache, max-age=0")
					r.Header.Set("Pragma", "no-cache")
					switch i {
					case 1:
						r.Header.Set("Range", "bytes=2-4")
					case 2:
						r.Header.Set("If-None-Match", `"reader"`)
					case 3:
						r.Header.Set("If-Modified-Since", "Sat, 01 Jan 2000 00:00:00 GMT")
					case 4:
						r.Header.Set("Range", "bytes=2-4")
						r.Header.Set("If-Range", etag)
					case 5:
						r.Header.Set("If-None-Match", etag)
					}
				})
				if a.status != 200 && a.status != 206 && a.status != 304 {
					t.Errorf("request %d: %d %s", i, a.status, a.body)
				}
			}
			for _, r := range requests {
				if r != requests[0] {
					t.Errorf("the tool got %q and then %q", requests[0], r)
				}
			}
			if lifetime == "max-age=600" && len(requests) != 1 {
				t.Errorf("the tool got %d requests", len(requests))
			}
		})
	}
}

func TestRangesOverHTTP(t *testing.T) {
	b := newBackend(t, cacheable("video/mp4", "0123456789"))
	e, _ := cachedEdge(t, cache.Config{}, tool("films", b.URL, noticeboard.Media))
	etag := e.do(t, "GET", "/.tools/films/x", "video").header.Get("Etag")
	with := func(pairs ...string) func(*http.Request) {
		return func(r *http.Request) {
			for i := 0; i < len(pairs); i += 2 {
				r.Header.Add(pairs[i], pairs[i+1])
			}
		}
	}
	for _, tc := range []struct {
		name   string
		change func(*http.Request)
		status int
		body   string
	}{
		{"single", with("Range", "bytes=2-4"), 206, "234"},
		{"with our ETag", with("Range", "bytes=2-4", "If-Range", etag), 206, "234"},
		{"with the tool's", with("Range", "bytes=2-4", "If-Range", `"tool"`), 200, "0123456789"},
		{"not modified", with("If-None-Match", etag), 304, ""},
		{"the tool's ETag", with("If-None-Match", `"tool"`), 200, "0123456789"},
	} {
		a := e.do(t, "GET", "/.tools/films/x", "video", tc.change)
		if a.status != tc.status || a.body != tc.body || a.err != nil {
			t.Errorf("%s: got %d %q %v", tc.name, a.status, a.body, a.err)
		}
		wantForced(t, a)
	}
	a := e.do(t, "GET", "/.tools/films/x", "video", with("Range", "bytes=0-1,5-6"))
	if a.status != 200 || a.body != "0123456789" {
		t.Errorf("two ranges: got %d %v %q", a.status, a.header, a.body)
	}
	wantForced(t, a)
	wantRefusal(t, e.do(t, "GET", "/.tools/films/x", "video", with("Range", "bytes=10-")), 416, "past the end")
	if hits := b.hits.Load(); hits != 1 {
		t.Errorf("%d fetches", hits)
	}
	for _, bad := range []string{"bytes=a", "bytes=5-1", "bytes=0-0,1"} {
		wantRefusal(t, e.do(t, "GET", "/.tools/films/never", "video", with("Range", bad)), 416, "the range is malformed")
	}
	wantRefusal(t, e.do(t, "GET", "/.tools/films/never", "video", with("Range", "bytes=0-1", "Range", "bytes=0-1")), 416, "malformed")
	if hits := b.hits.Load(); hits != 1 {
		t.Errorf("bad ranges reached the tool")
	}
}

// TestPoisoning: one tool's answer, or one for another use, is never served for another's.
func TestPoisoning(t *testing.T) {
	says := func(who string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			contentType := "application/json"
			if strings.HasPrefix(r.Header.Get("Accept"), "image/") {
				contentType = "image/svg+xml"
			}
			cacheable(contentType, who+" "+contentType+" "+r.RequestURI)(w, r)
		}
	}
	one, two := newBackend(t, says("one")), newBackend(t, says("two"))
	c := newCache(t, cache.Config{})
	first := newEdge(t, Config{Cache: c}, tool("one", one.URL), tool("two", two.URL))
	again := tool("one", two.URL) // the name moves to another host
	second := newEdge(t, Config{Cache: c}, again)
	smaller := tool("one", one.URL)
	smaller.MaxSize = 5
	third := newEdge(t, Config{Cache: c}, smaller)
	revised := tool("one", one.URL)
	revised.Revision = 7
	fourth := newEdge(t, Config{Cache: c}, revised)
	fifth := newEdge(t, Config{Cache: c, Contact: "other@example.org"}, tool("one", one.URL))
	for range 2 {
		for _, path := range []string{"/x", "/x?", "/x?a", "/X", "/x%7C", "/x/"} {
			for _, dest := range []string{"empty", "image", ""} {
				contentType := map[bool]string{true: "image/svg+xml", false: "application/json"}[dest == "image"]
				for name, e := range map[string]*edge{"one": first, "two": first} {
					if a := e.do(t, "GET", "/.tools/"+name+path, dest); a.body != name+" "+contentType+" "+path || a.header.Get("Content-Type") != contentType {
						t.Errorf("%s%s for %q: got %d %q %q", name, path, dest, a.status, a.header.Get("Content-Type"), a.body)
					}
				}
			}
		}
		if a := second.do(t, "GET", "/.tools/one/x", "empty"); !strings.HasPrefix(a.body, "two ") {
			t.Errorf("another origin: %q", a.body)
		}
		if a := third.do(t, "GET", "/.tools/one/x", "empty"); a.status != 502 {
			t.Errorf("over a smaller limit: %d %q", a.status, a.body)
		}
		for _, e := range []*edge{fourth, fifth} {
			hits := one.hits.Load()
			e.do(t, "GET", "/.tools/one/x", "empty")
			if (one.hits.Load() == hits) != (len(e.outcomes) == 2) {
				t.Errorf("%d fetches at request %d of another declaration", one.hits.Load()-hits, len(e.outcomes))
			}
		}
	}
}

func TestRevalidationOverHTTP(t *testing.T) {
	var moved atomic.Bool
	var conditional atomic.Int64
	var other *backend
	page := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=0")
		w.Header().Set("Etag", `"tool"`)
		w.Header().Set("Content-Type", "text/plain")
		if r.Header.Get("If-None-Match") == `"tool"` {
			conditional.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = io.WriteString(w, "from "+r.Host)
	}
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if moved.Load() {
			http.Redirect(w, r, other.URL+"/x", http.StatusFound)
			return
		}
		page(w, r)
	})
	other = newBackend(t, page)
	declared := tool("maps", b.URL)
	declared.Hosts = []string{strings.TrimPrefix(other.URL, "http://")}
	e, c := cachedEdge(t, cache.Config{}, declared)
	for range 3 {
		if a := e.do(t, "GET", "/.tools/maps/x", "empty"); a.status != 200 || a.body != "from "+strings.TrimPrefix(b.URL, "http://") || a.header.Get("Cache-Control") != "private, no-cache" {
			t.Errorf("got %d %q %v", a.status, a.body, a.header)
		}
	}
	if conditional.Load() != 2 || c.Stats().Requests[cache.Revalidated] != 2 {
		t.Errorf("%d conditional requests, %+v", conditional.Load(), c.Stats())
	}
	moved.Store(true) // the same ETag elsewhere is about something else
	if a := e.do(t, "GET", "/.tools/maps/x", "empty"); a.body != "from "+strings.TrimPrefix(other.URL, "http://") {
		t.Errorf("after the move: got %d %q", a.status, a.body)
	}
	if conditional.Load() != 2 {
		t.Error("the validators of one host were sent to another")
	}
}

func TestRefusedAnswersAreNotStored(t *testing.T) {
	var page atomic.Bool
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=1, stale-if-error=600")
		w.Header().Set("Content-Type", "application/json")
		if page.Load() {
			w.Header().Set("Content-Type", "text/html")
		}
		_, _ = io.WriteString(w, "{}")
	})
	e, c := cachedEdge(t, cache.Config{}, tool("maps", b.URL))
	page.Store(true)
	wantRefusal(t, e.do(t, "GET", "/.tools/maps/x", "empty"), 502, "content type that isn't allowed")
	page.Store(false)
	if a := e.do(t, "GET", "/.tools/maps/x", "empty"); a.body != "{}" {
		t.Errorf("got %d %q", a.status, a.body)
	}
	page.Store(true)
	time.Sleep(1100 * time.Millisecond)
	wantRefusal(t, e.do(t, "GET", "/.tools/maps/x", "empty"), 502, "content type that isn't allowed") // no error in the sense of stale-if-error
	b.Server.Close()
	if a := e.do(t, "GET", "/.tools/maps/x", "empty"); a.status != 502 || c.Stats().Entries != 0 {
		t.Errorf("what was superseded came back: %d %q", a.status, a.body)
	}
}

func TestStaleWhileTheToolIsDown(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=1, stale-if-error=600")
		tooltest.Answers("application/json", "{}")(w, r)
	})
	e, c := cachedEdge(t, cache.Config{}, tool("maps", b.URL))
	e.do(t, "GET", "/.tools/maps/x", "empty")
	b.Server.Close()
	time.Sleep(1100 * time.Millisecond)
	for range 2 {
		if a := e.do(t, "GET", "/.tools/maps/x", "empty"); a.status != 200 || a.body != "{}" {
			t.Errorf("got %d %q", a.status, a.body)
		}
	}
	if s := c.Stats(); s.Requests[cache.Stale] != 2 {
		t.Errorf("%+v", s)
	}
}

// TestManyReadersOneFetch over real connections, some of whom leave.
func TestManyReadersOneFetch(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB, more than is held back
	release := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Cache-Control", "max-age=600")
		_, _ = io.WriteString(w, body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		<-release
		_, _ = io.WriteString(w, body[len(body)/2:])
	})
	e, c := cachedEdge(t, cache.Config{}, tool("maps", b.URL))
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var wg sync.WaitGroup
	var begun atomic.Int64
	for i := range 40 {
		wg.Go(func() {
			readerCtx := t.Context()
			if i%4 == 0 {
				readerCtx = ctx
			}
			r, _ := http.NewRequestWithContext(readerCtx, "GET", e.URL+"/.tools/maps/x", nil)
			res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			half := make([]byte, len(body)/2)
			if _, err := io.ReadFull(res.Body, half); err != nil {
				t.Errorf("reader %d: %v", i, err)
			}
			if begun.Add(1) == 40 { // all have begun while the tool waits
				leave()
				close(release)
			}
			rest, err := io.ReadAll(res.Body)
			if i%4 != 0 && (err != nil || string(half)+string(rest) != body) {
				t.Errorf("reader %d got %d bytes, %v", i, len(half)+len(rest), err)
			}
		})
	}
	wg.Wait()
	if a := e.do(t, "GET", "/.tools/maps/x", ""); a.body != body || b.hits.Load() != 1 {
		t.Errorf("then %d bytes, %d fetches", len(a.body), b.hits.Load())
	}
	if s := c.Stats(); s.Requests[cache.Miss] != 1 || s.Requests[cache.Coalesced]+s.Requests[cache.Hit] < 40 {
		t.Errorf("%+v", s)
	}
}

func TestCacheOverTLS(t *testing.T) {
	b := newBackend(t, cacheable("application/json", "{}"))
	e, _ := cachedEdge(t, cache.Config{}, tool("maps", b.URL))
	server := httptest.NewUnstartedServer(e.proxy)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	client := server.Client()
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: client.Transport.(*http.Transport).TLSClientConfig.RootCAs, NextProtos: []string{"h2"}}
	for range 2 {
		r, _ := http.NewRequest("GET", server.URL+"/.tools/maps/x", nil)
		for name, value := range map[string]string{"Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Range": "bytes=0-0"} {
			r.Header.Set(name, value)
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.ProtoMajor != 2 || res.StatusCode != 206 || string(got) != "{" {
			t.Errorf("got %s %d %q", res.Proto, res.StatusCode, got)
		}
	}
	if b.hits.Load() != 1 {
		t.Errorf("%d fetches", b.hits.Load())
	}
}

// A POST that did well may have changed what is kept of its address, for whatever use (RFC 9111 section 4.4).
func TestPostInvalidates(t *testing.T) {
	var n atomic.Int64
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			if n.Add(1); r.URL.RawQuery == "fails" {
				w.WriteHeader(500)
				return
			}
		}
		cacheable("text/plain", fmt.Sprint(n.Load()))(w, r)
	})
	declared := postTool(b.URL)
	declared.Methods = []string{"GET", "POST"}
	e := newEdge(t, Config{Cache: newCache(t, cache.Config{})}, declared)
	for _, step := range []struct{ method, path, dest, want string }{
		{"GET", "a", "empty", "0"}, {"GET", "b", "empty", "0"}, {"GET", "a", "", "0"}, {"GET", "a?fails", "empty", "0"},
		{"POST", "a", "empty", "1"},
		{"GET", "a", "empty", "1"}, {"GET", "a", "", "1"}, {"GET", "b", "empty", "0"},
		{"POST", "a?fails", "empty", ""},
		{"GET", "a?fails", "empty", "0"},
	} {
		var a answer
		if step.method == "POST" {
			a = e.post(t, "/.tools/maps/"+step.path, "text/plain", "x")
		} else {
			a = e.do(t, step.method, "/.tools/maps/"+step.path, step.dest)
		}
		if step.want != "" && a.body != step.want {
			t.Errorf("%s %s for %q: got %d %q, want %q", step.method, step.path, step.dest, a.status, a.body, step.want)
		}
	}
}
