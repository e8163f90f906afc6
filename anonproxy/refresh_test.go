package anonproxy

import (
	"cmp"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/anonproxy/refresh"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// refreshScene is a refresher, with what it was seen to do.
type refreshScene struct {
	*refresh.Refresher
	cache *cache.Cache
	tool  *memoryTool
	logs  *lockedBuffer

	mu       sync.Mutex
	outcomes map[string]int
}

func newRefreshScene(t *testing.T, answer http.HandlerFunc) *refreshScene {
	s := &refreshScene{logs: new(lockedBuffer), outcomes: make(map[string]int)}
	s.cache = newCache(t, cache.Config{})
	s.tool = newMemoryTool(t, answer)
	s.Refresher = refresh.New()
	t.Cleanup(s.Close)
	return s
}

func (s *refreshScene) saw(outcome string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outcomes[outcome]
}

// edge attaches a proxy.
func (s *refreshScene) edge(t *testing.T, change func(*Config), tools ...*noticeboard.Tool) (*memoryEdge, func()) {
	t.Helper()
	e := newMemoryEdge(t, s.tool, s.cache, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(s.logs, nil))
		c.ObserveRefresh = func(_, outcome string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.outcomes[outcome]++
		}
		if change != nil {
			change(c)
		}
	}, tools...)
	detach := s.Attach(e.Proxy)
	t.Cleanup(detach)
	return e, detach
}

func paths(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint("/page/", i))
	}
	return list
}

func refreshOf(n int, every time.Duration) *noticeboard.Tool {
	return pagesTool(func(t *noticeboard.Tool) { t.Refresh, t.RefreshEvery = paths(n), noticeboard.Duration(every) })
}

// byPath are the times at which the tool was asked for each path.
func byPath(list []entry) map[string][]time.Time {
	times := make(map[string][]time.Time)
	for _, e := range list {
		times[e.path] = append(times[e.path], e.at)
	}
	return times
}

// TestRefreshSchedule: what the tool sees with a crowd of readers is what it sees with
// none: each path about once in its time, evenly, and no request of a reader's.
func TestRefreshSchedule(t *testing.T) {
	for _, tc := range []struct {
		name           string
		every          time.Duration
		lifetime       time.Duration
		readers        bool
		shortest, most time.Duration // between two requests for a path, once all is spread
	}{
		{"before they go stale", 0, time.Hour, false, 54*time.Minute - time.Second, 57*time.Minute + time.Second},
		{"the same, with readers", 0, time.Hour, true, 54*time.Minute - time.Second, 57*time.Minute + time.Second},
		{"as declared, with readers", 2 * time.Hour, 10 * time.Minute, true, 112 * time.Minute, 128 * time.Minute},
		{"short lives, with readers", 0, 10 * time.Second, true, 54 * time.Second, 70 * time.Second},
		{"long lives", 0, 1000 * time.Hour, false, 21 * time.Hour, 24 * time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newRefreshScene(t, keepable(tc.lifetime))
				const n = 350 // of 200, chance made some tenth twice another once in 60 runs
				e, _ := s.edge(t, nil, refreshOf(n, tc.every))
				time.Sleep(time.Minute) // the first round
				if got := len(byPath(s.tool.entries())); got != n {
					t.Fatalf("the first round has %d paths of %d", got, n)
				}
				span := 6 * cmp.Or(tc.every, min(max(tc.lifetime, time.Minute), 24*time.Hour))
				began := time.Now()
				for range 500 {
					time.Sleep(span / 500)
					if !tc.readers {
						continue
					}
					method := "GET"
					if rand.N(3) == 0 {
						method = "HEAD"
					}
					if got := e.ask(t.Context(), method, fmt.Sprint("/.tools/pages/page/", rand.N(n)), "empty"); got.status != 200 || got.took != 0 {
						t.Fatalf("a reader got %+v", got)
					}
				}
				synctest.Wait()
				log := s.tool.entries()
				if got, want := len(log), s.saw(outcomes.OK); got != want {
					t.Errorf("the tool was asked %d times, of which %d were refreshes", got, want)
				}
				for path, times := range byPath(log) {
					for i := 2; i < len(times); i++ {
						if apart := times[i].Sub(times[i-1]); apart < tc.shortest || apart > tc.most {
							t.Fatalf("%s was asked for after %v, want %v to %v", path, apart, tc.shortest, tc.most)
						}
					}
				}
				evenly(t, log, began.Add(span/3), began.Add(span))
			})
		})
	}
}

