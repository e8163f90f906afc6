package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/masking"
)

// storageTimeout bounds one exchange with the storage, its lock included.
const storageTimeout = 30 * time.Second

// keyRings holds the key rings in use, so that a config reload neither reads the storage again
// nor leaves a moment without a ring.
var keyRings = pool.New[*keyRing]("key rings")

// activeEpochs are the epochs that masks are made with now, the one in use first.
type activeEpochs struct{ list []masking.Epoch }

// keyRing is what configs with one `keep` see of the ring in the storage, or a ring of configured secrets.
type keyRing struct {
	id     string      // what tells it from others
	shared *sharedRing // nil: configured
	keep   int
	ring   atomic.Pointer[masking.Ring]
	active atomic.Pointer[activeEpochs]
	read   atomic.Pointer[activeEpochs] // see readable
}

// errConfigured says why a ring can't be changed here.
var errConfigured = errors.New("the secret is configured: to rotate, put the new secret before the old one" +
	" in the `secret` option and reload")

func newConfiguredRing(secrets [][]byte) (*keyRing, error) {
	ring, err := masking.ConfiguredRing(secrets...)
	if err != nil {
		return nil, err
	}
	k := &keyRing{keep: len(secrets) - 1}
	k.use(ring, time.Now())
	for _, epoch := range k.active.Load().list {
		k.id += " " + epoch.ID()
	}
	return k, nil
}

// use makes ring the one in use. The active epochs are replaced only when they
// differ, since all that is remembered of clients goes with them.
func (k *keyRing) use(ring *masking.Ring, now time.Time) {
	k.ring.Store(ring)
	replace(&k.read, ring.Readable(now, k.keep))
	replace(&k.active, ring.Active(now, k.keep))
}

func replace(epochs *atomic.Pointer[activeEpochs], list []masking.Epoch) {
	same := func(a, b masking.Epoch) bool { return a.ID() == b.ID() }
	if current := epochs.Load(); current != nil && slices.EqualFunc(current.list, list, same) {
		return
	}
	epochs.Store(&activeEpochs{list})
}

// epochs returns those that masks are made with now.
func (k *keyRing) epochs() *activeEpochs { return k.active.Load() }

// readable returns the epochs whose records can be read: the active ones, and one that is planned, which a
// node whose clock is ahead may use already.
func (k *keyRing) readable() []masking.Epoch { return k.read.Load().list }

// start has the ring made if there never was one. The config's policy comes later, see won.
func (k *keyRing) start(dir string) error {
	if k.shared == nil {
		return nil
	}
	return k.shared.start(dir)
}

// won has the ring kept as a config says that has come into use.
func (k *keyRing) won(policy masking.Policy) {
	if k.shared != nil {
		k.shared.setPolicy(policy)
	}
}

// openKeyRing returns the ring that fits a's configuration. Nothing is written: the config may only be validated.
func openKeyRing(ctx caddy.Context, held *pool.Held, a *App) (*keyRing, error) {
	secrets, err := a.resolveSecrets()
	if err != nil {
		return nil, err
	}
	if len(secrets) > 0 {
		return newConfiguredRing(secrets) // holds nothing that a reload would have to keep
	}
	storage := storageOf(ctx)
	key := fmt.Sprintf("%s keep %d", storageKey(storage), a.keep())
	return keyRings.Acquire(held, key, func(own *pool.Held) (*keyRing, error) {
		shared, err := openSharedRing(own, storage, a.clock, a.filesDir())
		if err != nil {
			return nil, err
		}
		k := &keyRing{id: key, shared: shared, keep: a.keep()}
		shared.join(k)
		own.Add(func() error {
			shared.leave(k)
			return nil
		})
		return k, nil
	})
}

// policy is how the app wants a ring in the storage kept.
func (a *App) policy() masking.Policy {
	p := masking.Policy{Every: time.Duration(a.Rotate), Keep: a.keep(), Grace: masking.DefaultGrace}
	if a.DestroyAfter != 0 {
		p.Grace = time.Duration(a.DestroyAfter)
	}
	return p
}

// change changes the ring in the storage by an operator's command.
func (k *keyRing) change(ctx context.Context, how func(context.Context, *masking.Keeper) (*masking.Ring, error)) error {
	if k.shared == nil {
		return errConfigured
	}
	return k.shared.change(ctx, how)
}
