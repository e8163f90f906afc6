package linkage

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

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