// evenly checks that no tenth of a time has many more requests than another.
func evenly(t *testing.T, log []entry, from, to time.Time) {
	t.Helper()
	var tenths [10]int
	for _, e := range log {
		if part := e.at.Sub(from) * 10 / to.Sub(from); !e.at.Before(from) && part < 10 {
			tenths[part]++
		}
	}
	if low, high := slices.Min(tenths[:]), slices.Max(tenths[:]); low*2 < high {
		t.Errorf("the tool was asked unevenly: %v", tenths)
	}
}

func TestRefreshIsInRandomOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRefreshScene(t, nil)
		s.edge(t, nil, refreshOf(300, 0))
		start := time.Now()
		time.Sleep(40 * time.Second)
		synctest.Wait()
		log, ahead := s.tool.entries(), 0
		for i := 1; i < 300; i++ {
			if log[i-1].path < log[i].path {
				ahead++
			}
		}
		if len(byPath(log[:300])) < 290 || ahead < 110 || ahead > 190 {
			t.Errorf("%d requests, of which %d came in the declaration's order", len(log), ahead)
		}
		// No faster than 10 a second.
		if took := log[299].at.Sub(start); took < 29*time.Second {
			t.Errorf("the first round took %v", took)
		}
	})
}

func TestRefreshKeepsToTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRefreshScene(t, nil)
		declared := refreshOf(1000, 0)
		declared.Limit = noticeboard.Rate{Count: 60, Per: time.Minute}
		s.edge(t, nil, declared)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := s.tool.count(); n < 298 || n > 301 {
			t.Errorf("the tool was asked %d times in ten minutes, want half of its limit, 300", n)
		}
	})
}

func TestRefreshOfSlowTool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		s := newRefreshScene(t, func(w http.ResponseWriter, r *http.Request) {
			n := now.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			time.Sleep(10 * time.Second)
			now.Add(-1)
			keepable(time.Hour)(w, r)
		})
		s.edge(t, nil, refreshOf(200, 0))
		time.Sleep(3 * time.Minute)
		if most.Load() != 16 || s.tool.count() < 200 {
			t.Errorf("%d requests at once, %d in all", most.Load(), s.tool.count())
		}
	})
}

// TestRefreshRespectsTheTool: what must not be served stale isn't.
func TestRefreshRespectsTheTool(t *testing.T) {
	for name, tc := range map[string]struct {
		control string
		outcome string
		asked   bool // for the reader
	}{
		"may be stale":    {"max-age=60", outcomes.OK, false},
		"must revalidate": {"max-age=60, must-revalidate", outcomes.OK, true},
		"s-maxage":        {"s-maxage=60", outcomes.OK, true},
		"no-store":        {"no-store", outcomes.NotKept, true},
		"private":         {"private, max-age=60", outcomes.NotKept, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newRefreshScene(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					w.Header().Set("Cache-Control", tc.control)
				})
				e, _ := s.edge(t, nil, refreshOf(1, 10*time.Hour))
				time.Sleep(time.Second)
				synctest.Wait()
				for s.saw(tc.outcome) == 1 && tc.outcome == outcomes.OK { // the second is the one that counts on
					time.Sleep(time.Minute)
					synctest.Wait()
				}
				before := s.tool.count()
				time.Sleep(30 * time.Minute)
				if got := e.get("/.tools/pages/page/0"); got.status != 200 {
					t.Errorf("a reader got %+v", got)
				}
				if asked := s.tool.count() > before; asked != tc.asked {
					t.Errorf("the tool was asked for the reader: %t", asked)
				}
				if tc.outcome == outcomes.NotKept && strings.Count(s.logs.String(), "outcome=not_kept") != 1 {
					t.Errorf("logged %q", s.logs)
				}
			})
		})
	}
}

