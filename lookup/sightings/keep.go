package sightings

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wikiveil/wikiveil/masking"
)

const (
	sweepEvery  = time.Hour
	epochsEvery = time.Minute
	sweepLimit  = 10 * time.Minute
)

// keep does what is to be done from time to time.
func (b *Recorder) keep() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	// A timer and no ticker: the first sweep comes earlier than an hour after the start, but not with it.
	sweep, epochs, again := time.NewTimer(b.config.Settle), time.NewTicker(epochsEvery), time.NewTicker(b.config.Again)
	defer sweep.Stop()
	defer epochs.Stop()
	defer again.Stop()
	ids := epochIDs(b.config.Epochs())
	for {
		select {
		case <-b.quit:
			return
		case <-sweep.C:
			b.sweep(ctx)
			sweep.Reset(sweepEvery)
		case <-again.C:
			b.writeAllAgain()
		case <-epochs.C:
			if now := epochIDs(b.config.Epochs()); !sameIDs(now, ids) {
				b.forgetKeys(now)
				ids = now
			}
		}
	}
}

func (b *Recorder) sweep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, sweepLimit)
	defer cancel()
	if err := b.Sweep(ctx); err != nil {
		b.config.Log.Error("deleting old records failed, trying again in an hour", "error", err)
	}
}

// Sweep deletes what is older than the retention. It runs every hour by itself.
func (b *Recorder) Sweep(ctx context.Context) error {
	parts, err := b.config.Store.Parts(ctx)
	if err != nil {
		return fmt.Errorf("deleting old records: %w", err)
	}
	var errs []error
	for _, part := range parts {
		if b.expired(part.Day) {
			if err := b.config.Store.Drop(ctx, part); err != nil {
				errs = append(errs, fmt.Errorf("deleting %v: %w", part, err))
			}
		}
	}
	b.vaults.keep(func(p Part) bool { return !b.expired(p.Day) })
	return errors.Join(errs...)
}

// expired reports whether even the last moment of a day is older than the retention.
func (b *Recorder) expired(day Day) bool {
	return b.config.Passed().Sub((day + 1).Start()) >= b.config.Retention
}

// writeAllAgain writes down how often the known clients were seen again. While the store
// fails they are counted on.
func (b *Recorder) writeAllAgain() {
	for _, c := range b.known.lru.Values() {
		if b.commits.failing.Load() {
			return
		}
		if a := c.take(); a.count > 0 {
			b.commits.calm <- a.job()
		}
	}
}

// forgetKeys lets go of all keys of epochs that are no longer kept.
func (b *Recorder) forgetKeys(kept map[string]bool) {
	for _, c := range b.known.lru.Values() {
		c.forget(kept)
	}
	b.index.forget(kept)
	b.vaults.keep(func(p Part) bool { return kept[p.Epoch] })
}

func (c *client) forget(kept map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.vault != nil && !kept[c.vault.part.Epoch] {
		c.state, c.vault, c.seen = absent, nil, note{}
	}
}

func epochIDs(epochs []masking.Epoch) map[string]bool {
	ids := make(map[string]bool, len(epochs))
	for _, e := range epochs {
		ids[e.ID()] = true
	}
	return ids
}

func sameIDs(a, b map[string]bool) bool {
	for id := range a {
		if !b[id] {
			return false
		}
	}
	return len(a) == len(b)
}
