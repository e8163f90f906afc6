package cache

import (
	"container/list"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	lru "github.com/hashicorp/golang-lru/v2"
)

// BenchmarkHit is a reader who gets a stored answer.
func BenchmarkHit(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		c := newCache(b, Config{})
		o := &origin{answer: func(int, *Validators) (*Response, error) {
			return says("Cache-Control: max-age=6000", strings.Repeat("x", size)), nil
		}}
		ask(b, c, key("/x"), o.fetch)
		for _, tc := range []struct {
			name   string
			header http.Header
			want   *Range
		}{{"whole", nil, nil}, {"range", http.Header{"Range": {"bytes=1-9"}}, &Range{1, 9}}} {
			b.Run(fmt.Sprintf("%dKiB/%s", size>>10, tc.name), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					w := &discard{header: make(http.Header)}
					for pb.Next() {
						a, err := c.Get(b.Context(), key("/x"), o.fetch, nil)
						if err != nil {
							b.Error(err)
							return
						}
						r := a.Reply("GET", tc.header, tc.want)
						r.PutHeader(w.header)
						if err := r.WriteTo(w); err != nil || w.n == 0 {
							b.Error(err)
						}
						a.Close()
					}
				})
			})
		}
	}
}

// BenchmarkPass is a reader who gets an answer that isn't kept.
func BenchmarkPass(b *testing.B) {
	for _, size := range []int{1 << 10, 4 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			c := newCache(b, Config{})
			body := strings.Repeat("x", size)
			fetch := (&origin{answer: func(int, *Validators) (*Response, error) { return says("Cache-Control: no-store", body), nil }}).fetch
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				a, err := c.Get(b.Context(), key("/x"), fetch, nil)
				if err != nil {
					b.Fatal(err)
				}
				w := &discard{header: make(http.Header)}
				r := a.Reply("GET", nil, nil)
				if err := r.WriteTo(w); err != nil || w.n != size {
					b.Fatal(err)
				}
				a.Close()
			}
		})
	}
}

type discard struct {
	header http.Header
	n      int
}

func (d *discard) Header() http.Header { return d.header }

func (d *discard) WriteHeader(int) {}

func (d *discard) Write(p []byte) (int, error) {
	d.n += len(p)
	return len(p), nil
}

// index is what a store could be built on.
type index interface {
	lookup(int) bool
	insert(int)
}

// sieveIndex is the store's, with a lock as it has.
type sieveIndex struct {
	mu    sync.RWMutex
	items map[int]*object
	sieve sieve
	max   int
}

func (s *sieveIndex) lookup(k int) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o := s.items[k]
	if o != nil && !o.asked.Load() {
		o.asked.Store(true)
	}
	return o != nil
}

func (s *sieveIndex) insert(k int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.items[k] == nil {
		o := &object{size: int64(k)}
		o.place = s.sieve.PushFront(o)
		s.items[k] = o
	}
	for len(s.items) > s.max {
		s.remove(int(s.sieve.worst().size))
	}
}

func (s *sieveIndex) remove(k int) bool {
	o := s.items[k]
	if o != nil {
		delete(s.items, k)
		s.sieve.remove(o.place)
	}
	return o != nil
}

type lruIndex struct{ *lru.Cache[int, int] }

func (l lruIndex) lookup(k int) bool { _, ok := l.Get(k); return ok }

func (l lruIndex) insert(k int) { l.Add(k, k) }

type twoQueueIndex struct{ *lru.TwoQueueCache[int, int] }

func (l twoQueueIndex) lookup(k int) bool { _, ok := l.Get(k); return ok }

func (l twoQueueIndex) insert(k int) { l.Add(k, k) }

func indexes(max int) map[string]index {
	l, _ := lru.New[int, int](max)
	q, _ := lru.New2Q[int, int](max)
	return map[string]index{"sieve": &sieveIndex{items: make(map[int]*object), max: max}, "golang-lru": lruIndex{l}, "golang-lru-2q": twoQueueIndex{q}}
}

