package salts

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/wikiveil/wikiveil/internal/kv"
)

// A Standing is what is kept of a client.
type Standing struct {
	// Since is when its salt was made.
	Since time.Time
	// Edited is the day of its last edit; zero: there was none.
	Edited time.Time
	// Until is when the salt is destroyed, unless there is another edit.
	Until time.Time
}

// Settling reports whether it can't be burned yet.
func (s Standing) Settling(now time.Time) bool { return now.Sub(s.Edited) < Settled }

// Standing tells what is kept of a client under the epoch in use; zero: nothing.
func (s *Site) Standing(ctx context.Context, addr netip.Addr) (Standing, error) {
	keys, err := s.keys(addr.Unmap().WithZone(""))
	if err != nil {
		return Standing{}, err
	}
	found, err := s.find(ctx, keys, s.Shared)
	e := found[keys[0]]
	return Standing{e.since, e.edited, e.until}, err
}

// Burn destroys a client's salts, those of older epochs too. It isn't for clients that are blocked: the caller sees to that.
//
// Errors: [ErrSettling].
func (s *Site) Burn(ctx context.Context, addr netip.Addr) error {
	addr = addr.Unmap().WithZone("")
	keys, err := s.keys(addr)
	if err != nil {
		return err
	}
	found, err := s.find(ctx, keys, s.Shared)
	if err != nil {
		return err
	}
	gone := slices.Clone(keys)
	for i, key := range keys {
		e, there := found[key]
		if !there {
			continue
		}
		if (Standing{Edited: e.edited}).Settling(s.Now()) {
			return ErrSettling
		}
		mask, err := s.epochs[i].masker.Salted(e.salt[:], addr)
		if err != nil {
			return err
		}
		gone = append(gone, s.epochs[i].keyOfMask(mask))
	}
	err = s.Store.Delete(ctx, gone...)
	for _, key := range keys {
		s.recent.Remove(key)
	}
	return err
}

// atOnce is how many keys the store is asked for at once.
const atOnce = 500

// Keep has the salts of blocked clients last, by their masks: none of them is to be rid of the block by waiting. Call it now and
// then, as long as the blocks hold.
func (s *Site) Keep(ctx context.Context, masks []netip.Addr) error {
	if err := s.keepReaders(ctx, masks); err != nil {
		return err
	}
	for _, epoch := range s.epochs {
		for some := range slices.Chunk(masks, atOnce) {
			if err := s.keep(ctx, epoch, some); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepReaders puts those into the store that are in memory alone.
func (s *Site) keepReaders(ctx context.Context, masks []netip.Addr) error {
	if len(masks) == 0 {
		return nil
	}
	blocked := make(map[netip.Addr]bool, len(masks))
	for _, mask := range masks {
		blocked[mask] = true
	}
	for _, key := range s.recent.Keys() {
		e, ok := s.recent.Peek(key)
		if !ok || !blocked[e.mask] || !e.edited.IsZero() || e.ended(s.Passed()) || s.isHeld(e) {
			continue
		}
		if err := s.hold(ctx, e.epoch, key, e); err != nil {
			return err
		}
		if err := s.point(ctx, e, key, s.heldUntil()); err != nil {
			return err
		}
	}
	return nil
}

func (s *Site) heldUntil() time.Time { return s.Now().Add(s.Idle + held) }

// isHeld reports whether an entry lasts long enough for now.
func (s *Site) isHeld(e entry) bool { return e.until.After(s.heldUntil().Add(-24 * time.Hour)) }

// keep has those last that the store has.
func (s *Site) keep(ctx context.Context, epoch *epochKeys, masks []netip.Addr) error {
	at := make([]string, len(masks))
	for i, mask := range masks {
		at[i] = epoch.keyOfMask(mask)
	}
	pointers, err := s.Store.Get(ctx, at...)
	if err != nil {
		return err
	}
	for i, mask := range masks {
		sealed, there := pointers[at[i]]
		if !there {
			continue
		}
		pointer, err := epoch.unseal(at[i], sealed)
		if err != nil {
			return err
		}
		key := string(pointer)
		values, err := s.Store.Get(ctx, key)
		if err != nil || values[key] == nil {
			return err
		}
		e, err := epoch.decode(key, values[key])
		if err != nil {
			return err
		}
		if s.isHeld(e) {
			continue
		}
		e.epoch, e.mask = epoch, mask
		if err := s.hold(ctx, epoch, key, e); err != nil {
			return err
		}
		if err := s.point(ctx, e, key, s.heldUntil()); err != nil {
			return err
		}
	}
	return nil
}

// hold has one last.
func (s *Site) hold(ctx context.Context, epoch *epochKeys, key string, e entry) error {
	until := s.heldUntil()
	err := s.Store.Update(ctx, key, until, func(old []byte) ([]byte, error) {
		if old != nil {
			kept, err := epoch.decode(key, old)
			if err != nil {
				return nil, err
			}
			if kept.salt != e.salt {
				return nil, fmt.Errorf("a client's salt: %w", kv.ErrForgot) // it has another mask by now
			}
			e.edited = kept.edited
		}
		e.until = until
		return epoch.encode(key, e), nil
	})
	if err == nil {
		e.read = s.Now()
		s.recent.Add(key, e)
	}
	return err
}
