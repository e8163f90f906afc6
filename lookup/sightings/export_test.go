package sightings

import (
	"context"
	"net/netip"
	"time"

	"github.com/wikiveil/wikiveil/masking"
)

// NewAt starts a recorder with another clock.
func NewAt(config Config, now func() time.Time) (*Recorder, error) { return newRecorder(config, now) }

// FreshQueue is how many first sightings can wait.
const FreshQueue = freshQueue

// WriteAgain writes down what known clients were seen again.
func (b *Recorder) WriteAgain() { b.writeAllAgain() }

// ForgetKeys does what a minute's tick does after a change of the epochs.
func (b *Recorder) ForgetKeys() { b.forgetKeys(epochIDs(b.config.Epochs())) }

// Waiting returns how many records that somebody waits for are queued.
func (b *Recorder) Waiting() int { return len(b.commits.urgent) }

// MaxMembers is how many entries a network gets on one day.
const MaxMembers = maxMembers

// Indexed returns what the index of members remembers.
func (b *Recorder) Indexed() int { return b.index.made.Len() + b.index.filed.Len() }

// WalkFrom returns all clients that the index of a network leads to, today's too, with whether they published; Members tells less.
func (b *Recorder) WalkFrom(ctx context.Context, epoch masking.Epoch, network netip.Addr) (map[netip.Addr]bool, error) {
	w := &walk{recorder: b, epoch: epoch, today: DayOf(b.now()) + 1, crowd: maxMembers, people: make(map[netip.Addr]*person), end: time.Now().Add(maxWalk)}
	if err := w.from(ctx, network); err != nil {
		return nil, err
	}
	led := make(map[netip.Addr]bool)
	for mask, p := range w.people {
		led[mask] = p.published > 0
	}
	return led, nil
}
