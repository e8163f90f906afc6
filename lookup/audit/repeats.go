package audit

import (
	"crypto/sha256"
	"maps"
	"time"
)

// maxRepeats bounds the memory of what was written today, about 20 MB. Beyond it,
// repetitions are written again.
const maxRepeats = 100_000

const day = 24 * time.Hour

// repeats remembers what was written today (UTC), so that it is written once.
type repeats struct {
	day  time.Time
	seen map[Hash]Receipt
}

func (r *repeats) reset(now time.Time) {
	r.day = now.UTC().Truncate(day)
	r.seen = make(map[Hash]Receipt)
}

// turn begins a new day if it is one. A clock that goes backwards begins one too,
// and some things are written twice.
func (r *repeats) turn(now time.Time) {
	if !r.current(now) {
		r.reset(now)
	}
}

// current reports whether a time is of the day.
func (r *repeats) current(t time.Time) bool { return t.UTC().Truncate(day).Equal(r.day) }

func (r *repeats) add(e Entry, receipt Receipt) {
	if e.Action.repeats() && len(r.seen) < maxRepeats {
		if _, ok := r.seen[repeatKey(e)]; !ok {
			r.seen[repeatKey(e)] = receipt
		}
	}
}

func (r *repeats) addAll(added map[Hash]Receipt) {
	if len(r.seen)+len(added) <= maxRepeats {
		maps.Copy(r.seen, added)
	}
}

// repeatKey is the same for entries of the same performer, action, reason and set of masks.
func repeatKey(e Entry) Hash {
	b := appendString(appendString([]byte{byte(e.Action)}, e.Performer), e.Reason)
	for _, m := range e.Masks {
		as16 := m.As16()
		b = append(b, as16[:]...)
	}
	return sha256.Sum256(b)
}
