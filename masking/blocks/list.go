package blocks

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/wikiveil/wikiveil/internal/followed"
	"github.com/wikiveil/wikiveil/internal/shareddoc"
	"github.com/wikiveil/wikiveil/masking"
)

// Key is the storage key the list is kept under.
const Key = "wikiveil/blocks.json"

const (
	// DefaultPoll is how often other nodes' changes are looked for unless configured.
	DefaultPoll = 10 * time.Second
	// grace is how long an expired block is kept, lest a clock that was ahead for a while delete it.
	grace = 24 * time.Hour
)

// A List is a block list that several nodes may share. It is safe for concurrent use.
type List struct {
	doc     *shareddoc.Doc[[]Block]
	clock   masking.Clock
	current atomic.Pointer[snapshot]
}

// snapshot is the list as it was read. It never changes.
type snapshot struct {
	blocks []Block
	index  map[[16]byte]int32 // into blocks, by mask
}

// use makes a list the one that is matched against.
func (l *List) use(list []Block) error {
	s := &snapshot{blocks: list, index: make(map[[16]byte]int32, len(list))}
	for i, b := range list {
		s.index[b.Mask.As16()] = int32(i)
	}
	l.current.Store(s)
	return nil
}

var form = shareddoc.JSON(func(list []Block) error {
	if len(list) > MaxBlocks {
		return ErrFull
	}
	for i, b := range list {
		if err := b.validate(); err != nil {
			return fmt.Errorf("block %d: %w", i+1, err)
		}
	}
	return nil
})

// Open reads the list. One that is not there yet is empty. Blocks end by the clock, and are deleted by what it says
// has passed for sure.
//
// The error is [shareddoc.ErrDamaged] for a list that is not of its form, or the storage's.
func Open(ctx context.Context, storage shareddoc.Storage, clock masking.Clock) (*List, error) {
	l := &List{clock: clock}
	l.current.Store(new(snapshot))
	using := form
	using.Use = l.use
	l.doc = shareddoc.New(storage, Key, using)
	if err := l.Refresh(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// Refresh reads what other nodes have changed. Where it fails, the list stays as it is.
func (l *List) Refresh(ctx context.Context) error {
	if err := l.doc.Read(ctx); err != nil {
		return fmt.Errorf("reading the block list: %w", err)
	}
	return nil
}

// Follow polls the storage for changes of other nodes, every DefaultPoll if every is 0,
// and deletes what has long expired. It returns when ctx ends. The first of several
// errors on end is reported; report may be nil.
func (l *List) Follow(ctx context.Context, every time.Duration, report func(error)) {
	followed.Every(ctx, cmp.Or(every, DefaultPoll), l.poll, report)
}

func (l *List) poll(ctx context.Context) error {
	if err := l.Refresh(ctx); err != nil {
		return err
	}
	now := l.clock.Passed()
	if slices.ContainsFunc(l.current.Load().blocks, func(b Block) bool { return outlived(b, now) }) {
		return l.update(ctx, func(map[netip.Addr]Block) {})
	}
	return nil
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
// Errors: [ErrNotMask], [ErrReason], [ErrBy], [ErrExpired], [ErrFull], [shareddoc.ErrDamaged],
// [shareddoc.ErrVanished], the storage's.
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

// update changes the stored list.
func (l *List) update(ctx context.Context, change func(map[netip.Addr]Block)) error {
	err := l.doc.Update(ctx, func(before []Block) ([]Block, error) {
		byMask := make(map[netip.Addr]Block, len(before))
		for _, b := range before {
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
			return nil, ErrFull
		}
		slices.SortFunc(list, func(a, b Block) int {
			return cmp.Or(a.Created.Compare(b.Created), a.Mask.Compare(b.Mask))
		})
		if slices.Equal(list, before) {
			return before, nil
		}
		return list, nil
	})
	if err != nil {
		return fmt.Errorf("changing the block list: %w", err)
	}
	return nil
}

// outlived reports whether a block is to be deleted.
func outlived(b Block, now time.Time) bool { return !b.Active(now.Add(-grace)) }
