package cache

import (
	"sync"
	"sync/atomic"
)

// sieve is a map that tells what to evict by SIEVE (Zhang and others, NSDI 2024):
// a hand goes from the oldest to the newest and takes the first that nobody asked
// for since it came by. A hit moves nothing, so hits need the read lock alone,
// and things asked for once don't push out the others. BenchmarkPolicies compares
// it with golang-lru.
type sieve[K comparable, V any] struct {
	mu     sync.RWMutex
	items  map[K]*item[K, V]
	newest *item[K, V]
	oldest *item[K, V]
	hand   *item[K, V]
}

type item[K comparable, V any] struct {
	key          K
	value        V
	asked        atomic.Bool
	newer, older *item[K, V]
}

func newSieve[K comparable, V any]() *sieve[K, V] {
	return &sieve[K, V]{items: make(map[K]*item[K, V])}
}

// get returns a value; use is called with it before anybody can evict it.
func (s *sieve[K, V]) get(key K, use func(V)) (value V, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	it, ok := s.items[key]
	if !ok {
		return value, false
	}
	if !it.asked.Load() { // a store would take the line from the other processors
		it.asked.Store(true)
	}
	if use != nil {
		use(it.value)
	}
	return it.value, true
}

// put adds a value and returns the one that it replaces.
func (s *sieve[K, V]) put(key K, value V) (old V, replaced bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if it, ok := s.items[key]; ok {
		old, it.value = it.value, value
		return old, true
	}
	it := &item[K, V]{key: key, value: value, older: s.newest}
	if s.newest != nil {
		s.newest.newer = it
	} else {
		s.oldest = it
	}
	s.newest, s.items[key] = it, it
	return old, false
}

// evict takes out what is worth least.
func (s *sieve[K, V]) evict() (value V, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.hand
	if it == nil {
		it = s.oldest
	}
	for ; it != nil && it.asked.Load(); it = s.after(it) {
		it.asked.Store(false)
	}
	if it == nil {
		return value, false
	}
	s.hand = it
	s.unlink(it)
	return it.value, true
}

func (s *sieve[K, V]) after(it *item[K, V]) *item[K, V] {
	if it.newer != nil {
		return it.newer
	}
	return s.oldest
}

// removeIf takes out a key's value where it fits.
func (s *sieve[K, V]) removeIf(key K, fits func(V) bool) (value V, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, ok := s.items[key]
	if !ok || !fits(it.value) {
		return value, false
	}
	s.unlink(it)
	return it.value, true
}

// removeAll takes out all that fits.
func (s *sieve[K, V]) removeAll(fits func(V) bool) (values []V) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range s.items {
		if fits(it.value) {
			s.unlink(it)
			values = append(values, it.value)
		}
	}
	return values
}

func (s *sieve[K, V]) unlink(it *item[K, V]) {
	delete(s.items, it.key)
	if s.hand == it {
		s.hand = it.newer
	}
	if it.newer != nil {
		it.newer.older = it.older
	} else {
		s.newest = it.older
	}
	if it.older != nil {
		it.older.newer = it.newer
	} else {
		s.oldest = it.newer
	}
}

func (s *sieve[K, V]) len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.items)
}
