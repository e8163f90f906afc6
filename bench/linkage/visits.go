package linkage

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// visit is a view of a page, or the save of an edit.
type visit struct {
	at      time.Duration
	reader  int32
	page    int32
	save    bool
	created bool
}

// dayMaker plans the visits of a day.
type dayMaker struct {
	w       World
	r       *rand.Rand
	visits  []visit
	readers int32
	pages   int32 // new ones included
	views   weighted
	edits   weighted
}

// Day makes a day. The same seed makes the same day.
func (w World) Day(seed uint64) *Day {
	r := rand.New(rand.NewPCG(seed, 1))
	m := &dayMaker{w: w, r: r, pages: int32(w.Pages)}
	m.views = newWeighted(w.Pages, func(i int) float64 { return math.Pow(float64(i+1), -w.Zipf) })
	m.edits = newWeighted(w.Pages, func(int) float64 { return math.Exp(editSpread * r.NormFloat64()) })

	days := float64(day+2*lead) / float64(day)
	for range poisson(r, w.Views*days/viewsPerSession) {
		m.readerSession()
	}
	for range poisson(r, w.Edits*days/editsPerSession) {
		m.editorSession()
	}
	slices.SortStableFunc(m.visits, func(a, b visit) int { return cmp.Compare(a.at, b.at) })
	return m.requests()
}

func (m *dayMaker) start() (reader int32, at time.Duration) {
	m.readers++
	return m.readers - 1, when(m.r, -lead, day+lead)
}

func (m *dayMaker) view(reader int32, at time.Duration, page int32) {
	m.visits = append(m.visits, visit{at: at, reader: reader, page: page})
}

// browse views pages as readers do, and returns when the last is left.
func (m *dayMaker) browse(reader int32, at time.Duration, n int) time.Duration {
	for range n {
		m.view(reader, at, int32(m.views.draw(m.r)))
		at += min(stay.draw(m.r), maxBetween)
	}
	return at
}

func (m *dayMaker) readerSession() {
	reader, at := m.start()
	m.browse(reader, at, geometric(m.r, viewsPerSession))
}

func (m *dayMaker) editorSession() {
	reader, at := m.start()
	page, seen := int32(noPage), false
	for range geometric(m.r, editsPerSession) {
		created := m.r.Float64() < m.w.NewPages/m.w.Edits
		switch {
		case created:
			page = m.pages
			m.pages++
		case page == noPage || m.r.Float64() >= samePage:
			page, seen = int32(m.edits.draw(m.r)), false
		}
		if !seen {
			at = m.browse(reader, at, geometric(m.r, viewsPerSession)-1)
			if !created {
				m.view(reader, at, page)
			}
		}
		at += min(toSave.draw(m.r), maxBetween)
		m.visits = append(m.visits, visit{at, reader, page, true, created})
		at += uniform(m.r, reloadMin, reloadMax)
		m.view(reader, at, page)
		seen = true
	}
}
