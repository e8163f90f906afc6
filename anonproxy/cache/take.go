package cache

import (
	"io"
	"time"
)

// answered takes a whole response: it passes it on and maybe stores it.
func (f *flight) answered(old *object, res *Response, requested time.Time) {
	o := &object{
		key: f.key, status: res.Status, contentType: res.ContentType, url: res.URL, header: keep(res.Header).Clone(),
		received: time.Now(), lengthSaid: res.Length, control: res.Control,
	}
	o.policy = f.c.assess(f.key, o.status, o.header, res.Hops, requested, o.received)
	f.hold(o)
	if o.policy.reuse == storable && (res.Unframed || res.Length > f.c.cfg.MaxObject) {
		o.policy.reuse = shareable
	}
	if old != nil && o.policy.reuse != storable {
		f.c.drop(old)
		old.body.release()
		old = nil
	}
	f.old = old
	switch {
	case o.policy.validate || o.policy.reuse == forbidden:
		f.apart(o, res)
	case o.policy.reuse == shareable:
		f.share(o, res)
	default:
		o.present()
		f.gather(o, res)
	}
}

// apart gives a response that can't be shared to one who waits, who is the one that it was
// fetched for unless he left; the others ask for themselves, as do those who come within a time. It may be stored where it has
// to be confirmed each time, and then its first reader gets it as it is stored.
func (f *flight) apart(o *object, res *Response) {
	f.c.mu.Lock()
	f.unregister()
	if o.policy.reuse == forbidden {
		f.c.passing.Add(f.key, time.Now().Add(passTime))
	}
	one := f.first
	if _, waits := f.waiters[one]; !waits {
		one = nil
	}
	for w := range f.waiters {
		if one == nil {
			one = w
		}
		if w == one {
			continue
		}
		delete(f.waiters, w)
		w.alone = true
		close(w.ready)
	}
	f.c.mu.Unlock()
	if o.policy.reuse == storable {
		o.present()
		f.gather(o, res)
		return
	}
	f.hand(o, res)
}

// hand gives the response's own body to the one who waits, if he still does.
func (f *flight) hand(o *object, res *Response) {
	given := false
	f.settle(func(w *waiter) {
		given = true
		f.c.stats.passed.Add(1)
		w.answer = Answer{Result: Pass, object: o, direct: res.Body, flight: f}
	})
	if !given {
		res.Body.Close()
		f.cancel(nil)
	}
}

// share gives a response that isn't worth storing to all who have asked for it.
func (f *flight) share(o *object, res *Response) {
	f.c.mu.Lock()
	f.unregister()
	if len(f.waiters) < 2 {
		f.c.mu.Unlock()
		f.hand(o, res)
		return
	}
	f.attach(o, newBody(f.c.budgetOf(f.key), false, 0))
	f.settleLocked(func(w *waiter) {
		w.answer = f.arriving(w)
		w.answer.Result = Pass
		f.c.stats.passed.Add(1)
	})
	f.c.mu.Unlock()
	f.fill(o, res)
}

// attach makes the waiters readers of an arriving body. Cache.mu is held.
func (f *flight) attach(o *object, b *body) {
	o.body, f.object = b, o
	for w := range f.waiters {
		w.reader = new(reader)
		b.join(w.reader)
	}
}

// gather reads a response to store it.
func (f *flight) gather(o *object, res *Response) {
	f.c.mu.Lock()
	f.attach(o, newBody(f.c.budgetOf(f.key), true, o.cost()))
	f.c.mu.Unlock()
	f.fill(o, res)
}

// fill reads the response's body into the object's.
func (f *flight) fill(o *object, res *Response) {
	err := f.read(o.body, res)
	if err != io.EOF {
		f.err = err
	}
	res.Body.Close()
	o.body.end(err, o.complete)
	if o.body.whole.Load() {
		f.keep(o)
	}
	f.c.mu.Lock()
	f.unregister()
	instead := err != io.EOF && f.old != nil && f.old.mayReplaceError(time.Now())
	f.settleLocked(func(w *waiter) {
		if err == io.EOF {
			w.answer = f.arriving(w)
			return
		}
		// Nothing was shown yet, so a plain error will do, or what there was before.
		o.body.leave(w.reader)
		o.body.release()
		if w.err = err; instead {
			f.old.acquire()
			w.answer, w.err = Answer{Result: Stale, object: f.old}, nil
			f.c.stats.stale.Add(1)
		}
	})
	f.c.mu.Unlock()
	f.cancel(nil)
	o.body.release()
	if f.old != nil {
		if instead {
			f.old.nextTry.Store(time.Now().Add(retryTime).UnixNano())
		}
		f.old.body.release()
	}
}

// read fills a body until its end, and lets the readers begin when it is clear
// that they'll have to wait for it. It returns io.EOF if all has come.
func (f *flight) read(b *body, res *Response) error {
	size, kept := int64(0), b.kept()
	begin := func() { f.settle(func(w *waiter) { w.answer = f.arriving(w) }) }
	if !kept || res.Length > f.c.cfg.Hold {
		begin()
	}
	for {
		room := b.room()
		if len(room) == 0 {
			left := int64(-1)
			if res.Length >= 0 {
				left = max(0, res.Length-size)
			}
			n := nextBlock(size, left)
			if kept && !b.reserve(n) {
				kept = f.tooMuch(begin)
			}
			if !kept {
				n = min(n, windowBlock)
				if err := b.slide(f.ctx); err != nil {
					return err
				}
			}
			room = b.extend(n)
		}
		n, err := res.Body.Read(room)
		b.put(n)
		if size += int64(n); kept && size > f.c.cfg.MaxObject {
			b.stop()
			kept = f.tooMuch(begin)
		}
		switch {
		case err == io.EOF && res.Length >= 0 && size != res.Length:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case size > f.c.cfg.Hold:
			begin()
		}
	}
}

// tooMuch makes an answer one that isn't stored: those who wait get it, later ones
// ask for themselves.
func (f *flight) tooMuch(begin func()) (kept bool) {
	f.c.mu.Lock()
	f.unregister()
	f.c.passing.Add(f.key, time.Now().Add(passTime))
	f.c.mu.Unlock()
	begin()
	return false
}

// keep stores an answer, unless something was purged meanwhile,
// which might have been this.
func (f *flight) keep(o *object) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if f.generation != f.c.generation || f.outdated || f.c.closed {
		return
	}
	f.c.passing.Remove(f.key)
	f.c.put(o)
	f.told.Kept, f.told.Fresh = true, o.fresh(time.Now())
}
