package boundstorage

import (
	"context"

	"github.com/caddyserver/certmagic"
)

// none is the result of calls that have none.
type none = struct{}

func (s *Storage) do(ctx context.Context, what string, do func(context.Context, certmagic.Storage) error) error {
	_, err := call(ctx, s, request[none]{what: what, limit: s.timeout, do: func(ctx context.Context, inner certmagic.Storage) (none, error) {
		return none{}, do(ctx, inner)
	}})
	return err
}

// write is do for what changes something, for Unlock to wait for. Once begun it goes by the storage's own timeout and by
// no caller's: a process that ends waits for a disk that is merely slow.
func (s *Storage) write(ctx context.Context, what string, do func(context.Context, certmagic.Storage) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.do(context.WithoutCancel(ctx), what, func(ctx context.Context, inner certmagic.Storage) error {
		s.mu.Lock()
		s.writing++
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.writing--
			s.written.Broadcast()
		}()
		return do(ctx, inner)
	})
}

// Lock implements certmagic.Locker.
func (s *Storage) Lock(ctx context.Context, name string) error {
	_, err := call(ctx, s, request[none]{
		what: "lock " + name, limit: lockTimeout,
		do:   func(ctx context.Context, inner certmagic.Storage) (none, error) { return none{}, inner.Lock(ctx, name) },
		late: func(none) { s.Unlock(context.Background(), name) },
	})
	return err
}

// Unlock implements certmagic.Locker. While a write hangs, the lock stays: it could come to pass after another node's.
func (s *Storage) Unlock(ctx context.Context, name string) error {
	_, err := call(context.WithoutCancel(ctx), s, request[none]{what: "unlock " + name, limit: s.timeout, must: true, do: func(ctx context.Context, inner certmagic.Storage) (none, error) {
		s.mu.Lock()
		for s.writing > 0 {
			s.written.Wait()
		}
		s.mu.Unlock()
		return none{}, inner.Unlock(context.WithoutCancel(ctx), name)
	}})
	return err
}

// Store implements certmagic.Storage.
func (s *Storage) Store(ctx context.Context, key string, value []byte) error {
	return s.write(ctx, "store "+key, func(ctx context.Context, inner certmagic.Storage) error { return inner.Store(ctx, key, value) })
}

// Delete implements certmagic.Storage.
func (s *Storage) Delete(ctx context.Context, key string) error {
	return s.write(ctx, "delete "+key, func(ctx context.Context, inner certmagic.Storage) error { return inner.Delete(ctx, key) })
}

// Load implements certmagic.Storage.
func (s *Storage) Load(ctx context.Context, key string) ([]byte, error) {
	return call(ctx, s, request[[]byte]{what: "load " + key, limit: s.timeout, do: func(ctx context.Context, inner certmagic.Storage) ([]byte, error) {
		return inner.Load(ctx, key)
	}})
}

// Exists implements certmagic.Storage. Of one that hangs it says no.
func (s *Storage) Exists(ctx context.Context, key string) bool {
	exists, _ := call(ctx, s, request[bool]{what: "look for " + key, limit: s.timeout, do: func(ctx context.Context, inner certmagic.Storage) (bool, error) {
		return inner.Exists(ctx, key), nil
	}})
	return exists
}

// List implements certmagic.Storage.
func (s *Storage) List(ctx context.Context, path string, recursive bool) ([]string, error) {
	return call(ctx, s, request[[]string]{what: "list " + path, limit: s.timeout, do: func(ctx context.Context, inner certmagic.Storage) ([]string, error) {
		return inner.List(ctx, path, recursive)
	}})
}

// Stat implements certmagic.Storage.
func (s *Storage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	return call(ctx, s, request[certmagic.KeyInfo]{what: "look at " + key, limit: s.timeout, do: func(ctx context.Context, inner certmagic.Storage) (certmagic.KeyInfo, error) {
		return inner.Stat(ctx, key)
	}})
}

// Interface guard
var _ certmagic.Storage = (*Storage)(nil)
