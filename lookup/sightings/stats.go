package sightings

// Stats are a recorder's numbers for metrics.
type Stats struct {
	Written uint64 // values stored
	Failed  uint64 // values the store did not take
	Dropped uint64 // sightings not recorded because a queue was full or the store failed
	Queued  int    // first sightings waiting
	Over    uint64 // sightings not recorded because of the limits of their network
	Full    uint64 // entries not added to the index of a network's members because it has as many as one may
}

// Stats returns the recorder's numbers so far.
func (b *Recorder) Stats() Stats {
	return Stats{
		Written: b.commits.written.Load(),
		Failed:  b.commits.failed.Load(),
		Dropped: b.dropped.Load(),
		Queued:  len(b.fresh),
		Over:    b.over.Load(),
		Full:    b.index.full.Load(),
	}
}
