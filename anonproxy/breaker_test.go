package anonproxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// script is what a breaker sees: requests that begin at a time and how they go.
type attempt struct {
	at    time.Duration // since the one before
	who   int
	how   health
	pause time.Duration // that the tool asks for
	wait  time.Duration // wanted; 0 for a request that is sent
	event event         // wanted
}

// event is what a breaker's state became.
type event int

const (
	nothing event = iota
	opened
	closed
)

// settled ends an attempt.
func settled(b *breaker, p permit, o outcome) event {
	switch pause, again := b.settle(p, o, time.Now()); {
	case pause > 0:
		return opened
	case again:
		return closed
	}
	return nothing
}

// fail has a tool fail once, for nobody in particular.
func fail(t *testing.T, b *breaker, how health) {
	t.Helper()
	done, wait := b.begin(time.Now(), nil)
	if wait > 0 {
		t.Fatalf("to wait %v", wait)
	}
	b.settle(done, outcome{health: how}, time.Now())
}

func repeat(n int, a attempt) []attempt {
	a2 := make([]attempt, n)
	for i := range a2 {
		a2[i] = a
	}
	return a2
}

func TestBreaker(t *testing.T) {
	join := func(parts ...[]attempt) []attempt { return slices.Concat(parts...) }
	one := func(a attempt) []attempt { return []attempt{a} }
	down := join(repeat(failureRun-1, attempt{how: dead}), one(attempt{how: dead, event: opened}))
	for _, tc := range []struct {
		name     string
		attempts []attempt
		want     gobreaker.State
	}{
		{"a run of failures", down, gobreaker.StateOpen},
		{"one fewer", repeat(failureRun-1, attempt{how: dead}), gobreaker.StateClosed},
		{"a success between", join(repeat(failureRun-1, attempt{how: dead}), one(attempt{how: well}), repeat(failureRun-1, attempt{how: dead})), gobreaker.StateClosed},
		{"readers who leave don't count", join(repeat(failureRun-1, attempt{how: dead}), repeat(50, attempt{how: unknown}), one(attempt{how: dead, event: opened})), gobreaker.StateOpen},
		{"open for a while", join(down, one(attempt{at: 2 * time.Second, wait: 3 * time.Second})), gobreaker.StateOpen},
		{"half open after", join(down, one(attempt{at: 5 * time.Second, how: unknown})), gobreaker.StateHalfOpen},
		{"a probe that does well", join(down, one(attempt{at: 5 * time.Second, how: well, event: closed}), one(attempt{how: dead})), gobreaker.StateClosed},
		{"probes that fail double the pause", join(down,
			one(attempt{at: 5 * time.Second, how: dead}), one(attempt{at: 9 * time.Second, wait: time.Second}),
			one(attempt{at: time.Second, how: dead}), one(attempt{at: 19 * time.Second, wait: time.Second}),
			one(attempt{at: time.Second, how: dead}), one(attempt{at: 40 * time.Second, how: dead}),
			one(attempt{at: 59 * time.Second, wait: time.Second}), one(attempt{at: time.Second, how: dead}),
			one(attempt{at: 59 * time.Second, wait: time.Second})), gobreaker.StateOpen},
		{"the pause starts small again", join(down, one(attempt{at: 5 * time.Second, how: dead}), one(attempt{at: 10 * time.Second, how: well, event: closed}),
			down, one(attempt{at: 4 * time.Second, wait: time.Second})), gobreaker.StateOpen},
		{"one client's failures", repeat(1000, attempt{who: 1, how: ailing}), gobreaker.StateClosed},
		{"three clients' failures", join(repeat(100, attempt{who: 1, how: ailing}), repeat(100, attempt{who: 2, how: ailing}), repeat(100, attempt{who: 3, how: ailing})), gobreaker.StateClosed},
		{"four clients' failures", join(repeat(3, attempt{who: 1, how: ailing}), repeat(3, attempt{who: 2, how: ailing}), repeat(3, attempt{who: 3, how: ailing}),
			one(attempt{who: 4, how: ailing, event: opened})), gobreaker.StateOpen},
		{"no connection, whoever asks", join(repeat(failureRun-1, attempt{who: 1, how: dead}), one(attempt{who: 1, how: dead, event: opened})), gobreaker.StateOpen},
		{"clients that can't be told apart", join(repeat(failureRun-1, attempt{how: ailing}), one(attempt{how: ailing, event: opened})), gobreaker.StateOpen},
		{"a pause that was asked for", join(one(attempt{how: ailing, pause: time.Minute, event: opened}), one(attempt{at: 59 * time.Second, wait: time.Second})), gobreaker.StateOpen},
		{"over when it is over", join(one(attempt{how: ailing, pause: time.Minute, event: opened}), one(attempt{at: time.Minute, how: well, event: closed})), gobreaker.StateClosed},
		{"a client whose probes fail waits longer", join(down, one(attempt{at: 5 * time.Second, who: 1, how: ailing}), one(attempt{at: 10 * time.Second, who: 1, how: ailing}),
			one(attempt{at: 20 * time.Second, who: 1, how: ailing}), one(attempt{at: 40 * time.Second, who: 1, wait: distrust}),
			one(attempt{who: 2, how: well, event: closed})), gobreaker.StateClosed},
		{"and asks in the end", join(down, one(attempt{at: 5 * time.Second, who: 1, how: ailing}), one(attempt{at: 10 * time.Second, who: 1, how: ailing}),
			one(attempt{at: 20 * time.Second, who: 1, how: ailing}), one(attempt{at: 70 * time.Second, who: 1, how: well, event: closed})), gobreaker.StateClosed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				clients := []*failures{nil, {}, {}, {}, {}}
				for i, a := range tc.attempts {
					time.Sleep(a.at)
					done, wait := g.breaker.begin(time.Now(), clients[a.who])
					if wait != a.wait {
						t.Fatalf("attempt %d is to wait %v, want %v", i, wait, a.wait)
					}
					if wait > 0 {
						continue
					}
					if event := settled(g.breaker, done, outcome{health: a.how, client: clients[a.who], pause: a.pause}); event != a.event {
						t.Fatalf("attempt %d: event %d, want %d", i, event, a.event)
					}
				}
				if got := g.breaker.state(); got != tc.want {
					t.Errorf("state %d, want %d", got, tc.want)
				}
			})
		})
	}
}

