package anonproxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// readerHeader tells the tests' proxies who asks.
const readerHeader = "X-Test-Reader"

func masksOf(r *http.Request) Reader { return Reader{Client: r.Header.Get(readerHeader)} }

// asking makes a request one of a client's.
func asking(client string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(readerHeader, client) }
}

func rate(t testing.TB, text string) noticeboard.Rate {
	t.Helper()
	r, err := noticeboard.ParseRate(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantLater checks that a refusal says when to ask again.
func wantLater(t testing.TB, a answer, from, to int) {
	t.Helper()
	if n, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || n < from || n > to {
		t.Errorf("Retry-After %q, want %d to %d", a.header.Get("Retry-After"), from, to)
	}
}

// withAndWithoutCache runs a test both ways.
func withAndWithoutCache(t *testing.T, test func(*testing.T, Config)) {
	t.Run("uncached", func(t *testing.T) { test(t, Config{}) })
	t.Run("cached", func(t *testing.T) { test(t, Config{Cache: newCache(t, cache.Config{})}) })
}

func TestClientLimit(t *testing.T) {
	withAndWithoutCache(t, func(t *testing.T, cfg Config) {
		b := newBackend(t, cacheable("text/plain", "x"))
		cfg.Reader, cfg.ClientLimit = masksOf, rate(t, "3/1h")
		e := newEdge(t, cfg, tool("maps", b.URL), tool("other", b.URL))
		for i := range 3 {
			if a := e.do(t, "GET", fmt.Sprint("/.tools/maps/", i), "empty", asking("alice")); a.status != 200 {
				t.Fatalf("request %d: %d %s", i, a.status, a.body)
			}
		}
		for _, method := range []string{"GET", "HEAD"} {
			a := e.do(t, method, "/.tools/maps/3", "empty", asking("alice"))
			if method == "GET" {
				wantRefusal(t, a, 429, "you have made this wiki ask the tool too often; try again in ")
			}
			wantLater(t, a, 1100, 1200)
			if a.status != 429 || b.hits.Load() != 3 {
				t.Errorf("%s: %d, and the tool was asked %d times", method, a.status, b.hits.Load())
			}
		}
		for path, who := range map[string]string{"maps/3": "bob", "other/3": "alice"} {
			if a := e.do(t, "GET", "/.tools/"+path, "empty", asking(who)); a.status != 200 {
				t.Errorf("%s of %s: %d %s", path, who, a.status, a.body)
			}
		}
		if got := e.observed(t, 7); got[3] != "maps limited_client" || got[4] != "maps limited_client" {
			t.Errorf("observed %q", got)
		}
		if logs := e.logs.String(); strings.Contains(logs, "refusing") {
			t.Errorf("masksOf over their limit fill the log: %s", logs)
		}
	})
}

// Clients whom nobody can tell apart are one.
func TestUnknownClientsShareALimit(t *testing.T) {
	b := newBackend(t, tooltest.Answers("text/plain", "x"))
	e := newEdge(t, Config{Reader: masksOf, ClientLimit: rate(t, "2/1h")}, tool("maps", b.URL))
	var got []int
	for range 3 {
		got = append(got, e.do(t, "GET", "/.tools/maps/x", "empty").status)
	}
	if !slices.Equal(got, []int{200, 200, 429}) {
		t.Errorf("got %d", got)
	}
}

func TestToolsOwnLimits(t *testing.T) {
	b := newBackend(t, tooltest.Answers("text/plain", "x"))
	strict := tool("strict", b.URL)
	strict.ClientLimit, strict.Limit = rate(t, "1/1h"), rate(t, "2/1h")
	e := newEdge(t, Config{Reader: masksOf, ClientLimit: rate(t, "3/1h"), Limit: rate(t, "3/1h")}, strict)
	for _, step := range []struct {
		who  string
		want int
	}{{"a", 200}, {"a", 429}, {"b", 200}, {"c", 503}} {
		if a := e.do(t, "GET", "/.tools/strict/x", "empty", asking(step.who)); a.status != step.want {
			t.Errorf("%s: %d, want %d", step.who, a.status, step.want)
		}
	}
}

// parallel sends requests at one time and returns how often each status came.
func parallel(t *testing.T, e *edge, n int, path func(int) string, who func(int) string) map[int]int {
	t.Helper()
	var mu sync.Mutex
	got := make(map[int]int)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			a := e.do(t, "GET", path(i), "empty", asking(who(i)))
			mu.Lock()
			defer mu.Unlock()
			got[a.status]++
		})
	}
	wg.Wait()
	return got
}

