package edge

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/masking"
)

// leaveTimeout bounds how long the end waits for the storage to forget this node's policy.
const leaveTimeout = 2 * time.Second

// RotateLead is how far ahead a rotation by command is planned; 0 is masking's.
var RotateLead time.Duration

// sharedRings are in use over config reloads, by storage alone: what a config says about them holds when
// it has come into use.
var sharedRings = pool.New[*sharedRing]("shared key rings")

// sharedRing follows the key ring in a storage.
type sharedRing struct {
	key    string // of the storage
	keeper *masking.Keeper
	clock  *Clock
	wake   chan struct{}

	broken, disagreeing atomic.Bool
	destroyed           atomic.Int64

	mu       sync.Mutex
	ring     *masking.Ring // until one is there: one of this process alone, which no request sees
	real     bool          // ring is the storage's
	views    map[*KeyRing]bool
	policy   *masking.Policy // of the config in use; nil: none is yet
	witness  *ringWitness    // nil: no config has started
	end      func()          // of following; nil: no config has started
	starting sync.Mutex
}

// openSharedRing reads the storage's ring. There may be none yet.
func openSharedRing(held *pool.Held, storage certmagic.Storage, clock *Clock, dir string) (*sharedRing, error) {
	key := StorageKey(storage)
	return sharedRings.Acquire(held, key, func(own *pool.Held) (*sharedRing, error) {
		s := &sharedRing{key: key, clock: clock, wake: make(chan struct{}, 1), views: make(map[*KeyRing]bool)}
		own.Add(s.close)
		s.keeper = masking.NewKeeper(masking.KeeperConfig{Storage: storage, Clock: clock, Report: s.report, Lead: RotateLead})
		ctx, cancel := context.WithTimeout(context.Background(), StorageTimeout)
		defer cancel()
		ring, err := s.keeper.Load(ctx)
		if err == nil || errors.Is(err, masking.ErrNoRing) {
			if known := newRingWitness(dir, key).check(ring); known != nil {
				return nil, known
			}
		}
		if errors.Is(err, masking.ErrNoRing) {
			secret := make([]byte, masking.MinSecretSize)
			rand.Read(secret) // never fails
			s.ring, err = masking.ConfiguredRing(secret)
			return s, err
		}
		s.ring, s.real = ring, true
		return s, err
	})
}

func (s *sharedRing) join(view *KeyRing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.views[view] = true
	view.use(s.ring, s.clock.Now())
}

func (s *sharedRing) leave(view *KeyRing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.views, view)
}

// use shows a ring to all configs.
func (s *sharedRing) use(ring *masking.Ring) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := ring != s.ring || !s.real
	s.ring, s.real = ring, true
	s.show()
	if changed && s.witness != nil {
		s.witness.note(ring)
	}
}

// show tells the views which epochs are active now. The caller holds s.mu.
func (s *sharedRing) show() {
	now := s.clock.Now()
	for view := range s.views {
		view.use(s.ring, now)
	}
}

// start makes the ring if there never was one, and follows it from then on. In dir it is remembered that this node
// has had it.
func (s *sharedRing) start(dir string) error {
	s.starting.Lock()
	defer s.starting.Unlock()
	witness := newRingWitness(dir, s.key)
	ctx, cancel := context.WithTimeout(context.Background(), StorageTimeout)
	defer cancel()
	s.mu.Lock()
	ring, real := s.ring, s.real
	s.mu.Unlock()
	if !real {
		if err := witness.check(nil); err != nil {
			return err
		}
		var err error
		if ring, err = s.keeper.Open(ctx); err != nil {
			return err
		}
	}
	if err := witness.check(ring); err != nil {
		return err
	}
	s.mu.Lock()
	s.witness = witness
	witness.note(ring)
	s.mu.Unlock()
	s.use(ring)
	if s.end == nil {
		s.end = InBackground(s.follow)
	}
	return nil
}

// setPolicy has the ring kept as the config in use says.
func (s *sharedRing) setPolicy(policy masking.Policy) {
	s.mu.Lock()
	s.policy = &policy
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// follow keeps up with the schedule and with other nodes until ctx ends.
func (s *sharedRing) follow(ctx context.Context) {
	for {
		s.mu.Lock()
		wait := masking.RefreshEvery
		now := s.clock.Now()
		if next, planned := s.ring.Next(now); planned {
			wait = min(wait, max(0, next.Sub(now)))
		}
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-time.After(wait):
		}
		// An epoch that was planned starts even where the storage can't be read.
		s.mu.Lock()
		s.show()
		s.mu.Unlock()
		s.refresh(ctx)
	}
}

func (s *sharedRing) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, StorageTimeout)
	defer cancel()
	s.mu.Lock()
	policy := s.policy
	s.mu.Unlock()
	var ring *masking.Ring
	var err error
	if policy == nil {
		ring, err = s.keeper.Load(ctx)
	} else {
		ring, err = s.keeper.Tend(ctx, *policy)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	disagree := errors.Is(err, masking.ErrDisagree)
	if disagree {
		if !s.disagreeing.Swap(true) {
			Log().Warn("key ring", zap.Error(err))
		}
		err = nil
	}
	if err != nil {
		if !s.broken.Swap(true) {
			Log().Error("key ring: the one in the storage can't be used; the last good one goes on to hold", zap.Error(err))
		}
		return
	}
	if !disagree {
		s.disagreeing.Store(false)
	}
	if s.broken.Swap(false) {
		Log().Info("key ring: the one in the storage is in use again")
	}
	s.use(ring)
}

// change changes the ring by an operator's command.
func (s *sharedRing) change(ctx context.Context, how func(context.Context, *masking.Keeper) (*masking.Ring, error)) error {
	ctx, cancel := context.WithTimeout(ctx, StorageTimeout)
	defer cancel()
	ring, err := how(ctx, s.keeper)
	if err != nil {
		return err
	}
	s.use(ring)
	select { // a planned epoch starts sooner than it would have been looked for
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

// report logs what becomes of epochs.
func (s *sharedRing) report(c masking.Change) {
	log := Log().With(zap.String("epoch", c.ID()))
	switch c.What {
	case "planned":
		log.Info("key ring: a new epoch is planned", zap.Time("start", c.Start()))
	case "marked", "removed":
		log.Warn("key ring: the secret of an old epoch will be destroyed; `wikiveil keys keep` takes that back until then",
			zap.String("why", c.What), zap.Time("destroyed", c.Destroy()))
	case "destroyed":
		s.destroyed.Add(1)
		log.Warn("key ring: the secret of an old epoch has been destroyed")
	case "set aside":
		log.Error("key ring: an epoch starts far in the future, so a wrong clock made it: it is out of use;"+
			" `wikiveil keys keep` or `wikiveil keys remove` says what is to become of it", zap.Time("start", c.Start()))
	default:
		log.Info("key ring: an epoch was " + c.What)
	}
}

func (s *sharedRing) close() error {
	s.starting.Lock()
	defer s.starting.Unlock()
	if s.end == nil {
		return nil
	}
	s.end()
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	if err := s.keeper.Leave(ctx); err != nil {
		Log().Info("key ring: the other nodes will learn in an hour that this one has ended", zap.Error(err))
	}
	return nil
}
