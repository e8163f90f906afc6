package linkage

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestPathsAreKeys(t *testing.T) {
	c := quick()
	c.World.Lookups = 0.5
	d := c.World.Day(3)
	seen := make(map[string]bool)
	for key := range d.keys {
		path := d.Path(Key(key))
		if back, ok := d.KeyOf(path); !ok || back != Key(key) || seen[path] {
			t.Fatalf("%s is key %d, %t; want %d", path, back, ok, key)
		}
		seen[path] = true
	}
	for _, path := range []string{"", "/data/", "/data/999999999", "/data/-1", "/data/0", "/x/1", "/data/1?x", "/data/01"} {
		if key, ok := d.KeyOf(path); ok {
			t.Errorf("%q is taken for key %d", path, key)
		}
	}
}

// A log that was made from what another one says is as good to the attacker.
func TestLoggedIsTheLog(t *testing.T) {
	c := quick()
	c.World.Edits = 100
	d := c.World.Day(3)
	m := Measures{SharedConnections: true, SharedCache: true, Refresh: 0.3}
	log := d.Serve(m, 3)
	var sent []Sent
	for _, e := range log.Entries {
		sent = append(sent, Sent{e.At, e.Key, append([]int32{e.asker}, e.others...)})
	}
	sent = append(sent, Sent{At: time.Hour, Key: 0}) // scheduled
	slices.Reverse(sent)
	if a, b := d.Attack(d.Logged(sent)), d.Attack(log); !slices.Equal(a.Guesses[Times], b.Guesses[Times]) || !slices.Equal(a.Guesses[Pages], b.Guesses[Pages]) {
		t.Error("the attacker makes something else of the same log")
	}
}

// What is refreshed is what the model takes for always fresh.
func TestRefreshedKeys(t *testing.T) {
	d := quick().World.Day(3)
	for _, share := range []float64{0, 0.2, 1} {
		m := Measures{SharedCache: share > 0, Refresh: share}
		e := &edge{d: d, m: m, log: &Log{}, answers: make([]answer, len(d.keys))}
		e.r = rand.New(rand.NewPCG(1, 2))
		e.warm()
		want := make(map[Key]bool)
		for key, a := range e.answers {
			if a.stale > day+lead {
				want[Key(key)] = true
			}
		}
		got := d.Refreshed(share)
		for _, key := range got {
			if !want[key] {
				t.Errorf("of %v of the pages, %s is refreshed", share, d.Path(key))
			}
		}
		if len(got) != len(want) || share == 1 && len(got) < 100 {
			t.Errorf("of %v of the pages %d keys are refreshed, want %d", share, len(got), len(want))
		}
	}
}
