// Package kv keeps small values and counters that end by themselves: quotas, confirmations, reports.
//
//	store, err := kv.OpenBolt("/var/lib/wikiveil/quotas.db", clock.Passed)  // one node
//	store := kv.NewRedis(client, "wikiveil:quotas:")                        // several, with one count
//	store := kv.NewMemory(1 << 16)                                          // one node, until its process ends
//	counts, over, err := store.Add(ctx, 1, kv.Counter{Key: "2026-11-29 " + user, Limit: 100, Expires: inAWeek})
//
// A store is not for many records: those of sightings have their own.
package kv

import (
	"context"
	"errors"
	"time"
)

// Errors of stores, for callers to test for. Any other one says that the store can't be reached now.
var (
	// ErrDamaged: a value, or the file of all, isn't as it was written.
	ErrDamaged = errors.New("the store is damaged")
	// ErrForgot: the store may have lost what it had at a counter's Since, or the counter has ended by now.
	ErrForgot = errors.New("the store can't tell any more")
	// ErrFull: there is no room, and nothing is dropped to make some.
	ErrFull = errors.New("the store is full")
)

// A Store keeps values and counters, each under a key of its own. It is safe for concurrent use.
type Store interface {
	// Get returns the values of those of the keys that have one.
	//
	// Errors: [ErrDamaged].
	Get(ctx context.Context, keys ...string) (map[string][]byte, error)
	// Update replaces a key's value by what change makes of the present one, which is nil if there is none and must
	// not be kept or changed. Nobody else, on any node, changes it meanwhile; for that, change may be called more than
	// once. Where change returns an error, that is returned and the value stays; so it does where change returns nil.
	//
	// Errors: those of change, [ErrDamaged], [ErrFull].
	Update(ctx context.Context, key string, expires time.Time, change func(old []byte) ([]byte, error)) error
	// Add adds n, which may be 0, to all of the counters or to none, in one step for all nodes. It returns their counts
	// after that and the place of the first that n would have brought over its limit; -1 if it was added.
	//
	// Errors: [ErrForgot], [ErrDamaged], [ErrFull].
	Add(ctx context.Context, n int, to ...Counter) (counts []int, over int, err error)
	// Delete removes keys.
	Delete(ctx context.Context, keys ...string) error
	// Sweep deletes what has ended, and sees to it that neither that nor what Delete removed can be read from the store's own
	// file any more. What Redis has written to its files is up to Redis.
	Sweep(ctx context.Context) error
	// Close lets go of the store.
	Close() error
}

// A Counter is a number from 0 to a limit.
type Counter struct {
	Key   string
	Limit int
	// Expires is when a counter that begins now ends; it can begin again then.
	Expires time.Time
	// Since, if it isn't zero, is when it may have been added to for the first time. A store that may have lost what
	// it had then returns [ErrForgot].
	Since time.Time
}

// over finds the first counter that n would bring over its limit.
func over(n int, counts []int, of []Counter) int {
	for i, c := range of {
		if n > 0 && n > c.Limit-counts[i] {
			return i
		}
	}
	return -1
}
