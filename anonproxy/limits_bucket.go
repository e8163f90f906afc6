package anonproxy

import (
	"sync"
	"time"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// bucket counts against a rate: so many at once, refilled evenly. It keeps but the
// moment at which it is full again (GCRA), so that the rate may change under it, as
// in a reload, and what wasn't used can be given back, which rate.Limiter can't do.
// It is safe for concurrent use.
type bucket struct {
	mu   sync.Mutex
	full time.Time
}

// step is the time in which one is refilled; 0 where the rate limits nothing.
func step(r noticeboard.Rate) time.Duration {
	if r.Count < 1 || r.Per <= 0 {
		return 0
	}
	return r.Per / time.Duration(r.Count)
}

// missing is the time until the bucket is full, at most twice what it holds: a
// rate that is raised must not leave a debt of the time before. mu is held.
func (b *bucket) missing(r noticeboard.Rate, now time.Time) time.Duration {
	if most := now.Add(2 * step(r) * time.Duration(r.Count)); b.full.After(most) {
		b.full = most
	}
	return max(0, b.full.Sub(now))
}

// wait is the time until there is one to take.
func (b *bucket) wait(r noticeboard.Rate, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return untilOne(r, b.missing(r, now))
}

func untilOne(r noticeboard.Rate, missing time.Duration) time.Duration {
	return max(0, missing+step(r)-step(r)*time.Duration(r.Count))
}

// take takes one, or tells how long to wait.
func (b *bucket) take(r noticeboard.Rate, now time.Time) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	missing := b.missing(r, now)
	if wait = untilOne(r, missing); wait == 0 {
		b.full = now.Add(missing + step(r))
	}
	return wait
}

// owe takes one that may not be there.
func (b *bucket) owe(r noticeboard.Rate, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.full = now.Add(b.missing(r, now) + step(r))
}

// giveBack undoes so many takes.
func (b *bucket) giveBack(r noticeboard.Rate, takes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.full = b.full.Add(-step(r) * time.Duration(takes))
}

// isRate reports whether a rate is one that could be read, or none.
func isRate(r noticeboard.Rate) bool {
	if r == (noticeboard.Rate{}) {
		return true
	}
	_, err := noticeboard.ParseRate(r.String())
	return err == nil
}
