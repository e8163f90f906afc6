package linkage

import (
	"errors"
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
	// nobody else asks for, such as a word typed in.
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
	case !(w.Views > 0 && w.Views <= 2e6), !(w.Edits > 0 && w.Edits <= 1e5):
		return errors.New("views must be above 0 and at most 2 million a day, edits above 0 and at most 100,000")
	case !(w.NewPages >= 0 && w.NewPages <= w.Edits):
		return errors.New("new pages must be from 0 to the number of edits")
	case w.Pages < 1 || w.Pages > 1e6:
		return errors.New("pages must be from 1 to 1 million")
	case !(w.Zipf >= 0 && w.Zipf <= 3):
		return errors.New("the exponent of the popularity must be from 0 to 3")
	case !share(w.Adoption), !share(w.Images), !share(w.Lookups):
		return errors.New("adoption, images and lookups must be shares from 0 to 1")
	case w.DataLifetime < 0, w.ImageLifetime < 0, w.BrowserLifetime < 0:
		return errors.New("lifetimes must not be negative")
	}
	return nil
}
