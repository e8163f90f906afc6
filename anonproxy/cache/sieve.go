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
//
// Keys are in groups, each with a hand of its own, so that what is evicted can be of
// one of them.
type sieve[K comparable, V any] struct {
	group func(K) string // set before use

	mu     sync.RWMutex
	items  map[K]*item[K, V]
	queues map[string]*queue[K, V]
}

// queue is a group's keys by age.
type queue[K comparable, V any] struct {
	newest, oldest, hand *item[K, V]
	length               int
}

type item[K comparable, V any] struct {
	key          K
	value        V
	asked        atomic.Bool
	in           *queue[K, V]
	newer, older *item[K, V]
}

// newSieve returns one whose keys are all in one group.
func newSieve[K comparable, V any]() *sieve[K, V] {
	return &sieve[K, V]{group: func(K) string { return "" }, items: make(map[K]*item[K, V]), queues: make(map[string]*queue[K, V])}
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
	group := s.group(key)
	q := s.queues[group]
	if q == nil {
		q = new(queue[K, V])
		s.queues[group] = q
	}
	it := &item[K, V]{key: key, value: value, in: q, older: q.newest}
	if q.newest != nil {
		q.newest.newer = it
	} else {
		q.oldest = it
	}
	q.newest, s.items[key] = it, it
	q.length++
	return old, false
}

// largest is the group with the most keys.
func (s *sieve[K, V]) largest() (group string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	most := 0
	for name, q := range s.queues {
		if q.length > most {
			group, most = name, q.length
		}
	}
	return group
}

// evict takes out what is worth least of the largest group.
func (s *sieve[K, V]) evict() (value V, ok bool) { return s.evictFrom(s.largest()) }

// evictFrom takes out what is worth least of a group.
func (s *sieve[K, V]) evictFrom(group string) (value V, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[group]
	if q == nil || q.oldest == nil {
		return value, false
	}
	it := q.hand
	if it == nil {
		it = q.oldest
	}
	for ; it.asked.Load(); it = q.after(it) {
		it.asked.Store(false)
	}
	q.hand = it
	s.unlink(it)
	return it.value, true
}

func (q *queue[K, V]) after(it *item[K, V]) *item[K, V] {
	if it.newer != nil {
		return it.newer
	}
	return q.oldest
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
	q := it.in
	delete(s.items, it.key)
	q.length--
	if q.hand == it {
		q.hand = it.newer
	}
	if it.newer != nil {
		it.newer.older = it.older
	} else {
		q.newest = it.older
	}
	if it.older != nil {
		it.older.newer = it.newer
	} else {
		q.oldest = it.newer
	}
}

func (s *sieve[K, V]) len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.items)
}
