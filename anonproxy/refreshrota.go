package anonproxy

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// The pace of refreshes.
const (
	refreshRate     = 10              // requests a second to a tool that states no limit
	refreshMaxRate  = 1000            // in any case
	refreshAtOnce   = 16              // requests under way to one tool
	refreshMin      = time.Minute     // between two requests for a path, where the tool's lifetimes decide
	refreshMax      = 24 * time.Hour  // the same
	refreshNotKept  = time.Hour       // between tries of what can't be kept
	refreshLate     = time.Hour       // for which an answer serves at most where its refresh is late
	refreshStopped  = time.Minute     // between looks at a path that is stopped
	refreshLook     = 5 * time.Second // between looks at a tool that is stopped
	refreshBackoff  = time.Minute     // between tries of a tool that fails, at most
	refreshPatience = time.Second     // before the first of them
)

// rota is the schedule of one tool's paths.
type rota struct {
	tool string
	stop context.CancelFunc
	news chan struct{} // holds one where something changed

	mu       sync.Mutex
	users    []*rotaUser // of which the last is asked through
	reread   bool
	queue    turns
	underWay map[*turn]struct{}
	next     time.Time // nothing is sent before
	stopped  bool      // the tool may not be asked
	failures int       // of the tool, one after the other
	told     map[string]bool

	// Of the loop alone.
	list refreshList
	look time.Time // at the file, next
}

func newRota(tool string) *rota {
	return &rota{
		tool: tool, news: make(chan struct{}, 1), underWay: make(map[*turn]struct{}), told: make(map[string]bool),
	}
}

func (o *rota) wake() {
	select {
	case o.news <- struct{}{}:
	default:
	}
}

// run asks until ctx ends, and waits for what is under way.
func (o *rota) run(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.news:
		case <-timer.C:
		}
		o.declare(time.Now())
		wait := refreshFilePoll
		for {
			t, u, left := o.take(time.Now())
			if t == nil {
				wait = min(wait, left)
				break
			}
			asking.Go(func() { o.ask(ctx, t, u) })
		}
		timer.Reset(wait)
	}
}

// declare takes over what the declaration and its file name, if they may have changed.
func (o *rota) declare(now time.Time) {
	o.mu.Lock()
	u, always := o.user(), o.reread
	o.reread = false
	o.mu.Unlock()
	if u.p == nil || !always && now.Before(o.look) {
		return
	}
	o.look = now.Add(refreshFilePoll)
	entries, changed, err := o.list.read(u.up.tool, always)
	if err != nil {
		u.p.cfg.Logger.Error("a tool's file of paths can't be used; what it said last goes on to hold", "tool", o.tool, "error", err)
	}
	if !changed {
		return
	}
	if room := u.p.cfg.Cache.Room(); len(entries) > room {
		u.p.cfg.Logger.Warn("more paths of a tool are refreshed than the cache can keep; raise its bounds", "tool", o.tool, "paths", len(entries), "room", room)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue.declare(entries, o.underWay, now, o.gap(u))
}

// user is the proxy that was attached last. mu is held.
func (o *rota) user() rotaUser {
	if len(o.users) == 0 {
		return rotaUser{}
	}
	return *o.users[len(o.users)-1]
}

// gap is the time between two requests to the tool: half of what it may be asked, or as
// its paths need it. mu is held.
func (o *rota) gap(u rotaUser) time.Duration {
	rate := float64(refreshRate)
	if every := time.Duration(u.up.tool.RefreshEvery); every > 0 {
		rate = max(rate, 1.25*float64(len(o.queue)+len(o.underWay))/every.Seconds())
	}
	if limit := u.up.tool.Limit; limit.Count > 0 {
		rate = float64(limit.Count) / limit.Per.Seconds() / 2
	}
	return max(1, time.Duration(float64(time.Second)/min(rate, refreshMaxRate)))
}

// take returns what is to be asked for now, or how long there is nothing to do.
func (o *rota) take(now time.Time) (t *turn, u rotaUser, wait time.Duration) {
	o.mu.Lock()
	u = o.user()
	o.mu.Unlock()
	stopped := u.p != nil && u.p.refuse(u.up, "") != nil // who tells may hold a lock, and want ours
	o.mu.Lock()
	defer o.mu.Unlock()
	if u.p == nil || len(o.queue) == 0 || len(o.underWay) == refreshAtOnce {
		return nil, u, refreshFilePoll // or until it is woken
	}
	if stopped {
		o.stopped = true
		return nil, u, refreshLook
	}
	if o.stopped { // its answers may have been purged
		o.stopped = false
		o.queue.restart(now, o.gap(u))
	}
	if o.failures > 0 && len(o.underWay) > 0 {
		return nil, u, refreshFilePoll // one try at a time
	}
	due := o.queue[0].due
	if due.Before(o.next) {
		due = o.next
	}
	if wait = due.Sub(now); wait > 0 {
		return nil, u, wait
	}
	o.next = now.Add(o.gap(u))
	t = heap.Pop(&o.queue).(*turn)
	o.underWay[t] = struct{}{}
	return t, u, 0
}

// refreshSpan is the time between two requests for a path.
func refreshSpan(every, fresh time.Duration) time.Duration {
	if every > 0 {
		return every
	}
	return min(max(fresh, refreshMin), refreshMax)
}

// refreshRetry is the time after which a path is tried again that gave an error.
func refreshRetry(every time.Duration) time.Duration {
	again := 10 * refreshMin
	if every > 0 {
		again = min(every, again)
	}
	return jittered(again)
}

// servesAfter is for how long an answer serves after its lifetime: until it is twice
// as old as the operator has it refreshed, or where he doesn't say, as long as its
// refresh may be late.
func servesAfter(every, fresh time.Duration) time.Duration {
	switch {
	case every > 0:
		return max(0, 2*every-fresh)
	case fresh == 0:
		return 0
	}
	span := refreshSpan(0, fresh)
	return max(0, span-fresh) + min(span, refreshLate)
}

// jittered is about a span: the mean is just that.
func jittered(span time.Duration) time.Duration {
	return span - span/32 + rand.N(span/16)
}

// tell logs what is wrong: once for each outcome, and with a failure of the tool as a
// whole again once it has worked meanwhile. A path is the operator's own word here.
func (o *rota) tell(u rotaUser, refused *refusal, entry string) {
	o.mu.Lock()
	known := o.told[refused.outcome]
	o.told[refused.outcome] = true
	o.mu.Unlock()
	if !known {
		u.p.cfg.Logger.Warn("refreshing a tool's path fails; further ones are only counted",
			"tool", o.tool, "path", entry, "outcome", refused.outcome, "reason", refused.reason)
	}
}

// worksAgain notes that the tool answers.
func (o *rota) worksAgain(u rotaUser) {
	o.mu.Lock()
	defer o.mu.Unlock()
	failed := false
	for _, outcome := range []string{OutcomeUnreachable, OutcomeTimeout, OutcomeBlocked} {
		failed = failed || o.told[outcome]
		delete(o.told, outcome)
	}
	if failed {
		u.p.cfg.Logger.Info("a tool's paths can be refreshed again", "tool", o.tool)
	}
}
