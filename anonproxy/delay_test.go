package anonproxy

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func held(delay, batch time.Duration) *noticeboard.Tool {
	return pagesTool(func(t *noticeboard.Tool) { t.Delay, t.Batch = noticeboard.Duration(delay), noticeboard.Duration(batch) })
}

// crowd has readers ask at the same time, and returns what they got in the end.
type crowd struct {
	wg  sync.WaitGroup
	mu  sync.Mutex
	got []asked
}

func (c *crowd) ask(ctx context.Context, e *memoryEdge, method, path, dest string) {
	c.wg.Go(func() {
		a := e.ask(ctx, method, path, dest)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got = append(c.got, a)
	})
}

func (c *crowd) all() []asked {
	c.wg.Wait()
	return c.got
}

func caches(t *testing.T, run func(t *testing.T, make func(*testing.T) *cache.Cache)) {
	t.Run("cached", func(t *testing.T) {
		run(t, func(t *testing.T) *cache.Cache { return newCache(t, cache.Config{}) })
	})
	t.Run("uncached", func(t *testing.T) { run(t, func(*testing.T) *cache.Cache { return nil }) })
}

// TestDelayIsUniform: each request waits from none to all of the delay, equally likely.
func TestDelayIsUniform(t *testing.T) {
	caches(t, func(t *testing.T, make func(*testing.T) *cache.Cache) {
		synctest.Test(t, func(t *testing.T) {
			m := newMemoryTool(t, nil)
			e := newMemoryEdge(t, m, make(t), nil, held(10*time.Second, 0))
			const n = 1000
			start := time.Now()
			var readers crowd
			for i := range n {
				readers.ask(t.Context(), e, []string{"GET", "HEAD"}[i%2], fmt.Sprint("/.tools/pages/", i), []string{"empty", "image"}[i/2%2])
			}
			readers.all()
			log := m.entries()
			if len(log) != n {
				t.Fatalf("the tool was asked %d times", len(log))
			}
			worst := 0.0 // Kolmogorov and Smirnov's distance from uniform
			for i, entry := range log {
				worst = max(worst, math.Abs(entry.at.Sub(start).Seconds()/10-(float64(i)+0.5)/n))
			}
			if worst > 1.95/math.Sqrt(n) || log[n-1].at.Sub(start) > 10*time.Second { // once in 1000 runs
				t.Errorf("the delays are not uniform: distance %.3f, the longest %v", worst, log[n-1].at.Sub(start))
			}
		})
	})
}

func TestHitsAreNotDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryTool(t, nil)
		e := newMemoryEdge(t, m, newCache(t, cache.Config{}), nil, held(time.Minute, time.Minute))
		if a := e.get("/.tools/pages/a"); a.status != 200 || a.took == 0 || a.took > 2*time.Minute {
			t.Fatalf("the first reader got %+v", a)
		}
		for range 100 {
			if a := e.get("/.tools/pages/a"); a.status != 200 || a.took != 0 {
				t.Fatalf("a hit took %v", a.took)
			}
		}
	})
}

// TestFollowersDontWaitTwice: neither for an answer that all get, nor for one that each
// must have for himself.
func TestFollowersDontWaitTwice(t *testing.T) {
	for _, control := range []string{"max-age=60", "no-store"} {
		t.Run(control, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemoryTool(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					w.Header().Set("Cache-Control", control)
				})
				e := newMemoryEdge(t, m, newCache(t, cache.Config{}), nil, held(time.Minute, 0))
				var readers crowd
				for range 50 {
					readers.ask(t.Context(), e, "GET", "/.tools/pages/a", "empty")
				}
				for _, a := range readers.all() {
					if a.status != 200 || a.took > time.Minute {
						t.Errorf("a reader got %+v", a)
					}
				}
				if want := map[string]int{"max-age=60": 1, "no-store": 50}[control]; m.count() != want {
					t.Errorf("the tool was asked %d times, want %d", m.count(), want)
				}
			})
		})
	}
}

