package tools

import (
	"errors"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/caddymodule/edge"
)

var toolParts = edge.NewPart[tools]()

// tools are what a config has for the declared tools, which all its sites share.
type tools struct {
	board *edge.Noticeboard
	cache *cache.Cache // nil: each request asks the tool

	mirrors   appMirrors
	canaries  toolCanaries
	refreshes toolRefreshes
}

// Provision reads all, and writes nothing: the config may only be validated.
func (t *tools) Provision(ctx caddy.Context, a *edge.App) error {
	t.board, t.refreshes.logger = a.Noticeboard(), ctx.Logger()
	if err := t.openMirrors(a); err != nil {
		return err
	}
	registry := ctx.GetMetricsRegistry()
	if err := t.openCache(a, registry); err != nil {
		return err
	}
	t.board.OnDisabled(t.forget)
	return errors.Join(registry.Register(breakerReadings()), registry.Register(canaryReadings(&t.canaries)))
}

// Start begins what goes on without readers.
func (t *tools) Start() {
	t.mirrors.start()
	t.canaries.start()
	t.refreshes.start(t.board)
}

// Stop ends what Start began, as far as it did.
func (t *tools) Stop() {
	t.canaries.stop()
	t.refreshes.stop()
	t.mirrors.stop()
}
