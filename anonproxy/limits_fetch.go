package anonproxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/publicnet"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// get asks the tool, if it may be asked now, and follows its redirects. The response
// is one whose body may be looked at.
func (f *fetch) get(req request) (res *http.Response, refused *refusal.Refusal) {
	p, refused := f.enter()
	if refused != nil {
		return nil, refused
	}
	defer func() { f.settle(p, res, refused) }() // also if it panics: a probe that doesn't end would keep the tool shut
	return f.send(req)
}

// enter finds out whether the tool may be asked now. A slot is held until the fetch
// is canceled, which is its end.
func (f *fetch) enter() (p permit, refused *refusal.Refusal) {
	up := f.up
	if wait := up.gate.breaker.wait(time.Now()); wait > 0 { // before anybody waits for a slot
		return permit{}, up.gate.breaker.refusal(wait)
	}
	if !up.slots.enter(f.ctx) {
		if f.ctx.Err() != nil {
			return permit{}, f.failure(context.Cause(f.ctx))
		}
		return permit{}, refusal.Literal(http.StatusServiceUnavailable, outcomes.LimitedTool, "too many requests to the tool are under way; try again in a few seconds")
	}
	f.slot.Store(up.slots)
	now := time.Now()
	wait := up.gate.all.take(up.limit, now)
	if wait > 0 {
		return permit{}, refusal.Literal(http.StatusServiceUnavailable, outcomes.LimitedTool,
			"the tool gets no more requests of this wiki for now; try again in "+inSeconds(wait))
	}
	if p, wait = up.gate.breaker.begin(now, f.visit.failures()); wait > 0 {
		up.gate.all.giveBack(up.limit, 1)
		return permit{}, up.gate.breaker.refusal(wait)
	}
	f.keeps.Store(f.visit.begin())
	return p, nil
}

// leave gives the slot back.
func (f *fetch) leave() {
	if s := f.slot.Swap(nil); s != nil {
		s.leave()
	}
	if f.keeps.Swap(false) {
		f.visit.leave()
	}
}

// freeSlots gives the tool's slot and the client's back: they are for requests that end
// soon, and streams have bounds of their own.
func (f *fetch) freeSlots() {
	f.leave()
	f.visit.end()
}

// count counts a request that is sent. Those after redirects are charged to the tool's
// limit and never refused, as the first would have been for nothing.
func (f *fetch) count() {
	if f.requests++; f.requests > 1 {
		f.up.gate.all.owe(f.up.limit, time.Now())
	}
}

// settle tells the breaker how the tool did.
func (f *fetch) settle(p permit, res *http.Response, refused *refusal.Refusal) {
	now, o := time.Now(), outcome{health: f.judge(res, refused), client: f.visit.failures()}
	if res != nil && o.health == ailing {
		o.pause, o.ofOne = pauseAsked(res, now), res.StatusCode == http.StatusServiceUnavailable // 429 is meant for the edge
	}
	switch opened, closed := f.up.gate.breaker.settle(p, o, now); {
	case opened > 0:
		f.p.cfg.Logger.Warn("a tool doesn't answer as it should; it gets one request in a while until it does",
			"tool", f.up.tool.Name, "next_in", opened.Round(time.Second).String())
	case closed:
		f.p.cfg.Logger.Info("a tool answers again", "tool", f.up.tool.Name)
	}
}

// judge tells how the tool did. What we refuse of an answer says that there is one.
func (f *fetch) judge(res *http.Response, refused *refusal.Refusal) health {
	switch {
	case res != nil && (res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500 && res.StatusCode != http.StatusNotImplemented):
		return ailing
	case res != nil:
		return well
	case refused == nil: // a panic
		return unknown
	}
	switch refused.Reason {
	case outcomes.Unreachable, outcomes.Timeout, outcomes.Blocked:
		if f.requests == 1 && unreached(f.err) {
			return dead
		}
		return ailing
	case outcomes.RefusedResponse:
		return well
	}
	return unknown
}

// unreached tells errors that come whatever is asked for.
func unreached(err error) bool {
	var blocked *publicnet.BlockedError
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var dial *net.OpError
	return errors.As(err, &blocked) || errors.As(err, &name) || errors.As(err, &certificate) || errors.As(err, &dial) && dial.Op == "dial"
}
