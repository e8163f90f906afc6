package linkage

import (
	"errors"
	"fmt"
	"time"
)

// Config says what [Run] compares.
type Config struct {
	World    World
	Measures Measures // what "all" means

	// Days is over how many days each row is measured. Scenarios get half as many,
	// 4 at least.
	Days int

	// Seed is that of the first day.
	Seed uint64

	// Scenarios also tries other worlds.
	Scenarios bool

	// Progress is told what is done. Default: nobody is.
	Progress func(done, total int, name string)
}

// DefaultConfig takes some ten seconds.
func DefaultConfig() Config {
	return Config{World: DefaultWorld(), Measures: AllMeasures(), Days: 8, Seed: 1, Scenarios: true}
}

const leastDays = 4 // of a scenario; below, an interval says little

// Precisions are the shares of right guesses if the adversary names one request for each edit.
type Precisions struct {
	Times      Estimate `json:"times"`
	Pages      Estimate `json:"pages"`
	OtherPages Estimate `json:"other_pages"`
}

// Row is what the adversary gets with certain measures in a certain world.
type Row struct {
	Name      string     `json:"name"`
	Measures  Measures   `json:"measures"`
	Precision Precisions `json:"precision"`
	Best      Threshold  `json:"best_threshold"` // for pages: the most precise on 5 % of the edits or more
	Sure      Threshold  `json:"sure_threshold"` // for pages: that with which 9 guesses of 10 are right
	Chance    float64    `json:"chance"`         // of a request drawn blindly from those around the edit
	Edits     int        `json:"edits"`
	Asked     float64    `json:"asked_per_day"` // of the edge, by readers
	Sent      float64    `json:"sent_per_day"`  // of these, to the tool
	Refreshed float64    `json:"refreshed_per_day"`
	Hits      float64    `json:"hits"` // share of what readers ask

	days [knowledges][]tally
}

// Ratios are precisions with all measures over those with none. Where there was
// nothing to lose there is none.
type Ratios struct {
	Times      *Estimate `json:"times"`
	Pages      *Estimate `json:"pages"`
	OtherPages *Estimate `json:"other_pages"`
}

// Contrast is a world with no measures and with all.
type Contrast struct {
	Name  string `json:"name"`
	World World  `json:"world"`
	None  Row    `json:"none"`
	All   Row    `json:"all"`
	Ratio Ratios `json:"ratio"`
}

// Report is what [Run] found.
type Report struct {
	Days      int        `json:"days"`
	Seed      uint64     `json:"seed"`
	World     World      `json:"world"`
	Rows      []Row      `json:"measures"`
	Ratio     Ratios     `json:"ratio"` // of the row "all" to the row "none"
	Scenarios []Contrast `json:"scenarios,omitempty"`
}

// variant is a row to be measured.
type variant struct {
	name     string
	measures Measures
}

// The names of the rows that are compared.
const (
	rowNone = "none"
	rowAll  = "all"
)

// variants are the measures alone, all, and all but one.
func variants(all Measures) []variant {
	const tenth = 0.1
	list := []variant{
		{rowNone, Measures{}},
		{"shared connections", Measures{SharedConnections: all.SharedConnections}},
		{"coalescing", Measures{Coalesce: all.Coalesce}},
		{"cache", Measures{SharedCache: all.SharedCache}},
	}
	if all.SharedCache {
		list = append(list,
			variant{"cache, refresh of the hottest tenth", Measures{SharedCache: true, Refresh: min(tenth, all.Refresh)}},
			variant{"cache, refresh", Measures{SharedCache: true, Refresh: all.Refresh}})
	}
	list = append(list, variant{rowAll, all})
	but := func(name string, change func(*Measures)) {
		m := all
		change(&m)
		list = append(list, variant{"all " + name, m})
	}
	but("but shared connections", func(m *Measures) { m.SharedConnections = false })
	but("but coalescing", func(m *Measures) { m.Coalesce = false })
	but("but cache and refresh", func(m *Measures) { m.SharedCache, m.Refresh = false, 0 })
	but("but refresh", func(m *Measures) { m.Refresh = 0 })
	but("with refresh of the hottest tenth only", func(m *Measures) { m.Refresh = min(tenth, m.Refresh) })
	return list
}

// Scenario is another world, or other measures in it.
type Scenario struct {
	Name   string
	Change func(*World, *Measures)
}

