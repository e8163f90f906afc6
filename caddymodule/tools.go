package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// tools are what a config has for the declared tools, which all its sites share.
type tools struct {
	logger *zap.Logger

	live  *noticeboard.Live
	state *noticeboard.State
	cache *cache.Cache // nil: each request asks the tool

	mirrors   appMirrors
	canaries  toolCanaries
	refreshes toolRefreshes

	stopFollowing func() // the noticeboard; nil: not started
}

// provision reads all, and writes nothing: the config may only be validated.
func (t *tools) provision(ctx caddy.Context, a *App) error {
	t.logger = ctx.Logger()
	if err := t.openMirrors(a); err != nil {
		return err
	}
	if err := t.openCache(a, ctx.GetMetricsRegistry()); err != nil {
		return err
	}
	return t.openBoard(ctx, a)
}

func (t *tools) start() {
	t.startBoard()
	t.mirrors.start()
	t.canaries.start()
	t.refreshes.start(t)
}

// stop ends what start began, as far as it did.
func (t *tools) stop() {
	t.canaries.stop()
	t.refreshes.stop()
	t.stopBoard()
	t.mirrors.stop()
}
