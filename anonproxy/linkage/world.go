package linkage

import (
	"cmp"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// World is a wiki, its readers and their gadgets. Start from [DefaultWorld]; the
// package's documentation says where its figures are from.
type World struct {
	// Views of pages a day.
	Views float64 `json:"views"`

	// Edits a day.
	Edits float64 `json:"edits"`

	// NewPages is how many of the edits create a page.
	NewPages float64 `json:"new_pages"`

	// Pages there are at the day's start.
	Pages int `json:"pages"`

	// Zipf is the exponent of the pages' popularity.
	Zipf float64 `json:"zipf"`

	// Adoption is the share of readers, editors among them, who use the gadgets.
	Adoption float64 `json:"adoption"`

	// Images is the share of pages with an image from the tool.
	Images float64 `json:"images"`

	// Lookups is the share of views on which the reader asks for something that
	// nobody else asks for, such as a word that he typed.
	Lookups float64 `json:"lookups"`

	// ByRevision has the gadget name the revision, and not only the page, so that
	// each edit makes a URL that nobody asked for before.
	ByRevision bool `json:"by_revision"`

	// DataLifetime and ImageLifetime are how long the tool lets answers be kept.
	DataLifetime  time.Duration `json:"data_lifetime_ns"`
	ImageLifetime time.Duration `json:"image_lifetime_ns"`

	// BrowserLifetime bounds how long the readers' browsers keep them. 0: not at all.
	BrowserLifetime time.Duration `json:"browser_lifetime_ns"`
}

// DefaultWorld is a middling wiki with a gadget for all readers.
func DefaultWorld() World {
	return World{
		Views: 2108016.0 / 30, Edits: 3133.0 / 30, NewPages: 3, Pages: 15831,
		Zipf: 0.8, Adoption: 1, Images: 0.25, Lookups: 0.02,
		DataLifetime: 4 * time.Hour, ImageLifetime: day, BrowserLifetime: time.Hour,
	}
}

// How readers and editors spend their time. The attacker knows all of this.
const (
	viewsPerSession   = 1.5
	editsPerSession   = 3.0
	editSpread        = 1.5 // sigma of the edits a page gets
	samePage          = 0.5 // of a session's further edits
	reloadMin         = 300 * time.Millisecond
	reloadMax         = 2 * time.Second // from the save to the page being shown anew
	gadgetMin         = 100 * time.Millisecond
	gadgetMax         = 400 * time.Millisecond // from there to the gadget's requests
	lookupMin         = time.Second
	lookupMax         = 20 * time.Second
	lead              = 2 * time.Hour // simulated before the day, and after it
	maxBetween        = lead          // longest stay on a page, or time to a save
	historyResolution = time.Second
)

var (
	stay   = lognormal{25 * time.Second, 1.6}
	toSave = lognormalOfMean(430*time.Second, 1.2)
)

// Kind is what a request is for.
type Kind uint8

// What gadgets ask for.
const (
	Asset  Kind = iota // the gadget's own style sheet: one for all pages
	Image              // a picture on a page
	Data               // what is known of a page
	Lookup             // what a reader typed: unlike all others
	kinds
)

// Key is a URL, by number.
type Key int32

const noPage = -1

// keyInfo is what anybody can tell from a URL.
type keyInfo struct {
	kind Kind
	page int32 // noPage: says nothing of a page
	edit int32 // the edit that made the revision that is named, or -1
}

// Request is what a reader's browser asks of the edge.
type Request struct {
	At     time.Duration
	Reader int32 // the mask
	Key    Key
}

// Edit is a line of the wiki's public history.
type Edit struct {
	At      time.Duration // as published: in whole seconds
	Page    int32
	Reader  int32 // the mask
	Created bool  // the page is new
}

// Day is what happens on a wiki from a bit before midnight to a bit after the
// next. Edits in those margins are not attacked.
type Day struct {
	World    World
	Requests []Request // by time
	Edits    []Edit    // by time

	keys    []keyInfo
	views   weighted
	readers int32
}

// Validate tells what is wrong with a world, if anything.
func (w World) Validate() error {
	share := func(x float64) bool { return x >= 0 && x <= 1 }
	switch {
	case !(w.Views > 0 && w.Views <= 1e8), !(w.Edits > 0 && w.Edits <= 1e6):
		return errors.New("views and edits must be above 0, and at most 100 and 1 million a day")
	case !(w.NewPages >= 0 && w.NewPages <= w.Edits):
		return errors.New("new pages must be from 0 to the number of edits")
	case w.Pages < 1 || w.Pages > 1e7:
		return errors.New("pages must be from 1 to 10 million")
	case !(w.Zipf >= 0 && w.Zipf <= 3):
		return errors.New("the exponent of the popularity must be from 0 to 3")
	case !share(w.Adoption), !share(w.Images), !share(w.Lookups):
		return errors.New("adoption, images and lookups must be shares from 0 to 1")
	case w.DataLifetime < 0, w.ImageLifetime < 0, w.BrowserLifetime < 0:
		return errors.New("lifetimes must not be negative")
	}
	return nil
}

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

// held is an answer in a browser.
type held struct {
	key   Key
	until time.Duration
}

// dayWriter turns visits into what the edge is asked and the history tells.
type dayWriter struct {
	day      *Day
	r        *rand.Rand
	dataKey  []Key    // by page
	imageKey []Key    // by page; 0: none
	browsers [][]held // by reader; nil for who has not come yet
	outsider []bool   // uses no gadget
}

func (m *dayMaker) requests() *Day {
	d := &Day{World: m.w, views: m.views, readers: m.readers}
	wr := &dayWriter{
		day: d, r: m.r, dataKey: make([]Key, m.pages), imageKey: make([]Key, m.pages),
		browsers: make([][]held, m.readers), outsider: make([]bool, m.readers),
	}
	for i := range wr.outsider {
		wr.outsider[i] = m.r.Float64() >= m.w.Adoption
	}
	wr.newKey(Asset, noPage, -1) // is key 0
	images := 0
	for p := range m.pages {
		wr.dataKey[p] = wr.newKey(Data, p, -1)
		if float64(images) < float64(p+1)*m.w.Images {
			images++
			wr.imageKey[p] = wr.newKey(Image, p, -1)
		}
	}
	d.Requests = make([]Request, 0, 2*len(m.visits))
	for _, v := range m.visits {
		if v.save {
			wr.save(v)
		} else {
			wr.view(v)
		}
	}
	slices.SortStableFunc(d.Requests, func(a, b Request) int { return cmp.Compare(a.At, b.At) })
	return d
}

func (wr *dayWriter) newKey(kind Kind, page, edit int32) Key {
	wr.day.keys = append(wr.day.keys, keyInfo{kind, page, edit})
	return Key(len(wr.day.keys) - 1)
}

// save tells the history. Truncate goes towards 0, and would put what is before
// midnight after its time.
func (wr *dayWriter) save(v visit) {
	d := wr.day
	if d.World.ByRevision {
		wr.dataKey[v.page] = wr.newKey(Data, v.page, int32(len(d.Edits)))
	}
	d.Edits = append(d.Edits, Edit{(v.at + lead).Truncate(historyResolution) - lead, v.page, v.reader, v.created})
}

func (wr *dayWriter) view(v visit) {
	if wr.outsider[v.reader] {
		return
	}
	at := v.at + uniform(wr.r, gadgetMin, gadgetMax)
	wr.ask(v.reader, at, 0)
	wr.ask(v.reader, at, wr.dataKey[v.page])
	if image := wr.imageKey[v.page]; image != 0 {
		wr.ask(v.reader, at, image)
	}
	if wr.r.Float64() < wr.day.World.Lookups {
		wr.ask(v.reader, at+uniform(wr.r, lookupMin, lookupMax), wr.newKey(Lookup, noPage, -1))
	}
}

// ask asks the edge for what the reader's browser doesn't hold.
func (wr *dayWriter) ask(reader int32, at time.Duration, key Key) {
	d := wr.day
	keep := min(d.World.BrowserLifetime, d.lifetime(key))
	if keep > 0 {
		for i, h := range wr.browsers[reader] {
			if h.key == key {
				if at < h.until {
					return
				}
				wr.browsers[reader] = slices.Delete(wr.browsers[reader], i, i+1)
				break
			}
		}
		wr.browsers[reader] = append(wr.browsers[reader], held{key, at + keep})
	}
	d.Requests = append(d.Requests, Request{at, reader, key})
}

// lifetime is how long the answer for a key may be kept.
func (d *Day) lifetime(key Key) time.Duration {
	switch d.keys[key].kind {
	case Data:
		return d.World.DataLifetime
	case Image, Asset:
		return d.World.ImageLifetime
	default:
		return 0
	}
}
