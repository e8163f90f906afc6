package refresh

import (
	"container/heap"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"
	"unique"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// The pace of refreshes.
const (
	usualRate    = 10              // requests a second to a tool that states no limit
	maxRate      = 1000            // in any case
	atOnce       = 16              // requests under way to one tool
	minSpan      = time.Minute     // between two requests for a path, where the tool's lifetimes decide
	maxSpan      = 24 * time.Hour  // the same
	retryNotKept = time.Hour       // between tries of what can't be kept
	maxLate      = time.Hour       // for which an answer serves at most where its refresh is late
	recheckPath  = time.Minute     // between looks at a path that is stopped
	recheckTool  = 5 * time.Second // between looks at a tool that is stopped
	maxBackoff   = time.Minute     // between tries of a tool that fails, at most
	minBackoff   = time.Second     // before the first of them
)

// schedule is when one tool's paths are asked for.
type schedule struct {
	tool string
	stop context.CancelFunc
	news chan struct{} // holds one where something changed

	mu       sync.Mutex
	users    []*Source // of which the last is asked through
	reread   bool
	queue    turns
	underWay map[*turn]struct{}
	next     time.Time // nothing is sent before
	stopped  bool      // the tool may not be asked
	failures int       // of the tool, one after the other
	told     map[string]bool

	// Of the loop alone.
	list pathList
	look time.Time // at the file, next
}

// Source is a tool as it can be asked through a proxy.
type Source struct {
	Tool   *noticeboard.Tool
	Cache  *cache.Cache
	Scope  unique.Handle[cache.Scope] // changes with the declaration
	Logger *slog.Logger

	// Refused reports whether the tool must not be asked for a path now, or not at all if the path is empty.
	Refused func(path string) bool
	// Request makes one of the declaration's entries what a reader's browser makes of it.
	Request func(entry string) (*Request, *refusal.Refusal)
	// Observe is told how each request went.
	Observe func(outcome string)
}

// Request is what is asked for.
type Request struct {
	Path  string
	Key   cache.Key
	Fetch cache.Fetch
}

func newSchedule(tool string, stop context.CancelFunc) *schedule {
	return &schedule{
		tool: tool, stop: stop, news: make(chan struct{}, 1), underWay: make(map[*turn]struct{}), told: make(map[string]bool),
	}
}

func (s *schedule) wake() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

func (s *schedule) join(u *Source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = append(s.users, u)
	s.reread = true // the declaration may name other paths
	s.wake()
}

// leave reports whether nobody is left.
func (s *schedule) leave(u *Source) (last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = slices.DeleteFunc(s.users, func(other *Source) bool { return other == u })
	return len(s.users) == 0
}

// run asks until ctx ends, and waits for what is under way.
func (s *schedule) run(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.news:
		case <-timer.C:
		}
		s.declare(time.Now())
		wait := filePoll
		for {
			t, u, left := s.take(time.Now())
			if t == nil {
				wait = min(wait, left)
				break
			}
			asking.Go(func() { s.ask(ctx, t, u) })
		}
		timer.Reset(wait)
	}
}

// declare takes over what the declaration and its file name, if they may have changed.
func (s *schedule) declare(now time.Time) {
	s.mu.Lock()
	u, always := s.user(), s.reread
	s.reread = false
	s.mu.Unlock()
	if u == nil || !always && now.Before(s.look) {
		return
	}
	s.look = now.Add(filePoll)
	entries, changed, err := s.list.read(u.Tool, always)
	if err != nil {
		u.Logger.Error("a tool's file of paths can't be used; what it said last goes on to hold", "tool", s.tool, "error", err)
	}
	if !changed {
		return
	}
	if room := u.Cache.Room(); len(entries) > room {
		u.Logger.Warn("more paths of a tool are refreshed than the cache can keep; raise its bounds", "tool", s.tool, "paths", len(entries), "room", room)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.declare(entries, s.underWay, now, s.gap(u))
}

// user is the proxy that was attached last, nil if there is none. mu is held.
func (s *schedule) user() *Source {
	if len(s.users) == 0 {
		return nil
	}
	return s.users[len(s.users)-1]
}

// restart has all paths asked for as at the start.
func (s *schedule) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.user(); u != nil {
		s.queue.restart(time.Now(), s.gap(u))
		s.wake()
	}
}

// gap is the time between two requests to the tool: half of what it may be asked, or as
// its paths need it. mu is held.
func (s *schedule) gap(u *Source) time.Duration {
	rate := float64(usualRate)
	if every := time.Duration(u.Tool.RefreshEvery); every > 0 {
		rate = max(rate, 1.25*float64(len(s.queue)+len(s.underWay))/every.Seconds())
	}
	if limit := u.Tool.Limit; limit.Count > 0 {
		rate = float64(limit.Count) / limit.Per.Seconds() / 2
	}
	return max(1, time.Duration(float64(time.Second)/min(rate, maxRate)))
}

