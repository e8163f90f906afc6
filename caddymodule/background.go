package caddymodule

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

// inBackground runs something until the function that it returns is called, which waits for its end.
func inBackground(run func(context.Context)) (end func()) {
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

// whileHeld runs something until held is released.
func whileHeld(held *pool.Held, run func(context.Context)) {
	end := inBackground(run)
	held.Add(func() error {
		end()
		return nil
	})
}

// storages are those of the configs so far, by their keys: what hung before a reload hangs after it.
var storages sync.Map

// storageOf returns a config's storage, whose calls end even where it hangs.
func storageOf(ctx caddy.Context) *boundstorage.Storage {
	inner := ctx.Storage()
	name := storageKey(inner)
	if known, ok := storages.Load(name); ok {
		return known.(*boundstorage.Storage)
	}
	part := health.Watch("storage", "what was read before goes on to hold; changes of keys, blocks, tools and rollouts, and starts with another config, get an error", pooledLogger())
	made, known := storages.LoadOrStore(name, boundstorage.New(name, inner, 0, part))
	if known {
		part.Close()
	}
	return made.(*boundstorage.Storage)
}

// storageKey tells storages apart: what is followed in one is pooled under it.
func storageKey(storage certmagic.Storage) string { return fmt.Sprintf("%T %v", storage, storage) }
