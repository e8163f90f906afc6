package cache

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// flight is one fetch and those who wait for it.
type flight struct {
	c          *Cache
	key        Key
	fetch      Fetch
	background bool                                    // goes on though nobody waits
	scheduled  bool                                    // asks even where the stored answer is fresh
	serve      func(fresh time.Duration) time.Duration // of Refresh; may be nil

	ctx    context.Context
	cancel context.CancelCauseFunc
	body   *body   // of what arrives; those who wait are its readers
	first  *reader // who started it, and was charged for it; nil if nobody was
	over   chan struct{}
	told   Refreshed // once it is over
	failed error     // the same

	// What those who wait get, once ready is closed. Cache.mu guards it, and outdated.
	ready    chan struct{}
	result   Result
	object   *object
	err      error
	outdated bool // what it asks for was purged or changed meanwhile
}

// start begins a flight. Cache.mu is held.
func (c *Cache) start(f *flight) error {
	if c.closed {
		return ErrClosed
	}
	f.c, f.key = c, f.key.clone()
	f.ready, f.over = make(chan struct{}), make(chan struct{})
	f.body = newBody(c.store, c.store.of(f.key.tool()))
	f.ctx, f.cancel = context.WithCancelCause(c.ctx)
	if f.first != nil {
		f.body.join(f.first)
	}
	c.flights[f] = struct{}{}
	c.running.Go(f.run)
	return nil
}

// run fetches, or finds that it needn't.
func (f *flight) run() {
	defer close(f.over)
	defer func() {
		f.cancel(nil)
		f.body.release()
		f.c.mu.Lock()
		defer f.c.mu.Unlock()
		f.unregister()
		delete(f.c.flights, f)
	}()
	old, ok := f.c.store.get(f.key)
	if ok {
		defer old.body.release()
		if !f.scheduled && old.state(time.Now()) <= held {
			f.end(Hit, old, nil)
			return
		}
	}
	f.ask(old)
}

// ask fetches, with the validators of what is stored, if anything.
func (f *flight) ask(old *object) {
	var v *Validators
	if old != nil {
		own := validators(old.header)
		if own.URL = old.url; own.ETag != "" || own.LastModified != "" {
			v = &own
		}
	}
	requested := time.Now()
	res, err := f.fetch(f.ctx, v)
	if err == nil && v != nil && res.Status == http.StatusNotModified && !v.confirms(res.Header) {
		res.Body.Close() // it is about something else
		v, requested = nil, time.Now()
		res, err = f.fetch(f.ctx, nil)
	}
	if f.failed = err; err != nil {
		f.instead(old, err)
		return
	}
	f.told.Status = res.Status
	switch {
	case f.isFailure(res.Status) && old != nil && old.mayReplaceError(time.Now()):
		res.Body.Close()
		f.instead(old, nil)
	case res.Status == http.StatusNotModified && v != nil:
		res.Body.Close()
		f.confirmed(old, res, requested)
	default:
		f.answered(old, res, requested)
	}
}

// isFailure tells the errors in place of which a stale answer may be served (RFC
// 5861 section 4). What is asked for on a schedule waits where the tool says that it
// is asked too often.
func (f *flight) isFailure(status int) bool {
	return f.scheduled && status == http.StatusTooManyRequests || status == 500 || status >= 502 && status <= 504
}

// instead serves a stale answer where it may, or the error.
func (f *flight) instead(old *object, err error) {
	final := (*FinalError)(nil)
	now := time.Now()
	switch {
	case old == nil, context.Cause(f.ctx) == errNobody: // it was ended, which says nothing of what is stored
	case errors.As(err, &final) && old.state(now) != fresh:
		f.c.store.remove(old)
	default:
		old.nextTry.Store(now.Add(retryTime).UnixNano())
		if old.mayReplaceError(now) {
			f.end(Stale, old, nil)
			return
		}
	}
	f.end("", nil, err)
}

// confirmed takes a 304: the stored answer under a new header (RFC 9111 section
// 4.3.4).
func (f *flight) confirmed(old *object, res *Response, requested time.Time) {
	o := &object{
		key: old.key, status: old.status, contentType: old.contentType, url: res.URL, header: merged(old.header, res.Header), received: time.Now(),
		body: old.body, lengthSaid: old.lengthSaid, size: old.size, etag: old.etag,
	}
	f.assess(o, res, requested)
	o.present()
	if o.policy.reuse == storable {
		f.keep(o)
	} else {
		f.c.store.remove(old)
	}
	if o.policy.validate || o.policy.reuse == forbidden {
		f.apart()
	}
	f.end(Revalidated, o, nil)
}

