package anonproxy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/anonproxy/refresh"
	"github.com/wikiveil/wikiveil/bench/linkage"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// replayed is a request of a reader's as the real edge served it.
type replayed struct {
	linkage.Request
	start, end time.Time
}

// replay is a day of the simulation at the real edge: its proxy, cache and refresher, its
// transport, and a tool that speaks HTTP and keeps a log.
type replay struct {
	day      *linkage.Day
	log      *linkage.Log
	requests []replayed
	entries  []entry
}

const replayLead = 2 * time.Hour // of the day, before midnight

// replayDay has readers ask the real edge what they ask the simulated one, when they do.
func replayDay(t *testing.T, day *linkage.Day, m linkage.Measures) *replay {
	t.Helper()
	latency := rand.New(rand.NewPCG(7, 7))
	tool := newMemoryTool(t, nil)
	tool.answer = func(w http.ResponseWriter, r *http.Request) {
		key, ok := day.KeyOf(r.URL.Path)
		if !ok {
			t.Errorf("the tool was asked for %s", r.URL)
			return
		}
		tool.mu.Lock()
		wait := time.Duration(float64(150*time.Millisecond) * math.Exp(0.85*latency.NormFloat64())) // as the simulation's
		tool.mu.Unlock()
		time.Sleep(wait)
		types := []string{linkage.Asset: "text/css", linkage.Image: "image/png", linkage.Data: "application/json", linkage.Lookup: "application/json"}
		w.Header().Set("Content-Type", types[day.KindOf(key)])
		w.Header().Set("Cache-Control", "no-store")
		if lifetime := day.Lifetime(key); lifetime > 0 {
			w.Header().Set("Cache-Control", fmt.Sprintf("max-age=%d", int(lifetime.Seconds())))
		}
	}
	var shared *cache.Cache
	if m.SharedCache {
		shared = newCache(t, cache.Config{MaxEntries: 1 << 20, MaxBytes: 1 << 30})
	}
	declared := pagesTool(nil)
	declared.Kinds = []noticeboard.Kind{noticeboard.Style, noticeboard.Img, noticeboard.Data}
	for _, key := range day.Refreshed(m.Refresh) {
		declared.Refresh = append(declared.Refresh, day.Path(key))
	}
	refreshes := 0
	e := newMemoryEdge(t, tool, shared, func(c *Config) {
		c.ObserveRefresh = func(_, outcome string) {
			tool.mu.Lock()
			defer tool.mu.Unlock()
			if refreshes++; outcome != outcomes.OK {
				t.Errorf("a refresh: %s", outcome)
			}
		}
	}, declared)
	refresher := refresh.New()
	defer refresher.Close()
	defer refresher.Attach(e.Proxy)()
	if m.Refresh > 0 { // the edge has run for a while
		time.Sleep(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)))
	}

	result := &replay{day: day, requests: make([]replayed, len(day.Requests))}
	midnight := time.Now().Add(replayLead)
	var readers crowd
	for i, q := range day.Requests {
		time.Sleep(time.Until(midnight.Add(q.At)))
		readers.wg.Go(func() {
			dest := []string{linkage.Asset: "style", linkage.Image: "image", linkage.Data: "empty", linkage.Lookup: "empty"}[day.KindOf(q.Key)]
			start := time.Now()
			if a := e.ask(t.Context(), "GET", "/.tools/pages"+day.Path(q.Key), dest); a.status != 200 {
				t.Errorf("a reader got %+v", a)
			}
			result.requests[i] = replayed{q, start, time.Now()}
		})
	}
	readers.wg.Wait()
	synctest.Wait()
	result.entries = tool.entries()
	result.judge(t, midnight, refreshes)
	return result
}

