package linkage

import (
	"math"
	"sort"
	"time"
)

// Knowledge is what the adversary looks at, and what for.
type Knowledge uint8

const (
	// Times: which request was the editor's, by the log's times and connections alone.
	Times Knowledge = iota
	// Pages: as Times, and by the URLs, which say what page a request is about.
	Pages
	// OtherPages: as Pages, but only of requests for what the history doesn't tell
	// anyway: a page that the editor read and didn't edit, or a word that the editor
	// looked up.
	OtherPages
	knowledges
)

// Guess is what the adversary says of an edit: this request was the editor's.
type Guess struct {
	Confidence float64 // how likely the adversary thinks it, from 0 to 1
	Right      bool
}

// Attack is what the adversary makes of a day.
type Attack struct {
	// Guesses has one for each edit of the day, by knowledge: the likeliest
	// request. Where there is none it is a wrong guess of confidence 0.
	Guesses [knowledges][]Guess

	// Chance is how often a request drawn from those around the edit is right.
	Chance float64
}

// The adversary looks at requests from an hour before an edit to 10 minutes after it.
const (
	windowBefore = time.Hour
	windowAfter  = 10 * time.Minute

	// What an editor views next to an edit but not for it, and how near.
	otherViews = 1.5
	otherNear  = 430 * time.Second
)

// evidence is how likely an entry is if its reader is the editor, over how likely it
// is anyway: a ratio of rates.
type evidence struct {
	times, pages float64
	about        bool // the edited page
	tells        bool // something that the history doesn't
}

// attacker is the adversary, who knows the whole log, the whole history, and how the
// world and the measures work with all their numbers. A real tool's owner knows less.
type attacker struct {
	d     *Day
	log   []Entry
	byKey []int32
	rate  float64       // views a second by users of the gadget, on average
	sent  float64       // entries a second, on average
	last  time.Duration // from a save to the reload's request in the log, at most

	before [windowBefore / time.Second]float64                 // density of toSave
	near   [(windowBefore + windowAfter) / time.Second]float64 // of the other views

	found   []evidence // of the edit at work, by entry of its window
	ofConn  []evidence // the same, added up by connection
	touched []int32
}

// Attack guesses at each edit of the day.
func (d *Day) Attack(log *Log) *Attack {
	a := newAttacker(d, log)
	result, judged := &Attack{}, 0.0
	for i, edit := range d.Edits {
		if !inDay(edit.At) {
			continue
		}
		window := a.window(edit)
		a.weigh(window, edit, int32(i))
		for k := range knowledges {
			result.Guesses[k] = append(result.Guesses[k], a.guess(window, edit, k))
		}
		own := 0
		for i := range window {
			if window[i].caused(edit.Reader) {
				own++
			}
		}
		result.Chance += float64(own) / float64(max(1, len(window)))
		judged++
	}
	result.Chance /= max(1, judged)
	return result
}

func newAttacker(d *Day, log *Log) *attacker {
	span := (day + 2*lead).Seconds()
	a := &attacker{
		d: d, log: log.Entries, byKey: make([]int32, len(d.keys)),
		rate: d.World.Views * d.World.Adoption / day.Seconds(),
		sent: float64(len(log.Entries)) / span,
		last: reloadMax + gadgetMax + historyResolution,
	}
	conns := int32(0)
	for i := range a.log {
		a.byKey[a.log[i].Key]++
		conns = max(conns, a.log[i].Conn+1)
	}
	a.ofConn = make([]evidence, conns)
	for i := range a.before {
		a.before[i] = toSave.density(time.Duration(i)*time.Second + time.Second/2)
	}
	for i := range a.near {
		off := (windowBefore - time.Duration(i)*time.Second).Abs().Seconds() / otherNear.Seconds()
		a.near[i] = otherViews * math.Exp(-off) / (2 * otherNear.Seconds())
	}
	return a
}

// window are the entries around an edit.
func (a *attacker) window(edit Edit) []Entry {
	from := sort.Search(len(a.log), func(i int) bool { return a.log[i].At >= edit.At-windowBefore })
	to := sort.Search(len(a.log), func(i int) bool { return a.log[i].At >= edit.At+windowAfter })
	return a.log[from:to]
}

// weigh fills in found and ofConn.
func (a *attacker) weigh(window []Entry, edit Edit, number int32) {
	for _, c := range a.touched {
		a.ofConn[c] = evidence{}
	}
	a.touched, a.found = a.touched[:0], a.found[:0]
	busy := activity(edit.At)
	for i := range window {
		e := &window[i]
		v := a.evidence(e, edit, number, busy)
		a.found = append(a.found, v)
		if e.Conn != sharedConn {
			if a.ofConn[e.Conn].times == 0 {
				a.touched = append(a.touched, e.Conn)
			}
			a.ofConn[e.Conn].times += v.times
			a.ofConn[e.Conn].pages += v.pages
		}
	}
}

func (a *attacker) evidence(e *Entry, edit Edit, number int32, busy float64) evidence {
	info := a.d.keys[e.Key]
	offset := e.At - edit.At
	near := a.near[(offset+windowBefore)/time.Second]
	before := 0.0
	if offset < 0 {
		before = a.before[(-offset-1)/time.Second]
	}
	rate := a.rate * busy

	v := evidence{about: info.page == edit.Page, tells: info.kind != Asset}
	// By time alone: the view before the edit and those around it come at the rate
	// at which views come, cached or not; the reload has to be sent to be seen.
	v.times = (near+before)/rate + a.reload(offset, edit.Created || a.d.World.ByRevision)/(a.sent*busy)
	switch {
	case v.about:
		fresh := edit.Created || info.edit == number
		others := (float64(a.byKey[e.Key]-1) + 0.5) / (day + 2*lead).Seconds()
		v.pages = (before + a.reload(offset, fresh)) / (others * busy)
	case info.kind == Lookup: // on any view, also that before the edit and the reload
		soon := 0.0
		if offset >= 0 && offset < a.last+lookupMax {
			soon = 1 / (a.last + lookupMax).Seconds()
		}
		v.pages = (near + before + soon) / rate
	case info.kind == Asset:
		v.pages = (near + before) / rate
	default:
		v.pages = near / rate
	}
	return v
}

// reload is the density of the request that the page's reload after a save makes,
// if it must make one: browsers ask only for what they don't hold.
func (a *attacker) reload(offset time.Duration, fresh bool) float64 {
	first := reloadMin + gadgetMin
	if !fresh && a.d.World.BrowserLifetime > 0 || offset < first || offset > a.last {
		return 0
	}
	return 1 / (a.last - first).Seconds()
}

// guess picks the likeliest entry: of the likeliest connection, where connections
// say something.
func (a *attacker) guess(window []Entry, edit Edit, k Knowledge) Guess {
	best, bestTotal, bestOwn := -1, 0.0, 0.0
	for i := range window {
		v := a.found[i]
		if k == OtherPages && (v.about || !v.tells) {
			continue
		}
		total := v
		if c := window[i].Conn; c != sharedConn {
			total = a.ofConn[c]
		}
		own, all := v.pages, total.pages
		if k == Times {
			own, all = v.times, total.times
		}
		if all > bestTotal || all == bestTotal && own > bestOwn {
			best, bestTotal, bestOwn = i, all, own
		}
	}
	if best < 0 {
		return Guess{}
	}
	return Guess{Confidence: bestTotal / (1 + bestTotal), Right: window[best].caused(edit.Reader)}
}
