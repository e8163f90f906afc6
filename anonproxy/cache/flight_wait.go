package cache

import (
	"context"
	"errors"
	"time"
)

// keep stores an answer, unless it was purged meanwhile.
func (f *flight) keep(o *object) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if f.outdated || f.c.closed {
		return
	}
	f.c.passing.Remove(f.key)
	f.c.store.put(o)
	f.told.Kept, f.told.Fresh = true, o.fresh(time.Now())
}

// unregister lets later requests start anew. Cache.mu is held.
func (f *flight) unregister() {
	if f.c.joinable[f.key] == f {
		delete(f.c.joinable, f.key)
	}
}

// begin gives what arrives to those who wait, and who comes while it does.
func (f *flight) begin(o *object) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	f.settle(Miss, o, nil)
}

// end gives an answer or an error to those who wait, if they have none yet, and to nobody later.
func (f *flight) end(r Result, o *object, err error) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	f.unregister()
	f.settle(r, o, err)
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// settle is the end of the wait. Cache.mu is held.
func (f *flight) settle(r Result, o *object, err error) {
	if isClosed(f.ready) {
		return
	}
	f.result, f.object, f.err = r, o, err
	if err != nil || o.body != f.body { // nothing of what arrives is for them
		for range f.body.sendAway(nil) {
			if err == nil {
				o.body.acquire()
			}
			f.body.release()
		}
	}
	close(f.ready)
}

var errAlone = errors.New("the answer was another's")

// wait returns a reader's answer, unless their context ends first.
func (f *flight) wait(ctx context.Context, r *reader) (Answer, error) {
	select {
	case <-f.ready:
		return f.answer(ctx, r)
	case <-r.alone:
		return Answer{}, errAlone
	case <-ctx.Done():
		f.abandon(r)
		return Answer{}, context.Cause(ctx)
	}
}

func (f *flight) answer(ctx context.Context, r *reader) (Answer, error) {
	switch {
	case isClosed(r.alone):
		return Answer{}, errAlone
	case f.err != nil:
		return Answer{}, f.err
	case f.object.body != f.body:
		return Answer{Result: f.result, ctx: ctx, object: f.object}, nil
	}
	return Answer{Result: f.result, ctx: ctx, object: f.object, reader: r, flight: f}, nil
}

// abandon takes one who waits out. The fetch ends with the last, unless its answer is
// already known to be one that is stored.
func (f *flight) abandon(r *reader) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	switch {
	case isClosed(r.alone):
	case isClosed(f.ready):
		if a, err := f.answer(context.Background(), r); err == nil {
			a.Close()
		}
	default:
		if f.body.leave(r) && !f.background {
			f.cancel(errNobody)
			f.unregister()
		}
		f.body.release()
	}
}
