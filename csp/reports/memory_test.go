package reports

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// 200,000 hosts that nobody else names, each on a page of its own, in random order
// among the reports of ten real ones, all on one day.
func TestManyHostsLeaveMemoryFlat(t *testing.T) {
	synctest.Test(t, manyHostsLeaveMemoryFlat)
}

func manyHostsLeaveMemoryFlat(t *testing.T) {
	time.Sleep(12 * time.Hour) // a bubble's clock starts at midnight
	const (
		hosts = 200_000
		batch = 50
		// most is what the day's two summaries may take, at 1 KB an entry.
		most = 8 << 20
	)
	var reports []string
	for i := range hosts {
		reports = append(reports, strings.ReplaceAll(violationOf(fmt.Sprintf("https://h%d.example/%d", i, i)), "/wiki/A", fmt.Sprint("/wiki/", i)))
	}
	want := make(map[string]uint64)
	for tool := range 10 {
		n := uint64(300 + 30*tool) // the least has 0.15 % of all
		want[fmt.Sprintf("https://tool%d.example", tool)] = n
		for range n {
			reports = append(reports, violationOf(fmt.Sprintf("https://tool%d.example/x", tool)))
		}
	}
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(reports), func(i, j int) { reports[i], reports[j] = reports[j], reports[i] })

	c := collector(t, Config{Overall: unlimited, Client: func(r *http.Request) string { return r.Header.Get("X-Mask") }, PerClient: unlimited})
	before := heap()
	half := uint64(0)
	for i := 0; i < len(reports); i += batch {
		body := "[" + strings.Join(reports[i:min(i+batch, len(reports))], ",") + "]"
		if w := post(c, body, "X-Mask", fmt.Sprint("2001:2f::", i)); w.Code != http.StatusNoContent {
			t.Fatalf("answered %d: %s", w.Code, w.Body)
		}
		if i >= len(reports)/2 && half == 0 {
			half = heap()
		}
		if i%(batch*400) == 0 {
			if err := c.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	after := heap()
	t.Logf("heap: %d KB before, %d KB halfway, %d KB after", before>>10, half>>10, after>>10)
	if grown := int64(after) - int64(before); grown > most {
		t.Errorf("memory grew by %d KB, more than %d", grown>>10, most>>10)
	}
	if grown := int64(after) - int64(half); grown > most/4 {
		t.Errorf("memory grew by %d KB in the second half", grown>>10)
	}
	runtime.KeepAlive(reports)

	s := today(t, c)
	if s.Accepted != uint64(len(reports)) {
		t.Errorf("%d accepted of %d", s.Accepted, len(reports))
	}
	for what, list := range map[string][]Group{"groups": s.Groups, "origins": s.Origins} {
		if len(list) > 2*DefaultGroups {
			t.Errorf("%d %s", len(list), what)
		}
		top := make(map[string]uint64)
		for i, g := range list[:10] {
			n := want[g.Blocked]
			top[g.Blocked] = n
			if n < g.Count || n > g.Count+g.Missed {
				t.Errorf("%s %d: %s has %d to %d, was sent %d times", what, i, g.Blocked, g.Count, g.Count+g.Missed, n)
			}
			if i > 0 && n > want[list[i-1].Blocked] {
				t.Errorf("%s: %s stands above %s", what, list[i-1].Blocked, g.Blocked)
			}
		}
		if len(top) != 10 || top["https://tool0.example"] == 0 {
			t.Errorf("the top ten of %s are %v", what, top)
		}
	}
	if s.Lost == 0 || s.Lost > uint64(len(reports))/(DefaultGroups+1) {
		t.Errorf("%d lost", s.Lost)
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	stored, err := c.load(t.Context(), s.First, s.First)
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.decode("today", stored[s.First.Format(time.DateOnly)])
	if err != nil {
		t.Fatal(err)
	}
	low, high := d.origins.bounds(Report{Directive: "img-src", Blocked: "https://h77.example", Disposition: ReportOnly})
	if low > 1 || high < 1 || high > s.LostOrigins+1 {
		t.Errorf("a host that was sent once is estimated %d to %d", low, high)
	}
}
