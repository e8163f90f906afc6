package edge

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

// starting is the time between a config's provisioning and its coming into use. A config may only be validated, or come to
// nothing after some of its apps have started. So Provision reads only; what opens files for writing or makes
// something is done in Start; and what can't be taken back is done once the config is the one in use.
type starting struct {
	openers []func() error // in the order in which they were asked for
	opened  atomic.Bool
	ready   chan struct{} // closed once all is open
	gone    chan struct{} // closed when the config is at its end
	end     func()        // of waiting to be in use; nil: not started
	settled atomic.Bool   // it is in use, and has done what it waited for
	once    sync.Once
}

// startTimeout bounds how long a request waits for the app: Caddy starts apps in no certain order, and its servers may
// have begun already.
const startTimeout = 10 * time.Second

// wonEvery is how often it is looked whether the config is in use.
const wonEvery = 50 * time.Millisecond

func newStarting() *starting {
	return &starting{ready: make(chan struct{}), gone: make(chan struct{})}
}

// OnStart has something opened when the app starts. While provisioning only.
func (a *App) OnStart(open func() error) { a.starting.openers = append(a.starting.openers, open) }

// open opens all. The first error ends it.
func (s *starting) open() error {
	for _, open := range s.openers {
		if err := open(); err != nil {
			return err
		}
	}
	return nil
}

// begin lets requests in.
func (s *starting) begin() {
	s.opened.Store(true)
	close(s.ready)
}

// Started waits until all is open, and reports whether it is. An app that nobody provisioned has nothing to wait for.
func (a *App) Started(r *http.Request) bool {
	if a == nil || a.starting == nil || a.starting.opened.Load() {
		return true
	}
	timer := time.NewTimer(startTimeout)
	defer timer.Stop()
	select {
	case <-a.starting.ready:
		return true
	case <-a.starting.gone:
	case <-timer.C:
	case <-r.Context().Done():
	}
	return false
}

// whenInUse does something once a's config is the one that runs, unless it ends before.
func (s *starting) whenInUse(a *App, do func()) {
	s.end = InBackground(func(ctx context.Context) {
		for !a.inUse() {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wonEvery):
			}
		}
		do()
		s.settled.Store(true)
	})
}

// inUse reports whether the config of the app is the one that runs.
func (a *App) inUse() bool {
	running, err := caddy.ActiveContext().AppIfConfigured("wikiveil")
	return err == nil && running == any(a)
}

// stop ends waiting.
func (s *starting) stop() {
	if s.end != nil {
		s.end()
		s.end = nil
	}
}

// close has requests that still wait refused.
func (s *starting) close() {
	s.stop()
	s.once.Do(func() { close(s.gone) })
}

// Settled reports whether the config is the one that runs, and has done what it waits for until then.
func (a *App) Settled() bool { return a.starting.settled.Load() }

var RefusedStarting = refusal.New(http.StatusServiceUnavailable, "starting", "refusal-starting")
