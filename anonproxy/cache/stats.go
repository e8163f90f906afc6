package cache

import "sync/atomic"

// Stats are counts since the cache was made, and what it holds now.
type Stats struct {
	Hits        uint64 // fresh answers
	Stale       uint64 // stale answers, while asking or because asking failed
	Misses      uint64 // fetches for readers, to revalidate included
	Revalidated uint64 // of which the tool said that nothing has changed
	Coalesced   uint64 // readers who followed another's fetch
	Passed      uint64 // answers that could not be stored
	Evicted     uint64
	Purged      uint64

	Entries int
	Bytes   int64 // of memory for bodies, see Config.MaxBytes
}

type stats struct {
	hits, stale, misses, revalidated, coalesced, passed, evicted, purged atomic.Uint64
}

func (s *stats) count(r Result) {
	switch r {
	case Hit:
		s.hits.Add(1)
	case Stale:
		s.stale.Add(1)
	}
}

// Stats returns the counts.
func (c *Cache) Stats() Stats {
	return Stats{
		Hits: c.stats.hits.Load(), Stale: c.stats.stale.Load(), Misses: c.stats.misses.Load(),
		Revalidated: c.stats.revalidated.Load(), Coalesced: c.stats.coalesced.Load(), Passed: c.stats.passed.Load(),
		Evicted: c.stats.evicted.Load(), Purged: c.stats.purged.Load(),
		Entries: c.store.len(), Bytes: c.pool.used.Load(),
	}
}

// Room is how many answers fit in at most.
func (c *Cache) Room() int { return c.cfg.MaxEntries }
