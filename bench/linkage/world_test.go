package linkage

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDayIsLikeItsWorld(t *testing.T) {
	w := DefaultWorld()
	d := w.Day(1)
	if !slices.IsSortedFunc(d.Requests, func(a, b Request) int { return int(a.At/1000 - b.At/1000) }) {
		t.Error("the requests are not in order")
	}
	days := float64(day+2*lead) / float64(day)
	near := func(what string, got, want, tolerance float64) {
		t.Helper()
		if math.Abs(got-want) > tolerance*want {
			t.Errorf("%s: %.4g, want about %.4g", what, got, want)
		}
	}
	near("edits a day", float64(len(d.Edits))/days, w.Edits, 0.25)

	var byKind [kinds]float64
	for _, q := range d.Requests {
		byKind[d.keys[q.Key].kind]++
	}
	// A few are held by browsers, a few more are editors'.
	near("data requests a view", byKind[Data]/days/w.Views, 1, 0.03)
	near("images a data request", byKind[Image]/byKind[Data], w.Images, 0.1)
	near("lookups a view", byKind[Lookup]/days/w.Views, w.Lookups, 0.1)
	near("sessions a view", byKind[Asset]/days/w.Views, 1/viewsPerSession, 0.05)

	for i, e := range d.Edits {
		if e.At%time.Second != 0 {
			t.Fatalf("edit %d has the time %v: a history has whole seconds", i, e.At)
		}
		if e.Created != (int(e.Page) >= w.Pages) {
			t.Errorf("edit %d: created is %v, of page %d", i, e.Created, e.Page)
		}
	}
}

func TestPagesAreCreated(t *testing.T) {
	w := DefaultWorld()
	w.Views = 1
	created := 0
	for seed := range uint64(100) {
		for _, e := range w.Day(seed).Edits {
			if e.Created && inDay(e.At) {
				created++
			}
		}
	}
	if created < 240 || created > 360 { // 300, and more than 3 standard deviations
		t.Errorf("%d pages were created in 100 days, want about 300", created)
	}
}

func TestEditorsSeeWhatTheyEdit(t *testing.T) {
	w := DefaultWorld()
	w.BrowserLifetime = 0 // so that each view asks
	d := w.Day(2)
	for i, e := range d.Edits {
		before, reload := false, false
		for _, q := range d.Requests {
			if q.Reader != e.Reader || d.keys[q.Key].page != e.Page || d.keys[q.Key].kind != Data {
				continue
			}
			before = before || q.At <= e.At+time.Second
			off := q.At - e.At
			reload = reload || off >= reloadMin+gadgetMin && off <= reloadMax+gadgetMax+time.Second
		}
		if !reload || !before && !e.Created {
			t.Errorf("edit %d (created: %v): asked before it: %v, and on the reload: %v", i, e.Created, before, reload)
		}
	}
}

func TestBrowsersHoldAnswers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		browser time.Duration
		data    time.Duration
	}{
		{"for the browser's time", time.Hour, 4 * time.Hour},
		{"for the tool's time", time.Hour, 5 * time.Minute},
		{"not at all", 0, 4 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := DefaultWorld()
			w.Views, w.Edits = 100, 2000
			w.BrowserLifetime, w.DataLifetime = tt.browser, tt.data
			d := w.Day(3)
			type pair struct {
				reader int32
				key    Key
			}
			last, soonest := map[pair]time.Duration{}, 100*time.Hour
			for _, q := range d.Requests {
				if d.keys[q.Key].kind != Data {
					continue
				}
				p := pair{q.Reader, q.Key}
				if at, ok := last[p]; ok {
					soonest = min(soonest, q.At-at)
				}
				last[p] = q.At
			}
			if keep := min(tt.browser, tt.data); soonest < keep || soonest > keep+10*time.Minute {
				t.Errorf("a reader asked again after %v, with answers that hold for %v", soonest, keep)
			}
		})
	}
}

func TestRevisionsMakeNewKeys(t *testing.T) {
	w := DefaultWorld()
	w.ByRevision = true
	d := w.Day(4)
	asked := make(map[int32]bool) // edits whose revision was asked for
	for _, q := range d.Requests {
		info := d.keys[q.Key]
		if info.edit < 0 {
			continue
		}
		e := d.Edits[info.edit]
		if q.At < e.At || info.page != e.Page {
			t.Fatalf("the revision of edit %d of page %d at %v was asked for at %v, for page %d", info.edit, e.Page, e.At, q.At, info.page)
		}
		asked[info.edit] = true
	}
	if len(asked) != len(d.Edits) {
		t.Errorf("%d of %d revisions were asked for, want all: their editors' pages reload", len(asked), len(d.Edits))
	}
}

