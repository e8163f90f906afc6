package cache

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// run fetches, or finds that it needn't.
func (f *flight) run() {
	if f.done != nil {
		defer close(f.done)
	}
	old, stored := f.c.store.get(f.key, (*object).acquire)
	now := time.Now()
	if stored && !f.scheduled && old.state(now) <= held {
		f.cancel(nil)
		f.deliver(old, Hit)
		return
	}
	if !f.background {
		f.c.stats.misses.Add(1)
	}
	f.ask(old)
}

// ask fetches, with the validators of what is stored.
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
	if f.err = err; err == nil {
		f.told.Status = res.Status
	}
	switch {
	case err != nil || f.isFailure(res.Status) && old != nil && old.mayReplaceError(time.Now()):
		if err == nil {
			res.Body.Close()
		}
		f.cancel(nil)
		f.instead(old, err)
	case res.Status == http.StatusNotModified && v != nil:
		res.Body.Close()
		f.cancel(nil)
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
	if old == nil {
		f.fail(err)
		return
	}
	if context.Cause(f.ctx) == errNobody { // it was ended, which says nothing of what is stored
		old.body.release()
		f.fail(err)
		return
	}
	if final := (*FinalError)(nil); errors.As(err, &final) && old.state(time.Now()) != fresh {
		f.c.drop(old)
		old.body.release()
		f.fail(err)
		return
	}
	now := time.Now()
	old.nextTry.Store(now.Add(retryTime).UnixNano())
	if !old.mayReplaceError(now) {
		old.body.release()
		f.fail(err)
		return
	}
	f.deliver(old, Stale)
}

// confirmed takes a 304: the stored answer under a new header (RFC 9111 section
// 4.3.4).
func (f *flight) confirmed(old *object, res *Response, requested time.Time) {
	header := merged(old.header, res.Header)
	o := &object{
		key: old.key, status: old.status, contentType: old.contentType, url: res.URL, header: header, received: time.Now(),
		body: old.body, lengthSaid: old.lengthSaid, size: old.size, sizeText: old.sizeText, etag: old.etag,
	}
	o.policy = f.c.assess(f.key, o.status, header, res.Hops, requested, o.received)
	o.present()
	f.hold(o)
	f.c.stats.revalidated.Add(1)
	if o.policy.reuse == storable {
		f.keep(o)
	} else {
		f.c.drop(old)
	}
	f.settleConfirmed(o)
}

// settleConfirmed gives the confirmed answer to all who wait, or where each must
// ask for himself (no-cache, no-store), to one.
func (f *flight) settleConfirmed(o *object) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	f.unregister()
	given := false
	f.settleLocked(func(w *waiter) {
		if given && (o.policy.validate || o.policy.reuse == forbidden) {
			w.alone = true
			return
		}
		given = true
		o.acquire()
		w.answer = Answer{Result: Revalidated, object: o}
	})
	o.body.release()
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
func (c *Cache) assess(key Key, status int, h http.Header, hops []Hop, requested, received time.Time) policy {
	heuristic := max(0, c.cfg.Heuristic)
	if key.Query != "" {
		heuristic = 0 // a search or the like
	}
	x := exchange{status, h, requested, received, heuristic}
	p := assess(x)
	for _, hop := range hops {
		x.status, x.header = hop.Status, hop.Header
		p = p.through(assess(x))
	}
	return p
}