func TestLimitsAreExact(t *testing.T) {
	path := func(i int) string { return fmt.Sprint("/.tools/maps/", i) }
	withAndWithoutCache(t, func(t *testing.T, cfg Config) {
		b := newBackend(t, cacheable("text/plain", "x"))
		cfg.Reader, cfg.ClientLimit, cfg.Limit = masksOf, rate(t, "10/1h"), rate(t, "25/1h")
		e := newEdge(t, cfg, tool("maps", b.URL))
		if got := parallel(t, e, 40, path, func(int) string { return "alice" }); got[200] != 10 || got[429] != 30 || b.hits.Load() != 10 {
			t.Errorf("one client: %v, and the tool was asked %d times", got, b.hits.Load())
		}
		got := parallel(t, e, 60, func(i int) string { return path(100 + i) }, func(i int) string { return fmt.Sprint("reader", i) })
		if got[200] != 15 || got[503] != 45 || b.hits.Load() != 25 {
			t.Errorf("many clients: %v, and the tool was asked %d times", got, b.hits.Load())
		}
		a := e.do(t, "GET", path(999), "empty", asking("carol"))
		wantRefusal(t, a, 503, "the tool gets no more requests of this wiki for now; try again in ")
		wantLater(t, a, 100, 150)
		if got := e.observed(t, 101); got[100] != "maps limited_tool" {
			t.Errorf("observed %q", got[100])
		}
	})
}

// A thousand clients have a limit each, and none gets round it by being many: those that
// are remembered are bounded, and the tool's limit stands over all.
func TestThousandMasks(t *testing.T) {
	b := newBackend(t, tooltest.Answers("text/plain", "x"))
	e := newEdge(t, Config{Reader: masksOf, ClientLimit: rate(t, "1/1h"), Limit: rate(t, "1500/24h")}, tool("maps", b.URL))
	ask := func(i int) int {
		r, err := http.NewRequest("GET", "/.tools/maps/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(readerHeader, fmt.Sprint("mask", i))
		w := &statusWriter{header: make(http.Header)}
		e.proxy.ServeHTTP(w, r)
		return w.status
	}
	for i := range 1000 {
		if got := ask(i); got != 200 {
			t.Fatalf("mask %d: %d", i, got)
		}
	}
	for i := range 1000 {
		if got := ask(i); got != 429 {
			t.Fatalf("mask %d again: %d", i, got)
		}
	}
	for i := range 2 * knownClients {
		ask(1000 + i)
	}
	g := e.proxy.upstreams()["maps"].gate
	hits := b.hits.Load() // one more a minute may pass
	if n := g.clients.Len(); n > knownClients || hits < 1500 || hits > 1520 {
		t.Errorf("%d clients are remembered, and the tool was asked %d times", n, hits)
	}
	if got := ask(0); got != 503 && b.hits.Load() == hits { // forgotten, and yet no way to the tool
		t.Errorf("a client that has others push it out: %d", got)
	}
}

type statusWriter struct {
	header http.Header
	status int
}

func (w *statusWriter) Header() http.Header         { return w.header }
func (w *statusWriter) WriteHeader(status int)      { w.status = status }
func (w *statusWriter) Write(p []byte) (int, error) { return len(p), nil }

// What costs the tool nothing costs the reader nothing.
func TestHitsAndFollowersAreFree(t *testing.T) {
	proceed := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		<-proceed
		cacheable("text/plain", "x")(w, r)
	})
	c := newCache(t, cache.Config{})
	e := newEdge(t, Config{Cache: c, Reader: masksOf, ClientLimit: rate(t, "1/1h"), Limit: rate(t, "2/1h")}, tool("maps", b.URL))
	go func() {
		testutil.Eventually(t, "the fetch", func() bool { return b.hits.Load() == 1 })
		for range 20 { // some of the others have joined by then; those that haven't have hits
			time.Sleep(time.Millisecond)
		}
		close(proceed)
	}()
	same := func(int) string { return "/.tools/maps/x" }
	if got := parallel(t, e, 30, same, func(i int) string { return fmt.Sprint("reader", i%2) }); got[200] != 30 || b.hits.Load() != 1 {
		t.Fatalf("%v, and the tool was asked %d times", got, b.hits.Load())
	}
	if c.Stats().Requests[cache.Coalesced] == 0 {
		t.Fatal("nobody followed")
	}
	got := parallel(t, e, 2, func(i int) string { return "/.tools/maps/y" + strconv.Itoa(i) }, func(i int) string { return fmt.Sprint("reader", i) })
	if got[200] != 1 || got[429] != 1 { // one of the two began the fetch
		t.Errorf("then %v", got)
	}
	if a := e.do(t, "GET", "/.tools/maps/x", "empty", asking("reader0")); a.status != 200 {
		t.Errorf("a hit of a client over the limit: %d", a.status)
	}
}