func TestOutsidersAskNothing(t *testing.T) {
	w := DefaultWorld()
	w.Adoption = 0
	if d := w.Day(1); len(d.Requests) != 0 || len(d.Edits) == 0 {
		t.Errorf("%d requests and %d edits, want none and some", len(d.Requests), len(d.Edits))
	}
}

func TestSameSeedSameDay(t *testing.T) {
	w := DefaultWorld()
	w.Views = 2000
	a, b, other := w.Day(7), w.Day(7), w.Day(8)
	if !reflect.DeepEqual(a, b) {
		t.Error("the same seed made different days")
	}
	if reflect.DeepEqual(a.Requests, other.Requests) {
		t.Error("different seeds made the same day")
	}
	m := AllMeasures()
	m.Refresh = 0
	if !reflect.DeepEqual(a.Serve(m, 7), b.Serve(m, 7)) {
		t.Error("the same seed made different logs")
	}
	if reflect.DeepEqual(a.Serve(m, 7).Entries, a.Serve(m, 8).Entries) {
		t.Error("different seeds made the same delays")
	}
}

func TestActivityIsAWholeDay(t *testing.T) {
	mean := 0.0
	for h := range 24 {
		mean += activity(time.Duration(h)*time.Hour) / 24
	}
	if math.Abs(mean-1) > 1e-9 {
		t.Errorf("the mean is %v, want 1", mean)
	}
	if activity(-time.Hour) != activity(23*time.Hour) || activity(25*time.Hour) != activity(time.Hour) {
		t.Error("the hours before and after a day are not like those of the day")
	}
	for _, w := range hourly {
		if w > 6 {
			t.Errorf("activity %v would be cut off by when", w)
		}
	}
}

func TestDistributions(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	const n = 200000
	l := lognormalOfMean(430*time.Second, 1.2)
	sum, views := 0.0, 0
	for range n {
		sum += l.draw(r).Seconds()
		views += geometric(r, 1.5)
	}
	if mean := sum / n; math.Abs(mean-430) > 10 {
		t.Errorf("the lognormal's mean is %.1f s, want 430", mean)
	}
	if mean := float64(views) / n; math.Abs(mean-1.5) > 0.02 {
		t.Errorf("the geometric's mean is %.3f, want 1.5", mean)
	}
	mass := 0.0
	for s := range 200000 {
		mass += l.density(time.Duration(s)*time.Second + time.Second/2)
	}
	if math.Abs(mass-1) > 0.01 {
		t.Errorf("the density adds up to %.3f, want 1", mass)
	}
	for _, mean := range []float64{3, 35, 50000} {
		total := 0
		for range 200 {
			total += poisson(r, mean)
		}
		if got := float64(total) / 200; math.Abs(got-mean) > 5*math.Sqrt(mean/200) {
			t.Errorf("the Poisson's mean is %.2f, want %.0f", got, mean)
		}
	}
	w := newWeighted(3, func(i int) float64 { return []float64{1, 0, 3}[i] })
	var drawn [3]int
	for range 4000 {
		drawn[w.draw(r)]++
	}
	if drawn[1] != 0 || drawn[0] < 850 || drawn[0] > 1150 || w.share(2) != 0.75 {
		t.Errorf("weights 1, 0 and 3 were drawn %v times, and the last has the share %v", drawn, w.share(2))
	}
}

func TestBadWorlds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*World)
		want   string
	}{
		{"no views", func(w *World) { w.Views = 0 }, "edits above 0"},
		{"more views than memory", func(w *World) { w.Views = 1e9 }, "2 million"},
		{"views that are no number", func(w *World) { w.Views = math.NaN() }, "edits above 0"},
		{"no edits", func(w *World) { w.Edits = 0 }, "edits above 0"},
		{"more new pages than edits", func(w *World) { w.NewPages = w.Edits + 1 }, "new pages"},
		{"no pages", func(w *World) { w.Pages = 0 }, "pages must be"},
		{"a steep popularity", func(w *World) { w.Zipf = 9 }, "exponent"},
		{"more readers than all", func(w *World) { w.Adoption = 1.1 }, "adoption"},
		{"lookups below none", func(w *World) { w.Lookups = -0.1 }, "lookups"},
		{"a negative lifetime", func(w *World) { w.DataLifetime = -1 }, "lifetimes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := DefaultWorld()
			tt.change(&w)
			if err := w.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	if err := DefaultWorld().Validate(); err != nil {
		t.Error(err)
	}
}
