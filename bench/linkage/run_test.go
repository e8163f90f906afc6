package linkage

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
)

// quick is a small world for what isn't about figures.
func quick() Config {
	c := DefaultConfig()
	c.World.Views, c.World.Pages, c.Days, c.Scenarios = 500, 100, 2, false
	return c
}

// What the documentation says of the goal, on other days than it was measured on.
func TestGoal(t *testing.T) {
	all := AllMeasures()
	tenth := all
	tenth.Refresh = 0.1
	rows := measure(DefaultWorld(), []variant{{rowNone, Measures{}}, {rowAll, all}, {"tenth", tenth}}, 1000, 6, nil)
	none, with := rows[0], rows[1]
	t.Logf("pages: %v → %v; other: %v → %v", none.Precision.Pages, with.Precision.Pages, none.Precision.OtherPages, with.Precision.OtherPages)
	if none.Precision.Pages.Mean < 0.9 || with.Precision.Pages.Mean > none.Precision.Pages.Mean/10 {
		t.Errorf("right: %.3f without measures and %.3f with all, want at most a tenth", none.Precision.Pages.Mean, with.Precision.Pages.Mean)
	}
	if p := rows[2].Precision.Pages.Mean; p < 0.5 {
		t.Errorf("right: %.3f where only a tenth of the pages is refreshed; the docs say that this is not enough", p)
	}
}

func TestRunIsDecidedByItsSeed(t *testing.T) {
	c := quick()
	c.Scenarios = true
	run := func(seed uint64) *Report {
		c.Seed = seed
		r, err := Run(c)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	a := run(1)
	if !reflect.DeepEqual(a, run(1)) {
		t.Error("the same seed gave different reports")
	}
	if reflect.DeepEqual(a.Rows, run(5).Rows) {
		t.Error("different seeds gave the same report")
	}
}

func TestReport(t *testing.T) {
	c := quick()
	c.Scenarios = true
	steps := 0
	c.Progress = func(done, total int, name string) {
		steps++
		if done != steps || total != c.Days+len(Scenarios()) || name == "" {
			t.Errorf("step %d: progress %d of %d, %q", steps, done, total, name)
		}
	}
	r, err := Run(c)
	if err != nil {
		t.Fatal(err)
	}
	if steps != c.Days+len(Scenarios()) {
		t.Errorf("%d steps of progress", steps)
	}
	var text strings.Builder
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	for _, row := range r.Rows {
		if n := strings.Count(text.String(), fmt.Sprintf("\n%-43s ", row.Name)); n != 2 {
			t.Errorf("%q is in %d tables, want 2", row.Name, n)
		}
	}
	for _, s := range r.Scenarios {
		if !strings.Contains(text.String(), "\n"+s.Name+" ") {
			t.Errorf("scenario %q is in no table", s.Name)
		}
	}
	coded, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(coded, &back); err != nil {
		t.Fatal(err)
	}
	for i := range r.Rows { // each day's counts are no part of the report
		r.Rows[i].days = [knowledges][]tally{}
	}
	if !reflect.DeepEqual(back.Rows, r.Rows) || back.World != r.World {
		t.Error("the report isn't the same after JSON")
	}
}

func TestRunRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"a day alone", func(c *Config) { c.Days = 1 }, "days must be from 2"},
		{"a bad world", func(c *Config) { c.World.Pages = 0 }, "pages must be"},
		{"bad measures", func(c *Config) { c.Measures.SharedCache = false }, "needs the shared cache"},
	} {
		c := quick()
		tt.change(&c)
		if _, err := Run(c); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func TestEstimates(t *testing.T) {
	about := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 0.005*max(0.1, math.Abs(want)) {
			t.Errorf("%s: %.4f, want %.4f", what, got, want)
		}
	}
	for freedom, want := range map[float64]float64{1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 7: 2.365, 30: 2.042} {
		if got := student(freedom); math.Abs(got-want) > 0.01*want {
			t.Errorf("Student's quantile for %v is %.3f, want %.3f", freedom, got, want)
		}
	}
	e := precision([]tally{{1, 10}, {3, 10}})
	about("mean", e.Mean, 0.2)
	about("low", e.Low, 0)
	about("high", e.High, 1)
	e = precision([]tally{{0, 50}, {0, 50}}) // nothing found is not nothing possible
	about("mean of none", e.Mean, 0)
	about("high of none", e.High, 0.0370)
	low, high := wilson(5, 10)
	about("Wilson's low", low, 0.2366)
	about("Wilson's high", high, 0.7634)

	r := ratio([]tally{{1, 10}, {2, 10}, {1, 10}}, []tally{{8, 10}, {9, 10}, {8, 10}})
	about("ratio", r.Mean, 4.0/25)
	if r.Low <= 0 || r.High >= 0.5 {
		t.Errorf("the ratio's interval is %.3f to %.3f", r.Low, r.High)
	}
	if ratio([]tally{{1, 10}}, []tally{{0, 10}}) != nil {
		t.Error("there is a ratio to nothing")
	}
}

func TestThresholds(t *testing.T) {
	guesses := func(n int, confidence float64, right int) (list []Guess) {
		for i := range n {
			list = append(list, Guess{confidence, i < right})
		}
		return list
	}
	all := append(append(guesses(70, 0.1, 0), guesses(20, 0.9, 20)...), guesses(10, 0.5, 8)...)
	all = append(all, guesses(1, 0.99, 0)...) // surest, and wrong
	best, widest := thresholds(all)
	if best.Confidence != 0.9 || math.Abs(best.Precision.Mean-20.0/21) > 1e-9 {
		t.Errorf("best is %+v, want to speak from 0.9 on", best)
	}
	if widest.Confidence != 0.5 || math.Abs(widest.Speaks-31.0/101) > 1e-9 {
		t.Errorf("widest is %+v, want to speak from 0.5 on", widest)
	}
	if best, widest := thresholds(guesses(20, 0.3, 1)); best.Speaks != 1 || best.Precision.Mean != 0.05 || widest.Speaks != 0 {
		t.Errorf("guesses that can't be told apart: best %+v, widest %+v; want all, and none", best, widest)
	}
	if best, widest := thresholds(nil); best != (Threshold{}) || widest != (Threshold{}) {
		t.Error("there are thresholds without guesses")
	}
}
