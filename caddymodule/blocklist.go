package caddymodule

import (
	"context"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/masking/blocks"
)

// blockLists holds the block lists in use, over config reloads.
var blockLists = caddy.NewUsagePool()

// blockList is a block list that follows other nodes' changes while it is in use.
type blockList struct {
	*blocks.List
	end func()
}

// openBlockList returns the storage's list, and the key that it is pooled under.
func openBlockList(ctx caddy.Context, clock *sharedClock) (*blockList, string, error) {
	storage := storageOf(ctx)
	key := storageKey(storage)
	list, _, err := blockLists.LoadOrNew(key, func() (caddy.Destructor, error) {
		opening, cancel := context.WithTimeout(context.Background(), storageTimeout)
		defer cancel()
		opened, err := blocks.Open(opening, storage, clock)
		if err != nil {
			return nil, err
		}
		return &blockList{opened, inBackground(func(ctx context.Context) {
			opened.Follow(ctx, 0, func(err error) {
				pooledLog().Error("block list can't be read; the last one holds", zap.Error(err))
			})
		})}, nil
	})
	if err != nil {
		return nil, "", err
	}
	return list.(*blockList), key, nil
}

// Destruct implements caddy.Destructor.
func (l *blockList) Destruct() error {
	l.end()
	return nil
}
