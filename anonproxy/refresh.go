package anonproxy

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
// Make one with [NewRefresher], and [Refresher.Attach] the proxies that have a cache. A schedule goes on
// while any proxy with the same declaration is attached, so one that takes another's place must be
// attached before that is detached. It is safe for concurrent use.
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

// NewRefresher returns a refresher that has nothing to do yet. Close it before the
// cache.
func NewRefresher() *Refresher {
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

// Attach has a proxy's tools refreshed, those of its present board, until detach is called, which waits for
// nothing: a request under way may still end. A proxy without a cache has nothing to
// be refreshed.
func (r *Refresher) Attach(p *Proxy) (detach func()) {
	if p.cfg.Cache == nil {
		return func() {}
	}
	leave := func() {}
	stop := p.follow(func() {
		before := leave
		leave = r.attach(p)
		before()
	})
	return func() {
		stop()
		leave()
	}
}

func (r *Refresher) attach(p *Proxy) (detach func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return func() {}
	}
	joined := make(map[scheduleKey]*attached)
	for _, up := range p.upstreams() {
		if up.tool.Refreshes() {
			key := scheduleKey{p.cfg.Cache, up.scopes[anyKind]}
			joined[key] = &attached{p, up}
			r.join(key, joined[key])
		}
	}
	return sync.OnceFunc(func() { r.detach(joined) })
}

// join makes a proxy the one that a schedule asks through. mu is held.
func (r *Refresher) join(key scheduleKey, u *attached) {
	s := r.schedules[key]
	if s == nil {
		ctx, stop := context.WithCancel(r.ctx)
		s = newSchedule(u.up.tool.Name, stop)
		r.schedules[key] = s
		r.running.Go(func() { s.run(ctx) })
	}
	s.join(u)
}

func (r *Refresher) detach(joined map[scheduleKey]*attached) {
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
