package rollout

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wikiveil/wikiveil/internal/text"
	"github.com/wikiveil/wikiveil/masking"
)

// Key is the storage key the shares are kept under.
const Key = "wikiveil/csp_rollout.json"

const lockName = "wikiveil_csp_rollout"

// Limits of a book.
const (
	MaxSites = 1000
	MaxSteps = 200 // of each site; older ones are forgotten
	MaxText  = 255 // bytes of a site's name, and of who changed it
)

// ByConfig is who made a step that a configuration brought.
const ByConfig = "config"

// Errors of a book, for callers to test for.
var (
	ErrText = errors.New("a site's name and who changes it are 1 to 255 bytes of printable text")
	ErrFull = fmt.Errorf("the rollout has %d sites already", MaxSites)
	// ErrVanished: what was there is gone from the storage. The last that was read
	// holds, and nothing is written in its place: an unmounted disk looks like that too.
	ErrVanished = errors.New("the rollout is gone from the storage: bring it back, or restart to begin a new one")
)

// A Site is how far a policy is rolled out.
type Site struct {
	// Override is the share that was set, which outweighs the configured one; nil is none.
	Override *Share `json:"override,omitempty"`
	// Steps are the changes, the oldest first.
	Steps []Step `json:"steps,omitempty"`
}

// A Step is a change.
type Step struct {
	// Time is when, to the second.
	Time time.Time `json:"time"`
	// Share is that from then on.
	Share Share `json:"share"`
	// By is who changed it, or [ByConfig].
	By string `json:"by"`
}

// A Book is the shares of sites, which several nodes may share. It is safe for
// concurrent use.
type Book struct {
	storage masking.Storage
	mu      sync.Mutex // around the storage
	current atomic.Pointer[snapshot]
}

// snapshot is the book as it was read. It never changes.
type snapshot struct {
	sites  map[string]Site
	stored bool              // whether it is in the storage at all
	sum    [sha256.Size]byte // of its stored form
}

// Open reads the book. One that is not there yet is empty.
//
// The error is [ErrDamaged] for one that is not of its form, or the storage's.
func Open(ctx context.Context, storage masking.Storage) (*Book, error) {
	b := &Book{storage: storage}
	b.current.Store(&snapshot{})
	if err := b.Refresh(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// Share returns the share that holds for a site now: the one that was set, else the
// configured one.
func (b *Book) Share(site string, configured Share) Share {
	if set := b.current.Load().sites[site].Override; set != nil {
		return *set
	}
	return configured
}

// Site returns what is kept of a site.
func (b *Book) Site(name string) Site {
	s := b.current.Load().sites[name]
	s.Steps = slices.Clone(s.Steps)
	return s
}

// Set has a share hold for a site from now on, whatever is configured.
//
// Errors: [ErrText], [ErrFull], [ErrDamaged], [ErrVanished], the storage's.
func (b *Book) Set(ctx context.Context, site string, share Share, by string) error {
	return b.change(ctx, site, by, func(s *Site) { s.set(&share, share, by) })
}

// Reset has the configured share hold again. Errors are those of [Book.Set].
func (b *Book) Reset(ctx context.Context, site string, configured Share, by string) error {
	return b.change(ctx, site, by, func(s *Site) { s.set(nil, configured, by) })
}

// Note keeps the step that a new configuration is, if it is one. Errors are those of
// [Book.Set].
func (b *Book) Note(ctx context.Context, site string, configured Share) error {
	s := b.current.Load().sites[site]
	if s.Override != nil || len(s.Steps) > 0 && s.Steps[len(s.Steps)-1].Share == configured {
		return nil // the usual case takes no lock
	}
	return b.change(ctx, site, ByConfig, func(s *Site) {
		if s.Override == nil {
			s.set(nil, configured, ByConfig)
		}
	})
}

func (s *Site) set(override *Share, share Share, by string) {
	s.Override = override
	if n := len(s.Steps); n > 0 && s.Steps[n-1].Share == share {
		return
	}
	s.Steps = append(s.Steps, Step{time.Now().UTC().Truncate(time.Second), share, by})
	s.Steps = s.Steps[max(0, len(s.Steps)-MaxSteps):]
}

// change changes a site under the storage's lock, so that of several nodes at once each
// sees what the one before it stored.
func (b *Book) change(ctx context.Context, site, by string, change func(*Site)) (err error) {
	if site == "" || by == "" || !text.Printable(site, MaxText) || !text.Printable(by, MaxText) {
		return ErrText
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.storage.Lock(ctx, lockName); err != nil {
		return fmt.Errorf("locking the rollout: %w", err)
	}
	defer func() {
		// The lock must go even where the caller's time has run out.
		if unlockErr := b.storage.Unlock(context.WithoutCancel(ctx), lockName); unlockErr != nil && err == nil {
			err = fmt.Errorf("unlocking the rollout: %w", unlockErr)
		}
	}()
	if err := b.read(ctx); err != nil {
		return err
	}
	sites := maps.Clone(b.current.Load().sites)
	if sites == nil {
		sites = make(map[string]Site)
	}
	s := sites[site]
	s.Steps = slices.Clone(s.Steps) // others read the snapshot
	change(&s)
	sites[site] = s
	if len(sites) > MaxSites {
		return ErrFull
	}
	data, err := encode(sites)
	if err != nil {
		return fmt.Errorf("encoding the rollout: %w", err)
	}
	if sha256.Sum256(data) == b.current.Load().sum {
		return nil
	}
	if err := b.storage.Store(ctx, Key, data); err != nil {
		return fmt.Errorf("storing the rollout: %w", err)
	}
	b.current.Store(&snapshot{sites, true, sha256.Sum256(data)})
	return nil
}

// read loads the book. The caller holds b.mu.
func (b *Book) read(ctx context.Context) error {
	before := b.current.Load()
	data, err := b.storage.Load(ctx, Key)
	if errors.Is(err, fs.ErrNotExist) {
		if before.stored {
			return ErrVanished
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("loading the rollout: %w", err)
	}
	sum := sha256.Sum256(data)
	if before.stored && sum == before.sum {
		return nil
	}
	sites, err := decode(data)
	if err != nil {
		return fmt.Errorf("loading the rollout: %w; restore %s in the storage from a backup, or delete it"+
			" and restart to begin a new one (it is never overwritten)", err, Key)
	}
	b.current.Store(&snapshot{sites, true, sum})
	return nil
}
