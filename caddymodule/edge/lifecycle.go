package edge

import (
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/internal/caddyprivate"
	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/caddymodule/internal/metrics"
	"github.com/wikiveil/wikiveil/internal/openbolt"
)

// Provision reads what all sites share. It writes nothing, as the config may only be validated: what has to be opened for that is handed
// to OnStart, by the sites too.
func (a *App) Provision(ctx caddy.Context) (err error) {
	a.logger, a.ctx, a.starting = ctx.Logger(), ctx, newStarting()
	a.heldByLookups.Late = func(err error) { Log().Error("closing what a config's last look-up used", zap.Error(err)) }
	a.makeParts()
	a.OnStart(func() error { return collectLess(&a.held) })
	if err := a.validate(false); err != nil {
		return err
	}
	if a.metrics, err = metrics.Pooled(&a.held); err != nil {
		return err
	}
	if err = a.openNetworks(ctx); err != nil {
		return err
	}
	if a.board, err = openBoard(ctx, a); err != nil {
		return err
	}
	if a.clock, err = openClock(ctx, &a.heldByLookups); err != nil {
		return err
	}
	if a.keys, err = openKeyRing(ctx, &a.heldByLookups, a); err != nil {
		return fmt.Errorf("opening the key ring: %w", err)
	}
	a.confirming = &Confirmations{ring: a.keys}
	if err := a.registerMetrics(ctx.GetMetricsRegistry()); err != nil {
		return err
	}
	if err := a.provisionSightings(ctx); err != nil {
		return err
	}
	return a.provisionParts(ctx)
}

func (a *App) registerMetrics(registry prometheus.Registerer) error {
	if err := a.metrics.Register(registry); err != nil {
		return err
	}
	for _, c := range []prometheus.Collector{boardReadings(a.board), networkReadings(a.named), metrics.StoreReadings(), clockReadings(a.clock), ringReadings(a.keys)} {
		if err := registry.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// Start implements caddy.App.
func (a *App) Start() error {
	if servers, err := a.ctx.AppIfConfigured("http"); err == nil {
		a.servers, _ = servers.(*caddyhttp.App)
	}
	if err := a.keys.start(a.FilesDir()); err != nil {
		return fmt.Errorf("opening the key ring: %w", err)
	}
	if err := a.starting.open(); errors.Is(err, openbolt.ErrInUse) {
		return fmt.Errorf("wikiveil: %w; is another edge running with the same data_dir?", err)
	} else if err != nil {
		return err
	}
	a.clock.start()
	a.starting.begin()
	a.board.start()
	a.startParts()
	a.starting.whenInUse(a, a.won)
	return nil
}

// won does what can't be taken back, now that the config is in use.
func (a *App) won() {
	for _, part := range partsWith[interface{ InUse() }](a) {
		part.InUse()
	}
	a.keys.won(a.policy())
}

// Stop implements caddy.App. In a reload the next app has started already; but where that
// reload fails, it is the next app that is stopped, and the one before goes on.
func (a *App) Stop() error {
	a.starting.stop()
	a.stopParts()
	a.board.stop()
	return nil
}

// Cleanup implements caddy.CleanerUpper. Provision may have failed half-way.
func (a *App) Cleanup() error {
	closeIdleUpstreams(a.servers)
	if a.starting != nil {
		a.starting.close()
	}
	a.stopParts()
	a.board.stop()
	// The last opened is closed first: the records before the keys, which they are read with, and these before the clock, which they go by.
	return errors.Join(a.heldByLookups.Release(), a.held.Release())
}

// CheckServers refuses a config that leads requests past client_mask to an app, or error pages out past csp. It looks at
// the JSON of all servers, whatever they came from, and once for a config.
func (a *App) CheckServers(ctx caddy.Context) error {
	app := configcheck.HTTPApp(ctx)
	if app == nil {
		return nil
	}
	a.serversOnce.Do(func() {
		a.found, a.serversErr = configcheck.Servers(app, caddyprivate.App(ctx, "http"), a.logger, configcheck.Cover{Handler: "client_mask"},
			configcheck.Cover{Handler: "csp", ErrorsOnly: true, Answers: true})
	})
	return a.serversErr
}

// Found returns what CheckServers warned of.
func (a *App) Found() configcheck.Found { return a.found }