// What was sent before the breaker opened neither closes it nor makes the pause longer.
func TestBreakerLateAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		var late []permit
		for range 4 {
			p, _ := g.breaker.begin(time.Now(), nil)
			late = append(late, p)
		}
		for range failureRun {
			fail(t, g.breaker, dead)
		}
		for i, how := range []health{well, dead, ailing} {
			g.breaker.settle(late[i], outcome{health: how}, time.Now())
		}
		if wait := g.breaker.wait(time.Now()); wait != firstPause {
			t.Errorf("to wait %v", wait)
		}
		g.breaker.settle(late[3], outcome{health: ailing, pause: time.Minute}, time.Now())
		if wait := g.breaker.wait(time.Now()); wait != time.Minute {
			t.Errorf("to wait %v, though the tool has asked for a minute", wait)
		}
	})
}

// Nor does one client end the pause for all, by requests from before it that they leave.
func TestBreakerLateLeaver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, leaver := newBreaker(), new(failures)
		late, _ := b.begin(time.Now(), leaver)
		p, _ := b.begin(time.Now(), nil)
		b.settle(p, outcome{health: ailing, pause: time.Minute}, time.Now())
		time.Sleep(time.Second)
		b.settle(late, outcome{health: unknown, client: leaver}, time.Now())
		if wait := b.wait(time.Now()); wait != 59*time.Second {
			t.Errorf("to wait %v, though the tool has asked for a minute", wait)
		}
		if n := b.of(leaver); n != 0 {
			t.Errorf("who leaves is blamed for %d probes and made none", n)
		}
	})
}

