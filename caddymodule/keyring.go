package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/masking"
)

const (
	// refreshEvery bounds how long a node goes on without what another one rotated by hand.
	refreshEvery = 15 * time.Second
	// storageTimeout bounds one exchange with the storage, its lock included.
	storageTimeout = 30 * time.Second
)

// keyRings holds the key rings in use, so that a config reload neither reads the storage again
// nor leaves a moment without a ring.
var keyRings = caddy.NewUsagePool()

// activeEpochs are the epochs that masks are made with now, the one in use first.
type activeEpochs struct{ list []masking.Epoch }

// keyRing follows a key ring in storage, or holds a configured one.
type keyRing struct {
	keeper *masking.Keeper // nil: configured
	keep   int
	ring   atomic.Pointer[masking.Ring]
	active atomic.Pointer[activeEpochs]
	mu     sync.Mutex // of writers
	end    func()     // of following; nil: configured
}

// errConfigured says why a ring can't be rotated here.
var errConfigured = errors.New("the secret is configured: to rotate, put the new secret before the old one" +
	" in the `secret` option and reload")

func newConfiguredRing(secrets [][]byte) (*keyRing, error) {
	ring, err := masking.ConfiguredRing(secrets...)
	if err != nil {
		return nil, err
	}
	k := &keyRing{keep: len(secrets) - 1}
	k.use(ring, time.Now())
	return k, nil
}

func newStoredRing(keeper *masking.Keeper) (*keyRing, error) {
	k := &keyRing{keeper: keeper, keep: keeper.Keep}
	if err := k.refresh(context.Background()); err != nil {
		return nil, err
	}
	k.end = inBackground(k.follow)
	return k, nil
}

// Destruct implements caddy.Destructor.
func (k *keyRing) Destruct() error {
	if k.end != nil {
		k.end()
	}
	return nil
}

// follow keeps up with the schedule and with other nodes until ctx ends.
func (k *keyRing) follow(ctx context.Context) {
	failing := false
	for {
		wait := refreshEvery
		if next, planned := k.ring.Load().Next(time.Now()); planned {
			wait = min(wait, max(0, time.Until(next)))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		// An epoch that was planned starts even where the storage can't be read.
		k.mu.Lock()
		k.use(k.ring.Load(), time.Now())
		k.mu.Unlock()
		err := k.refresh(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			pooledLog().Error("key ring can't be read; going on with the last one", zap.Error(err))
		}
		failing = err != nil
	}
}

func (k *keyRing) refresh(ctx context.Context) error {
	return k.change(ctx, k.keeper.Open)
}

// rotate starts a new epoch at once.
func (k *keyRing) rotate(ctx context.Context) error {
	if k.keeper == nil {
		return errConfigured
	}
	return k.change(ctx, k.keeper.Rotate)
}

func (k *keyRing) change(ctx context.Context, how func(context.Context, time.Time) (*masking.Ring, error)) error {
	ctx, cancel := context.WithTimeout(ctx, storageTimeout)
	defer cancel()
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	ring, err := how(ctx, now)
	if err != nil {
		return err
	}
	k.use(ring, now)
	return nil
}

// use makes ring the one in use. The active epochs are replaced only when they
// differ, since all that is remembered of clients goes with them.
func (k *keyRing) use(ring *masking.Ring, now time.Time) {
	k.ring.Store(ring)
	list := ring.Active(now, k.keep)
	same := func(a, b masking.Epoch) bool { return a.ID() == b.ID() }
	if current := k.active.Load(); current != nil && slices.EqualFunc(current.list, list, same) {
		return
	}
	k.active.Store(&activeEpochs{list})
}

// openKeyRing returns the ring that fits a's configuration, shared through the usage pool
// under the key that it returns too.
func openKeyRing(ctx caddy.Context, a *App) (*keyRing, string, error) {
	secrets, err := a.resolveSecrets()
	if err != nil {
		return nil, "", err
	}
	if len(secrets) > 0 {
		ring, err := newConfiguredRing(secrets)
		return ring, "", err // holds nothing that a reload would have to keep
	}
	storage := ctx.Storage()
	key := fmt.Sprintf("%s keep %d every %v", storageKey(storage), a.keep(), a.Rotate)
	ring, _, err := keyRings.LoadOrNew(key, func() (caddy.Destructor, error) {
		return newStoredRing(&masking.Keeper{Storage: storage, Keep: a.keep(), Every: time.Duration(a.Rotate)})
	})
	if err != nil {
		return nil, "", err
	}
	return ring.(*keyRing), key, nil
}
