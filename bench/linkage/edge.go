package linkage

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Measures are the proxy's defences against linking. The zero value is a proxy
// that takes the reader's headers away and does nothing else.
type Measures struct {
	// SharedConnections has no connection to the tool belong to a reader.
	SharedConnections bool `json:"shared_connections"`

	// Coalesce makes concurrent equal requests one.
	Coalesce bool `json:"coalesce"`

	// SharedCache keeps answers as long as the tool lets it, for all readers.
	SharedCache bool `json:"shared_cache"`

	// Refresh is the share of pages, the most read first, whose data and images
	// the edge asks for on a schedule, whoever reads them. It needs SharedCache.
	Refresh float64 `json:"refresh"`

	// Delay is the longest random delay before a request is sent. 0: none.
	Delay time.Duration `json:"delay_ns"`

	// Batch has data requests wait for the next tick of a clock with this period;
	// equal ones are sent as one. 0: none.
	Batch time.Duration `json:"batch_ns"`
}

// AllMeasures has all measures on, and the paths of all pages refreshed.
func AllMeasures() Measures {
	return Measures{
		SharedConnections: true, Coalesce: true, SharedCache: true, Refresh: 1,
		Delay: time.Second, Batch: time.Second,
	}
}

// Validate tells what is wrong with the measures, if anything.
func (m Measures) Validate() error {
	switch {
	case !(m.Refresh >= 0 && m.Refresh <= 1):
		return errors.New("the refreshed share must be from 0 to 1")
	case m.Refresh > 0 && !m.SharedCache:
		return errors.New("refreshing needs the shared cache")
	case m.Delay < 0 || m.Batch < 0:
		return errors.New("delays must not be negative")
	}
	return nil
}

// The tool and the edge's connections to it.
const (
	idleConnection = 90 * time.Second // as anonproxy's transport keeps them
	sharedConn     = -1

	// refreshAt is the part of a lifetime after which the refresher asks anew: from
	// nine tenths to nineteen twentieths.
	refreshAt = 0.925
)

var answering = lognormal{150 * time.Millisecond, 0.85} // the tool

// Entry is a line of the tool's log that a reader caused. Scheduled refreshes are
// in no log here: their owner knows the schedule and leaves them out.
type Entry struct {
	At   time.Duration
	Key  Key
	Conn int32 // sharedConn: says nothing

	asker  int32   // whose request it was
	others []int32 // who waited for the same
}

// caused tells whether an entry was sent for a reader.
func (e *Entry) caused(reader int32) bool {
	return e.asker == reader || slices.Contains(e.others, reader)
}

// Log is what a tool and its readers got of a day.
type Log struct {
	Entries  []Entry // by time
	Requests int     // that readers made within the day
	Sent     int     // of these, what the tool was asked
	Hits     int     // of the others, what the cache answered
	Refresh  float64 // scheduled requests a day, on top

	// What the measures added to the time in which readers are answered: for all
	// requests for what can be cached, and for all that were not hits. A hit adds
	// nothing, and saves the time that the tool takes.
	Cacheable, Missed Waits
}

// flight is a request on its way to the tool, or waiting to be sent.
type flight struct {
	entry  Entry
	sent   bool
	line   int           // in the log, once sent
	answer time.Duration // what the tool takes
	done   time.Duration
}

// edge is the proxy at work.
type edge struct {
	d       *Day
	m       Measures
	r       *rand.Rand
	log     *Log
	events  queue[*flight]
	free    []*flight       // to be used again
	flights []*flight       // by key
	fresh   []time.Duration // by key: until when the answer is fresh
	conns   []conn          // by reader
	nextID  int32
}

type conn struct {
	id   int32
	used time.Duration
	open bool
}

const never = time.Duration(math.MinInt64)

// Serve runs a day's requests through a proxy with these measures. The same seed
// gives the same log.
func (d *Day) Serve(m Measures, seed uint64) *Log {
	e := &edge{
		d: d, m: m, r: rand.New(rand.NewPCG(seed, 2)), log: &Log{},
		flights: make([]*flight, len(d.keys)), fresh: make([]time.Duration, len(d.keys)),
	}
	if !m.SharedConnections {
		e.conns = make([]conn, d.readers)
	}
	if !m.SharedCache {
		e.log.Entries = make([]Entry, 0, len(d.Requests))
	}
	e.warm()
	for _, q := range d.Requests {
		e.run(q.At)
		e.request(q)
	}
	e.run(math.MaxInt64)
	return e.log
}

