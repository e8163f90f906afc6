package cache

import (
	"context"
	"io"
	"time"
)

// flight is one fetch and those who wait for it.
type flight struct {
	c          *Cache
	key        Key
	fetch      Fetch
	ctx        context.Context
	cancel     context.CancelCauseFunc
	background bool                                    // goes on though nobody waits
	scheduled  bool                                    // asks even where the stored answer is fresh
	serve      func(fresh time.Duration) time.Duration // of Refresh; may be nil
	done       chan struct{}                           // closed when all is over; nil: nobody wants to know
	told       Refreshed                               // once it is
	err        error
	old        *object // what was stored, in use until the new one is whole; nil if there was none
	generation uint64  // of purges, when it began

	// Guarded by Cache.mu.
	settled  bool
	first    *waiter // who started it; nil if nobody waits for it
	outdated bool    // what it asks for was changed meanwhile
	waiters  map[*waiter]struct{}
	object   *object // that is arriving
}

// waiter is one who waits for a flight's answer to begin.
type waiter struct {
	ready  chan struct{} // closed when the rest is there
	reader *reader       // in the arriving body, if it is one
	answer Answer
	err    error
	alone  bool // the answer was another's
}

func newWaiter() *waiter { return &waiter{ready: make(chan struct{})} }

// join waits for a flight under way or starts one.
func (c *Cache) join(ctx context.Context, key Key, by asker) (Answer, error) {
	f, w, joined, err := c.board(key, by)
	if err != nil {
		return Answer{}, err
	}
	a, err := f.wait(ctx, w)
	if err == nil && w.alone {
		if f, w, err = c.solo(key, by); err == nil {
			a, err = f.wait(ctx, w)
		}
	}
	if err != nil {
		return Answer{}, err
	}
	if joined && a.Result == Miss {
		a.Result = Coalesced
		c.stats.coalesced.Add(1)
	}
	return a, nil
}

// board takes a place in the key's flight.
func (c *Cache) board(key Key, by asker) (f *flight, w *waiter, joined bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, joined = c.flights[key]; joined {
		w := newWaiter()
		f.admit(w)
		return f, w, true, nil
	}
	if until, ok := c.passing.Get(key); ok && time.Now().Before(until) {
		f, w, err = c.start(key, by, false)
		return f, w, false, err
	}
	if f, w, err = c.start(key, by, false); err == nil {
		c.flights[f.key] = f
	}
	return f, w, false, err
}

// solo starts a flight that nobody else can join.
func (c *Cache) solo(key Key, by asker) (*flight, *waiter, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.start(key, by, false)
}

// refresh asks for a stale answer anew, which serves meanwhile.
func (c *Cache) refresh(o *object, by asker, now time.Time) {
	if now.UnixNano() < o.nextTry.Load() {
		return
	}
	o.nextTry.Store(now.Add(retryTime).UnixNano())
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.flights[o.key]; ok {
		return
	}
	if f, _, err := c.start(o.key, by, true); err == nil {
		c.flights[f.key] = f
	} else {
		o.nextTry.Store(0) // another may
	}
}

func (c *Cache) start(key Key, by asker, background bool) (*flight, *waiter, error) {
	if err := by.admitted(); err != nil {
		return nil, nil, err
	}
	w := newWaiter()
	f, err := c.startWith(key, by.fetch, func(f *flight) {
		if f.background = background; !background {
			f.first = w
			f.admit(w)
		}
	})
	return f, w, err
}

// startWith starts a flight that prepare has seen first. Cache.mu is held.
func (c *Cache) startWith(key Key, fetch Fetch, prepare func(*flight)) (*flight, error) {
	if c.closed {
		return nil, ErrClosed
	}
	f := &flight{c: c, key: key.clone(), fetch: fetch, generation: c.generation, waiters: make(map[*waiter]struct{})}
	prepare(f)
	f.ctx, f.cancel = context.WithCancelCause(c.ctx)
	c.running.Go(f.run)
	return f, nil
}

// admit adds a waiter. Cache.mu is held.
func (f *flight) admit(w *waiter) {
	if f.object != nil {
		w.reader = new(reader)
		f.object.body.join(w.reader)
	}
	if f.settled {
		w.answer = f.arriving(w)
		close(w.ready)
		return
	}
	f.waiters[w] = struct{}{}
}

func (f *flight) arriving(w *waiter) Answer {
	return Answer{Result: Miss, object: f.object, reader: w.reader, flight: f}
}

// wait returns the waiter's answer, unless his context ends first.
func (f *flight) wait(ctx context.Context, w *waiter) (Answer, error) {
	select {
	case <-w.ready:
		if w.err != nil || w.alone {
			return Answer{}, w.err
		}
		a := w.answer
		a.ctx = ctx
		if a.direct != nil { // his alone, so it ends with him
			a.detach = context.AfterFunc(ctx, func() { f.cancel(context.Cause(ctx)) })
		}
		return a, nil
	case <-ctx.Done():
		f.abandon(w)
		return Answer{}, context.Cause(ctx)
	}
}

// abandon takes a waiter out. The fetch ends with the last, unless its answer is
// already known to be one that is stored.
func (f *flight) abandon(w *waiter) {
	if direct := f.abandonLocked(w); direct != nil {
		direct.Close()
	}
}

func (f *flight) abandonLocked(w *waiter) (direct io.Closer) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	select {
	case <-w.ready:
		return w.answer.close()
	default:
	}
	delete(f.waiters, w)
	needless := f.object == nil && len(f.waiters) == 0 && !f.background
	if w.reader != nil {
		needless = f.object.body.leave(w.reader)
		f.object.body.release()
	}
	if needless {
		f.cancel(errNobody)
		f.unregister()
	}
	return nil
}

// unregister lets later requests start anew. Cache.mu is held.
func (f *flight) unregister() {
	if f.c.flights[f.key] == f {
		delete(f.c.flights, f.key)
	}
}

// settle ends the wait. give is called for each waiter.
func (f *flight) settle(give func(*waiter)) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	f.settleLocked(give)
}

func (f *flight) settleLocked(give func(*waiter)) {
	if f.settled {
		return
	}
	f.settled = true
	settle := func(w *waiter) {
		give(w)
		close(w.ready)
	}
	// An answer that is for one alone is for whom it was fetched: he was charged for it.
	_, waits := f.waiters[f.first]
	if waits {
		settle(f.first)
	}
	for w := range f.waiters {
		if w != f.first {
			settle(w)
		}
	}
}

// deliver gives a whole answer to all who wait, and lets go of it.
func (f *flight) deliver(o *object, r Result) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	f.unregister()
	f.settleLocked(func(w *waiter) {
		o.acquire()
		w.answer = Answer{Result: r, object: o}
		f.c.stats.count(r)
	})
	o.body.release()
}

func (f *flight) fail(err error) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	f.unregister()
	f.settleLocked(func(w *waiter) { w.err = err })
}