// If the reader who asked first is over the limit, those who wait for the same response are not refused
// with them, and whoever comes after is not charged for what the first left behind.
func TestOverTheLimitIsOnesOwn(t *testing.T) {
	b := newBackend(t, tooltest.Answers("text/plain", "x"))
	e := newEdge(t, Config{Cache: newCache(t, cache.Config{}), Reader: masksOf, ClientLimit: rate(t, "1/1h")}, tool("maps", b.URL))
	e.do(t, "GET", "/.tools/maps/0", "empty", asking("mallory"))
	got := parallel(t, e, 60, func(int) string { return "/.tools/maps/popular" }, func(i int) string {
		if i%2 == 0 {
			return "mallory"
		}
		return fmt.Sprint("reader", i)
	})
	if got[200] < 30 {
		t.Errorf("%v: readers are refused for another's limit", got)
	}
}

func TestRedirectsCountForTheTool(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/r" {
			w.Header().Set("Location", "/x")
			w.WriteHeader(302)
			return
		}
		tooltest.Answers("text/plain", "x")(w, r)
	})
	withAndWithoutCache(t, func(t *testing.T, cfg Config) {
		b.hits.Store(0)
		cfg.Limit = rate(t, "3/1h")
		e := newEdge(t, cfg, tool("maps", b.URL))
		for i, want := range []int{200, 200, 503} { // the second one ends, though its redirect is one too many
			if a := e.do(t, "GET", "/.tools/maps/r", "empty"); a.status != want {
				t.Errorf("request %d: %d, want %d", i, a.status, want)
			}
		}
		if b.hits.Load() != 4 {
			t.Errorf("the tool was asked %d times", b.hits.Load())
		}
	})
}

func TestStaleInPlaceOfTheToolsLimit(t *testing.T) {
	for _, tc := range []struct {
		name, control string
		want          int
	}{
		{"as it allows", "max-age=0, stale-if-error=600", 200},
		{"not where it doesn't", "max-age=0", 503},
		{"never without asking", "max-age=0, must-revalidate, stale-if-error=600", 503},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				w.Header().Set("Cache-Control", tc.control)
				w.Header().Set("Etag", `"1"`)
				_, _ = io.WriteString(w, "old")
			})
			e := newEdge(t, Config{Cache: newCache(t, cache.Config{}), Limit: rate(t, "1/1h")}, tool("maps", b.URL))
			e.do(t, "GET", "/.tools/maps/x", "empty")
			a := e.do(t, "GET", "/.tools/maps/x", "empty")
			if a.status != tc.want || b.hits.Load() != 1 {
				t.Errorf("got %d %q, and the tool was asked %d times", a.status, a.body, b.hits.Load())
			}
		})
	}
}