// TestWhoLeavesIsNotAskedFor: a reader who leaves while his request waits leaves nothing
// behind, and the others get their answer.
func TestWhoLeavesIsNotAskedFor(t *testing.T) {
	for name, tool := range map[string]func() *noticeboard.Tool{
		"delay": func() *noticeboard.Tool { return held(time.Minute, 0) },
		"batch": func() *noticeboard.Tool { return held(0, time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			caches(t, func(t *testing.T, make func(*testing.T) *cache.Cache) {
				synctest.Test(t, func(t *testing.T) {
					m := newMemoryTool(t, nil)
					e := newMemoryEdge(t, m, make(t), nil, tool())
					time.Sleep(time.Millisecond)
					leaving, leave := context.WithCancel(t.Context())
					var gone, stay crowd
					for i := range 10 {
						gone.ask(leaving, e, "GET", fmt.Sprint("/.tools/pages/gone/", i), "empty")
						gone.ask(leaving, e, "GET", "/.tools/pages/stay", "empty")
					}
					stay.ask(t.Context(), e, "GET", "/.tools/pages/stay", "empty")
					synctest.Wait()
					began := m.count() // whose delay was next to none
					leave()
					if got := gone.all(); len(got) != 20 || got[0].took > time.Second {
						t.Errorf("who leaves is held for %v", got[0].took)
					}
					if got := stay.all(); got[0].status != 200 || got[0].body != "{}" {
						t.Errorf("who stays got %+v", got[0])
					}
					time.Sleep(5 * time.Minute)
					if n := m.count(); n > began+1 {
						t.Errorf("the tool was asked %d times more, want once", n-began)
					}
					if n := e.upstreams["pages"].hold.waiting.Load(); n != 0 {
						t.Errorf("%d requests still wait", n)
					}
				})
			})
		})
	}
}

// TestKillSwitchWhileWaiting: what is stopped while it waits isn't sent.
func TestKillSwitchWhileWaiting(t *testing.T) {
	caches(t, func(t *testing.T, make func(*testing.T) *cache.Cache) {
		synctest.Test(t, func(t *testing.T) {
			var stopped atomic.Bool
			m := newMemoryTool(t, nil)
			e := newMemoryEdge(t, m, make(t), func(c *Config) {
				c.Refuse = func(string, string) (int, string) {
					if stopped.Load() {
						return 403, "the tool is disabled"
					}
					return 0, ""
				}
			}, held(0, time.Minute))
			time.Sleep(time.Second)
			var readers crowd
			readers.ask(t.Context(), e, "GET", "/.tools/pages/a", "empty")
			readers.ask(t.Context(), e, "HEAD", "/.tools/pages/a", "empty")
			synctest.Wait()
			stopped.Store(true)
			for _, a := range readers.all() {
				if a.status != 403 || a.body != "the tool is disabled\n" && a.body != "" {
					t.Errorf("a reader got %+v", a)
				}
			}
			if m.count() != 0 {
				t.Error("the tool was asked after it was stopped")
			}
		})
	})
}

func TestTooManyWait(t *testing.T) {
	caches(t, func(t *testing.T, make func(*testing.T) *cache.Cache) {
		synctest.Test(t, func(t *testing.T) {
			m := newMemoryTool(t, nil)
			e := newMemoryEdge(t, m, make(t), nil, held(0, time.Minute))
			time.Sleep(time.Second)
			leaving, leave := context.WithCancel(t.Context())
			var readers, late crowd
			for i := range maxWaiting {
				readers.ask(leaving, e, "GET", fmt.Sprint("/.tools/pages/", i), "empty")
			}
			synctest.Wait()
			late.ask(t.Context(), e, "GET", "/.tools/pages/late", "empty")
			if got := late.all()[0]; got.status != 503 || got.body != "too many requests wait to be sent to the tool\n" || got.took != 0 {
				t.Errorf("one more got %+v", got)
			}
			leave()
			readers.all()
			if a := e.get("/.tools/pages/later"); a.status != 200 {
				t.Errorf("later, a reader got %+v", a)
			}
			if m.count() != 1 {
				t.Errorf("the tool was asked %d times", m.count())
			}
		})
	})
}