// merged is a stored header with the fields of a 304 in place of its own. When a
// response was made stands in the newer one alone.
func merged(stored, newer http.Header) http.Header {
	h := stored.Clone()
	h.Del("Age")
	h.Del("Date")
	for name, values := range keep(newer) {
		h[name] = values
	}
	return h
}

// assess finds what may be done with a response and the redirects on its way.
func (f *flight) assess(o *object, res *Response, requested time.Time) {
	x := exchange{o.status, o.header, requested, o.received, max(0, f.c.cfg.Heuristic)}
	if f.key.Query != "" {
		x.heuristic = 0 // a search or the like
	}
	o.policy = assess(x)
	for _, hop := range res.Hops {
		x.status, x.header = hop.Status, hop.Header
		o.policy = o.policy.through(assess(x))
	}
	if f.serve != nil && !o.policy.neverStale && !o.policy.validate {
		o.heldFor = max(0, f.serve(o.fresh(time.Now())))
	}
}

// answered takes a whole response: it passes it on and maybe stores it.
func (f *flight) answered(old *object, res *Response, requested time.Time) {
	o := &object{
		key: f.key, status: res.Status, contentType: res.ContentType, url: res.URL, header: keep(res.Header).Clone(),
		received: time.Now(), lengthSaid: res.Length, control: Control(res.Status, res.Header, res.Hops), body: f.body,
	}
	f.assess(o, res, requested)
	if o.policy.reuse == storable && (res.Unframed || res.Length > f.c.cfg.MaxObject) {
		o.policy.reuse = shareable
	}
	if old != nil && o.policy.reuse != storable {
		f.c.store.remove(old)
		old = nil
	}
	if o.policy.reuse == forbidden {
		f.pass()
	}
	if o.policy.validate || o.policy.reuse == forbidden {
		f.apart()
	}
	if o.policy.reuse == storable {
		o.present()
		f.fill(o, old, res, f.body.keep(o.cost()))
		return
	}
	f.end(Pass, o, nil)
	f.fill(o, nil, res, false)
}

// pass has equal requests not wait for each other for a while: their answers are each reader's own, or aren't
// kept.
func (f *flight) pass() {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	f.unregister()
	f.c.passing.Add(f.key, time.Now().Add(passTime))
}

// apart leaves an answer that can't be shared to one who waits: the one that it was
// fetched for, unless they have left. The others ask for themselves.
func (f *flight) apart() {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	f.unregister()
	for _, r := range f.body.sendAway(f.body.one(f.first)) {
		close(r.alone)
		f.body.release()
	}
}

// fill reads the response's body. Where it ends too soon and nothing of it was shown yet, an error will do, or what
// there was before.
func (f *flight) fill(o, old *object, res *Response, kept bool) {
	err := f.read(o, res, kept)
	res.Body.Close()
	if err != io.EOF && err != errNobody {
		f.failed = err
	}
	f.body.finish(err, o.complete)
	if f.body.whole.Load() {
		f.keep(o)
	}
	switch {
	case err == io.EOF:
		f.end(Miss, o, nil)
	case old != nil && old.mayReplaceError(time.Now()):
		old.nextTry.Store(time.Now().Add(retryTime).UnixNano())
		f.end(Stale, old, nil)
	default:
		f.end("", nil, err)
	}
}

// read fills the body until its end, and lets the readers begin when it is clear
// that they'll have to wait for it. It returns io.EOF if all has come.
func (f *flight) read(o *object, res *Response, kept bool) error {
	size, most := int64(0), f.c.cfg.MaxObject
	if o.policy.reuse == storable && !kept {
		f.tooMuch(o)
	}
	if kept && res.Length > f.c.cfg.Hold {
		f.begin(o)
	}
	for {
		left := int64(-1)
		if res.Length >= 0 {
			left = max(0, res.Length-size)
		}
		var room []byte
		if kept {
			if room = f.body.grow(left, most); room == nil {
				f.tooMuch(o)
				kept = false
			}
		}
		if !kept {
			var err error
			if room, err = f.body.slide(f.ctx, left); err != nil {
				return err
			}
		}
		n, err := res.Body.Read(room)
		f.body.put(n)
		size += int64(n)
		switch {
		case err == io.EOF && res.Length >= 0 && size != res.Length, res.Length >= 0 && size > res.Length:
			return io.ErrUnexpectedEOF
		case err == io.EOF && kept && size > most:
			f.tooMuch(o)
			return err
		case err != nil:
			return err
		case kept && size > f.c.cfg.Hold:
			f.begin(o)
		}
	}
}

// tooMuch makes an answer one that isn't stored: those who wait get it, later ones
// ask for themselves.
func (f *flight) tooMuch(o *object) {
	f.pass()
	f.body.stop()
	f.begin(o)
}
