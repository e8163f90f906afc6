package mask

import (
	"context"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/masking/blocks"
)

var blockParts = edge.NewPart[configBlocks]()

// configBlocks is the edge's own block list.
type configBlocks struct{ *blocks.List }

// Provision implements what [edge.Part] calls.
func (b *configBlocks) Provision(ctx caddy.Context, a *edge.App) (err error) {
	if b.List, err = openBlockList(ctx, a.Held(), a.Clock()); err != nil {
		err = fmt.Errorf("opening the block list: %w", err)
	}
	return err
}

// blockLists holds the block lists in use, over config reloads.
var blockLists = pool.New[*blocks.List]("block lists")

// openBlockList returns the storage's list, which follows other nodes' changes while it is in use.
func openBlockList(ctx caddy.Context, held *pool.Held, clock *edge.Clock) (*blocks.List, error) {
	storage := edge.StorageOf(ctx)
	return blockLists.Acquire(held, edge.StorageKey(storage), func(own *pool.Held) (*blocks.List, error) {
		opening, cancel := context.WithTimeout(context.Background(), edge.StorageTimeout)
		defer cancel()
		opened, err := blocks.Open(opening, storage, clock)
		if err != nil {
			return nil, err
		}
		edge.WhileHeld(own, func(ctx context.Context) {
			opened.Follow(ctx, 0, func(err error) {
				edge.Log().Error("block list can't be read; the last one holds", zap.Error(err))
			})
		})
		return opened, nil
	})
}
