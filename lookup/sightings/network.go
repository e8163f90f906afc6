package sightings

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/wikiveil/wikiveil/masking"
)

// A NetworkRecord is what is known of a network mask that was shown to somebody.
type NetworkRecord struct {
	Mask  netip.Addr
	Epoch string // id of the epoch that made the mask
	Site  string // label of the site

	// Network tells the width, Name the name of a named network; one of them is empty.
	Network Network
	Name    string

	// ASN and Org are the organisation where the whole network is known to be its; zero is unknown.
	ASN uint32
	Org string
}

// Organization returns the organisation as "Name (AS1234)", or "unknown".
func (n NetworkRecord) Organization() string { return organization(n.ASN, n.Org) }

// RememberNetworks stores what the network masks of a record stand for, so that each can be looked up
// later ([Recorder.LookNetwork]). Call it before they are shown to anybody. The error is ErrNotDurable.
func (b *Recorder) RememberNetworks(ctx context.Context, r Record) error {
	var epoch masking.Epoch
	for _, e := range b.config.Epochs() {
		if e.ID() == r.Epoch {
			epoch = e
		}
	}
	if epoch.ID() == "" {
		return fmt.Errorf("%w: %w", ErrNotDurable, ErrEpochDestroyed)
	}
	v, err := b.vaults.get(epoch, DayOf(b.now()))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotDurable, err)
	}
	incarnation := b.config.Store.Incarnation()
	var entries []Entry
	var fresh []shownNetwork
	for mask, o := range r.networkObservations() {
		shown := shownNetwork{v.part, mask, incarnation}
		if b.shown.Contains(shown) {
			continue
		}
		at := clock(b.now())
		entries = append(entries, v.lock(v.ref(mask), note{first: at, last: at, whole: o}))
		fresh = append(fresh, shown)
	}
	if len(entries) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, b.config.Timeout)
	defer cancel()
	if err := b.config.Store.Append(ctx, entries); err != nil {
		return fmt.Errorf("%w: %w", ErrNotDurable, err)
	}
	for _, shown := range fresh {
		b.shown.Add(shown, struct{}{})
	}
	return nil
}

// shownNetwork is a network mask that is known to be stored.
type shownNetwork struct {
	part        Part
	mask        netip.Addr
	incarnation uint64
}

// networkObservations gives what is known of each of the record's networks.
func (r Record) networkObservations() map[netip.Addr]*observation {
	all := make(map[netip.Addr]*observation)
	for _, n := range r.networks() {
		o := &observation{site: r.Site, ranges: []Network{n}}
		// A range that is wider than the allocation has parts of others in it.
		if r.Allocation.IsValid() && n.Family == r.Allocation.Family && n.Bits >= r.Allocation.Bits {
			o.asn, o.org = r.ASN, r.Org
		}
		all[n.Mask] = o
	}
	for _, n := range r.Named {
		if n.Mask.IsValid() {
			all[n.Mask] = &observation{site: r.Site, named: []NamedNetwork{n}}
		}
	}
	return all
}

// LookNetwork returns what a network mask stands for that was shown to somebody within the
// retention. Errors are ErrNotMask and those of [Recorder.LookAll].
func (b *Recorder) LookNetwork(ctx context.Context, mask netip.Addr) (NetworkRecord, error) {
	if !masking.IsNetwork(mask) {
		return NetworkRecord{}, &MaskError{mask, ErrNotMask}
	}
	records, err := b.find(ctx, mask)
	if err != nil {
		return NetworkRecord{}, err
	}
	r := records[0]
	n := NetworkRecord{Mask: mask, Epoch: r.Epoch, Site: r.Site, ASN: r.ASN, Org: r.Org}
	switch {
	case len(r.Ranges) == 1 && r.Ranges[0].Mask == mask:
		n.Network = r.Ranges[0]
	case len(r.Named) == 1 && r.Named[0].Mask == mask:
		n.Name = r.Named[0].Name
	default:
		return NetworkRecord{}, fmt.Errorf("%w: the record of a network is another's", ErrDamaged)
	}
	return n, nil
}

// NamedNetwork returns what the mask of a named network stands for, under the epoch in use. It need not have been shown:
// names are no secret.
func (b *Recorder) NamedNetwork(site, name string) (NetworkRecord, error) {
	now := b.now()
	for _, e := range b.config.Epochs() {
		if e.Start().After(now) { // planned
			continue
		}
		masker, err := e.Masker(site, 0)
		if err != nil {
			return NetworkRecord{}, err
		}
		mask, err := masker.Network(name)
		return NetworkRecord{Mask: mask, Epoch: e.ID(), Site: site, Name: name}, err
	}
	return NetworkRecord{}, ErrUnknown
}
