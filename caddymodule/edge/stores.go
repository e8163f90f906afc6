package edge

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/internal/kv"
	"github.com/wikiveil/wikiveil/internal/redisclient"
	"github.com/wikiveil/wikiveil/internal/reopen"
)

// Stores of counters are in use over config reloads.
var Stores = pool.New[kv.Store]("stores")

// redis is where several nodes share what they keep; nil: nowhere.
func (a *App) redis() *RedisConfig {
	if a.Sightings == nil {
		return nil
	}
	return a.Sightings.Redis
}

// Store tells what opens a store, and the key to pool it under: in Redis, for all nodes, or in a file of the data_dir. Effect is
// what it means that the file can't be used.
func (a *App) Store(name, effect string) (key string, open func() (kv.Store, error), err error) {
	if redis := a.redis(); redis != nil {
		prefix := cmp.Or(redis.Prefix, "wikiveil:") + name + ":"
		return redis.hash(prefix), func() (kv.Store, error) {
			client, err := redisclient.Open(redis.resolve())
			if err != nil {
				return nil, err
			}
			return kv.NewRedis(client, prefix), nil
		}, nil
	}
	file, err := filepath.Abs(filepath.Join(a.FilesDir(), name+".db"))
	if err != nil {
		return "", nil, err
	}
	passed := a.clock.Passed // not a itself: the store outlives its config
	return "bbolt " + file, func() (kv.Store, error) {
		store, _, err := openFile(name, effect, func() (kv.Store, error) { return kv.OpenBolt(file, passed) })
		if err != nil {
			return nil, err
		}
		return fileStore{store}, nil
	}, nil
}

// fileStore is a store in a file, which may be down.
type fileStore struct{ *reopen.Store[kv.Store] }

func (s fileStore) use(do func(kv.Store) error) error {
	var result error
	if err := s.Use(func(store kv.Store) error { result = do(store); return result }); err != nil && result == nil {
		return errors.New(err.Error()) // that it is damaged is told already
	}
	return result
}

// Get implements [kv.Store].
func (s fileStore) Get(ctx context.Context, keys ...string) (values map[string][]byte, err error) {
	err = s.use(func(store kv.Store) error {
		values, err = store.Get(ctx, keys...)
		return err
	})
	return values, err
}

// Update implements [kv.Store].
func (s fileStore) Update(ctx context.Context, key string, expires time.Time, change func([]byte) ([]byte, error)) error {
	return s.use(func(store kv.Store) error { return store.Update(ctx, key, expires, change) })
}

// Add implements [kv.Store].
func (s fileStore) Add(ctx context.Context, n int, to ...kv.Counter) (counts []int, over int, err error) {
	err = s.use(func(store kv.Store) error {
		counts, over, err = store.Add(ctx, n, to...)
		return err
	})
	return counts, over, err
}

// Delete implements [kv.Store].
func (s fileStore) Delete(ctx context.Context, keys ...string) error {
	return s.use(func(store kv.Store) error { return store.Delete(ctx, keys...) })
}

// Sweep implements [kv.Store].
func (s fileStore) Sweep(ctx context.Context) error {
	return s.use(func(store kv.Store) error { return store.Sweep(ctx) })
}

// Interface guard
var _ kv.Store = fileStore{}
