package edge

import (
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/internal/metrics"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
)

// What the app has for its parts and for the handlers, from its Provision on.

// Logger returns the log of the app.
func (a *App) Logger() *zap.Logger { return a.logger }

// Held returns what is released with the config.
func (a *App) Held() *pool.Held { return &a.held }

// HeldByLookups returns what is released once the last look-up under way has ended, too: the records, the keys and the clock.
func (a *App) HeldByLookups() *pool.Held { return &a.heldByLookups }

// Metrics returns the counters.
func (a *App) Metrics() *metrics.Counters { return a.metrics }

// Clock returns the clock that nothing is deleted without.
func (a *App) Clock() *Clock { return a.clock }

// Keys returns the key ring.
func (a *App) Keys() *KeyRing { return a.keys }

// Recorder returns what records sightings; nil: nothing is remembered, or the app hasn't started.
func (a *App) Recorder() *recorder { return a.recorder }

// Noticeboard returns the noticeboard.
func (a *App) Noticeboard() *Noticeboard { return a.board }