// Scenarios are the cases that may be harder, and the assumptions that matter.
func Scenarios() []Scenario {
	return []Scenario{
		{"a tenth of the views, as many edits", func(w *World, _ *Measures) { w.Views /= 10 }},
		{"a hundredth of the views, as many edits", func(w *World, _ *Measures) { w.Views /= 100 }},
		{"a gadget that 1 reader of 10 uses", func(w *World, _ *Measures) { w.Adoption = 0.1 }},
		{"no lookups", func(w *World, _ *Measures) { w.Lookups = 0 }},
		{"lookups on 10 views of 100", func(w *World, _ *Measures) { w.Lookups = 0.1 }},
		{"lookups on 50 views of 100", func(w *World, _ *Measures) { w.Lookups = 0.5 }},
		{"URLs that name the revision", func(w *World, _ *Measures) { w.ByRevision = true }},
		{"browsers that keep nothing", func(w *World, _ *Measures) { w.BrowserLifetime = 0 }},
		{"no new pages", func(w *World, _ *Measures) { w.NewPages = 0 }},
		{"data kept for 5 minutes", func(w *World, _ *Measures) { w.DataLifetime = 5 * time.Minute }},
		{"refresh of the hotter half", func(_ *World, m *Measures) { m.Refresh = min(0.5, m.Refresh) }},
		{"popularity with exponent 0.6", func(w *World, _ *Measures) { w.Zipf = 0.6 }},
		{"popularity with exponent 1", func(w *World, _ *Measures) { w.Zipf = 1 }},
	}
}

// Run measures all rows. An error is one of the configuration.
func Run(c Config) (*Report, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	scenarios := Scenarios()
	if !c.Scenarios {
		scenarios = nil
	}
	done, total := 0, c.Days+len(scenarios)
	progress := func(name string) {
		done++
		if c.Progress != nil {
			c.Progress(done, total, name)
		}
	}

	report := &Report{Days: c.Days, Seed: c.Seed, World: c.World}
	rows := measure(c.World, variants(c.Measures), c.Seed, c.Days, func(n int) { progress(fmt.Sprint("day ", n)) })
	var none, all Row
	for _, row := range rows {
		switch row.Name {
		case rowNone:
			none = row
		case rowAll:
			all = row
		}
	}
	report.Rows, report.Ratio = rows, ratios(all, none)
	for _, s := range scenarios {
		world, measures := c.World, c.Measures
		s.Change(&world, &measures)
		pair := measure(world, []variant{{rowNone, Measures{}}, {rowAll, measures}}, c.Seed, max(leastDays, c.Days/2), nil)
		report.Scenarios = append(report.Scenarios, Contrast{s.Name, world, pair[0], pair[1], ratios(pair[1], pair[0])})
		progress(s.Name)
	}
	return report, nil
}

func (c Config) validate() error {
	if err := c.World.Validate(); err != nil {
		return err
	}
	if err := c.Measures.Validate(); err != nil {
		return err
	}
	if c.Days < 2 || c.Days > 1000 {
		return errors.New("days must be from 2 to 1000: one alone has no interval")
	}
	return nil
}

func ratios(a, base Row) Ratios {
	return Ratios{
		ratio(a.days[Times], base.days[Times]),
		ratio(a.days[Pages], base.days[Pages]),
		ratio(a.days[OtherPages], base.days[OtherPages]),
	}
}

// measure gets the rows of one world, each from the same days.
func measure(w World, list []variant, seed uint64, days int, progress func(n int)) []Row {
	sums := make([]sum, len(list))
	for n := range days {
		d := w.Day(seed + uint64(n))
		for i, v := range list {
			log := d.Serve(v.measures, seed+uint64(n))
			sums[i].add(log, d.Attack(log))
		}
		if progress != nil {
			progress(n + 1)
		}
	}
	rows := make([]Row, len(list))
	for i, v := range list {
		rows[i] = sums[i].row(v, float64(days))
	}
	return rows
}

// sum adds a row's days up.
type sum struct {
	days              [knowledges][]tally
	guesses           []Guess // for pages
	chance            float64
	asked, sent, hits int
	refreshed         float64
}

func (s *sum) add(log *Log, a *Attack) {
	for k := range knowledges {
		t := tally{all: float64(len(a.Guesses[k]))}
		for _, g := range a.Guesses[k] {
			if g.Right {
				t.right++
			}
		}
		s.days[k] = append(s.days[k], t)
	}
	s.guesses = append(s.guesses, a.Guesses[Pages]...)
	s.chance += a.Chance
	s.asked += log.Requests
	s.sent += log.Sent
	s.hits += log.Hits
	s.refreshed += log.Refresh
}

func (s *sum) row(v variant, days float64) Row {
	best, widest := thresholds(s.guesses)
	return Row{
		Name: v.name, Measures: v.measures,
		Precision: Precisions{precision(s.days[Times]), precision(s.days[Pages]), precision(s.days[OtherPages])},
		Best:      best,
		Sure:      widest,
		Chance:    s.chance / days,
		Edits:     len(s.guesses),
		Asked:     float64(s.asked) / days,
		Sent:      float64(s.sent) / days,
		Refreshed: s.refreshed / days,
		Hits:      float64(s.hits) / max(1, float64(s.asked)),
		days:      s.days,
	}
}
