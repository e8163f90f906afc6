package masking

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An Epoch is one secret of a key ring with the time it starts to be used.
type Epoch struct {
	id      string
	start   time.Time
	secret  []byte
	held    bool      // kept by an operator, however old
	removed bool      // counts for nothing, by an operator
	destroy time.Time // when the secret is to be destroyed; zero: it isn't
}

// ID names the epoch in public. It is derived from the secret and does not give it away.
func (e Epoch) ID() string { return e.id }

// Start is when the epoch begins to make masks. It is zero for a configured secret.
func (e Epoch) Start() time.Time { return e.start }

// Held reports whether an operator has the epoch kept, however old it is.
func (e Epoch) Held() bool { return e.held }

// Removed reports whether an operator took the epoch out of use. Its secret is still there.
func (e Epoch) Removed() bool { return e.removed }

// Destroy is when the secret will be destroyed, unless that is taken back; zero if it won't.
func (e Epoch) Destroy() time.Time { return e.destroy }

// Masker makes masks under this epoch; see [NewMasker].
func (e Epoch) Masker(site string, v6Prefix int) (*Masker, error) {
	return NewMasker(e.secret, site, v6Prefix)
}

// Key derives the key for one use under this epoch; see [DeriveKey]. It is gone with the epoch.
func (e Epoch) Key(use string) ([]byte, error) { return DeriveKey(e.secret, use) }

// String returns the epoch's id, so that no log or error can hold its secret.
func (e Epoch) String() string { return "epoch " + e.id }

// GoString is as safe as String for %#v.
func (e Epoch) GoString() string { return e.String() }

func newEpoch(secret []byte, start time.Time) (Epoch, error) {
	id, err := DeriveKey(secret, "epoch-id")
	if err != nil {
		return Epoch{}, err
	}
	return Epoch{id: hex.EncodeToString(id[:6]), start: start, secret: secret}, nil
}

// A Ring is a set of epochs. It never changes: what changes a ring returns another.
type Ring struct {
	epochs    []Epoch  // latest start first
	revision  uint64   // goes up with each change
	destroyed []string // ids of epochs that were destroyed on purpose, the latest first
}

// Errors that callers may test for.
var (
	ErrNoSecret   = errors.New("key ring has no secret")
	ErrSameSecret = errors.New("key ring has the same secret twice")
	ErrBadRing    = errors.New("key ring can't be used")
	ErrRotated    = errors.New("the key ring was rotated within the last minute, or is about to be; another rotation needs --force")
	ErrNoEpoch    = errors.New("the key ring has no such epoch; `wikiveil keys list` prints them")
	ErrInUse      = errors.New("that epoch makes the masks: rotate before you remove it")
)

const (
	// rotationLead is how long before its start a scheduled epoch is stored, so that
	// every node has read it by then and all change over at the same moment.
	rotationLead = 5 * time.Minute
	// farAhead is more than any right clock is off, and no epoch is planned that far ahead: one that is
	// came of a wrong clock.
	farAhead = 48 * time.Hour
	// rotateOnce is how soon after a rotation another one is taken for a slip, such as the
	// command typed at each node.
	rotateOnce = time.Minute
	// destroyedIDs is how many are remembered.
	destroyedIDs = 256
)

// ConfiguredRing is a ring of secrets given by an operator, the current one first.
func ConfiguredRing(secrets ...[]byte) (*Ring, error) {
	r := new(Ring)
	for _, s := range secrets {
		e, err := newEpoch(s, time.Time{})
		if err != nil {
			return nil, err
		}
		r.epochs = append(r.epochs, e)
	}
	return r, r.check()
}

// ParseSecret reads a secret in hex. Space around it, as files have, does not count.
// The error never quotes what it was given.
func ParseSecret(text string) ([]byte, error) {
	secret, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, errors.New("secret is not in hex (64 characters, such as `openssl rand -hex 32` prints)")
	}
	if len(secret) < MinSecretSize {
		return nil, fmt.Errorf("%w: it has %d (`openssl rand -hex 32` makes a good one)", ErrShortSecret, len(secret))
	}
	return secret, nil
}

