package trustedclock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
)

// Key is the storage key that the newest time is kept under.
const Key = "wikiveil/clock.json"

const (
	lockName = "wikiveil_clock"
	// storeEvery is how old the stored time gets at most while an edge runs.
	storeEvery = 10 * time.Minute
)

// ErrDamaged: the stored time can't be read.
var ErrDamaged = fmt.Errorf("the newest time is damaged: delete %s from the storage and restart, once this machine's clock is right", Key)

// stored is the document, version 1.
type stored struct {
	Version int       `json:"version"`
	Newest  time.Time `json:"newest"`
}

// A Keeper keeps a clock's newest time in the storage.
type Keeper struct {
	*Clock
	doc *shareddoc.Doc
}

// Open returns the clock of this machine as the storage knows it. It writes nothing.
func Open(ctx context.Context, storage shareddoc.Storage) (*Keeper, error) {
	return OpenFrom(ctx, storage, New())
}

// OpenFrom is Open with a clock of the caller's.
func OpenFrom(ctx context.Context, storage shareddoc.Storage, clock *Clock) (*Keeper, error) {
	k := &Keeper{Clock: clock}
	first := true
	k.doc = shareddoc.New(storage, Key, lockName, func(data []byte) error {
		var s stored
		if err := json.Unmarshal(data, &s); err != nil || s.Version != 1 || s.Newest.IsZero() {
			return ErrDamaged
		}
		clock.learn(s.Newest.UTC(), first)
		first = false
		return nil
	})
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
	err := k.doc.Update(ctx, func() ([]byte, error) {
		if status := k.Status(); status.Confirmed && status.Now.After(k.newest()) {
			return encode(status.Now)
		}
		return nil, nil
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
	err := k.doc.Update(ctx, func() ([]byte, error) { return encode(k.confirm()) })
	if errors.Is(err, shareddoc.ErrVanished) {
		return err
	}
	if err != nil {
		return fmt.Errorf("storing the confirmed time: %w", err)
	}
	return nil
}

func encode(newest time.Time) ([]byte, error) {
	return json.Marshal(stored{Version: 1, Newest: newest.UTC().Truncate(time.Second)})
}
