package anonproxy

import (
	"container/heap"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
)

// refreshed is what came of asking for a path.
type refreshed struct {
	outcome string
	again   time.Duration // until it is asked for again
	failing bool          // the tool as a whole, as it seems
}

// ask asks for a path through the cache, and gives it its next turn.
func (o *rota) ask(ctx context.Context, t *turn, u rotaUser) {
	got := o.refresh(ctx, t, u)
	if ctx.Err() != nil {
		return
	}
	if u.p.cfg.ObserveRefresh != nil {
		u.p.cfg.ObserveRefresh(o.tool, got.outcome)
	}
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.wake()
	switch {
	case got.failing:
		o.failures++
		o.next = now.Add(min(refreshBackoff, refreshPatience<<min(o.failures-1, 10)))
	case got.outcome != OutcomeStopped && got.outcome != OutcomeRefusedRequest:
		o.failures = 0
	}
	delete(o.underWay, t)
	if t.gone {
		return
	}
	every := time.Duration(u.up.tool.RefreshEvery)
	if planned := t.due.Add(got.again); every > 0 && t.asked > 1 && planned.After(now) {
		t.due = planned // lateness doesn't add up
	} else {
		t.due = now.Add(got.again)
	}
	heap.Push(&o.queue, t)
}

// refresh asks for a path once.
func (o *rota) refresh(ctx context.Context, t *turn, u rotaUser) refreshed {
	every := time.Duration(u.up.tool.RefreshEvery)
	a, refused := refreshAsk(u.up.tool, t.entry)
	switch {
	case refused != nil:
		o.tell(u, refused, t.entry)
		return refreshed{refused.outcome, refreshMax, false}
	case u.p.refuse(u.up, a.path) != nil:
		t.asked = 0 // what there was may be purged
		return refreshed{OutcomeStopped, jittered(refreshStopped), false}
	}
	fetch := func(ctx context.Context, v *cache.Validators) (*cache.Response, error) {
		return u.p.fetchShared(ctx, nil, u.up, a, v, true)
	}
	serve := func(fresh time.Duration) time.Duration { return servesAfter(every, fresh) }
	got, err := u.p.cfg.Cache.Refresh(ctx, u.up.key(a), fetch, serve)
	if err == nil && (got.Status >= 500 || got.Status == http.StatusTooManyRequests) {
		err = &refusal{status: got.Status, outcome: OutcomeToolError, reason: "the tool answers with an error of its own"}
	}
	if err != nil {
		return o.failed(err, t, u)
	}
	o.worksAgain(u)
	if !got.Kept || got.Fresh == 0 && every == 0 {
		o.tell(u, &refusal{outcome: OutcomeNotKept, reason: "the tool lets no cache keep its answer, or for no time"}, t.entry)
		return refreshed{OutcomeNotKept, jittered(max(every, refreshNotKept)), false}
	}
	outcome := OutcomeOK
	if got.Status >= 400 {
		outcome = OutcomeToolError
	}
	return refreshed{outcome, t.next(every, got.Fresh), false}
}

// failed says what is to be done about an error.
func (o *rota) failed(err error, t *turn, u rotaUser) refreshed {
	refused := &refusal{outcome: OutcomeUnreachable, reason: "the tool broke its answer off"}
	_ = errors.As(err, &refused)
	o.tell(u, refused, t.entry)
	again := refreshRetry(time.Duration(u.up.tool.RefreshEvery))
	switch {
	case refused.outcome == OutcomeUnreachable, refused.outcome == OutcomeTimeout, refused.outcome == OutcomeBlocked:
		return refreshed{refused.outcome, jittered(refreshMin), true}
	case refused.outcome == OutcomeToolError && (refused.status >= 500 || refused.status == http.StatusTooManyRequests):
		return refreshed{refused.outcome, again, true}
	}
	return refreshed{refused.outcome, again, false}
}

// next counts an answer, and returns the time to the one after.
func (t *turn) next(every, fresh time.Duration) time.Duration {
	span := refreshSpan(every, fresh)
	if t.asked++; t.asked == 1 {
		return span/10 + rand.N(span-span/10) // the first round came faster; from here on they are spread
	}
	t.asked = 2
	if every > 0 {
		return jittered(every)
	}
	return span - span/20 - rand.N(span/20)
}