func (r *Ring) check() error {
	if len(r.epochs) == 0 {
		return ErrNoSecret
	}
	seen := make(map[string]bool, len(r.epochs))
	for _, e := range r.epochs {
		if seen[e.id] {
			return ErrSameSecret
		}
		seen[e.id] = true
	}
	return nil
}

// Epochs returns all epochs, latest first; an epoch that is yet to start comes first.
func (r *Ring) Epochs() []Epoch { return slices.Clone(r.epochs) }

// Active returns the epoch in use at a time, then up to keep older ones and those that are held.
// There is always one: should the clock stand before every start, the oldest.
func (r *Ring) Active(now time.Time, keep int) []Epoch {
	active := make([]Epoch, 0, keep+1)
	for i, e := range r.epochs[r.current(now):] {
		switch {
		case i == 0 || e.held:
			active = append(active, e)
		case !e.removed && keep > 0:
			active = append(active, e)
			keep--
		}
	}
	return active
}

// Readable returns the active epochs, and before them one that is planned: a node whose clock is a little
// ahead may use it already.
func (r *Ring) Readable(now time.Time, keep int) []Epoch {
	active := r.Active(now, keep)
	if i := r.planned(now); i >= 0 {
		return append([]Epoch{r.epochs[i]}, active...)
	}
	return active
}

// Ahead reports whether an epoch starts farther in the future than any is planned: a wrong clock made it.
func (e Epoch) Ahead(now time.Time) bool { return e.start.After(now.Add(farAhead)) }

func (r *Ring) current(now time.Time) int {
	last := len(r.epochs) - 1
	for i, e := range r.epochs {
		if !e.start.After(now) && !e.removed {
			return i
		}
		if !e.removed {
			last = i
		}
	}
	return last
}

// planned is the index of the epoch that starts next, or -1.
func (r *Ring) planned(now time.Time) int {
	for i := r.current(now) - 1; i >= 0; i-- {
		if e := r.epochs[i]; !e.removed && e.start.After(now) && !e.Ahead(now) {
			return i
		}
	}
	return -1
}

// Next returns when the epoch starts that follows the one in use, if one is planned.
func (r *Ring) Next(now time.Time) (time.Time, bool) {
	if i := r.planned(now); i >= 0 {
		return r.epochs[i].start, true
	}
	return time.Time{}, false
}

// with returns the ring with other epochs, as its next revision.
func (r *Ring) with(epochs []Epoch) *Ring {
	slices.SortStableFunc(epochs, func(a, b Epoch) int { return cmp.Compare(b.start.UnixMilli(), a.start.UnixMilli()) })
	return &Ring{epochs: epochs, revision: r.revision + 1, destroyed: r.destroyed}
}

// add returns the ring with a new epoch that starts at a time.
func (r *Ring) add(start time.Time) (*Ring, error) {
	secret := make([]byte, MinSecretSize)
	if _, err := rand.Read(secret); err != nil {
		return nil, fmt.Errorf("making a secret: %w", err)
	}
	// The stored form has milliseconds: what is kept must read back equal.
	e, err := newEpoch(secret, start.UTC().Truncate(time.Millisecond))
	if err != nil {
		return nil, err
	}
	return r.with(append([]Epoch{e}, r.epochs...)), nil
}

// rotate returns the ring with an epoch that starts at a time: the one that is planned for later already, or a new
// one. Unless forced, there must have been no rotation just before.
func (r *Ring) rotate(now, start time.Time, force bool) (*Ring, error) {
	planned := r.planned(now)
	if planned >= 0 {
		if !force && r.epochs[planned].start.Before(now.Add(rotateOnce)) {
			return nil, ErrRotated
		}
		epochs := r.Epochs()
		epochs[planned].start = start.UTC().Truncate(time.Millisecond)
		return r.with(epochs), nil
	}
	// The first epoch of a ring is no rotation.
	if i := r.current(now); !force && i < len(r.epochs)-1 && now.Sub(r.epochs[i].start) < rotateOnce {
		return nil, ErrRotated
	}
	return r.add(start)
}

