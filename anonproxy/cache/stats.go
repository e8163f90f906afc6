package cache

import "sync/atomic"

// Stats are counts since the cache was made, and what it holds now.
type Stats struct {
	Hits        uint64 // fresh answers from memory
	DiskHits    uint64 // fresh answers from disk
	Stale       uint64 // stale answers, while asking or because asking failed
	Misses      uint64 // fetches for readers, to revalidate included
	Revalidated uint64 // of which the tool said that nothing has changed
	Coalesced   uint64 // readers who followed another's fetch
	Passed      uint64 // answers that could not be stored
	Evicted     uint64
	Purged      uint64
	DiskErrors  uint64 // files that couldn't be written or read, damaged ones included

	Entries   int   // in memory
	Bytes     int64 // of memory for bodies, see Config.MaxBytes
	DiskFiles int
	DiskBytes int64
}

type stats struct {
	hits, diskHits, stale, misses, revalidated, coalesced, passed, evicted, purged atomic.Uint64
}

func (s *stats) count(r Result) {
	switch r {
	case Hit:
		s.hits.Add(1)
	case DiskHit:
		s.diskHits.Add(1)
	case Stale:
		s.stale.Add(1)
	}
}

// Stats returns the counts.
func (c *Cache) Stats() Stats {
	s := Stats{
		Hits: c.stats.hits.Load(), DiskHits: c.stats.diskHits.Load(), Stale: c.stats.stale.Load(), Misses: c.stats.misses.Load(),
		Revalidated: c.stats.revalidated.Load(), Coalesced: c.stats.coalesced.Load(), Passed: c.stats.passed.Load(),
		Evicted: c.stats.evicted.Load(), Purged: c.stats.purged.Load(),
		Entries: c.store.len(), Bytes: c.pool.used.Load(),
	}
	if c.disk.Load() != nil {
		s.DiskErrors = c.disk.Load().errors.Load()
		s.DiskFiles, s.DiskBytes = c.disk.Load().size()
	}
	return s
}

// Room is how many answers fit in at most, in memory and on disk.
func (c *Cache) Room() int {
	if c.disk.Load() != nil {
		return max(c.cfg.MaxEntries, c.cfg.DiskFiles)
	}
	return c.cfg.MaxEntries
}
