// Package boundstorage keeps a storage that hangs, such as a network file system whose server is gone, from taking the
// edge with it: every call is made so that it can be abandoned.
//
// A call that takes longer than the timeout returns [ErrHangs] and goes on in the background. Until it ends, others for its
// key fail at once, but for one that tries now and then. An abandoned call may still have its effect later. So the lock
// of a write is released only after the write has ended, and a lock that is got too late is released at once.
package boundstorage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/internal/health"
)

// ErrHangs: the storage does not answer.
var ErrHangs = errors.New("the storage hangs")

const (
	// DefaultTimeout is how long a call may take.
	DefaultTimeout = 5 * time.Second
	// hurried is how long it may take while another hangs: whoever makes several calls is not to wait for each.
	hurried = time.Second
	// tryEvery is how seldom a key that hangs is tried again.
	tryEvery = 5 * time.Second
	// maxHanging bounds the goroutines that hang for one key.
	maxHanging = 8
	// lockTimeout is how long another node may have a lock.
	lockTimeout = 30 * time.Second
)

// Storage is a storage whose calls end. It is safe for concurrent use.
type Storage struct {
	name    string
	inner   atomic.Pointer[certmagic.Storage]
	timeout time.Duration
	health  *health.Part

	mu      sync.Mutex
	hanging map[string]*hang // by operation and key
	writing int              // writes under way, abandoned ones too
	written *sync.Cond       // told when a write ends
}

// hang is a call that was abandoned.
type hang struct {
	calls int // of those that haven't ended
	tried time.Time
}

// New bounds a storage. Name tells it from others; 0 means [DefaultTimeout].
func New(name string, inner certmagic.Storage, timeout time.Duration, part *health.Part) *Storage {
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	s := &Storage{name: name, timeout: timeout, health: part, hanging: make(map[string]*hang)}
	s.written = sync.NewCond(&s.mu)
	s.Use(inner)
	return s
}

// Use replaces the storage by another of the same place, as after a reload.
func (s *Storage) Use(inner certmagic.Storage) { s.inner.Store(&inner) }

// String names the storage.
func (s *Storage) String() string { return s.name }

// abandoned and finished are what becomes of a call; whichever comes first holds.
const (
	finished = iota + 1
	abandoned
)

// request is one call.
type request[T any] struct {
	what  string // operation and key
	limit time.Duration
	do    func(context.Context, certmagic.Storage) (T, error)
	late  func(T) // told of the success of a call that was abandoned; may be nil
	must  bool    // be made even where it hung before
}

// call makes a call that can be abandoned.
func call[T any](ctx context.Context, s *Storage, r request[T]) (result T, err error) {
	if err := ctx.Err(); err != nil {
		return result, err
	}
	hurry, err := s.admit(r.what, r.must)
	if err != nil {
		return result, err
	}
	if hurry {
		r.limit = min(r.limit, hurried)
	}
	var fate atomic.Int32
	done := make(chan struct{})
	calling, cancel := context.WithTimeout(ctx, r.limit)
	go func() {
		defer cancel()
		value, callErr := r.do(calling, *s.inner.Load())
		if fate.CompareAndSwap(0, finished) {
			result, err = value, callErr
			close(done)
			return
		}
		s.ended(r.what)
		if callErr == nil && r.late != nil {
			r.late(value)
		}
	}()
	select {
	case <-done:
		s.answered(r.what)
		return result, err
	case <-calling.Done():
	}
	heed := time.NewTimer(hurried / 4) // a storage that heeds the context ends in a moment
	defer heed.Stop()
	select {
	case <-done:
	case <-heed.C:
		if fate.CompareAndSwap(0, abandoned) {
			var none T
			return none, s.abandon(ctx, r.what, r.limit)
		}
		<-done
	}
	s.answered(r.what)
	return result, err
}

// admit returns an error where a call is known to hang, and whether any does.
func (s *Storage) admit(what string, must bool) (hurry bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hanging[what]
	if h != nil && !must && time.Since(h.tried) < tryEvery {
		return false, fmt.Errorf("%w: %s", ErrHangs, what)
	}
	if h != nil && !must && h.calls >= maxHanging {
		return false, fmt.Errorf("%w: %s, %d times", ErrHangs, what, h.calls)
	}
	if h != nil {
		h.tried = time.Now()
	}
	return len(s.hanging) > 0, nil
}

// abandon remembers a call that hangs.
func (s *Storage) abandon(ctx context.Context, what string, limit time.Duration) error {
	err := fmt.Errorf("%w: %s took longer than %v", ErrHangs, what, limit)
	if ctx.Err() != nil {
		err = fmt.Errorf("%w: %s: %w", ErrHangs, what, ctx.Err())
	}
	if errors.Is(ctx.Err(), context.Canceled) { // whoever asked went away, perhaps at once
		return err
	}
	s.mu.Lock()
	h := s.hanging[what]
	if h == nil {
		h = new(hang)
		s.hanging[what] = h
	}
	h.calls++
	h.tried = time.Now()
	s.mu.Unlock()
	s.health.Set(err)
	return err
}

// answered forgets that a call hung: the same one was made and ended. Those before may hang for ever, as where a file was
// replaced.
func (s *Storage) answered(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hanging[what] == nil {
		return
	}
	delete(s.hanging, what)
	if len(s.hanging) == 0 {
		s.health.Set(nil)
	}
}

// ended counts an abandoned call that ended after all.
func (s *Storage) ended(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hanging[what]
	if h == nil {
		return
	}
	if h.calls--; h.calls > 0 {
		return
	}
	delete(s.hanging, what)
	if len(s.hanging) == 0 {
		s.health.Set(nil)
	}
}
