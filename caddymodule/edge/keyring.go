package edge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/metrics"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/masking"
)

// StorageTimeout bounds one exchange with the storage, its lock included.
const StorageTimeout = 30 * time.Second

// keyRings holds the key rings in use, so that a config reload neither reads the storage again
// nor leaves a moment without a ring.
var keyRings = pool.New[*KeyRing]("key rings")

// Epochs are the epochs that masks are made with now, the one in use first.
type Epochs struct{ List []masking.Epoch }

// KeyRing is what configs with one `keep` see of the ring in the storage, or a ring of configured secrets.
type KeyRing struct {
	id     string      // what tells it from others
	shared *sharedRing // nil: configured
	keep   int
	ring   atomic.Pointer[masking.Ring]
	active atomic.Pointer[Epochs]
	read   atomic.Pointer[Epochs] // see readable
}

// errConfigured says why a ring can't be changed here.
var errConfigured = errors.New("the secret is configured: to rotate, put the new secret before the old one" +
	" in the `secret` option and reload")

func newConfiguredRing(secrets [][]byte) (*KeyRing, error) {
	ring, err := masking.ConfiguredRing(secrets...)
	if err != nil {
		return nil, err
	}
	k := &KeyRing{keep: len(secrets) - 1}
	k.use(ring, time.Now())
	for _, epoch := range k.active.Load().List {
		k.id += " " + epoch.ID()
	}
	return k, nil
}

// use makes ring the one in use. The active epochs are replaced only when they
// differ, since all that is remembered of clients goes with them.
func (k *KeyRing) use(ring *masking.Ring, now time.Time) {
	k.ring.Store(ring)
	replace(&k.read, ring.Readable(now, k.keep))
	replace(&k.active, ring.Active(now, k.keep))
}

func replace(epochs *atomic.Pointer[Epochs], list []masking.Epoch) {
	same := func(a, b masking.Epoch) bool { return a.ID() == b.ID() }
	if current := epochs.Load(); current != nil && slices.EqualFunc(current.List, list, same) {
		return
	}
	epochs.Store(&Epochs{list})
}

// Epochs returns those that masks are made with now.
func (k *KeyRing) Epochs() *Epochs { return k.active.Load() }

// Readable returns the epochs whose records can be read: the active ones, and one that is planned, which a
// node whose clock is ahead may use already.
func (k *KeyRing) Readable() []masking.Epoch { return k.read.Load().List }

// start has the ring made if there never was one. The config's policy comes later, see won.
func (k *KeyRing) start(dir string) error {
	if k.shared == nil {
		return nil
	}
	return k.shared.start(dir)
}

// won has the ring kept as a config says that has come into use.
func (k *KeyRing) won(policy masking.Policy) {
	if k.shared != nil {
		k.shared.setPolicy(policy)
	}
}

// openKeyRing returns the ring that fits a's configuration. Nothing is written: the config may only be validated.
func openKeyRing(ctx caddy.Context, held *pool.Held, a *App) (*KeyRing, error) {
	secrets, err := a.ResolveSecrets()
	if err != nil {
		return nil, err
	}
	if len(secrets) > 0 {
		return newConfiguredRing(secrets) // holds nothing that a reload would have to keep
	}
	storage := StorageOf(ctx)
	key := fmt.Sprintf("%s keep %d", StorageKey(storage), a.keep())
	return keyRings.Acquire(held, key, func(own *pool.Held) (*KeyRing, error) {
		shared, err := openSharedRing(own, storage, a.clock, a.FilesDir())
		if err != nil {
			return nil, err
		}
		k := &KeyRing{id: key, shared: shared, keep: a.keep()}
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
func (k *KeyRing) change(ctx context.Context, how func(context.Context, *masking.Keeper) (*masking.Ring, error)) error {
	if k.shared == nil {
		return errConfigured
	}
	return k.shared.change(ctx, how)
}

var (
	ringBroken    = metrics.NewGauge("keyring_broken", "1 where the key ring in the storage can't be read, is gone or an older copy, and the last good one holds.")
	ringDisagree  = metrics.NewGauge("keyring_disagree", "1 where edges that share the key ring have different policies for it; the longest of each holds.")
	ringEpochs    = metrics.NewGauge("keyring_epochs", "Epochs of the key ring, and how many of them will be destroyed.", "state")
	ringDestroyed = metrics.NewCounter("keyring_destroyed_total", "Epochs whose secrets this edge has destroyed.")
)

// ringReadings are of a key ring in a storage; of configured secrets nothing is to be told.
func ringReadings(keys *KeyRing) metrics.Readings {
	return metrics.ReadingsOf(func(tell metrics.Telling) {
		s := keys.shared
		if s == nil {
			return
		}
		tell(ringBroken, metrics.Truth(s.broken.Load()))
		tell(ringDisagree, metrics.Truth(s.disagreeing.Load()))
		epochs := keys.ring.Load().Epochs()
		marked := 0
		for _, e := range epochs {
			if !e.Destroy().IsZero() {
				marked++
			}
		}
		tell(ringEpochs, float64(len(epochs)-marked), "kept")
		tell(ringEpochs, float64(marked), "to_be_destroyed")
		tell(ringDestroyed, float64(s.destroyed.Load()))
	}, ringBroken, ringDisagree, ringEpochs, ringDestroyed)
}
