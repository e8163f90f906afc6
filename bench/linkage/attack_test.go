package linkage

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// attacked adds up what the attacker gets in some days.
func attacked(t *testing.T, w World, m Measures, days uint64, change func(*Day, *Log)) (share [knowledges]float64, chance float64, entries int) {
	t.Helper()
	var right, all [knowledges]float64
	for seed := range days {
		d := w.Day(seed)
		log := d.Serve(m, seed)
		if change != nil {
			change(d, log)
		}
		a := d.Attack(log)
		for k := range knowledges {
			all[k] += float64(len(a.Guesses[k]))
			for _, g := range a.Guesses[k] {
				if !(g.Confidence >= 0 && g.Confidence <= 1) {
					t.Fatalf("confidence %v", g.Confidence)
				}
				if g.Right {
					right[k]++
				}
			}
		}
		chance += a.Chance / float64(days)
		entries += len(log.Entries)
	}
	if all[Pages] == 0 {
		t.Fatal("there was no edit to attack")
	}
	for k := range knowledges {
		share[k] = right[k] / all[k]
	}
	return share, chance, entries
}

// lonely is a wiki with one reader at a time, who edits.
func lonely() World {
	w := DefaultWorld()
	w.Views, w.Edits, w.NewPages = 0.001, 5, 0.1
	return w
}

func TestOneReaderIsFound(t *testing.T) {
	// Not all: some save more than an hour after they asked for anything.
	share, _, _ := attacked(t, lonely(), Measures{}, 60, nil)
	if share[Times] < 0.93 || share[Pages] < 0.93 {
		t.Errorf("by times %.2f and by pages %.2f of the edits were found, want nearly all", share[Times], share[Pages])
	}
}

func TestOneReaderAndAFullCache(t *testing.T) {
	w := lonely()
	w.NewPages, w.Lookups = 0, 0
	share, _, entries := attacked(t, w, AllMeasures(), 60, nil)
	if entries != 0 || share != [knowledges]float64{} {
		t.Errorf("%d entries, and %v of the edits found; want none, as all is in the cache", entries, share)
	}
}

// A busy wiki's log with the askers dealt out anew says nothing of who asked. Who
// is still found in it is found by a fault of the game.
func TestShuffledLogIsChance(t *testing.T) {
	w := DefaultWorld()
	w.Views = 3000
	shuffle := func(d *Day, log *Log) {
		r := rand.New(rand.NewPCG(1, 1))
		r.Shuffle(len(log.Entries), func(i, j int) {
			log.Entries[i].asker, log.Entries[j].asker = log.Entries[j].asker, log.Entries[i].asker
			log.Entries[i].others, log.Entries[j].others = nil, nil
		})
	}
	for name, m := range map[string]Measures{"no measures": {}, "shared connections": {SharedConnections: true}} {
		honest, _, _ := attacked(t, w, m, 8, nil)
		share, chance, _ := attacked(t, w, m, 8, shuffle)
		if honest[Pages] < 0.9 {
			t.Errorf("%s: %.2f found by pages, want most", name, honest[Pages])
		}
		for k := range knowledges {
			if n := 8 * w.Edits; share[k] > chance+4*math.Sqrt((chance+1/n)/n) {
				t.Errorf("%s: %.4f found by %v in a shuffled log, where %.4f is chance", name, share[k], k, chance)
			}
		}
	}
}

func TestConnectionsLeadToOtherPages(t *testing.T) {
	w := DefaultWorld()
	own, _, _ := attacked(t, w, Measures{}, 3, nil)
	shared, _, _ := attacked(t, w, Measures{SharedConnections: true}, 3, nil)
	if own[OtherPages] < 4*shared[OtherPages] || own[OtherPages] < 0.2 {
		t.Errorf("%.3f of the other pages were found with connections for each reader, %.3f with shared ones", own[OtherPages], shared[OtherPages])
	}
}

func TestRevisionsGiveAway(t *testing.T) {
	w := DefaultWorld()
	w.ByRevision = true
	share, _, _ := attacked(t, w, AllMeasures(), 2, nil)
	if share[Pages] < 0.95 {
		t.Errorf("%.3f were found by the revision in the URL; the docs warn that nearly all are", share[Pages])
	}
}

// The guess itself, in a log of a few lines.
func TestGuess(t *testing.T) {
	const editor, other = 1, 2
	edit := Edit{At: at(40000), Page: 0, Reader: editor}
	for _, tt := range []struct {
		name    string
		entries []Entry
		want    [knowledges]bool
	}{
		{"nothing", nil, [knowledges]bool{}},
		{"out of the window",
			[]Entry{{At: at(40000) - windowBefore - 1, Key: hotKey, Conn: -1, asker: editor}, {At: at(40000) + windowAfter, Key: hotKey, Conn: -1, asker: editor}},
			[knowledges]bool{}},
		{"the edited page, among others",
			[]Entry{{At: at(39800), Key: hotKey, Conn: -1, asker: editor}, {At: at(39900), Key: coldKey, Conn: -1, asker: other}},
			[knowledges]bool{Pages: true}},
		{"another page on the edited page's connection",
			[]Entry{{At: at(39700), Key: coldKey, Conn: 0, asker: editor}, {At: at(39800), Key: hotKey, Conn: 0, asker: editor}, {At: at(39990), Key: coldKey, Conn: 1, asker: other}},
			[knowledges]bool{Times: true, Pages: true, OtherPages: true}},
		{"a style sheet tells nothing",
			[]Entry{{At: at(39800), Key: assetKey, Conn: -1, asker: editor}},
			[knowledges]bool{Times: true, Pages: true}},
		{"who joined is found too",
			[]Entry{{At: at(39800), Key: hotKey, Conn: -1, asker: other, others: []int32{editor}}},
			[knowledges]bool{Times: true, Pages: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := scene(t)
			d.World.Views = 1000
			d.Edits = []Edit{edit, {At: -time.Second}, {At: day}} // those in the margins don't count
			a := d.Attack(&Log{Entries: tt.entries})
			for k := range knowledges {
				if len(a.Guesses[k]) != 1 {
					t.Fatalf("%d guesses by %v, want 1", len(a.Guesses[k]), k)
				}
				if got := a.Guesses[k][0].Right; got != tt.want[k] {
					t.Errorf("right by %v: %v, want %v", k, got, tt.want[k])
				}
			}
		})
	}
}

func BenchmarkAttack(b *testing.B) {
	d := DefaultWorld().Day(1)
	log := d.Serve(Measures{}, 1)
	b.ReportAllocs()
	for b.Loop() {
		d.Attack(log)
	}
}
