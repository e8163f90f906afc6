package sightings

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/wikiveil/wikiveil/masking"
)

// LookAll returns what is known of clients' masks, asking the store once. Errors are ErrNotMask, ErrUnknown, ErrEpochDestroyed,
// ErrUnavailable (the store does not respond) and ErrDamaged; a [MaskError] where it is about one mask.
func (b *Recorder) LookAll(ctx context.Context, masks ...netip.Addr) ([]Record, error) {
	for _, m := range masks {
		if !clientMask(m) {
			return nil, &MaskError{m, ErrNotMask}
		}
	}
	return b.find(ctx, masks...)
}

// A MaskError tells which of several masks an error is about.
type MaskError struct {
	Mask netip.Addr
	Err  error
}

func (e *MaskError) Error() string { return e.Mask.String() + ": " + e.Err.Error() }

func (e *MaskError) Unwrap() error { return e.Err }

// place is what a ref was made of.
type place struct {
	mask  int // index
	vault *vault
}

// find is LookAll for masks of any kind.
func (b *Recorder) find(ctx context.Context, masks ...netip.Addr) ([]Record, error) {
	places, destroyed, err := b.places(ctx, masks)
	if err != nil {
		return nil, err
	}
	refs := make([]Ref, 0, len(places))
	for ref := range places {
		refs = append(refs, ref)
	}
	entries, err := b.config.Store.Find(ctx, refs)
	if err != nil {
		return nil, fmt.Errorf("looking up: %w", err)
	}
	notes, err := b.read(entries, places, masks)
	if err != nil {
		return nil, err
	}
	records := make([]Record, len(masks))
	for i, mask := range masks {
		found := false
		for epoch, of := range notes[i] {
			var r Record
			if r, found = merge(mask, epoch, of); found {
				records[i] = r
				break // a mask belongs to one epoch: others can't hold it but by a 96-bit accident
			}
		}
		switch {
		case !found && destroyed:
			return nil, &MaskError{mask, ErrEpochDestroyed}
		case !found:
			return nil, &MaskError{mask, ErrUnknown}
		}
	}
	return records, nil
}

// places returns where the masks' values can be, and whether the store has
// parts that nobody can read any more.
func (b *Recorder) places(ctx context.Context, masks []netip.Addr) (_ map[Ref]place, destroyed bool, err error) {
	parts, err := b.config.Store.Parts(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("looking up: %w", err)
	}
	epochs := make(map[string]masking.Epoch)
	for _, e := range b.config.Epochs() {
		epochs[e.ID()] = e
	}
	places := make(map[Ref]place, len(parts)*len(masks))
	for _, part := range parts {
		if b.expired(part.Day) {
			continue
		}
		epoch, kept := epochs[part.Epoch]
		if !kept {
			destroyed = true
			continue
		}
		v, err := b.vaults.get(epoch, part.Day)
		if err != nil {
			return nil, false, err
		}
		for i, mask := range masks {
			places[v.ref(mask)] = place{i, v}
		}
	}
	return places, destroyed, nil
}

// read opens entries and adds what is not written down yet; for each mask its notes by epoch.
func (b *Recorder) read(entries []Entry, places map[Ref]place, masks []netip.Addr) ([]map[string][]note, error) {
	notes := make([]map[string][]note, len(masks))
	for i := range notes {
		notes[i] = make(map[string][]note, 1)
	}
	for _, e := range entries {
		p, asked := places[e.Ref]
		if !asked {
			return nil, fmt.Errorf("%w: it answers what was not asked", ErrDamaged)
		}
		n, err := p.vault.open(e)
		if err != nil {
			return nil, err
		}
		notes[p.mask][e.Part.Epoch] = append(notes[p.mask][e.Part.Epoch], n)
	}
	for _, p := range places {
		if c, ok := b.known.lru.Peek(masks[p.mask]); ok {
			if n, ok := c.pending(p.vault.part); ok {
				notes[p.mask][p.vault.part.Epoch] = append(notes[p.mask][p.vault.part.Epoch], n)
			}
		}
	}
	return notes, nil
}