func TestPauseAsked(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name   string
		status int
		fields []string
		want   time.Duration
	}{
		{"seconds", 429, []string{"30"}, 30 * time.Second},
		{"of a 503", 503, []string{" 30 "}, 30 * time.Second},
		{"of another status", 500, []string{"30"}, 0},
		{"none", 429, nil, 0},
		{"zero", 429, []string{"0"}, 0},
		{"long", 429, []string{"86400"}, longestAsked},
		{"absurd", 429, []string{"9223372036854775807"}, longestAsked},
		{"too large for a number", 429, []string{"99999999999999999999"}, 0},
		{"negative", 429, []string{"-5"}, 0},
		{"words", 429, []string{"soon"}, 0},
		{"two", 429, []string{"1", "2"}, 0},
		{"date", 503, []string{"Sun, 22 Nov 2026 12:01:00 GMT"}, time.Minute},
		{"date long ago", 503, []string{"Sun, 22 Nov 2020 12:01:00 GMT"}, 0},
		{"date far off", 503, []string{"Sun, 22 Nov 2099 12:01:00 GMT"}, longestAsked},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res := &http.Response{StatusCode: tc.status, Header: http.Header{"Retry-After": tc.fields}}
			if got := pauseAsked(res, now); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// moody is a tool whose status the path says, with a header or two.
func moody(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/plain")
	if later := r.URL.Query().Get("later"); later != "" {
		h.Set("Retry-After", later)
	}
	switch path := r.URL.Path[1:]; path {
	case "to":
		h.Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(302)
	case "type":
		h.Set("Content-Type", "text/html")
	case "large":
		_, _ = io.WriteString(w, strings.Repeat("x", 5000))
	case "elsewhere":
		h.Set("Location", "https://elsewhere.example/")
		w.WriteHeader(302)
	case "loop":
		h.Set("Location", "/loop")
		w.WriteHeader(302)
	case "drop":
		panic(http.ErrAbortHandler)
	case "hang":
		<-r.Context().Done()
	default:
		if status, err := strconv.Atoi(path); err == nil {
			w.WriteHeader(status)
		}
	}
}

// wake lets time pass for a tool's breaker.
func wake(e *edge, tool string) {
	b := e.proxy.upstreams()[tool].gate.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	b.until = time.Now().Add(-time.Hour)
}

// TestWhatOpensTheBreaker asks for one thing again and again.
func TestWhatOpensTheBreaker(t *testing.T) {
	gone := newBackend(t, nil)
	gone.Close()
	for _, tc := range []struct {
		path  string
		alone gobreaker.State // of what one client asks for
		many  gobreaker.State // each of another client
	}{
		{"ok", gobreaker.StateClosed, gobreaker.StateClosed},
		{"404", gobreaker.StateClosed, gobreaker.StateClosed},
		{"403", gobreaker.StateClosed, gobreaker.StateClosed},
		{"501", gobreaker.StateClosed, gobreaker.StateClosed},
		{"type", gobreaker.StateClosed, gobreaker.StateClosed},
		{"large", gobreaker.StateClosed, gobreaker.StateClosed},
		{"elsewhere", gobreaker.StateClosed, gobreaker.StateClosed},
		{"loop", gobreaker.StateClosed, gobreaker.StateClosed},
		{"500", gobreaker.StateClosed, gobreaker.StateOpen},
		{"502", gobreaker.StateClosed, gobreaker.StateOpen},
		{"429", gobreaker.StateClosed, gobreaker.StateOpen},
		{"drop", gobreaker.StateClosed, gobreaker.StateOpen},
		{"hang", gobreaker.StateClosed, gobreaker.StateOpen},
		{"429?later=60", gobreaker.StateOpen, gobreaker.StateOpen},
		{"503?later=60", gobreaker.StateClosed, gobreaker.StateOpen},
		{"404?later=60", gobreaker.StateClosed, gobreaker.StateClosed},
		{"to?to=" + gone.URL, gobreaker.StateClosed, gobreaker.StateOpen}, // a host of the tool's that is down
	} {
		t.Run(tc.path, func(t *testing.T) {
			withAndWithoutCache(t, func(t *testing.T, cfg Config) {
				b := newBackend(t, moody)
				for _, by := range []struct {
					name string
					who  func(int) string
					want gobreaker.State
				}{{"alone", func(int) string { return "mallory" }, tc.alone}, {"many", func(i int) string { return fmt.Sprint("reader", i) }, tc.many}} {
					cfg.Reader = masksOf
					if tc.path == "hang" { // others may take their time on a busy machine
						cfg.HeaderTimeout = 100 * time.Millisecond
					}
					declared := tool("maps", b.URL)
					declared.MaxSize, declared.Hosts = 4000, []string{strings.TrimPrefix(gone.URL, "http://")}
					e := newEdge(t, cfg, declared)
					parallel(t, e, 2*failureRun, func(i int) string {
						return fmt.Sprintf("/.tools/maps/%s%sn=%d", tc.path, map[bool]string{true: "&", false: "?"}[strings.Contains(tc.path, "?")], i)
					}, by.who)
					if got := e.proxy.upstreams()["maps"].transport.Breaker(); got != by.want {
						t.Errorf("%s: state %d, want %d", by.name, got, by.want)
					}
				}
			})
		})
	}
}

// TestBreakerOfADeadTool takes the server away and puts it back.
func TestBreakerOfADeadTool(t *testing.T) {
	withAndWithoutCache(t, func(t *testing.T, cfg Config) {
		b := newBackend(t, tooltest.Answers("text/plain", "x"))
		address := b.Listener.Addr().String()
		cfg.Reader = masksOf
		e := newEdge(t, cfg, tool("maps", b.URL), tool("other", b.URL))
		b.Close()
		for i := range failureRun {
			wantRefusal(t, e.do(t, "GET", fmt.Sprint("/.tools/maps/", i), "empty", asking("alice")), 502, "the tool's host can't be reached")
		}
		a := e.do(t, "GET", "/.tools/maps/x", "empty", asking("alice"))
		wantRefusal(t, a, 503, "the tool doesn't answer at present; it is asked again in 5 seconds")
		wantLater(t, a, 4, 5)
		if got := e.observed(t, failureRun+1); got[failureRun] != "maps breaker_open" {
			t.Errorf("observed %q", got)
		}
		if n := strings.Count(e.logs.String(), "a tool doesn't answer as it should"); n != 1 {
			t.Errorf("logged %d times: %s", n, e.logs)
		}
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		again := &http.Server{Handler: tooltest.Answers("text/plain", "back")}
		go func() { _ = again.Serve(listener) }()
		defer again.Close()
		if a := e.do(t, "GET", "/.tools/maps/x", "empty", asking("alice")); a.status != 503 {
			t.Errorf("asked before its time: %d", a.status)
		}
		if a := e.do(t, "GET", "/.tools/other/x", "empty", asking("alice")); a.status != 200 {
			t.Errorf("another tool on the same server: %d", a.status)
		}
		wake(e, "maps")
		if a := e.do(t, "GET", "/.tools/maps/x", "empty", asking("alice")); a.body != "back" {
			t.Errorf("got %d %q", a.status, a.body)
		}
		if !strings.Contains(e.logs.String(), "a tool answers again") {
			t.Errorf("not logged: %s", e.logs)
		}
		if got := e.proxy.upstreams()["maps"].transport.Breaker(); got != gobreaker.StateClosed {
			t.Errorf("state %d", got)
		}
	})
}

func TestToolsPauseIsKept(t *testing.T) {
	b := newBackend(t, moody)
	e := newEdge(t, Config{}, tool("maps", b.URL))
	if a := e.do(t, "GET", "/.tools/maps/429?later=90", "empty"); a.status != 429 {
		t.Fatalf("got %d", a.status)
	}
	a := e.do(t, "GET", "/.tools/maps/ok", "empty")
	wantRefusal(t, a, 503, "the tool has asked for a pause; it is asked again in ")
	wantLater(t, a, 80, 90)
	if b.hits.Load() != 1 {
		t.Errorf("the tool was asked %d times", b.hits.Load())
	}
}

// A tool that is half open gets one request at a time.
func TestOneProbeAtATime(t *testing.T) {
	proceed := make(chan struct{})
	var failing atomic.Bool
	failing.Store(true)
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if failing.Load() {
			w.WriteHeader(500)
			return
		}
		select {
		case <-proceed:
			tooltest.Answers("text/plain", "x")(w, r)
		case <-r.Context().Done():
		}
	})
	// So many are sent: those that fail, and two probes. What isn't sent doesn't count.
	e := newEdge(t, Config{Limit: noticeboard.Rate{Count: failureRun + 2, Per: time.Hour}}, tool("maps", b.URL))
	parallel(t, e, failureRun, func(i int) string { return fmt.Sprint("/.tools/maps/", i) }, func(int) string { return "" })
	failing.Store(false)
	wake(e, "maps")
	before := b.hits.Load()

	ctx, cancel := context.WithCancel(t.Context())
	var left sync.WaitGroup
	left.Go(func() {
		r, err := http.NewRequestWithContext(ctx, "GET", e.URL+"/.tools/maps/left", nil)
		if err != nil {
			t.Error(err)
			return
		}
		if res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r); err == nil {
			res.Body.Close()
		}
	})
	testutil.Eventually(t, "the probe", func() bool { return b.hits.Load() == before+1 })
	got := parallel(t, e, 20, func(int) string { return "/.tools/maps/x" }, func(int) string { return "" })
	if got[503] != 20 || b.hits.Load() != before+1 {
		t.Errorf("beside a probe: %v, and the tool was asked %d times", got, b.hits.Load()-before)
	}
	cancel() // its reader leaves: another's turn
	left.Wait()
	testutil.Eventually(t, "the probe to end", func() bool {
		return e.proxy.upstreams()["maps"].gate.breaker.circuit.Counts().TotalExclusions == 1
	})
	close(proceed)
	if a := e.do(t, "GET", "/.tools/maps/x", "empty"); a.status != 200 {
		t.Errorf("the next probe: %d %s", a.status, a.body)
	}
}

