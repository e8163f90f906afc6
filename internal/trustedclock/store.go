package trustedclock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
)

// Key is the storage key that the newest time is kept under.
const Key = "wikiveil/clock.json"

// storeEvery is how old the stored time gets at most while an edge runs.
const storeEvery = 10 * time.Minute

// stored is the document.
type stored struct {
	Newest time.Time `json:"newest"`
}

// A Keeper keeps a clock's newest time in the storage.
type Keeper struct {
	*Clock
	doc *shareddoc.Doc[stored]
}

// Open returns the clock of this machine as the storage knows it. It writes nothing.
func Open(ctx context.Context, storage shareddoc.Storage) (*Keeper, error) {
	return OpenFrom(ctx, storage, New())
}

// OpenFrom is Open with a clock of the caller's.
func OpenFrom(ctx context.Context, storage shareddoc.Storage, clock *Clock) (*Keeper, error) {
	k := &Keeper{Clock: clock}
	first := true
	form := shareddoc.JSON(func(s stored) error {
		if s.Newest.IsZero() {
			return errors.New("it holds no time")
		}
		return nil
	})
	form.Use = func(s stored) error {
		clock.learn(s.Newest.UTC(), first)
		first = false
		return nil
	}
	k.doc = shareddoc.New(storage, Key, form)
	if err := k.doc.Read(ctx); err != nil {
		return nil, fmt.Errorf("reading the newest time: %w", err)
	}
	first = false
	return k, nil
}

// Tend learns what other nodes stored, and stores this one's time where it is right and newer. The error may be
// that of [Status.Err].
func (k *Keeper) Tend(ctx context.Context) error {
	if err := k.doc.Read(ctx); err != nil {
		return fmt.Errorf("reading the newest time: %w", err)
	}
	status := k.Status()
	if err := status.Err(); err != nil {
		return err
	}
	if k.newest().Add(storeEvery).After(status.Now) {
		return nil
	}
	err := k.doc.Update(ctx, func(s stored) (stored, error) {
		if status := k.Status(); status.Confirmed && status.Now.After(k.newest()) {
			return toStore(status.Now), nil
		}
		return s, nil
	})
	if err != nil {
		return fmt.Errorf("storing the newest time: %w", err)
	}
	return nil
}

func (k *Keeper) newest() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.stored
}

// Confirm takes this machine's clock for right, here and at all nodes whose clocks agree with it.
func (k *Keeper) Confirm(ctx context.Context) error {
	err := k.doc.Update(ctx, func(stored) (stored, error) { return toStore(k.confirm()), nil })
	if errors.Is(err, shareddoc.ErrVanished) {
		return err
	}
	if err != nil {
		return fmt.Errorf("storing the confirmed time: %w", err)
	}
	return nil
}

func toStore(newest time.Time) stored { return stored{newest.UTC().Truncate(time.Second)} }
