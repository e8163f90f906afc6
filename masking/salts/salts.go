// Package salts keeps a random salt for each client, which goes into its mask and is destroyed once the client has made no edit
// for a while. The next mask is unrelated then, and nobody can make the old one again, whatever secrets they have.
//
//	all := salts.New(salts.Config{Store: store, Shared: true, Idle: 30 * 24 * time.Hour})
//	site, err := all.Site(epochs, label, v6Prefix)
//	of, err := site.Of(ctx, addr, publishes)    // for masking.Who
//	err = site.Burn(ctx, addr)                   // at the client's wish
//
// Who only reads has a salt for a day at most. Where the store isn't shared it is in memory alone until the first edit, so that reading
// never waits for a disk.
package salts

import (
	"context"
	"errors"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/wikiveil/wikiveil/internal/kv"
)

const (
	// MinIdle and MaxIdle bound how long a client may be idle.
	MinIdle = 24 * time.Hour
	MaxIdle = 366 * 24 * time.Hour

	// ReaderLife is how long the salt of a client lasts that makes no edit, at most.
	ReaderLife = 24 * time.Hour
	// Settled is how long after an edit its salt can't be burned, so that patrollers see who made what first.
	Settled = 3 * 24 * time.Hour
	// Fresh is for how long another node's change may be missed by readers.
	Fresh = 30 * time.Second

	// held is how long the salt of a client lasts that is blocked, beyond the idle time: an edge may be down so long.
	held = 30 * 24 * time.Hour
	// remembered is how many salts are kept in memory, some 200 bytes each.
	remembered = 1 << 17
)

// Errors that callers may test for. Others say that the store can't be reached, or is damaged.
var (
	// ErrSettling: the client made an edit a short time ago.
	ErrSettling = errors.New("the mask's last edit is too fresh")
)

// Config says where salts are kept and for how long.
type Config struct {
	Store kv.Store
	// Shared is whether other nodes use the store, too.
	Shared bool
	// Idle is how long a client's salt lasts after its last edit.
	Idle time.Duration
	// Now is the time, Passed the latest that has passed for sure, which salts are destroyed by. Default: the machine's clock.
	Now, Passed func() time.Time
}

// Salts are those of all sites that share a store. They are safe for concurrent use.
type Salts struct {
	Config
	recent *lru.Cache[string, entry] // by their keys in the store
	bound  bound
}

// New returns the salts in a store.
func New(config Config) (*Salts, error) {
	if config.Idle < MinIdle || config.Idle > MaxIdle {
		return nil, fmt.Errorf("idle %v is not from a day to a year", config.Idle)
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Passed == nil {
		config.Passed = config.Now
	}
	recent, err := lru.New[string, entry](remembered)
	return &Salts{Config: config, recent: recent}, err
}

// Sweep destroys what has ended, and for good what was burned, where the store has a file of its own. Call it now and then.
func (s *Salts) Sweep(ctx context.Context) error {
	now := s.Passed()
	for _, key := range s.recent.Keys() {
		if e, ok := s.recent.Peek(key); ok && e.ended(now) {
			s.recent.Remove(key)
		}
	}
	return s.Store.Sweep(ctx)
}

// life is how long a salt lasts from now on.
func (s *Salts) life(edits bool) time.Duration {
	if edits {
		return s.Idle
	}
	return min(s.Idle, ReaderLife)
}