// TestRefreshStops: at once where the tool is stopped, and all anew afterwards, as its
// answers may be gone.
func TestRefreshStops(t *testing.T) {
	for name, stop := range map[string]string{"tool": "", "path": "/page/"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var stopped atomic.Bool
				s := newRefreshScene(t, nil)
				s.edge(t, func(c *Config) {
					c.Refuse = func(_, path string) (int, string) {
						if stopped.Load() && (stop == "" || strings.HasPrefix(path, stop)) {
							return 403, "stopped"
						}
						return 0, ""
					}
				}, refreshOf(50, 0))
				time.Sleep(2 * time.Second) // in the middle of the first round
				stopped.Store(true)
				synctest.Wait()
				before := s.tool.count()
				if before == 0 || before == 50 {
					t.Fatalf("%d requests before the stop", before)
				}
				time.Sleep(3 * time.Hour)
				if n := s.tool.count(); n != before {
					t.Errorf("%d requests after the stop", n-before)
				}
				stopped.Store(false)
				time.Sleep(2 * time.Minute)
				if n := len(byPath(s.tool.entries()[before:])); n != 50 {
					t.Errorf("%d requests within minutes of the stop's end, want all 50", n)
				}
			})
		})
	}
	t.Run("expired", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newRefreshScene(t, nil)
			declared := refreshOf(10, time.Minute)
			var err error
			if declared.Expires, err = noticeboard.ParseDate(time.Now().Add(10 * time.Minute).UTC().Format(time.RFC3339)); err != nil {
				t.Fatal(err)
			}
			s.edge(t, nil, declared)
			time.Sleep(10*time.Minute + time.Second)
			before := s.tool.count()
			time.Sleep(time.Hour)
			if n := s.tool.count(); n != before || n < 50 {
				t.Errorf("%d requests, and %d after it expired", before, n-before)
			}
		})
	})
}

// TestRefreshGoesOn: a new proxy in place of another changes nothing of the schedule.
func TestRefreshGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRefreshScene(t, nil)
		_, detach := s.edge(t, nil, refreshOf(100, 0))
		for range 60 { // config reloads
			time.Sleep(3 * time.Minute)
			_, next := s.edge(t, nil, refreshOf(100, 0))
			detach()
			detach() // does nothing
			detach = next
		}
		for path, times := range byPath(s.tool.entries()) {
			if len(times) < 3 || len(times) > 5 {
				t.Errorf("%s was asked for %d times in three hours", path, len(times))
			}
		}
		// Further paths are asked for, and the others aren't anew.
		before := s.tool.count()
		_, next := s.edge(t, nil, refreshOf(120, 0))
		detach()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		news := 0
		for _, e := range s.tool.entries()[before:] {
			var n int
			if _, err := fmt.Sscanf(e.path, "/page/%d", &n); err != nil {
				t.Fatal(err)
			}
			if n >= 100 {
				news++
			}
		}
		if all := s.tool.count() - before; news != 20 || all > 25 {
			t.Errorf("%d requests for new paths, %d in all", news, all)
		}
		next()
		synctest.Wait()
		before = s.tool.count()
		time.Sleep(5 * time.Hour)
		if n := s.tool.count(); n != before {
			t.Errorf("%d requests after the last proxy was detached", n-before)
		}
	})
}

// TestRefreshOfBrokenTool: it is let alone, told of once, and asked again when it works.
func TestRefreshOfBrokenTool(t *testing.T) {
	for name, broken := range map[string]http.HandlerFunc{
		"breaks off":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"errors":      func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) },
		"is too busy": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTooManyRequests) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var works atomic.Bool
				works.Store(true)
				var failed atomic.Int64
				s := newRefreshScene(t, func(w http.ResponseWriter, r *http.Request) {
					if works.Load() {
						keepable(time.Hour)(w, r)
						return
					}
					failed.Add(1)
					broken(w, r)
				})
				e, _ := s.edge(t, nil, refreshOf(100, 0))
				time.Sleep(2 * time.Hour)
				works.Store(false)
				time.Sleep(50 * time.Minute)
				for i := range 100 { // what there is still serves
					if got := e.get(fmt.Sprint("/.tools/pages/page/", i)); got.status != 200 || got.took != 0 {
						t.Fatalf("a reader got %+v", got)
					}
				}
				if n := failed.Load(); n < 20 || n > 120 {
					t.Errorf("a broken tool was asked %d times in 50 minutes", n)
				}
				if n := strings.Count(s.logs.String(), "refreshing a tool's path fails"); n != 1 {
					t.Errorf("logged %d times: %s", n, s.logs)
				}
				works.Store(true)
				before := s.saw(outcomes.OK)
				time.Sleep(15 * time.Minute)
				if n := s.saw(outcomes.OK) - before; n < 50 {
					t.Errorf("%d paths were refreshed once it worked again", n)
				}
			})
		})
	}
}

func TestRefreshFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "paths")
		write := func(text string) {
			if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(file+".new", file); err != nil {
				t.Fatal(err)
			}
		}
		s := newRefreshScene(t, nil)
		declared := pagesTool(func(t *noticeboard.Tool) { t.Refresh, t.RefreshFile = []string{"/declared"}, file })
		e, _ := s.edge(t, nil, declared)
		time.Sleep(time.Minute)
		if n := strings.Count(s.logs.String(), "file of paths can't be used"); n != 1 || s.tool.count() != 1 {
			t.Fatalf("without a file: %d requests, logged %q", s.tool.count(), s.logs)
		}
		write("# pages\n/a\n/b?c=%20d\nimg /seal\n/logo.png\n/..%2fescaped\n/a\n")
		time.Sleep(30 * time.Second)
		want := []string{"/a", "/b?c=%20d", "/declared", "/logo.png", "/seal"}
		got := func() (list []string) {
			for path := range byPath(s.tool.entries()) {
				list = append(list, path)
			}
			slices.Sort(list)
			return list
		}
		if !slices.Equal(got(), want) {
			t.Fatalf("asked for %q, want %q", got(), want)
		}
		if n := strings.Count(s.logs.String(), "path=/..%2fescaped outcome=refused_request"); n != 1 {
			t.Errorf("logged %q", s.logs)
		}
		for _, reader := range []struct{ path, dest string }{{"a", "empty"}, {"b?c=%20d", "empty"}, {"seal", "image"}, {"logo.png", "image"}} {
			if a := e.ask(t.Context(), "GET", "/.tools/pages/"+reader.path, reader.dest); a.status != 200 {
				t.Errorf("%s: %+v", reader.path, a)
			}
		}
		write("/a\nno path\n")
		time.Sleep(time.Minute)
		if n := s.tool.count() - s.saw(outcomes.OK); n != 0 || strings.Count(s.logs.String(), "line 2 isn't a path") != 1 {
			t.Errorf("%d requests for readers, logged %q", n, s.logs)
		}
		write("/new\n")
		time.Sleep(3 * time.Hour)
		times := byPath(s.tool.entries())
		if len(times["/new"]) < 3 || len(times["/declared"]) < 3 || len(times["/a"]) > 2 {
			t.Errorf("after the file's change: %v", times)
		}
	})
}

// TestRefreshRestarts: what was purged is asked for anew at once, and not only in its turn.
func TestRefreshRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRefreshScene(t, nil)
		e, _ := s.edge(t, nil, refreshOf(50, 12*time.Hour))
		time.Sleep(time.Minute)
		s.cache.Purge("pages", "")
		s.Restart("others")
		s.Restart("pages")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		before := s.tool.count()
		for i := range 50 {
			if got := e.get(fmt.Sprint("/.tools/pages/page/", i)); got.status != 200 {
				t.Errorf("a reader got %+v", got)
			}
		}
		if n := s.tool.count(); n != before || n < 100 {
			t.Errorf("%d requests after the purge, %d for readers", before-50, n-before)
		}
	})
}

func TestRefreshWarnsOfSmallCaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRefreshScene(t, nil)
		s.cache = newCache(t, cache.Config{MaxEntries: 10})
		s.edge(t, nil, refreshOf(11, 0))
		time.Sleep(time.Second)
		synctest.Wait()
		if n := strings.Count(s.logs.String(), "paths=11 room=10"); n != 1 {
			t.Errorf("logged %q", s.logs)
		}
	})
}

func TestLikelyKinds(t *testing.T) {
	all := &noticeboard.Tool{Name: "a", Kinds: noticeboard.Kinds()}
	images := &noticeboard.Tool{Name: "a", Kinds: []noticeboard.Kind{noticeboard.Font, noticeboard.Img}}
	for _, tc := range []struct {
		tool  *noticeboard.Tool
		entry string
		want  noticeboard.Kind
	}{
		{all, "/a.png?x=y.css", noticeboard.Img}, {all, "/a.WOFF2", noticeboard.Font}, {all, "/a.css", noticeboard.Style}, {all, "/a.ogg", noticeboard.Media},
		{all, "/a", noticeboard.Data}, {all, "/a.html", noticeboard.Data}, {all, "img /a.css", noticeboard.Img},
		{images, "/a.css", noticeboard.Font}, {images, "/a.svg", noticeboard.Img},
	} {
		if a, refused := refreshRequest(tc.tool, tc.entry); refused != nil || a.kind != tc.want || a.method != "GET" {
			t.Errorf("%s: %+v, %v; want %s", tc.entry, a, refused, tc.want)
		}
	}
}
