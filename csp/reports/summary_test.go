package reports

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/kv"
)

func host(n int) Report {
	return Report{Directive: "img-src", Blocked: fmt.Sprintf("https://h%d.example", n), Disposition: ReportOnly}
}

// bounds returns between what numbers the count of a key lies, as the doc of summary says.
func (s *summary) bounds(key Report) (low, high uint64) {
	if e := s.entries[key]; e != nil {
		return e.seen, e.seen + e.missed
	}
	return 0, s.lost
}

func TestSummaryIsExactWhileItHasRoom(t *testing.T) {
	s := newSummary(50)
	for i := range 10_000 {
		s.add(host(i%100), int64(i))
	}
	if len(s.entries) != 100 || s.lost != 0 {
		t.Fatalf("%d entries, %d lost", len(s.entries), s.lost)
	}
	for i := range 100 {
		e := s.entries[host(i)]
		if low, high := s.bounds(host(i)); low != 100 || high != 100 || e.first != int64(i) || e.last != int64(9900+i) || e.hours.sum() != 100 {
			t.Errorf("%d: %d to %d, %+v", i, low, high, e)
		}
	}
	if low, high := s.bounds(host(100)); low != 0 || high != 0 {
		t.Errorf("never seen: %d to %d", low, high)
	}
}

// One prune makes room for many keys, and takes off no more than it must.
func TestPrune(t *testing.T) {
	s := newSummary(3)
	for i := range 7 { // host 6 has 7 reports, host 0 has 1
		for range i + 1 {
			s.add(host(i), 0)
		}
	}
	// The first report of host 6 made it seven keys. The fourth of the weights 6, 5, 4, 3, 2,
	// 1 and 1 was taken off, and host 6 came in again with its second report.
	if len(s.entries) != 4 || s.lost != 3 {
		t.Fatalf("%d entries, %d lost, want 4, 3", len(s.entries), s.lost)
	}
	for i, want := range [][2]uint64{{0, 3}, {0, 3}, {0, 3}, {4, 4}, {5, 5}, {6, 6}, {6, 9}} {
		if low, high := s.bounds(host(i)); low != want[0] || high != want[1] {
			t.Errorf("host %d: %d to %d, want %v", i, low, high, want)
		}
	}
}

// What the package's doc promises, for streams of several nodes that are merged in
// several ways.
func TestSummaryKeepsItsBounds(t *testing.T) {
	const limit, nodes, each = 20, 4, 20_000
	random := rand.New(rand.NewPCG(1, 2))
	for _, skew := range []float64{1.05, 1.5, 3} {
		zipf := rand.NewZipf(random, skew, 1, 5000)
		truth := make(map[Report]uint64)
		merged := newSummary(limit)
		for range nodes {
			node := newSummary(limit)
			for i := range each {
				key := host(int(zipf.Uint64()))
				truth[key]++
				node.add(key, int64(i))
				if i%5000 == 4999 { // as a node does that flushes
					merged.merge(node)
					node = newSummary(limit)
				}
			}
		}
		total := uint64(nodes * each)
		if merged.lost > total/(limit+1) {
			t.Errorf("skew %v: %d lost, more than %d", skew, merged.lost, total/(limit+1))
		}
		if len(merged.entries) > 2*limit {
			t.Errorf("skew %v: %d entries", skew, len(merged.entries))
		}
		for key, n := range truth {
			low, high := merged.bounds(key)
			if n < low || n > high {
				t.Errorf("skew %v: %s was counted %d times, not %d to %d", skew, key.Blocked, n, low, high)
			}
			if merged.entries[key] == nil && n > merged.lost {
				t.Errorf("skew %v: %s is not there with %d, and only %d were lost", skew, key.Blocked, n, merged.lost)
			}
		}
	}
}

func TestDayIsReadAsItWasWritten(t *testing.T) {
	d := newDay(10)
	for i := range 1000 {
		d.add(host(i%(1+i%50)), 1_800_000_000+int64(i)*10)
	}
	d.views.add(500_000, 7)
	d.counts.add(classNoise, NoiseAbout, 3)
	d.mergeOnce("w", 5, time.Unix(9, 0), newDay(10))
	data, err := d.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeDay(data, 10)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(got.groups.entries, d.groups.entries, func(a, b *entry) bool {
		return a.seen == b.seen && a.missed == b.missed && a.weight == b.weight && a.first == b.first && a.last == b.last && slices.Equal(a.hours, b.hours)
	}) {
		t.Error("other groups")
	}
	if got.groups.lost != d.groups.lost ||
		len(got.origins.entries) != len(d.origins.entries) || !slices.Equal(got.views, d.views) || !slices.Equal(got.reports, d.reports) ||
		got.counts[classNoise][NoiseAbout] != 3 || got.writers["w"].Sequence != 5 {
		t.Errorf("got %+v, want %+v", got, d)
	}
	for _, damaged := range [][]byte{data[:len(data)/2], {}, []byte("damaged"), []byte(`{"groups":{"entries":1}}`)} {
		if _, err := decodeDay(damaged, 10); !errors.Is(err, kv.ErrDamaged) {
			t.Fatalf("%d bytes: %v", len(damaged), err)
		}
	}
}

func TestAWriteThatWasDoneIsNotDoneAgain(t *testing.T) {
	stored, sent := newDay(10), newDay(10)
	sent.add(host(1), 1)
	now := time.Unix(1_800_000_000, 0)
	for i, want := range []bool{true, false} {
		if got := stored.mergeOnce("a", 1, now, sent); got != want {
			t.Errorf("try %d changes: %v", i, got)
		}
	}
	stored.mergeOnce("a", 2, now, sent)
	stored.mergeOnce("b", 1, now, sent)
	if got := stored.groups.entries[host(1)].seen; got != 3 {
		t.Errorf("counted %d, want 3", got)
	}
	for i := range 2 * maxWriters {
		stored.mergeOnce(fmt.Sprint("writer ", i), 1, now.Add(time.Duration(i)*time.Second), sent)
	}
	if last := fmt.Sprint("writer ", 2*maxWriters-1); len(stored.writers) != maxWriters || stored.writers[last].Sequence != 1 {
		t.Errorf("%d writers are remembered", len(stored.writers))
	}
}

func TestSeries(t *testing.T) {
	var s series
	for _, hour := range []uint32{49, 24, 49, 25, 0} {
		s.add(hour, 1)
	}
	if want := (series{{0, 1}, {24, 1}, {25, 1}, {49, 2}}); !slices.Equal(s, want) {
		t.Fatalf("got %v, want %v", s, want)
	}
	var hours []string
	for at, n := range s.all() {
		hours = append(hours, fmt.Sprint(at.Format("2006-01-02 15"), " ", n))
	}
	if want := []string{"1970-01-01 00 1", "1970-01-02 00 1", "1970-01-02 01 1", "1970-01-03 01 2"}; !slices.Equal(hours, want) {
		t.Errorf("got %v, want %v", hours, want)
	}
	for _, text := range []string{"1", "1:x", "-1:2", "2:1 1:1", "1:1 1:1", "4294967296:1"} {
		if err := new(series).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}