// BenchmarkPolicies compares indexes: the time of a hit, and how often a mix of
// requests like a wiki's (Zipf, and one in five for something asked for once) is
// served from an index of a hundredth of the things.
func BenchmarkPolicies(b *testing.B) {
	for name, ix := range indexes(10_000) {
		b.Run("hit/"+name, func(b *testing.B) {
			for i := range 1000 {
				ix.insert(i)
			}
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for i := rand.IntN(1000); pb.Next(); i++ {
					if !ix.lookup(i % 1000) {
						b.Error("not found")
					}
				}
			})
		})
	}
	for name, ix := range indexes(1000) {
		b.Run("mix/"+name, func(b *testing.B) {
			hits := 0
			zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.05, 1, 100_000)
			for i := range b.N {
				k := int(zipf.Uint64())
				if i%5 == 0 {
					k = 1_000_000 + i
				}
				if ix.lookup(k) {
					hits++
				} else {
					ix.insert(k)
				}
			}
			b.ReportMetric(100*float64(hits)/float64(b.N), "%hits")
		})
	}
}

// TestSieveAgainstModel compares the sieve with its description on a list.
func TestSieveAgainstModel(t *testing.T) {
	type entry struct {
		key   int
		asked bool
	}
	random := rand.New(rand.NewPCG(3, 4))
	s, order, hand := &sieveIndex{items: make(map[int]*object), max: 1000}, list.New(), (*list.Element)(nil) // front is the newest
	find := func(k int) *list.Element {
		for e := order.Front(); e != nil; e = e.Next() {
			if e.Value.(*entry).key == k {
				return e
			}
		}
		return nil
	}
	for range 20_000 {
		k := random.IntN(60)
		e := find(k)
		switch random.IntN(4) {
		case 0, 1:
			if ok := s.lookup(k); ok != (e != nil) {
				t.Fatalf("get %d: %t", k, ok)
			}
			if e != nil {
				e.Value.(*entry).asked = true
			}
		case 2:
			s.insert(k)
			if e == nil {
				order.PushFront(&entry{key: k})
			}
			for order.Len() > 30 {
				it := hand
				if it == nil {
					it = order.Back()
				}
				for it.Value.(*entry).asked {
					it.Value.(*entry).asked = false
					if it = it.Prev(); it == nil {
						it = order.Back()
					}
				}
				hand = it.Prev()
				order.Remove(it)
				got := int(s.sieve.worst().size)
				if s.remove(got); got != it.Value.(*entry).key {
					t.Fatalf("evicted %d, want %d", got, it.Value.(*entry).key)
				}
			}
		case 3:
			if ok := s.remove(k); ok != (e != nil) {
				t.Fatalf("remove %d: %t", k, ok)
			}
			if e != nil {
				if hand == e {
					hand = e.Prev()
				}
				order.Remove(e)
			}
		}
		if len(s.items) != order.Len() {
			t.Fatalf("%d entries, want %d", len(s.items), order.Len())
		}
	}
}

// TestRace asks for a few things from many sides, while they are purged and evicted.
func TestRace(t *testing.T) {
	c := newCache(t, Config{MaxBytes: 300_000, MaxObject: 100_000, Hold: 5000})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 150 {
				n := rand.IntN(12)
				body := strings.Repeat(fmt.Sprint(n%10), n*2000)
				header := []string{"Cache-Control: max-age=60", "Cache-Control: no-store", "", "Cache-Control: max-age=0, stale-while-revalidate=60"}[n%4]
				o := &origin{answer: func(int, *Validators) (*Response, error) { return says(header, body), nil }}
				if g := ask(t, c, key(fmt.Sprint("/", n)), o.fetch); g.err != nil || g.body != body {
					t.Errorf("got %d bytes, %v, want %d", len(g.body), g.err, len(body))
				}
				if s := c.Stats(); s.Bytes > 300_000 {
					t.Errorf("%+v", s)
				}
				if n == 0 {
					c.Purge("", fmt.Sprint("/", rand.IntN(12)))
				}
			}
		})
	}
	wg.Wait()
}