// Nobody waits for a turn at a tool that is left alone.
func TestOpenBreakerComesBeforeWaiting(t *testing.T) {
	b, release := stalled(t)
	e := newEdge(t, Config{Concurrent: 1}, tool("maps", b.URL))
	var first sync.WaitGroup
	first.Go(func() { e.do(t, "GET", "/.tools/maps/x", "empty") })
	testutil.Eventually(t, "the first", func() bool { return b.hits.Load() == 1 })
	for range failureRun {
		fail(t, e.proxy.upstreams()["maps"].gate.breaker, dead)
	}
	wantRefusal(t, e.do(t, "GET", "/.tools/maps/x", "empty"), 503, "the tool doesn't answer at present")
	release()
	first.Wait()
}

// While a tool is left alone the cache serves what it may.
func TestStaleWhileTheBreakerIsOpen(t *testing.T) {
	var failing atomic.Bool
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		if failing.Load() {
			w.WriteHeader(500)
			return
		}
		w.Header().Set("Cache-Control", "max-age=0, stale-if-error=600")
		w.Header().Set("Etag", `"1"`)
		_, _ = io.WriteString(w, "old")
	})
	e := newEdge(t, Config{Cache: newCache(t, cache.Config{})}, tool("maps", b.URL))
	e.do(t, "GET", "/.tools/maps/x", "empty")
	failing.Store(true)
	parallel(t, e, failureRun, func(i int) string { return fmt.Sprint("/.tools/maps/", i) }, func(int) string { return "" })
	before := b.hits.Load()
	for range 3 {
		if a := e.do(t, "GET", "/.tools/maps/x", "empty"); a.status != 200 || a.body != "old" {
			t.Errorf("got %d %q", a.status, a.body)
		}
	}
	if a := e.do(t, "GET", "/.tools/maps/new", "empty"); a.status != 503 || b.hits.Load() != before {
		t.Errorf("got %d, and the tool was asked %d times", a.status, b.hits.Load()-before)
	}
}

