package reports

import (
	"slices"
	"strings"
)

// A summary counts keys in bounded memory, as Misra and Gries do. Each key has a weight.
// When there are more than twice limit keys, the weight of the limit+1st heaviest is
// subtracted from all, and keys that are left with none go. Besides its weight a key
// has what was really seen of it, which is exact as long as the key has stayed in.
//
// With N reports in all, lost is at most N/(limit+1), also after any merges
// (Agarwal et al., Theorem 1). A key that is not in the summary was seen at most lost
// times, and one that is at most seen+missed times.
type summary struct {
	limit   int
	entries map[Report]*entry
	lost    uint64
}

type entry struct {
	seen   uint64
	missed uint64 // at most, before the key came in
	weight uint64
	first  int64 // Unix time in seconds
	last   int64
	hours  series
}

func newSummary(limit int) *summary {
	return &summary{limit: limit, entries: make(map[Report]*entry)}
}

func (s *summary) add(key Report, unix int64) {
	e := s.entries[key]
	if e == nil {
		e = s.insert(key, entry{missed: s.lost, first: unix, last: unix})
	}
	e.seen++
	e.weight++
	e.first, e.last = min(e.first, unix), max(e.last, unix)
	e.hours.add(hourOf(unix), 1)
	s.prune()
}

// insert puts a new key in. Its texts are cut out of whole URLs, which must not
// stay in memory with them.
func (s *summary) insert(key Report, e entry) *entry {
	key.Directive = strings.Clone(key.Directive)
	key.Blocked = strings.Clone(key.Blocked)
	key.Gadget = strings.Clone(key.Gadget)
	key.Page = strings.Clone(key.Page)
	s.entries[key] = &e
	return &e
}

// merge adds what another summary counted, which stays as it is.
func (s *summary) merge(o *summary) {
	if o.lost > 0 {
		for key, e := range s.entries {
			if o.entries[key] == nil {
				e.missed += o.lost
			}
		}
	}
	for key, add := range o.entries {
		e := s.entries[key]
		if e == nil {
			e = s.insert(key, entry{missed: s.lost, first: add.first, last: add.last})
		}
		e.seen += add.seen
		e.missed += add.missed
		e.weight += add.weight
		e.first, e.last = min(e.first, add.first), max(e.last, add.last)
		e.hours.merge(add.hours)
	}
	s.lost += o.lost
	s.prune()
}

func (s *summary) prune() {
	if len(s.entries) <= 2*s.limit {
		return
	}
	weights := make([]uint64, 0, len(s.entries))
	for _, e := range s.entries {
		weights = append(weights, e.weight)
	}
	slices.Sort(weights)
	off := weights[len(weights)-1-s.limit]
	for key, e := range s.entries {
		if e.weight > off {
			e.weight -= off
			continue
		}
		delete(s.entries, key)
	}
	s.lost += off
}
