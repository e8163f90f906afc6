package edge

import (
	"context"
	"fmt"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/internal/boundstorage"
	"github.com/wikiveil/wikiveil/internal/health"
)

// InBackground runs something until the function that it returns is called, which waits for its end.
func InBackground(run func(context.Context)) (end func()) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	return func() {
		stop()
		<-done
	}
}

// WhileHeld runs something until held is released.
func WhileHeld(held *pool.Held, run func(context.Context)) {
	end := InBackground(run)
	held.Add(func() error {
		end()
		return nil
	})
}

// storages are those of the configs so far, by their keys: what hung before a reload hangs after it.
var storages sync.Map

// StorageOf returns a config's storage, whose calls end even where it hangs.
func StorageOf(ctx caddy.Context) *boundstorage.Storage {
	inner := ctx.Storage()
	name := StorageKey(inner)
	if known, ok := storages.Load(name); ok {
		return known.(*boundstorage.Storage)
	}
	part := health.Watch("storage", "what was read before goes on to hold; changes of keys, blocks, tools and rollouts, and starts with another config, get an error", Slog())
	made, known := storages.LoadOrStore(name, boundstorage.New(name, inner, 0, part))
	if known {
		part.Close()
	}
	return made.(*boundstorage.Storage)
}

// StorageKey tells storages apart: what is followed in one is pooled under it.
func StorageKey(storage certmagic.Storage) string { return fmt.Sprintf("%T %v", storage, storage) }
