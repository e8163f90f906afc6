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
}

// AllMeasures has all measures on, and the paths of all pages refreshed.
func AllMeasures() Measures {
	return Measures{SharedConnections: true, Coalesce: true, SharedCache: true, Refresh: 1}
}

// Validate tells what is wrong with the measures, if anything.
func (m Measures) Validate() error {
	switch {
	case !(m.Refresh >= 0 && m.Refresh <= 1):
		return errors.New("the refreshed share must be from 0 to 1")
	case m.Refresh > 0 && !m.SharedCache:
		return errors.New("refreshing needs the shared cache")
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

// caused reports whether an entry was sent for a reader.
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
}

// answer is the tool's for a key.
type answer struct {
	line  int           // of the request in the log
	done  time.Duration // when it is there
	stale time.Duration // from when on it must be asked for anew
}

// edge is the proxy at work.
type edge struct {
	d       *Day
	m       Measures
	r       *rand.Rand
	log     *Log
	answers []answer // by key
	conns   []conn   // by reader
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
	e := &edge{d: d, m: m, r: rand.New(rand.NewPCG(seed, 2)), log: &Log{}, answers: make([]answer, len(d.keys))}
	if !m.SharedConnections {
		e.conns = make([]conn, d.readers)
	}
	if !m.SharedCache {
		e.log.Entries = make([]Entry, 0, len(d.Requests))
	}
	e.warm()
	for _, q := range d.Requests {
		e.request(q)
	}
	return e.log
}

// warm fills the cache as if days like this one had gone before: a key is asked
// for anew when its answer is stale and somebody comes, so it is fresh for the
// part lifetime/(lifetime + mean time to the next reader) of the time.
func (e *edge) warm() {
	refreshed := refreshedPages(e.d, e.m.Refresh)
	for key, info := range e.d.keys {
		e.answers[key] = answer{done: never, stale: never}
		lifetime := e.d.lifetime(Key(key)).Seconds()
		if !e.m.SharedCache || lifetime == 0 || info.edit >= 0 || int(info.page) >= e.d.World.Pages {
			continue
		}
		if e.m.Refresh > 0 && info.page < refreshed { // assets too
			e.answers[key].stale = math.MaxInt64
			e.log.Refresh += day.Seconds() / (lifetime * refreshAt)
			continue
		}
		share := 1 / viewsPerSession // of views that ask for the asset
		if info.page != noPage {
			share = e.d.views.share(int(info.page))
		}
		between := day.Seconds() / (e.d.World.Views * e.d.World.Adoption * share)
		if e.r.Float64() < lifetime/(lifetime+between) {
			e.answers[key].stale = -lead + time.Duration(e.r.Float64()*lifetime*float64(time.Second))
		}
	}
}

// refreshedPages is how many of the most read pages a share of them is.
func refreshedPages(d *Day, share float64) int32 {
	return int32(math.Ceil(share * float64(d.World.Pages)))
}

// inDay reports whether a time belongs to the day that is measured.
func inDay(at time.Duration) bool { return at >= 0 && at < day }

func (e *edge) request(q Request) {
	a := &e.answers[q.Key]
	hit := a.done <= q.At && q.At < a.stale
	joins := e.m.Coalesce && a.done > q.At
	switch {
	case hit:
	case joins:
		entry := &e.log.Entries[a.line]
		entry.others = append(entry.others, q.Reader)
	default:
		e.send(q)
	}
	if !inDay(q.At) {
		return
	}
	e.log.Requests++
	switch {
	case hit:
		e.log.Hits++
	case !joins:
		e.log.Sent++
	}
}

// send asks the tool. Of several answers on their way the first counts.
func (e *edge) send(q Request) {
	done := q.At + answering.draw(e.r)
	if a := &e.answers[q.Key]; a.done <= q.At || done < a.done {
		*a = answer{line: len(e.log.Entries), done: done, stale: done}
		if e.m.SharedCache {
			a.stale += e.d.lifetime(q.Key)
		}
	}
	e.log.Entries = append(e.log.Entries, Entry{At: q.At, Key: q.Key, Conn: e.conn(q), asker: q.Reader})
}

// conn is the connection over which a request goes.
func (e *edge) conn(q Request) int32 {
	if e.m.SharedConnections {
		return sharedConn
	}
	c := &e.conns[q.Reader]
	if !c.open || q.At-c.used > idleConnection {
		c.id, c.open = e.nextID, true
		e.nextID++
	}
	c.used = q.At
	return c.id
}
