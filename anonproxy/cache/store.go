package cache

import (
	"container/list"
	"sync"
)

// store holds the answers, and bounds the bytes of all bodies: those that are kept, those that arrive
// to be kept, and evicted ones that slow readers still hold.
//
// Tools share the room. As long as there is some a tool may take all of it. Where there is none, it gets
// what those have who hold more than it does, or gives up answers of its own. So no tool, however
// much is asked of it, pushes out the answers of one that holds less.
type store struct {
	maxBytes   int64
	maxEntries int

	mu      sync.RWMutex
	objects map[Key]*object
	shares  map[string]*share // by tool
	used    int64
	evicted uint64
}

// share is what a tool has of a store, whose lock guards it.
type share struct {
	answers sieve
	used    int64
}

func newStore(cfg Config) *store {
	return &store{maxBytes: cfg.MaxBytes, maxEntries: cfg.MaxEntries, objects: make(map[Key]*object), shares: make(map[string]*share)}
}

// of returns a tool's share.
func (s *store) of(tool string) *share {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shares[tool]
	if sh == nil {
		sh = new(share)
		s.shares[tool] = sh
	}
	return sh
}

// get returns an answer, whose body the caller uses from then on.
func (s *store) get(key Key) (*object, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o, ok := s.objects[key]
	if !ok {
		return nil, false
	}
	if !o.asked.Load() { // a store would take the line from the other processors
		o.asked.Store(true)
	}
	o.body.acquire()
	return o, true
}

// put keeps an answer, in place of the one that there was.
func (s *store) put(o *object) {
	o.body.acquire()
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.objects[o.key]; old != nil {
		o.asked.Store(old.asked.Load())
		old.place.Value, o.place = o, old.place
		s.releaseLocked(old.body)
	} else {
		o.place = o.body.share.answers.PushFront(o)
	}
	s.objects[o.key] = o
	for len(s.objects) > s.maxEntries {
		most := o.body.share
		for _, sh := range s.shares {
			if sh.answers.Len() > most.answers.Len() {
				most = sh
			}
		}
		s.evict(most)
	}
}

// remove forgets an answer, if it is still the one that is kept for its key.
func (s *store) remove(o *object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects[o.key] == o {
		s.drop(o)
	}
}

// purge forgets the answers that match, and returns how many there were.
func (s *store) purge(match func(Key) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, o := range s.objects {
		if match(key) {
			s.drop(o)
			n++
		}
	}
	return n
}

// drop forgets an answer. mu is held, as for the following.
func (s *store) drop(o *object) {
	delete(s.objects, o.key)
	o.body.share.answers.remove(o.place)
	s.releaseLocked(o.body)
}

// evict forgets what is worth least of a share that has something.
func (s *store) evict(sh *share) {
	s.evicted++
	s.drop(sh.answers.worst())
}

// reserve takes n bytes for a share, for which it evicts what it may.
func (s *store) reserve(sh *share, n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.used+n > s.maxBytes {
		var victim *share
		for _, other := range s.shares {
			if other.answers.Len() > 0 && (other == sh || other.used > sh.used) && (victim == nil || other.used > victim.used) {
				victim = other
			}
		}
		if victim == nil || n > s.maxBytes {
			return false
		}
		s.evict(victim)
	}
	s.used += n
	sh.used += n
	return true
}

// giveBack returns bytes that were reserved.
func (s *store) giveBack(sh *share, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= n
	sh.used -= n
}

// release ends a use of a body. With the last its bytes are free.
func (s *store) release(b *body) {
	if b.uses.Add(-1) == 0 {
		s.giveBack(b.share, b.held)
	}
}

func (s *store) releaseLocked(b *body) {
	if b.uses.Add(-1) == 0 {
		s.used -= b.held
		b.share.used -= b.held
	}
}

// sieve finds what to evict by SIEVE (Zhang and others, NSDI 2024): a hand goes from the oldest to the
// newest and takes the first that nobody asked for since it came by. A hit moves nothing, so hits need
// the read lock alone, and things asked for once don't push out the others: see BenchmarkPolicies, where
// it serves 54 of 100 requests and golang-lru's LRU 44.
type sieve struct {
	list.List // of *object, the newest in front
	hand      *list.Element
}

// worst returns what is worth least, of a sieve that isn't empty.
func (s *sieve) worst() *object {
	for e := s.hand; ; e = e.Prev() {
		if e == nil {
			e = s.Back()
		}
		if o := e.Value.(*object); !o.asked.Swap(false) {
			s.hand = e
			return o
		}
	}
}

func (s *sieve) remove(e *list.Element) {
	if s.hand == e {
		s.hand = e.Prev()
	}
	s.Remove(e)
}