// warm fills the cache as if days like this one had gone before: a key is asked
// for anew when its answer is stale and somebody comes, so it is fresh for the
// part lifetime/(lifetime + mean time to the next reader) of the time.
func (e *edge) warm() {
	refreshed := refreshedPages(e.d, e.m.Refresh)
	for key, info := range e.d.keys {
		e.fresh[key] = never
		lifetime := e.d.lifetime(Key(key)).Seconds()
		if !e.m.SharedCache || lifetime == 0 || info.edit >= 0 || int(info.page) >= e.d.World.Pages {
			continue
		}
		if e.m.Refresh > 0 && info.page < refreshed { // assets too
			e.fresh[key] = math.MaxInt64
			e.log.Refresh += day.Seconds() / (lifetime * refreshAt)
			continue
		}
		share := 1 / viewsPerSession // of views that ask for the asset
		if info.page != noPage {
			share = e.d.views.share(int(info.page))
		}
		between := day.Seconds() / (e.d.World.Views * e.d.World.Adoption * share)
		if e.r.Float64() < lifetime/(lifetime+between) {
			e.fresh[key] = -lead + time.Duration(e.r.Float64()*lifetime*float64(time.Second))
		}
	}
}

// refreshedPages is how many of the most read pages a share of them is.
func refreshedPages(d *Day, share float64) int32 {
	return int32(math.Ceil(share * float64(d.World.Pages)))
}

// inDay tells whether a time belongs to the day that is measured.
func inDay(at time.Duration) bool { return at >= 0 && at < day }

func (e *edge) request(q Request) {
	counts := inDay(q.At)
	if counts {
		e.log.Requests++
	}
	if e.fresh[q.Key] > q.At {
		if counts {
			e.log.Hits++
			e.log.Cacheable.add(0)
		}
		return
	}
	f := e.join(q)
	if f == nil {
		f = e.send(q)
		if counts {
			e.log.Sent++
		}
	}
	if counts {
		wait := max(0, f.done-q.At-f.answer)
		e.log.Missed.add(wait)
		if e.d.lifetime(q.Key) > 0 {
			e.log.Cacheable.add(wait)
		}
	}
}

// join finds a request on its way that will do for this one. A batch holds equal
// ones that weren't sent yet; coalescing takes those that were, too.
func (e *edge) join(q Request) *flight {
	f := e.flights[q.Key]
	if f == nil || !e.m.Coalesce && (f.sent || !e.batched(q.Key)) {
		return nil
	}
	f.entry.others = append(f.entry.others, q.Reader)
	return f
}

// batched tells whether a key's requests wait for the tick. Lookups are data too.
func (e *edge) batched(key Key) bool {
	kind := e.d.keys[key].kind
	return e.m.Batch > 0 && (kind == Data || kind == Lookup)
}

func (e *edge) send(q Request) *flight {
	at := q.At
	if e.m.Delay > 0 {
		at += uniform(e.r, 0, e.m.Delay)
	}
	if e.batched(q.Key) {
		at += lead // times before midnight are negative, and Truncate goes towards 0
		at = (at + e.m.Batch - 1).Truncate(e.m.Batch) - lead
	}
	f := e.newFlight()
	*f = flight{entry: Entry{At: at, Key: q.Key, Conn: sharedConn, asker: q.Reader}, answer: answering.draw(e.r)}
	f.done = at + f.answer
	e.flights[q.Key] = f
	e.events.push(at, f)
	return f
}

func (e *edge) newFlight() *flight {
	if len(e.free) == 0 {
		return new(flight)
	}
	last := len(e.free) - 1
	f := e.free[last]
	e.free = e.free[:last]
	return f
}

// run lets happen what happens up to a time.
func (e *edge) run(until time.Duration) {
	for {
		at, f, ok := e.events.popUntil(until)
		switch {
		case !ok:
			return
		case !f.sent:
			f.sent = true
			e.record(f)
			e.events.push(f.done, f)
		default:
			if e.m.SharedCache {
				if lifetime := e.d.lifetime(f.entry.Key); lifetime > 0 {
					e.fresh[f.entry.Key] = at + lifetime
				}
			}
			e.log.Entries[f.line].others = f.entry.others
			if e.flights[f.entry.Key] == f {
				e.flights[f.entry.Key] = nil
			}
			e.free = append(e.free, f)
		}
	}
}

// record writes the tool's log.
func (e *edge) record(f *flight) {
	if !e.m.SharedConnections {
		c := &e.conns[f.entry.asker]
		if !c.open || f.entry.At-c.used > idleConnection {
			c.id, c.open = e.nextID, true
			e.nextID++
		}
		c.used = f.entry.At
		f.entry.Conn = c.id
	}
	f.line = len(e.log.Entries)
	e.log.Entries = append(e.log.Entries, f.entry)
}
