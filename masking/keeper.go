package masking

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Storage is where nodes share a key ring: the part that is needed of a
// certmagic.Storage, which Caddy's storage modules are. Load of a missing key
// returns an error that is [fs.ErrNotExist].
type Storage interface {
	Lock(ctx context.Context, name string) error
	Unlock(ctx context.Context, name string) error
	Load(ctx context.Context, key string) ([]byte, error)
	Store(ctx context.Context, key string, value []byte) error
}

// RingKey is the storage key the ring is kept under.
const RingKey = "wikiveil/keyring.json"

const lockName = "wikiveil_keyring"

// rotationLead is how long before its start a scheduled epoch is stored, so that
// every node has read it by then and all change over at the same moment.
const rotationLead = 5 * time.Minute

// A Keeper keeps a key ring in storage that several nodes may share.
type Keeper struct {
	Storage Storage
	// Every is the time between scheduled rotations; 0 means no schedule.
	Every time.Duration
	// Keep is how many epochs before the one in use are kept; the others' secrets are deleted.
	Keep int
}

// Load returns the stored ring, or an error that is [fs.ErrNotExist].
func (k *Keeper) Load(ctx context.Context) (*Ring, error) {
	data, err := k.Storage.Load(ctx, RingKey)
	if err != nil {
		return nil, fmt.Errorf("loading the key ring: %w", err)
	}
	ring, err := decodeRing(data)
	if err != nil {
		return nil, fmt.Errorf("loading the key ring: %w; restore %s in the storage from a backup"+
			" (it is never overwritten; without it, masks made so far can't be made again)", err, RingKey)
	}
	return ring, nil
}

// Open returns the ring, made and stored if there is none, with what the
// schedule wants done at this time.
func (k *Keeper) Open(ctx context.Context, now time.Time) (*Ring, error) {
	ring, err := k.Load(ctx)
	if err == nil {
		if _, changed, _ := k.due(ring, now); !changed {
			return ring, nil // the usual case takes no lock
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return k.update(ctx, func(ring *Ring) (*Ring, bool, error) {
		if ring == nil {
			ring, err := new(Ring).Rotate(now, now)
			return ring, true, err
		}
		return k.due(ring, now)
	})
}

// Rotate starts a new epoch at this time and deletes the expired ones' secrets.
func (k *Keeper) Rotate(ctx context.Context, now time.Time) (*Ring, error) {
	return k.update(ctx, func(ring *Ring) (*Ring, bool, error) {
		if ring == nil {
			ring = new(Ring)
		}
		ring, err := ring.Rotate(now, now)
		if err != nil {
			return nil, false, err
		}
		ring, _ = ring.Forget(now, k.Keep)
		return ring, true, nil
	})
}

// due does what is due at a time: it plans the next epoch and forgets expired ones.
func (k *Keeper) due(ring *Ring, now time.Time) (_ *Ring, changed bool, err error) {
	ring, changed = ring.Forget(now, k.Keep)
	if _, planned := ring.Next(now); planned || k.Every <= 0 {
		return ring, changed, nil
	}
	start := ring.Active(now, 0)[0].start.Add(k.Every)
	if start.After(now.Add(rotationLead)) {
		return ring, changed, nil
	}
	if start.Before(now) { // the nodes were down when it was due
		start = now
	}
	if ring, err = ring.Rotate(now, start); err != nil {
		return nil, false, err
	}
	ring, _ = ring.Forget(now, k.Keep)
	return ring, true, nil
}

// update changes the stored ring under the storage's lock, so that of several
// nodes at once each sees what the one before it stored. A missing ring is nil.
func (k *Keeper) update(ctx context.Context, change func(*Ring) (*Ring, bool, error)) (_ *Ring, err error) {
	if err := k.Storage.Lock(ctx, lockName); err != nil {
		return nil, fmt.Errorf("locking the key ring: %w", err)
	}
	defer func() {
		// The lock must go even where the caller's time has run out.
		if unlockErr := k.Storage.Unlock(context.WithoutCancel(ctx), lockName); unlockErr != nil && err == nil {
			err = fmt.Errorf("unlocking the key ring: %w", unlockErr)
		}
	}()
	ring, err := k.Load(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ring, changed, err := change(ring)
	if err != nil || !changed {
		return ring, err
	}
	data, err := ring.encode()
	if err != nil {
		return nil, fmt.Errorf("encoding the key ring: %w", err)
	}
	if err := k.Storage.Store(ctx, RingKey, data); err != nil {
		return nil, fmt.Errorf("storing the key ring: %w", err)
	}
	return ring, nil
}
