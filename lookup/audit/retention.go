package audit

import (
	"context"
	"fmt"
	"iter"
	"time"
)

const (
	// pruneEvery bounds how much longer than the retention an entry is kept.
	pruneEvery = time.Hour
	// maxPrune bounds how long one deletion holds up appends.
	maxPrune = 10_000
)

// Prune deletes now what is older than the retention, and returns how many entries
// it was. The log does this by itself every hour.
func (l *Log) Prune(ctx context.Context) (pruned uint64, err error) {
	err = l.do(ctx, func() error {
		pruned, err = l.prune()
		return err
	})
	return pruned, err
}

func (l *Log) pruneAll() {
	if _, err := l.prune(); err != nil {
		l.config.Report(err)
	}
}

func (l *Log) prune() (pruned uint64, err error) {
	before := l.config.Passed().Add(-time.Duration(l.retention.Load()))
	for {
		s := *l.current.Load()
		base, err := l.oldest(s, before)
		if err != nil {
			return pruned, fmt.Errorf("pruning the audit log: %w", err)
		}
		n := base.entries - s.start().entries
		if n == 0 {
			return pruned, nil
		}
		s.base = &base
		if err := l.store(s, func(data []byte) error { return l.config.Store.Prune(base.entries, data) }); err != nil {
			return pruned, fmt.Errorf("pruning the audit log: %w", err)
		}
		pruned += n
	}
}

// oldest follows the chain through entries from before a time, up to the first that
// is not: after a clock went backwards an older one may lie behind it, and waits.
func (l *Log) oldest(s state, before time.Time) (chain, error) {
	at := s.start()
	limit := at.entries + maxPrune
	err := l.config.Store.View(at.entries+1, func(_ []byte, records iter.Seq2[uint64, []byte]) error {
		for n, data := range records {
			r, err := decodeRecord(data)
			if err != nil || r.sequence != at.entries+1 || r.previous != at.last {
				return &TamperError{Sequence: n, What: "it does not continue the one before it"}
			}
			if !r.time.Before(before) || at.entries == limit {
				return nil
			}
			at = at.extend(r.action, data, nil)
		}
		return nil
	})
	return at, err
}
