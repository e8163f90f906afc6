// Package reopen keeps a store whose file may be damaged from taking the rest of the edge with it: the store is
// down until its file can be opened, which is tried again from time to time.
package reopen

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/wikiveil/wikiveil/internal/health"
)

// DefaultEvery is how seldom a store that is down is tried again.
const DefaultEvery = time.Second

// Config says how a store is opened. All is needed but Every.
type Config[T io.Closer] struct {
	Open func() (T, error)
	// Fatal tells errors of the first opening that Open is to return.
	Fatal func(error) bool
	// Broken tells errors of an open store that end its use; its Close then waits for nobody.
	Broken func(error) bool
	Health *health.Part // closed with the store
	Every  time.Duration
}

// A Store is open or down. It is safe for concurrent use.
type Store[T io.Closer] struct {
	config Config[T]

	mu      sync.RWMutex
	value   T
	open    bool
	err     error // why it is down
	tried   time.Time
	trying  sync.WaitGroup
	pending bool
	closed  bool
}

// Open opens the store, or has it be down; the error is one that is fatal.
func Open[T io.Closer](config Config[T]) (*Store[T], error) {
	if config.Every == 0 {
		config.Every = DefaultEvery
	}
	s := &Store[T]{config: config, tried: time.Now()}
	value, err := config.Open()
	if err != nil && config.Fatal(err) {
		config.Health.Close()
		return nil, err
	}
	s.value, s.open, s.err = value, err == nil, err
	config.Health.Set(err)
	return s, nil
}

// Use has do work with the store, or returns why it is down.
func (s *Store[T]) Use(do func(T) error) error {
	s.mu.RLock()
	if !s.open {
		err := s.err
		s.mu.RUnlock()
		s.tryAgain()
		return fmt.Errorf("store is down: %w", err)
	}
	value := s.value
	s.mu.RUnlock() // do may hang for ever in a store that breaks meanwhile
	err := do(value)
	if err != nil && s.config.Broken(err) {
		s.broke(err)
	}
	return err
}

// broke ends the use of an open store.
func (s *Store[T]) broke(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.open {
		return
	}
	s.value.Close() // its error is that it is broken
	s.open, s.err, s.tried = false, err, time.Now()
	s.config.Health.Set(err)
}

// tryAgain opens the store in the background, unless that was tried a moment ago: whoever asks isn't to wait for it.
func (s *Store[T]) tryAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open || s.closed || s.pending || time.Since(s.tried) < s.config.Every {
		return
	}
	s.pending = true
	s.trying.Go(func() {
		value, err := s.config.Open()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pending, s.tried, s.err = false, time.Now(), err
		if err == nil {
			s.value, s.open = value, true
		}
		s.config.Health.Set(err)
	})
}

// Close waits for what is under way and closes the store.
func (s *Store[T]) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.trying.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.Health.Close()
	if !s.open {
		return nil
	}
	s.open, s.err = false, errClosed
	return s.value.Close()
}

var errClosed = errors.New("it was closed")
