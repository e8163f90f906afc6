package cache

import (
	"context"
	"time"
)

// Refreshed is what became of a [Cache.Refresh].
type Refreshed struct {
	// Status is the tool's, 304 included; 0 where it gave none.
	Status int

	// Kept is set where the answer is stored now.
	Kept bool

	// Fresh is how much longer the stored answer is fresh.
	Fresh time.Duration
}

// Refresh asks the tool for a key at once, whatever is stored, and stores the answer.
// Whether the tool is asked doesn't depend on what readers did; what is stored serves
// them meanwhile, and those who would have to wait follow this fetch.
//
// Where serve isn't nil, it is told how long the new answer is fresh, and returns
// for how long after that it still serves, without asking the tool, for who
// refreshes asks anyway. Answers that must not be served stale (must-revalidate,
// proxy-revalidate, s-maxage, no-cache) never are.
//
// An error is that of fetch. Where ctx ends first it is the context's, and the
// fetch goes on.
func (c *Cache) Refresh(ctx context.Context, key Key, fetch Fetch, serve func(fresh time.Duration) time.Duration) (Refreshed, error) {
	f, err := c.startRefresh(key, fetch, serve)
	if err != nil {
		return Refreshed{}, err
	}
	select {
	case <-f.done:
		return f.told, f.err
	case <-ctx.Done():
		return Refreshed{}, context.Cause(ctx)
	}
}

func (c *Cache) startRefresh(key Key, fetch Fetch, serve func(time.Duration) time.Duration) (*flight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.startWith(key, fetch, func(f *flight) {
		f.background, f.scheduled, f.serve, f.done = true, true, serve, make(chan struct{})
		if c.flights[f.key] == nil {
			c.flights[f.key] = f
		}
	})
}

// hold puts how long an answer serves after its lifetime.
func (f *flight) hold(o *object) {
	if f.serve != nil && !o.policy.neverStale && !o.policy.validate {
		o.heldFor = max(0, f.serve(o.fresh(time.Now())))
	}
}

// fresh is how much longer an answer is fresh.
func (o *object) fresh(now time.Time) time.Duration { return max(0, o.policy.lifetime-o.age(now)) }
