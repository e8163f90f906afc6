// Package refresh asks tools for the paths that their declarations name, on a schedule that no reader has a part in, so that
// the shared cache has them before anybody asks.
//
// Make a [Refresher] by [New], and [Refresher.Attach] each proxy that has a cache (anonproxy's are a [Proxy]); detach it
// after the one that takes its place is attached. Call [Refresher.Restart] when a tool's answers were purged, and Close
// before the cache is closed.
package refresh

import (
	"context"
	"sync"
	"unique"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
)

// Refresher asks tools for the paths that their declarations name, on a schedule, so
// that the shared cache has them before any reader asks. A tool sees requests that
// come evenly, in random order, and whose times depend on nothing that a reader does:
// only on when the schedule began, on the tool's own answers, and on chance.
//
// A schedule goes on while any proxy with the same declaration is attached. It is safe for concurrent use.
type Refresher struct {
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu        sync.Mutex
	schedules map[scheduleKey]*schedule
}

// scheduleKey tells schedules apart as the cache tells answers apart.
type scheduleKey struct {
	cache *cache.Cache
	scope unique.Handle[cache.Scope]
}

// New returns a refresher that has nothing to do yet. Close it before the
// cache.
func New() *Refresher {
	r := &Refresher{schedules: make(map[scheduleKey]*schedule)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Close ends all schedules and waits for them.
func (r *Refresher) Close() {
	r.mu.Lock()
	r.cancel()
	r.mu.Unlock()
	r.running.Wait()
}

// Proxy has tools that are refreshed.
type Proxy interface {
	// FollowRefreshed calls f with them, and again when they change, until stop is called. There are none without a cache.
	FollowRefreshed(f func([]*Source)) (stop func())
}

// Attach has a proxy's tools refreshed, those of its present board, until detach is called, which waits for
// nothing: a request under way may still end.
func (r *Refresher) Attach(p Proxy) (detach func()) {
	leave := func() {}
	stop := p.FollowRefreshed(func(all []*Source) {
		before := leave
		leave = r.attach(all)
		before()
	})
	return func() {
		stop()
		leave()
	}
}

func (r *Refresher) attach(all []*Source) (detach func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return func() {}
	}
	joined := make(map[scheduleKey]*Source)
	for _, u := range all {
		key := scheduleKey{u.Cache, u.Scope}
		joined[key] = u
		r.join(key, u)
	}
	return sync.OnceFunc(func() { r.detach(joined) })
}

// join makes a proxy the one that a schedule asks through. mu is held.
func (r *Refresher) join(key scheduleKey, u *Source) {
	s := r.schedules[key]
	if s == nil {
		ctx, stop := context.WithCancel(r.ctx)
		s = newSchedule(u.Tool.Name, stop)
		r.schedules[key] = s
		r.running.Go(func() { s.run(ctx) })
	}
	s.join(u)
}

func (r *Refresher) detach(joined map[scheduleKey]*Source) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, u := range joined {
		if s := r.schedules[key]; s != nil && s.leave(u) {
			s.stop()
			delete(r.schedules, key)
		}
	}
}

// Restart has all of a tool's paths asked for as at the start. Call it when the cache
// was purged of the tool's answers.
func (r *Refresher) Restart(tool string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.schedules {
		if s.tool == tool {
			s.restart()
		}
	}
}

// Schedules is how many schedules go on.
func (r *Refresher) Schedules() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.schedules)
}
