package mask

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/salts"
)

var saltParts = edge.NewPart[appSalts]()

// saltStores are in use over config reloads: salts of readers are in memory alone.
var saltStores = pool.New[*salts.Salts]("salts")

const (
	// keepEvery is how often blocked clients' salts are seen to, sweepEvery how often what has ended is destroyed.
	keepEvery  = time.Minute
	sweepEvery = time.Hour
)

// appSalts are the salts of a config's sites.
type appSalts struct {
	app   *edge.App
	store atomic.Pointer[salts.Salts] // nil: there are none
	end   func()

	mu    sync.Mutex
	sites map[string]*ClientMask // by label
}

// Provision implements what [edge.Part] calls.
func (s *appSalts) Provision(_ caddy.Context, a *edge.App) error {
	s.app = a
	if a.Salt != nil {
		a.OnStart(s.open)
	}
	return nil
}

func (s *appSalts) open() error {
	key, open, err := s.app.Store("salts", "requests get 503: no mask can be made")
	if err != nil {
		return err
	}
	config := salts.Config{
		Shared: s.app.Sightings != nil && s.app.Sightings.Redis != nil, Idle: time.Duration(s.app.Salt.Idle), Passed: s.app.Clock().Passed,
	}
	opened, err := saltStores.Acquire(s.app.HeldByLookups(), fmt.Sprint(config.Idle, key), func(own *pool.Held) (*salts.Salts, error) {
		if config.Store, err = edge.Stores.Acquire(own, key, pool.Closing(open)); err != nil {
			return nil, err
		}
		return salts.New(config)
	})
	if err != nil {
		return fmt.Errorf("opening the salts of masks: %w", err)
	}
	s.store.Store(opened)
	return nil
}

// opened returns the salts; nil: there are none, or the app hasn't started.
func (s *appSalts) opened() *salts.Salts {
	if s == nil {
		return nil
	}
	return s.store.Load()
}

// serve has the site's blocked clients kept. Sites of one label share their salts.
func (s *appSalts) serve(h *ClientMask) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sites == nil {
		s.sites = make(map[string]*ClientMask)
	}
	s.sites[h.config.Label] = h
}

// Start implements what [edge.Part] calls.
func (s *appSalts) Start() {
	if s.opened() != nil {
		s.end = edge.InBackground(s.tend)
	}
}

// Stop implements what [edge.Part] calls.
func (s *appSalts) Stop() {
	if s.end != nil {
		s.end()
		s.end = nil
	}
}

// tend keeps blocked clients' salts, and destroys those that have ended.
func (s *appSalts) tend(ctx context.Context) {
	ticker := time.NewTicker(keepEvery)
	defer ticker.Stop()
	var swept time.Time
	for {
		err := s.keep(ctx)
		if err == nil && time.Since(swept) >= sweepEvery {
			swept = time.Now()
			err = s.opened().Sweep(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.app.Logger().Error("tending the salts of masks", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *appSalts) keep(ctx context.Context) error {
	var blocked []netip.Addr
	for _, block := range blockParts.Of(s.app).All() {
		if !masking.IsNetwork(block.Mask) && block.Active(time.Now()) {
			blocked = append(blocked, block.Mask)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.sites {
		masks, err := h.masks()
		if err == nil && masks.salts != nil {
			err = masks.salts.Keep(ctx, blocked)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// saltsOf returns the salts of whose request it is.
func (h *ClientMask) saltsOf(r *http.Request, masks *siteMasks, who masking.Who) ([][]byte, error) {
	done, ok := h.app.HeldByLookups().Use() // or a reload closes the store meanwhile
	defer done()
	if !ok {
		return nil, errStopped
	}
	return masks.salts.Of(r.Context(), who.Addr, !onlyReads(r) && !asksReaderPage(r))
}

var errStopped = fmt.Errorf("the config has ended")

// holdSalt has the salt of a blocked client last: it isn't to be in memory alone.
func (h *ClientMask) holdSalt(r *http.Request, c *reqstate.Client) {
	masks, err := h.masks()
	if err != nil || masks.salts == nil {
		return
	}
	if _, err := masks.salts.Of(r.Context(), c.Addr, true); err != nil {
		h.logger.Error("keeping the salt of a blocked client", zap.Error(err)) // it is tried again within a minute
	}
}
