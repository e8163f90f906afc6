package masking

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
)

// Storage is where nodes share a key ring.
type Storage = shareddoc.Storage

const (
	// RingKey is the storage key the ring is kept under.
	RingKey = "wikiveil/keyring.json"
	// RingCopyKey is that of its copy, which is as new as the ring, so that it keeps no secret longer.
	RingCopyKey = "wikiveil/keyring.copy.json"

	// ManualLead is how far ahead a rotation by command is planned, so that all nodes know of it by then.
	ManualLead = 15 * time.Second
	// RefreshEvery is how often a node must read the ring for that.
	RefreshEvery = 5 * time.Second
)

// Errors of a storage that isn't the one that was known.
var (
	// ErrOldRing: the stored ring lacks what the known one has, as after an older copy of the storage was restored.
	ErrOldRing = errors.New("the stored key ring is not the one that this edge knows, or an older copy of it: bring the newest back" +
		" (to go on with this one on purpose, stop all edges that share the storage and start them again)")
	// ErrNoRing: there is none, and it isn't for this call to make one.
	ErrNoRing = errors.New("there is no key ring in the storage yet")
)

// A Clock tells the time.
type Clock interface {
	// Now is the time that epochs start by.
	Now() time.Time
	// Passed is the latest time that has passed for sure, which secrets are destroyed by.
	Passed() time.Time
}

// A Change is what became of an epoch, to be logged.
type Change struct {
	// What is "made", "planned", "marked", "destroyed", "set aside", "held" or "removed".
	What string
	Epoch
}

// KeeperConfig is what a keeper is made of.
type KeeperConfig struct {
	Storage Storage
	Clock   Clock
	// Report, if not nil, is told what changes.
	Report func(Change)
	// Lead is how far ahead a rotation by command is planned; 0 means [ManualLead].
	Lead time.Duration
}

// A Keeper keeps a key ring in storage that several nodes may share. It is safe for concurrent use.
type Keeper struct {
	KeeperConfig
	node     string // this process, among those that share the ring
	doc      *shareddoc.Doc[*Ring]
	policies *policies

	mu   sync.Mutex // around all that follows
	ring *Ring      // as it was read last; nil: never
}

// NewKeeper returns the keeper of a storage's ring. Nothing is read yet.
func NewKeeper(config KeeperConfig) *Keeper {
	if config.Report == nil {
		config.Report = func(Change) {}
	}
	config.Lead = cmp.Or(config.Lead, ManualLead)
	k := &Keeper{KeeperConfig: config, node: rand.Text(), policies: newPolicies(config.Storage)}
	k.doc = shareddoc.New(config.Storage, RingKey, shareddoc.Form[*Ring]{Encode: (*Ring).encode, Decode: decodeRing, Use: k.accept})
	return k
}

// accept takes a stored ring, unless it lacks what the known one has.
func (k *Keeper) accept(ring *Ring) error {
	if k.ring != nil && (ring.revision < k.ring.revision || len(k.ring.lost(ring)) > 0) {
		return ErrOldRing
	}
	k.ring = ring
	return nil
}

// Load reads the ring and writes nothing. An error that is [ErrNoRing] says that there never was one.
func (k *Keeper) Load(ctx context.Context) (*Ring, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.load(ctx)
}

func (k *Keeper) load(ctx context.Context) (*Ring, error) {
	if err := k.doc.Read(ctx); err != nil {
		return nil, err
	}
	if k.ring != nil {
		return k.ring, nil
	}
	if _, err := k.Storage.Load(ctx, RingCopyKey); errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoRing
	} else if err != nil {
		return nil, fmt.Errorf("loading %s: %w", RingCopyKey, err)
	}
	// Another node may be making the ring, the copy first: it has the lock meanwhile.
	if err := k.doc.Update(ctx, func(ring *Ring) (*Ring, error) { return ring, nil }); err != nil {
		return nil, err
	}
	if k.ring == nil {
		return nil, fmt.Errorf("%s is gone, and its copy is there: put %s in its place, or delete that too to begin a new ring", RingKey, RingCopyKey)
	}
	return k.ring, nil
}

// Open returns the ring, made if there never was one. It changes nothing else.
func (k *Keeper) Open(ctx context.Context) (*Ring, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	ring, err := k.load(ctx)
	if !errors.Is(err, ErrNoRing) {
		return ring, err
	}
	return k.update(ctx, func(ring *Ring) (*Ring, []Change, error) {
		if ring != nil {
			return ring, nil, nil // another node was faster
		}
		ring, err := new(Ring).add(k.Clock.Now())
		if err != nil {
			return nil, nil, err
		}
		return ring, changes("made", ring.epochs), nil
	})
}