// take returns what is to be asked for now, or how long there is nothing to do.
func (s *schedule) take(now time.Time) (t *turn, u *Source, wait time.Duration) {
	s.mu.Lock()
	u = s.user()
	s.mu.Unlock()
	stopped := u != nil && u.Refused("") // who tells may hold a lock, and want ours
	s.mu.Lock()
	defer s.mu.Unlock()
	if u == nil || len(s.queue) == 0 || len(s.underWay) == atOnce {
		return nil, u, filePoll // or until it is woken
	}
	if stopped {
		s.stopped = true
		return nil, u, recheckTool
	}
	if s.stopped { // its answers may have been purged
		s.stopped = false
		s.queue.restart(now, s.gap(u))
	}
	if s.failures > 0 && len(s.underWay) > 0 {
		return nil, u, filePoll // one try at a time
	}
	due := s.queue[0].due
	if due.Before(s.next) {
		due = s.next
	}
	if wait = due.Sub(now); wait > 0 {
		return nil, u, wait
	}
	s.next = now.Add(s.gap(u))
	t = heap.Pop(&s.queue).(*turn)
	s.underWay[t] = struct{}{}
	return t, u, 0
}

// refreshed is what came of asking for a path.
type refreshed struct {
	outcome string
	again   time.Duration // until it is asked for again
	failing bool          // the tool as a whole, as it seems
}

// ask asks for a path through the cache, and gives it its next turn.
func (s *schedule) ask(ctx context.Context, t *turn, u *Source) {
	got := s.refresh(ctx, t, u)
	if ctx.Err() != nil {
		return
	}
	u.Observe(got.outcome)
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.wake()
	switch {
	case got.failing:
		s.failures++
		s.next = now.Add(min(maxBackoff, minBackoff<<min(s.failures-1, 10)))
	case got.outcome != outcomes.Stopped && got.outcome != outcomes.RefusedRequest:
		s.failures = 0
	}
	delete(s.underWay, t)
	if t.gone {
		return
	}
	every := time.Duration(u.Tool.RefreshEvery)
	if planned := t.due.Add(got.again); every > 0 && t.asked > 1 && planned.After(now) {
		t.due = planned // lateness doesn't add up
	} else {
		t.due = now.Add(got.again)
	}
	heap.Push(&s.queue, t)
}

// refresh asks for a path once.
func (s *schedule) refresh(ctx context.Context, t *turn, u *Source) refreshed {
	every := time.Duration(u.Tool.RefreshEvery)
	a, refused := u.Request(t.entry)
	switch {
	case refused != nil:
		s.tell(u, refused, t.entry)
		return refreshed{refused.Reason, maxSpan, false}
	case u.Refused(a.Path):
		t.asked = 0 // what there was may be purged
		return refreshed{outcomes.Stopped, jittered(recheckPath), false}
	}
	serve := func(fresh time.Duration) time.Duration { return servesAfter(every, fresh) }
	got, err := u.Cache.Refresh(ctx, a.Key, a.Fetch, serve)
	if err == nil && (got.Status >= 500 || got.Status == http.StatusTooManyRequests) {
		err = refusal.Literal(got.Status, outcomes.ToolError, "the tool answers with an error of its own")
	}
	if err != nil {
		return s.failed(err, t, u)
	}
	s.worksAgain(u)
	if !got.Kept || got.Fresh == 0 && every == 0 {
		s.tell(u, refusal.Literal(0, outcomes.NotKept, "the tool lets no cache keep its answer, or for no time"), t.entry)
		return refreshed{outcomes.NotKept, jittered(max(every, retryNotKept)), false}
	}
	outcome := outcomes.OK
	if got.Status >= 400 {
		outcome = outcomes.ToolError
	}
	return refreshed{outcome, t.next(every, got.Fresh), false}
}

// failed says what is to be done about an error.
func (s *schedule) failed(err error, t *turn, u *Source) refreshed {
	refused := refusal.Literal(0, outcomes.Unreachable, "the tool broke its answer off")
	_ = errors.As(err, &refused)
	s.tell(u, refused, t.entry)
	again := untilRetry(time.Duration(u.Tool.RefreshEvery))
	switch {
	case refused.Reason == outcomes.Unreachable, refused.Reason == outcomes.Timeout, refused.Reason == outcomes.Blocked:
		return refreshed{refused.Reason, jittered(minSpan), true}
	case refused.Reason == outcomes.ToolError && (refused.Status >= 500 || refused.Status == http.StatusTooManyRequests):
		return refreshed{refused.Reason, again, true}
	}
	return refreshed{refused.Reason, again, false}
}

// tell logs what is wrong: once for each outcome, and with a failure of the tool as a
// whole again once it has worked meanwhile. A path is the operator's own word here.
func (s *schedule) tell(u *Source, refused *refusal.Refusal, entry string) {
	s.mu.Lock()
	known := s.told[refused.Reason]
	s.told[refused.Reason] = true
	s.mu.Unlock()
	if !known {
		u.Logger.Warn("refreshing a tool's path fails; further ones are only counted",
			"tool", s.tool, "path", entry, "outcome", refused.Reason, "reason", refused.Text)
	}
}

// worksAgain notes that the tool answers.
func (s *schedule) worksAgain(u *Source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	failed := false
	for _, outcome := range []string{outcomes.Unreachable, outcomes.Timeout, outcomes.Blocked} {
		failed = failed || s.told[outcome]
		delete(s.told, outcome)
	}
	if failed {
		u.Logger.Info("a tool's paths can be refreshed again", "tool", s.tool)
	}
}
