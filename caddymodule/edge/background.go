package edge

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/internal/boundstorage"
	"github.com/wikiveil/wikiveil/internal/health"
	"github.com/wikiveil/wikiveil/internal/shareddoc"
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

// Follower keeps up with what other nodes write, until ctx ends. It is what [FromStorage] looks for.
type Follower interface {
	Follow(ctx context.Context, every time.Duration, report func(error))
}

// FromStorage returns what all configs with one storage share of it, which is opened once. A [Follower] keeps up with other
// nodes while a config uses it; name is what the log calls it.
func FromStorage[T any](ctx caddy.Context, held *pool.Held, shared pool.Pool[T], name string,
	open func(context.Context, shareddoc.Storage) (T, error),
) (T, error) {
	storage := StorageOf(ctx)
	return shared.Acquire(held, StorageKey(storage), func(own *pool.Held) (T, error) {
		opening, cancel := context.WithTimeout(context.Background(), StorageTimeout)
		defer cancel()
		opened, err := open(opening, storage)
		follower, ok := any(opened).(Follower)
		if err == nil && ok {
			WhileHeld(own, func(ctx context.Context) {
				follower.Follow(ctx, 0, func(err error) { Log().Error(name+" can't be read; the last one holds", zap.Error(err)) })
			})
		}
		return opened, err
	})
}

// StorageKey tells storages apart: what is followed in one is pooled under it.
func StorageKey(storage certmagic.Storage) string { return fmt.Sprintf("%T %v", storage, storage) }