// Requests that we refuse, and readers who leave, say nothing about the tool.
func TestBreakerIgnoresReaders(t *testing.T) {
	b, release := stalled(t)
	defer release()
	e := newEdge(t, Config{}, tool("maps", b.URL))
	for i := range 2 * failureRun {
		e.do(t, "GET", "/.tools/maps/a/../b", "empty")
		e.do(t, "GET", "/.tools/maps/x", "script")
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			testutil.Eventually(t, "the tool", func() bool { return b.hits.Load() > int64(i) })
			cancel()
		}()
		r, err := http.NewRequestWithContext(ctx, "GET", e.URL+"/.tools/maps/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		if res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r); err == nil {
			res.Body.Close()
		}
	}
	e.observed(t, 6*failureRun)
	if got := e.proxy.upstreams()["maps"].gate.breaker.circuit.Counts().TotalFailures; got != 0 {
		t.Errorf("%d failures are counted", got)
	}
}

// A tool writes Retry-After: whatever it says, the pause is within bounds.
func FuzzPauseAsked(f *testing.F) {
	for _, seed := range []string{"30", "0", "-1", "99999999999999999999", "9223372036854775807", "Sun, 22 Nov 2026 12:01:00 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "1.5", "\x00", ""} {
		f.Add(seed)
	}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		res := &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {text}}}
		if got := pauseAsked(res, now); got < 0 || got > longestAsked {
			t.Errorf("a pause of %v", got)
		}
	})
}