// stalled is a tool that keeps its masksOf waiting until release.
func stalled(t *testing.T) (b *backend, release func()) {
	proceed := make(chan struct{})
	release = sync.OnceFunc(func() { close(proceed) })
	b = newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-proceed:
			tooltest.Answers("text/plain", "x")(w, r)
		case <-r.Context().Done():
		}
	})
	t.Cleanup(release)
	return b, release
}

// A tool that stalls keeps so many masksOf and no more, and no other tool's.
func TestConcurrentRequestsToATool(t *testing.T) {
	b, release := stalled(t)
	quick := newBackend(t, tooltest.Answers("text/plain", "x"))
	e := newEdge(t, Config{Concurrent: 4}, tool("slow", b.URL), tool("quick", quick.URL))
	up := e.proxy.upstreams()["slow"]
	var ok atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if e.do(t, "GET", "/.tools/slow/x", "empty").status == 200 {
				ok.Add(1)
			}
		})
	}
	testutil.Eventually(t, "four to wait", func() bool { return b.hits.Load() == 4 && up.slots.waiting.Load() == 4 })
	a := e.do(t, "GET", "/.tools/slow/x", "empty")
	wantRefusal(t, a, 503, "too many requests to the tool are under way")
	wantLater(t, a, 1, 10)
	for range 20 {
		if a := e.do(t, "GET", "/.tools/quick/x", "empty"); a.status != 200 {
			t.Errorf("another tool: %d %s", a.status, a.body)
		}
	}
	if b.hits.Load() != 4 {
		t.Errorf("the tool got %d requests at one time", b.hits.Load())
	}
	release()
	wg.Wait()
	if ok.Load() != 8 {
		t.Errorf("%d of those that were let in were answered", ok.Load())
	}
}

// One client can't take all that a tool may have.
func TestOneClientsShare(t *testing.T) {
	b, release := stalled(t)
	withAndWithoutCache(t, func(t *testing.T, cfg Config) {
		b.hits.Store(0)
		cfg.Reader, cfg.Concurrent = masksOf, 8
		e := newEdge(t, cfg, tool("slow", b.URL))
		var path atomic.Int32
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		ask := func(who string) (int, string) {
			r, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("%s/.tools/slow/%d", e.URL, path.Add(1)), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set(readerHeader, who)
			res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
			if err != nil {
				return 0, ""
			}
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			return res.StatusCode, string(body)
		}
		for range 4 {
			wg.Go(func() { ask("mallory") })
		}
		g := e.proxy.upstreams()["slow"].gate
		testutil.Eventually(t, "two to wait", func() bool {
			_, slots := g.client("mallory", 2)
			return b.hits.Load() == 2 && slots.waiting.Load() == 2
		})
		if status, body := ask("mallory"); status != 429 || !strings.Contains(body, "too many requests of yours") {
			t.Errorf("got %d %q", status, body)
		}
		wg.Go(func() { ask("alice") })
		testutil.Eventually(t, "another client", func() bool { return b.hits.Load() == 3 })
		cancel()
		wg.Wait()
	})
	release()
}