// Tend does what the policies of all nodes want done at this time: it plans the next epoch, marks old ones to be destroyed, and
// destroys those whose grace has passed. Of an error that is [ErrDisagree] the ring is right nevertheless.
func (k *Keeper) Tend(ctx context.Context, own Policy) (*Ring, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	ring, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	policy, disagree := k.policies.tell(ctx, k.node, own, k.Clock.Now())
	if disagree != nil && !errors.Is(disagree, ErrDisagree) {
		return ring, fmt.Errorf("the other edges' policies: %w", disagree)
	}
	if next, _, err := k.due(ring, policy); err != nil || next != ring { // the usual case takes no lock
		if ring, err = k.update(ctx, func(ring *Ring) (*Ring, []Change, error) { return k.due(ring, policy) }); err != nil {
			return nil, err
		}
	}
	return ring, disagree
}

// Leave has this node's policy count no more, at its end.
func (k *Keeper) Leave(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.policies.leave(ctx, k.node)
}

func (k *Keeper) due(ring *Ring, policy Policy) (*Ring, []Change, error) {
	var all []Change
	now := k.Clock.Now()
	ring, epochs := ring.setAside(now)
	all = append(all, changes("set aside", epochs)...)
	ring, epochs = ring.age(now, policy.Keep, policy.Grace)
	all = append(all, changes("marked", epochs)...)
	ring, epochs = ring.destroy(k.Clock.Passed())
	all = append(all, changes("destroyed", epochs)...)
	if _, planned := ring.Next(now); planned || policy.Every <= 0 {
		return ring, all, nil
	}
	start := ring.Active(now, 0)[0].start.Add(policy.Every)
	if start.After(now.Add(rotationLead)) {
		return ring, all, nil
	}
	if soon := now.Add(k.Lead); start.Before(soon) { // the nodes were down when it was due
		start = soon
	}
	next, err := ring.add(start)
	if err != nil {
		return nil, nil, err
	}
	return next, append(all, changes("planned", next.epochs[:1])...), nil
}

// Rotate plans a new epoch a few seconds ahead, so that all nodes change over together.
//
// Errors: [ErrRotated] unless forced, those of [Keeper.Load].
func (k *Keeper) Rotate(ctx context.Context, force bool) (*Ring, error) {
	return k.command(ctx, func(ring *Ring) (*Ring, []Change, error) {
		now := k.Clock.Now()
		next, err := ring.rotate(now, now.Add(k.Lead), force)
		if err != nil {
			return nil, nil, err
		}
		return next, changes("planned", next.epochs[max(0, next.planned(now)):][:1]), nil
	})
}

// Hold has an epoch kept, however old it is, and takes it back from destruction.
//
// Errors: [ErrNoEpoch], those of [Keeper.Load].
func (k *Keeper) Hold(ctx context.Context, id string) (*Ring, error) {
	return k.command(ctx, func(ring *Ring) (*Ring, []Change, error) {
		next, err := ring.hold(k.Clock.Now(), id)
		return next, []Change{{"held", Epoch{id: id}}}, err
	})
}

// Remove takes an epoch out of use that isn't the one masks are made with, and has its secret destroyed after a grace.
//
// Errors: [ErrNoEpoch], [ErrInUse], those of [Keeper.Load].
func (k *Keeper) Remove(ctx context.Context, id string, grace time.Duration) (*Ring, error) {
	return k.command(ctx, func(ring *Ring) (*Ring, []Change, error) {
		now := k.Clock.Now()
		next, err := ring.remove(now, id, now.Add(grace))
		if err != nil {
			return nil, nil, err
		}
		all := []Change{{"removed", Epoch{id: id, destroy: now.Add(grace)}}}
		if grace > 0 {
			return next, all, nil
		}
		next, gone := next.destroy(now) // by command, so whatever the clock says
		return next, append(all, changes("destroyed", gone)...), nil
	})
}

func (k *Keeper) command(ctx context.Context, change func(*Ring) (*Ring, []Change, error)) (*Ring, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := k.load(ctx); err != nil {
		return nil, err
	}
	return k.update(ctx, change)
}

// update changes the stored ring. The copy is written first: it is never without what the ring has.
func (k *Keeper) update(ctx context.Context, change func(*Ring) (*Ring, []Change, error)) (*Ring, error) {
	var all []Change
	err := k.doc.Update(ctx, func(*Ring) (*Ring, error) {
		next, made, err := change(k.ring)
		if err != nil || next == k.ring {
			return k.ring, err
		}
		all = made
		data, err := next.encode()
		if err != nil {
			return nil, fmt.Errorf("encoding the key ring: %w", err)
		}
		if err := k.Storage.Store(ctx, RingCopyKey, data); err != nil {
			return nil, fmt.Errorf("storing %s: %w", RingCopyKey, err)
		}
		return next, nil
	})
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		k.Report(c)
	}
	return k.ring, nil
}

func changes(what string, epochs []Epoch) []Change {
	var all []Change
	for _, e := range epochs {
		all = append(all, Change{what, e})
	}
	return all
}
