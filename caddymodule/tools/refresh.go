package tools

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/anonproxy/refresh"
	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// toolRefreshes has the sites' tools asked on schedule for what they declare, while the
// config is in use. The schedules themselves are pooled with the cache: over a reload
// they go on, as the next config's proxies join before this one's leave.
type toolRefreshes struct {
	refresher *refresh.Refresher // nil: there is no cache
	logger    *zap.Logger

	mu    sync.Mutex
	sites []*AnonProxy
	end   func() // of following the noticeboard; nil: not started
}

// add is called as sites are provisioned. Nothing is asked yet: the config may only be validated.
func (r *toolRefreshes) add(site *AnonProxy) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sites = append(r.sites, site)
}

// start begins to refresh. The noticeboard is followed here too: else a new tool would be
// refreshed from the time on at which a reader first asks for it.
func (r *toolRefreshes) start(board *edge.Noticeboard) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refresher == nil {
		for tool := range board.Board().All() {
			if tool.Refreshes() && len(r.sites) > 0 {
				r.logger.Warn("tools_cache is off, so no path of a tool is refreshed")
				return
			}
		}
		return
	}
	sites := slices.Clone(r.sites)
	for _, site := range sites {
		site.startRefresh(r.refresher)
	}
	r.end = edge.InBackground(func(ctx context.Context) {
		ticker := time.NewTicker(noticeboard.DefaultPoll)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			for _, site := range sites {
				_ = site.renew() // no board makes an error, and requests would show it
			}
		}
	})
}

// stop ends what start began, if it did.
func (r *toolRefreshes) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end == nil {
		return
	}
	r.end()
	r.end = nil
	for _, site := range r.sites {
		site.refresh.leave()
	}
}

// siteRefresh is a site's part in it.
type siteRefresh struct {
	mu     sync.Mutex
	detach func() // nil: not started
}

func (h *AnonProxy) startRefresh(r *refresh.Refresher) {
	_ = h.renew() // what the start has published
	h.refresh.mu.Lock()
	defer h.refresh.mu.Unlock()
	h.refresh.detach = r.Attach(h.proxy.Proxy)
}

func (s *siteRefresh) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.detach != nil {
		s.detach()
	}
	s.detach = nil
}