// A 503 with Retry-After may be due to what was asked for: one client can't stop the tool for the others by it.
func TestPauseOfOneClient(t *testing.T) {
	withAndWithoutCache(t, func(t *testing.T, cfg Config) {
		b := newBackend(t, moody)
		cfg.Reader = masksOf
		e := newEdge(t, cfg, tool("maps", b.URL))
		ask := func(who, path string) answer { return e.do(t, "GET", "/.tools/maps/"+path, "empty", asking(who)) }
		if a := ask("alice", "503?later=90"); a.status != 503 {
			t.Fatalf("got %d", a.status)
		}
		a := ask("alice", "ok")
		wantRefusal(t, a, 503, "the tool has asked for a pause; it is asked again in ")
		wantLater(t, a, 80, 90)
		if a := ask("bob", "ok"); a.status != 200 {
			t.Errorf("another client got %d %q", a.status, a.body)
		}
		if n := b.hits.Load(); n != 2 {
			t.Errorf("the tool was asked %d times", n)
		}
		for _, who := range []string{"b", "c", "d", "e"} {
			ask(who, "503?later=90&of="+who)
		}
		a = ask("bob", "other")
		wantRefusal(t, a, 503, "the tool has asked for a pause; it is asked again in ")
		wantLater(t, a, 80, 90)
	})
}

// A client who takes each probe and leaves before it ends lets others have the next.
func TestProbesOfOneWhoLeaves(t *testing.T) {
	now := time.Now()
	b, leaver, other := newBreaker(), new(failures), new(failures)
	for range failureRun {
		fail(t, b, dead)
	}
	now = now.Add(longestPause)
	for range failureShare {
		done, wait := b.begin(now, leaver)
		if wait > 0 {
			t.Fatalf("no probe for %v", wait)
		}
		now = now.Add(14 * time.Second)
		b.settle(done, outcome{health: unknown, client: leaver}, now)
	}
	if _, wait := b.begin(now, leaver); wait != distrust {
		t.Errorf("the one who leaves waits %v", wait)
	}
	if _, wait := b.begin(now, other); wait > 0 {
		t.Errorf("another can't probe: waits %v", wait)
	}
}