// Whatever becomes of a request, its slot is free afterwards, and so is its client's.
func TestSlotsAreGivenBack(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/plain")
		switch r.URL.Path {
		case "/404":
			w.WriteHeader(404)
		case "/500":
			w.WriteHeader(500)
		case "/type":
			h.Set("Content-Type", "text/html")
		case "/loop":
			h.Set("Location", "/loop")
			w.WriteHeader(302)
		case "/large":
			_, _ = io.WriteString(w, strings.Repeat("x", 5000))
		case "/short":
			h.Set("Content-Length", "10")
		case "/drop":
			panic(http.ErrAbortHandler)
		case "/stall":
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		case "/hang":
			<-r.Context().Done()
		case "/keep":
			h.Set("Cache-Control", "max-age=60")
		}
	})
	withAndWithoutCache(t, func(t *testing.T, cfg Config) {
		cfg.Reader, cfg.Concurrent = masksOf, 400
		cfg.HeaderTimeout, cfg.IdleTimeout = 200*time.Millisecond, 200*time.Millisecond
		declared := tool("maps", b.URL)
		declared.MaxSize = 4000
		e := newEdge(t, cfg, declared)
		paths := []string{"ok", "404", "500", "type", "loop", "large", "short", "drop", "stall", "hang", "keep"}
		var wg sync.WaitGroup
		for i := range 6 * len(paths) {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if i%3 == 0 {
					time.AfterFunc(time.Duration(i)*time.Millisecond, cancel)
				}
				r, err := http.NewRequestWithContext(ctx, "GET", e.URL+"/.tools/maps/"+paths[i%len(paths)], nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set(readerHeader, "alice")
				if res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r); err == nil {
					_, _ = io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			})
		}
		wg.Wait()
		up := e.proxy.upstreams()["maps"]
		_, own := up.gate.client("alice", up.share)
		for _, s := range []*slots{up.slots, own} {
			testutil.Eventually(t, "all slots to be free", func() bool {
				free := s.free.TryAcquire(int64(s.size))
				if free {
					s.free.Release(int64(s.size))
				}
				return free
			})
		}
	})
}

// A new proxy, as for a reload, goes on with what the one before has counted; a new rate
// refills at once.
func TestLimitsOutliveTheProxy(t *testing.T) {
	b := newBackend(t, tooltest.Answers("text/plain", "x"))
	transport := NewTransport(tool("maps", b.URL))
	defer transport.Close()
	proxy := func(limit string) *edge {
		return newEdge(t, Config{Reader: masksOf, ClientLimit: rate(t, limit), Transport: lent(transport)}, tool("maps", b.URL))
	}
	ask := func(e *edge, want int) {
		t.Helper()
		if a := e.do(t, "GET", "/.tools/maps/x", "empty", asking("alice")); a.status != want {
			t.Errorf("got %d %s, want %d", a.status, a.body, want)
		}
	}
	first := proxy("2/1h")
	ask(first, 200)
	second := proxy("2/1h")
	ask(second, 200)
	ask(second, 429)
	ask(first, 429)
	raised := proxy("1000/1s")
	testutil.Eventually(t, "the new rate to refill", func() bool { return raised.do(t, "GET", "/.tools/maps/x", "empty", asking("alice")).status == 200 })
}

func TestBadLimits(t *testing.T) {
	for _, cfg := range []Config{
		{Limit: noticeboard.Rate{Count: -1, Per: time.Minute}}, {ClientLimit: noticeboard.Rate{Count: 1}}, {Concurrent: -1},
	} {
		if err := cfg.Validate(); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

func BenchmarkVisit(b *testing.B) {
	e := &Proxy{cfg: Config{Reader: masksOf, Concurrent: defaultConcurrent, Limit: rate(b, "1000000/1s"), ClientLimit: rate(b, "1000000/1s")}}
	up := &upstream{fairness: e.fairness(&noticeboard.Tool{}, &Transport{gate: newGate()})}
	b.ReportAllocs()
	for b.Loop() {
		v, _ := e.visit(context.Background(), "2001:2f:1:2:3:4:5:6", up)
		_ = v.admit()
		f := &fetch{p: e, up: up, ctx: context.Background(), visit: v}
		probes, _ := f.enter()
		f.settle(probes, &http.Response{StatusCode: 200}, nil)
		f.leave()
		v.end()
	}
}
