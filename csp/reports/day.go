package reports

import (
	"maps"
	"time"
)

// maxWriters is how many processes a day remembers, to see what it has already.
const maxWriters = 64

// A day is all that is kept of one, in UTC. Days of several processes add up.
type day struct {
	groups *summary // by all of a Report
	// origins leaves Gadget and Page out: what a page or a file of its own causes
	// everywhere is one key here, and many above.
	origins *summary
	views   series
	// enforced are those of views on which the policy was enforced.
	enforced series
	reports  series
	counts   counts
	writers  map[string]written
}

// counts are numbers by class and reason.
type counts map[class]map[Reason]uint64

type class string

// Classes of counts.
const (
	classNoise   class = "noise"
	classBad     class = "bad"
	classRefused class = "refused"
	classLimited class = "limited"
)

func (c counts) add(of class, reason Reason, n uint64) {
	if n == 0 {
		return
	}
	if c[of] == nil {
		c[of] = make(map[Reason]uint64)
	}
	c[of][reason] += n
}

func (c counts) merge(o counts) {
	for of, reasons := range o {
		for reason, n := range reasons {
			c.add(of, reason, n)
		}
	}
}

// written is the last that a process has written.
type written struct {
	Sequence uint64 `json:"sequence"`
	Unix     int64  `json:"unix"`
}

func newDay(limit int) *day {
	return &day{
		groups: newSummary(limit), origins: newSummary(limit),
		counts: make(counts), writers: make(map[string]written),
	}
}

func (d *day) add(r Report, unix int64) {
	d.groups.add(r, unix)
	r.Gadget, r.Page = "", ""
	d.origins.add(r, unix)
	d.reports.add(hourOf(unix), 1)
}

func (d *day) merge(o *day) {
	d.groups.merge(o.groups)
	d.origins.merge(o.origins)
	d.views.merge(o.views)
	d.enforced.merge(o.enforced)
	d.reports.merge(o.reports)
	d.counts.merge(o.counts)
}

// mergeOnce merges what a process sends, unless it is there already: the answer to a
// first try may have been lost on its way. It reports whether anything changed.
func (d *day) mergeOnce(writer string, sequence uint64, now time.Time, o *day) bool {
	if d.writers[writer].Sequence >= sequence {
		return false
	}
	d.merge(o)
	d.writers[writer] = written{sequence, now.Unix()}
	for len(d.writers) > maxWriters {
		oldest := writer
		for w := range maps.Keys(d.writers) {
			if d.writers[w].Unix < d.writers[oldest].Unix {
				oldest = w
			}
		}
		if oldest == writer {
			break
		}
		delete(d.writers, oldest)
	}
	return true
}

func dayName(t time.Time) string { return t.UTC().Format(time.DateOnly) }