// age marks the epochs to be destroyed that are older than the keep epochs before the one in use, and takes the mark from
// those that are not.
func (r *Ring) age(now time.Time, keep int, grace time.Duration) (*Ring, []Epoch) {
	kept := r.Active(now, keep)
	epochs, current := r.Epochs(), r.current(now)
	var marked []Epoch
	changed := false
	for i, e := range epochs {
		if e.removed {
			continue
		}
		wanted := i <= current || slices.ContainsFunc(kept, func(k Epoch) bool { return k.id == e.id })
		switch {
		case wanted && !e.destroy.IsZero():
			epochs[i].destroy = time.Time{}
			changed = true
		case !wanted && e.destroy.IsZero():
			epochs[i].destroy = now.Add(grace).UTC().Truncate(time.Millisecond)
			marked = append(marked, epochs[i])
			changed = true
		}
	}
	if !changed {
		return r, nil
	}
	return r.with(epochs), marked
}

// destroy returns the ring without the epochs that were to be destroyed by a time that has passed.
func (r *Ring) destroy(passed time.Time) (*Ring, []Epoch) {
	var gone, left []Epoch
	for i, e := range r.epochs {
		if !e.destroy.IsZero() && !e.destroy.After(passed) && i != r.current(passed) {
			gone = append(gone, e)
			continue
		}
		left = append(left, e)
	}
	if len(gone) == 0 {
		return r, nil
	}
	next := r.with(left)
	for _, e := range gone {
		next.destroyed = slices.Insert(slices.Clone(next.destroyed), 0, e.id)
	}
	next.destroyed = next.destroyed[:min(len(next.destroyed), destroyedIDs)]
	return next, gone
}

// setAside takes the epochs out of use that a wrong clock made, lest they start one day. Their secrets stay.
func (r *Ring) setAside(now time.Time) (*Ring, []Epoch) {
	epochs, current := r.Epochs(), r.current(now)
	var aside []Epoch
	for i := range epochs[:current] {
		if e := &epochs[i]; e.Ahead(now) && !e.removed {
			e.removed = true
			aside = append(aside, *e)
		}
	}
	if aside == nil {
		return r, nil
	}
	return r.with(epochs), aside
}

// hold has an epoch kept, however old, and out of destruction. One that a wrong clock made
// counts as the one before the current.
func (r *Ring) hold(now time.Time, id string) (*Ring, error) {
	before := r.epochs[r.current(now)].start.Add(-time.Millisecond)
	return r.edit(id, func(e *Epoch) {
		e.held, e.removed, e.destroy = true, false, time.Time{}
		if e.Ahead(now) {
			e.start = before
		}
	})
}

// remove takes an epoch that isn't in use out of use, to be destroyed at a time.
func (r *Ring) remove(now time.Time, id string, at time.Time) (*Ring, error) {
	if r.epochs[r.current(now)].id == id {
		return nil, ErrInUse
	}
	return r.edit(id, func(e *Epoch) { e.held, e.removed, e.destroy = false, true, at.UTC().Truncate(time.Millisecond) })
}

func (r *Ring) edit(id string, change func(*Epoch)) (*Ring, error) {
	epochs := r.Epochs()
	for i := range epochs {
		if epochs[i].id == id {
			change(&epochs[i])
			return r.with(epochs), nil
		}
	}
	return nil, ErrNoEpoch
}

// Knows reports whether an epoch is in the ring, or was destroyed on purpose.
func (r *Ring) Knows(id string) bool {
	return slices.Contains(r.destroyed, id) || slices.ContainsFunc(r.epochs, func(e Epoch) bool { return e.id == id })
}

// lost returns the epochs of a ring that next lacks though nobody destroyed them.
func (r *Ring) lost(next *Ring) []Epoch {
	return slices.DeleteFunc(r.Epochs(), func(e Epoch) bool { return next.Knows(e.id) })
}