// TestBatches: data goes at the end of fixed windows, equal requests as one, in an order
// that has nothing to do with that of the readers.
func TestBatches(t *testing.T) {
	caches(t, func(t *testing.T, make func(*testing.T) *cache.Cache) {
		synctest.Test(t, func(t *testing.T) {
			const window = 2 * time.Second
			m := newMemoryTool(t, func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(100 * time.Millisecond)
				keepable(time.Hour)(w, r)
			})
			e := newMemoryEdge(t, m, make(t), nil, held(0, window))
			start := time.Now()
			var readers, images crowd
			for i := range 400 { // 20 a window, of which each second is equal to the one before
				time.Sleep(window / 20)
				readers.ask(t.Context(), e, "GET", fmt.Sprintf("/.tools/pages/%03d", i/2), "empty")
				if i%100 == 0 {
					images.ask(t.Context(), e, "GET", "/.tools/pages/image.png", "image")
				}
			}
			for _, a := range readers.all() {
				if a.status != 200 || a.body != "{}" || a.took > window+100*time.Millisecond {
					t.Errorf("a reader got %+v", a)
				}
			}
			for _, a := range images.all() {
				if a.status != 200 || a.took > 100*time.Millisecond {
					t.Errorf("a reader got an image %+v", a)
				}
			}
			var data []string
			for _, entry := range m.entries() {
				if entry.path == "/image.png" {
					continue
				}
				data = append(data, entry.path)
				if off := entry.at.Sub(start) % window; off != 0 {
					t.Errorf("%s was sent %v after a window's end", entry.path, off)
				}
			}
			if len(data) != 200 && len(data) != 210 { // two equal ones on both sides of a window's end are two
				t.Errorf("the tool was asked %d times for data", len(data))
			}
			ahead := 0
			for i := 1; i < len(data); i++ {
				if data[i-1] < data[i] {
					ahead++
				}
			}
			if ahead > 150 {
				t.Errorf("%d of %d requests came in the readers' order", ahead, len(data))
			}
		})
	})
}

// TestWindowsAreFixed: the end of a window doesn't depend on when somebody asks.
func TestWindowsAreFixed(t *testing.T) {
	b := newBatch(7 * time.Second)
	start := time.Unix(1_700_000_000, 0)
	end := start.Add(b.left(start))
	for range 1000 {
		now := start.Add(rand.N(24 * time.Hour))
		left := b.left(now)
		if left < 0 || left >= 7*time.Second || now.Add(left).Sub(end)%(7*time.Second) != 0 {
			t.Fatalf("at %v the window lasts %v more", now, left)
		}
	}
}

// The opening of a stream waits as well: it comes with a page.
func TestStreamsAreHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window = 10 * time.Second
		m := newMemoryTool(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", eventStream)
		})
		declared := held(0, window)
		declared.Streams = []noticeboard.Stream{noticeboard.Events}
		e := newMemoryEdge(t, m, nil, func(c *Config) { c.Reader = masksOf }, declared)
		time.Sleep(time.Until(time.Now().Truncate(window).Add(window + 3*time.Second)))
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/.tools/pages/x", nil)
		r.Header = http.Header{"Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"same-origin"}, "Accept": {eventStream}, readerHeader: {"alice"}}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		log := m.entries()
		if w.Code != 200 || len(log) != 1 || !log[0].at.Equal(log[0].at.Truncate(window)) {
			t.Errorf("got %d %s, and the tool %v", w.Code, w.Body, log)
		}
		time.Sleep(time.Second)
		leaving, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		e.ServeHTTP(httptest.NewRecorder(), r.WithContext(leaving))
		if n := len(m.entries()); n != 1 {
			t.Errorf("the tool was asked %d times, also for one who left", n)
		}
		if v, _ := e.visit(t.Context(), "alice", e.upstreams["pages"]); v == nil || v.slots.free.TryAcquire(int64(v.slots.size)) || !v.slots.free.TryAcquire(int64(v.slots.size)-1) {
			t.Error("one who left still has his place")
		}
	})
}
