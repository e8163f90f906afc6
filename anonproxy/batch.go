package anonproxy

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
)

// batch lets requests go together at the end of windows of time, in random order.
// When a window ends depends on the clock alone, and not on any request.
type batch struct {
	window time.Duration

	mu      sync.Mutex
	waiting map[chan struct{}]struct{} // closed to let go
}

func newBatch(window time.Duration) *batch {
	return &batch{window: window, waiting: make(map[chan struct{}]struct{})}
}

// wait waits for the end of the window, and returns false where ctx ends first.
func (b *batch) wait(ctx context.Context) bool {
	place := make(chan struct{})
	b.mu.Lock()
	b.waiting[place] = struct{}{}
	if len(b.waiting) == 1 {
		time.AfterFunc(b.left(time.Now()), b.release)
	}
	b.mu.Unlock()
	select {
	case <-place:
		return true
	case <-ctx.Done():
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.waiting, place)
		return false
	}
}

// left is how long the window that a time is in still lasts.
func (b *batch) left(now time.Time) time.Duration {
	spent := now.Sub(now.Truncate(b.window))
	return (b.window - spent) % b.window
}

// release lets go all who wait. Nothing of the order in which they came is left.
func (b *batch) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	places := make([]chan struct{}, 0, len(b.waiting))
	for place := range b.waiting {
		places = append(places, place)
	}
	clear(b.waiting)
	rand.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
	for _, place := range places {
		close(place)
	}
}

// sharing is the cache that makes equal requests one, or nil: the proxy's, and
// where it has none, for batches one that keeps nothing. Those with a pseudonym are
// each reader's own, and a POST may do something.
func (p *Proxy) sharing(up *upstream, a ask) *cache.Cache {
	if a.pseudonym != "" || a.method == http.MethodPost {
		return nil
	}
	if p.cfg.Cache == nil && up.hold.batched(a) {
		return p.flights
	}
	return p.cfg.Cache
}

// makeFlights makes what batches share where there is no cache.
func (p *Proxy) makeFlights() (err error) {
	if p.flights != nil || p.cfg.Cache != nil {
		return nil
	}
	p.flights, err = cache.New(cache.Config{KeepNothing: true})
	return err
}
