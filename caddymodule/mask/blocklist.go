package mask

import (
	"context"
	"fmt"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/internal/shareddoc"
	"github.com/wikiveil/wikiveil/masking/blocks"
)

var blockParts = edge.NewPart[configBlocks]()

// configBlocks is the edge's own block list.
type configBlocks struct{ *blocks.List }

// Provision implements what [edge.Part] calls.
func (b *configBlocks) Provision(ctx caddy.Context, a *edge.App) (err error) {
	b.List, err = edge.FromStorage(ctx, a.Held(), blockLists, "block list", func(ctx context.Context, storage shareddoc.Storage) (*blocks.List, error) {
		return blocks.Open(ctx, storage, a.Clock())
	})
	if err != nil {
		return fmt.Errorf("opening the block list: %w", err)
	}
	return nil
}

// blockLists holds the block lists in use, over config reloads.
var blockLists = pool.New[*blocks.List]("block lists")

// Interface guards
var (
	_ edge.Follower = (*blocks.List)(nil)
)