// judge finds who waited for which line of the tool's log: the reader whose response came
// when the tool gave it. All others got theirs at once.
func (r *replay) judge(t *testing.T, midnight time.Time, refreshes int) {
	t.Helper()
	type answered struct {
		key linkage.Key
		at  time.Time
	}
	waited := make(map[answered][]replayed)
	for _, q := range r.requests {
		if q.end.After(q.start) {
			to := answered{q.Key, q.end}
			waited[to] = append(waited[to], q)
		}
	}
	var sent []linkage.Sent
	scheduled := 0
	for _, line := range r.entries {
		key, _ := r.day.KeyOf(line.path)
		its := answered{key, line.done}
		if len(waited[its]) == 0 {
			scheduled++
		}
		var readers []int32
		for _, q := range waited[its] {
			readers = append(readers, q.Reader)
		}
		sent = append(sent, linkage.Sent{At: line.at.Sub(midnight), Key: key, Readers: readers})
		delete(waited, its)
	}
	if len(waited) > 0 {
		t.Errorf("%d readers waited for what the tool wasn't asked", len(waited))
	}
	if scheduled > refreshes {
		t.Errorf("%d requests were for no reader, of which %d were refreshes", scheduled, refreshes)
	}
	r.log = r.day.Logged(sent)
}

// right is how often the adversary is right, with that knowledge.
func right(a *linkage.Attack, k linkage.Knowledge) float64 {
	n := 0
	for _, g := range a.Guesses[k] {
		if g.Right {
			n++
		}
	}
	return float64(n) / float64(len(a.Guesses[k]))
}

// TestSimulationIsTheProxy: the adversary of the simulation does as well with the real
// tool's log as with the simulated one's, for each measure that is built. So the figures of
// the documentation are the proxy's, and not a model's.
func TestSimulationIsTheProxy(t *testing.T) {
	world := linkage.DefaultWorld()
	world.Views, world.Edits, world.Pages, world.NewPages = 4000, 250, 600, 3
	world.DataLifetime, world.ImageLifetime, world.BrowserLifetime = time.Hour, 2*time.Hour, 20*time.Minute
	shared := linkage.Measures{SharedConnections: true}
	with := func(change func(*linkage.Measures)) linkage.Measures {
		m := shared
		change(&m)
		return m
	}
	all := linkage.AllMeasures()
	var none, most float64
	for _, tc := range []struct {
		name string
		m    linkage.Measures
	}{
		{"shared connections alone", shared},
		{"cache", with(func(m *linkage.Measures) { m.SharedCache, m.Coalesce = true, true })},
		{"cache, refresh of the most read half", with(func(m *linkage.Measures) { m.SharedCache, m.Coalesce, m.Refresh = true, true, 0.5 })},
		{"all", all},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				day := world.Day(99)
				modelled := day.Serve(tc.m, 5)
				built := replayDay(t, day, tc.m)
				if a, b := len(built.log.Entries), len(modelled.Entries); math.Abs(float64(a-b)) > 10+0.02*float64(b) {
					t.Errorf("the real tool was asked %d times for readers, the simulated one %d times", a, b)
				}
				got, want := day.Attack(built.log), day.Attack(modelled)
				for k, name := range []string{linkage.Times: "times", linkage.Pages: "pages", linkage.OtherPages: "other pages"} {
					a, b := right(got, linkage.Knowledge(k)), right(want, linkage.Knowledge(k))
					t.Logf("%s: right of %.3f at the real edge, of %.3f at the simulated one", name, a, b)
					// Two and a half standard errors of the difference, were the two logs independent.
					if margin := 2.5 * math.Sqrt(2*max(b*(1-b), 0.01)/float64(len(want.Guesses[k]))); math.Abs(a-b) > margin {
						t.Errorf("%s: right of %.3f at the real edge, of %.3f at the simulated one", name, a, b)
					}
				}
				switch tc.name {
				case "shared connections alone":
					none = right(got, linkage.Pages)
				case "all":
					most = right(got, linkage.Pages)
					cacheableWaits(t, built)
				}
			})
		})
	}
	if most > none/10 {
		t.Errorf("right at the real edge: %.3f without measures, and %.3f with all", none, most)
	}
}

// cacheableWaits checks the time that readers wait for what can be cached.
func cacheableWaits(t *testing.T, r *replay) {
	t.Helper()
	var waits []time.Duration
	for _, q := range r.requests {
		if r.day.Lifetime(q.Key) > 0 {
			waits = append(waits, q.end.Sub(q.start))
		}
	}
	slices.Sort(waits)
	if median := waits[len(waits)/2]; median >= 50*time.Millisecond {
		t.Errorf("the median of the waits for what can be cached is %v", median)
	}
}
