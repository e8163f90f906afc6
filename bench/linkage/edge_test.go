package linkage

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// scene is a day of a wiki that nobody visits, with the requests of a test.
func scene(t *testing.T, requests ...Request) *Day {
	t.Helper()
	w := DefaultWorld()
	w.Views, w.Edits, w.NewPages, w.Pages, w.Images = 1e-9, 1e-9, 0, 10, 0
	d := w.Day(1)
	d.Requests, d.readers = requests, 10
	return d
}

const (
	assetKey = Key(0)
	hotKey   = Key(1) // data of the most read page
	coldKey  = Key(10)
)

func at(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// lines tells a log: when, what, for whom first.
func lines(log *Log) (list []Request) {
	for _, e := range log.Entries {
		list = append(list, Request{e.At, e.asker, e.Key})
	}
	return list
}

func sentAt(t *testing.T, log *Log, want ...time.Duration) {
	t.Helper()
	var got []time.Duration
	for _, e := range log.Entries {
		got = append(got, e.At)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the tool was asked at %v, want %v", got, want)
	}
}

func TestNoMeasures(t *testing.T) {
	requests := []Request{{at(1), 1, hotKey}, {at(1), 2, hotKey}, {at(1.01), 1, assetKey}, {at(5), 1, hotKey}}
	log := scene(t, requests...).Serve(Measures{}, 1)
	if got := lines(log); !slices.Equal(got, requests) {
		t.Errorf("the log is %v, want all that was asked: %v", got, requests)
	}
	if log.Requests != 4 || log.Sent != 4 || log.Hits != 0 {
		t.Errorf("%d requests, %d sent, %d hits", log.Requests, log.Sent, log.Hits)
	}
}

func TestCache(t *testing.T) {
	d := scene(t,
		Request{at(1), 1, hotKey}, Request{at(60), 2, hotKey}, Request{4 * time.Hour, 3, hotKey},
		Request{4*time.Hour + at(100), 4, hotKey})
	d.keys = append(d.keys, keyInfo{Lookup, noPage, -1})
	lookup := Key(len(d.keys) - 1)
	d.Requests = append(d.Requests, Request{5 * time.Hour, 1, lookup}, Request{5*time.Hour + at(60), 1, lookup})

	log := d.Serve(Measures{SharedCache: true}, 1)
	sentAt(t, log, at(1), 4*time.Hour+at(100), 5*time.Hour, 5*time.Hour+at(60))
	if log.Hits != 2 {
		t.Errorf("%d hits, want 2", log.Hits)
	}
	if log.Entries[0].caused(2) || !log.Entries[0].caused(1) {
		t.Error("an entry is the one's who missed, and not the one's who hit")
	}
}

func TestCacheStartsAsItWouldBe(t *testing.T) {
	w := DefaultWorld()
	w.Edits, w.NewPages = 1e-9, 0
	d := w.Day(1)
	log := d.Serve(Measures{SharedCache: true}, 1)
	half := func(from, to time.Duration) (n float64) {
		for _, e := range log.Entries {
			if e.At >= from && e.At < to && d.keys[e.Key].kind == Image {
				n++
			}
		}
		return n
	}
	// Images are kept for a day: had the cache started empty, nearly all would be
	// fetched in the first hours.
	first, last := half(-lead, 12*time.Hour), half(12*time.Hour, day+lead)
	if first > last {
		t.Errorf("%v images were fetched in the first half, and %v in the busier second", first, last)
	}
}

func TestCoalescing(t *testing.T) {
	requests := []Request{
		{at(1), 1, hotKey}, {at(1) + 1, 2, hotKey}, // while the first is on its way
		{at(1) + 2, 3, coldKey}, // another
		{at(100), 4, hotKey},    // long answered
	}
	log := scene(t, requests...).Serve(Measures{Coalesce: true}, 1)
	sentAt(t, log, at(1), at(1)+2, at(100))
	for reader, want := range map[int32]bool{1: true, 2: true, 3: false, 4: false} {
		if got := log.Entries[0].caused(reader); got != want {
			t.Errorf("the first was sent for reader %d: %v, want %v", reader, got, want)
		}
	}
}

func TestConnections(t *testing.T) {
	requests := []Request{{at(1), 1, hotKey}, {at(2), 2, hotKey}, {at(60), 1, coldKey}, {at(140), 1, hotKey}, {at(240), 1, hotKey}}
	conns := func(m Measures) (ids []int32) {
		for _, e := range scene(t, requests...).Serve(m, 1).Entries {
			ids = append(ids, e.Conn)
		}
		return ids
	}
	if got, want := conns(Measures{}), []int32{0, 1, 0, 0, 2}; !slices.Equal(got, want) {
		t.Errorf("connections %v, want %v: one for each reader until it is idle", got, want)
	}
	if got, want := conns(Measures{SharedConnections: true}), []int32{-1, -1, -1, -1, -1}; !slices.Equal(got, want) {
		t.Errorf("connections %v, want %v: shared ones tell nothing", got, want)
	}
}

func TestRefresh(t *testing.T) {
	requests := []Request{{at(1), 1, hotKey}, {at(2), 2, coldKey}, {at(3), 3, assetKey}}
	d := scene(t, requests...)
	log := d.Serve(Measures{SharedCache: true, Refresh: 0.5}, 1)
	if got, want := lines(log), []Request{{at(2), 2, coldKey}}; !slices.Equal(got, want) {
		t.Errorf("the tool was asked %v, want only what isn't refreshed: %v", got, want)
	}
	if want := (5*6 + 1) / 0.925; math.Abs(log.Refresh-want) > 1e-6 { // 5 pages every 4 hours, the asset daily
		t.Errorf("%v refreshes a day, want %v", log.Refresh, want)
	}

	w := d.World
	w.Edits, w.NewPages, w.Images = 50, 50, 1
	d = w.Day(1)
	log = d.Serve(Measures{SharedCache: true, Refresh: 1}, 1)
	for _, e := range log.Entries {
		if info := d.keys[e.Key]; info.kind != Lookup && int(info.page) < w.Pages {
			t.Errorf("the tool was asked for page %d, which is refreshed", info.page)
		}
	}
	if len(log.Entries) < 50 {
		t.Errorf("the tool was asked %d times: a page that is new can't be refreshed yet", len(log.Entries))
	}
}

func TestMarginsDontCount(t *testing.T) {
	log := scene(t, Request{-1, 1, hotKey}, Request{0, 1, hotKey}, Request{day - 1, 1, coldKey}, Request{day, 1, hotKey}).Serve(Measures{}, 1)
	if len(log.Entries) != 4 || log.Requests != 2 || log.Sent != 2 {
		t.Errorf("%d entries, %d requests, %d sent; want 4, 2, 2", len(log.Entries), log.Requests, log.Sent)
	}
}

func TestBadMeasures(t *testing.T) {
	for _, tt := range []struct {
		name string
		m    Measures
		want string
	}{
		{"refresh without a cache", Measures{Refresh: 0.1}, "needs the shared cache"},
		{"more than all pages", Measures{SharedCache: true, Refresh: 2}, "from 0 to 1"},
	} {
		if err := tt.m.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func BenchmarkServe(b *testing.B) {
	d := DefaultWorld().Day(1)
	b.ReportAllocs()
	for b.Loop() {
		d.Serve(Measures{}, 1)
	}
}
