package blocks

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wikiveil/wikiveil/masking"
)

// Key is the storage key the list is kept under.
const Key = "wikiveil/blocks.jsonl"

const lockName = "wikiveil_blocks"

// grace is how long an expired block is kept, lest a clock that was ahead for a while delete it.
const grace = 24 * time.Hour

// ErrVanished: a list that was there is gone from the storage. The last one read holds,
// and nothing is written in its place: an unmounted disk looks like that too.
var ErrVanished = errors.New("the block list is gone from the storage: bring it back, or restart to begin a new one")

// A List is a block list that several nodes may share. It is safe for concurrent use.
type List struct {
	storage masking.Storage
	clock   masking.Clock
	mu      sync.Mutex // around the storage
	current atomic.Pointer[snapshot]
}

// snapshot is the list as it was read. It never changes.
type snapshot struct {
	blocks []Block
	index  map[[16]byte]int32 // into blocks, by mask
	stored bool               // whether it is in the storage at all
	sum    [sha256.Size]byte  // of its stored form
}

func newSnapshot(list []Block, data []byte) *snapshot {
	s := &snapshot{blocks: list, index: make(map[[16]byte]int32, len(list)), stored: true, sum: sha256.Sum256(data)}
	for i, b := range list {
		s.index[b.Mask.As16()] = int32(i)
	}
	return s
}

// Open reads the list. One that is not there yet is empty. Blocks end by the clock, and are deleted by what it says
// has passed for sure.
//
// The error is [ErrDamaged] for a list that is not of its form, or the storage's.
func Open(ctx context.Context, storage masking.Storage, clock masking.Clock) (*List, error) {
	l := &List{storage: storage, clock: clock}
	l.current.Store(&snapshot{})
	if err := l.Refresh(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// Match returns the first block that holds now for one of the masks, in their order. It
// takes one look-up for each mask, whatever the number of blocks, and allocates nothing.
func (l *List) Match(masks []netip.Addr) (Block, bool) {
	s := l.current.Load()
	if len(s.index) == 0 {
		return Block{}, false
	}
	for _, m := range masks {
		if !m.Is6() {
			continue
		}
		if i, ok := s.index[m.As16()]; ok && s.blocks[i].Active(l.clock.Now()) {
			return s.blocks[i], true
		}
	}
	return Block{}, false
}

// All returns the blocks that hold now, the oldest first.
func (l *List) All() []Block {
	now := l.clock.Now()
	list := slices.Clone(l.current.Load().blocks)
	return slices.DeleteFunc(list, func(b Block) bool { return !b.Active(now) })
}

// Len returns the number of blocks that are kept, just expired ones too.
func (l *List) Len() int { return len(l.current.Load().blocks) }

// Add stores blocks. One of the same mask that was there before is replaced. Where it
// returns an error, none is added.
//
// Errors: [ErrNotMask], [ErrReason], [ErrBy], [ErrExpired], [ErrFull], [ErrDamaged],
// [ErrVanished], the storage's.
func (l *List) Add(ctx context.Context, add ...Block) error {
	now := l.clock.Now().UTC().Truncate(time.Second)
	add = slices.Clone(add)
	for i, b := range add {
		b.Created, b.Expires = now, b.Expires.UTC().Truncate(time.Second)
		if err := b.Validate(); err != nil {
			return fmt.Errorf("adding block %d of %d: %w", i+1, len(add), err)
		}
		add[i] = b
	}
	return l.update(ctx, func(byMask map[netip.Addr]Block) {
		for _, b := range add {
			byMask[b.Mask] = b
		}
	})
}

// Remove deletes the blocks of masks, and returns how many there were.
func (l *List) Remove(ctx context.Context, masks ...netip.Addr) (removed int, err error) {
	err = l.update(ctx, func(byMask map[netip.Addr]Block) {
		for _, m := range masks {
			if b, ok := byMask[m]; ok && b.Active(l.clock.Now()) {
				removed++
			}
			delete(byMask, m)
		}
	})
	return removed, err
}

// update changes the stored list under the storage's lock, so that of several nodes at
// once each sees what the one before it stored.
func (l *List) update(ctx context.Context, change func(map[netip.Addr]Block)) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.storage.Lock(ctx, lockName); err != nil {
		return fmt.Errorf("locking the block list: %w", err)
	}
	defer func() {
		// The lock must go even where the caller's time has run out.
		if unlockErr := l.storage.Unlock(context.WithoutCancel(ctx), lockName); unlockErr != nil && err == nil {
			err = fmt.Errorf("unlocking the block list: %w", unlockErr)
		}
	}()
	if err := l.read(ctx); err != nil {
		return err
	}
	before := l.current.Load()
	byMask := make(map[netip.Addr]Block, len(before.blocks))
	for _, b := range before.blocks {
		byMask[b.Mask] = b
	}
	change(byMask)
	now := l.clock.Passed()
	list := make([]Block, 0, len(byMask))
	for _, b := range byMask {
		if !outlived(b, now) {
			list = append(list, b)
		}
	}
	if len(list) > MaxBlocks {
		return ErrFull
	}
	slices.SortFunc(list, func(a, b Block) int {
		return cmp.Or(a.Created.Compare(b.Created), a.Mask.Compare(b.Mask))
	})
	if slices.Equal(list, before.blocks) {
		return nil
	}
	data, err := encode(list)
	if err != nil {
		return fmt.Errorf("encoding the block list: %w", err)
	}
	if err := l.storage.Store(ctx, Key, data); err != nil {
		return fmt.Errorf("storing the block list: %w", err)
	}
	l.current.Store(newSnapshot(list, data))
	return nil
}

// outlived reports whether a block is to be deleted.
func outlived(b Block, now time.Time) bool { return !b.Active(now.Add(-grace)) }

// read loads the list. The caller holds l.mu.
func (l *List) read(ctx context.Context) error {
	before := l.current.Load()
	data, err := l.storage.Load(ctx, Key)
	if errors.Is(err, fs.ErrNotExist) {
		if before.stored {
			return ErrVanished
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("loading the block list: %w", err)
	}
	if before.stored && sha256.Sum256(data) == before.sum {
		return nil
	}
	list, err := decode(data)
	if err != nil {
		return fmt.Errorf("loading the block list: %w; restore %s in the storage from a backup, or delete it"+
			" and restart to begin a new one (it is never overwritten)", err, Key)
	}
	l.current.Store(newSnapshot(list, data))
	return nil
}
