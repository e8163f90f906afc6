package cache

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Cache is a shared cache. It is safe for concurrent use.
type Cache struct {
	cfg      Config
	store    *store
	requests [len(results)]atomic.Uint64
	purged   atomic.Uint64

	ctx     context.Context // of all fetches
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	flights  map[*flight]struct{}
	joinable map[Key]*flight                // those whose answer is for all who come
	passing  *simplelru.LRU[Key, time.Time] // answers that are one reader's, so that nobody waits for another's
}

// Bounds of what the cache remembers to leave alone.
const (
	passEntries = 1024
	passTime    = 30 * time.Second
	retryTime   = 5 * time.Second // between attempts while a stale answer serves
)

// New returns an empty cache. Close it when done.
func New(cfg Config) (*Cache, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Cache{cfg: cfg, store: newStore(cfg), flights: make(map[*flight]struct{}), joinable: make(map[Key]*flight)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.passing, err = simplelru.NewLRU[Key, time.Time](passEntries, nil)
	return c, err
}

// Close ends all fetches and waits for them.
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.running.Wait()
}

// ErrClosed says that the cache is closed.
var ErrClosed = errors.New("the cache is closed")

// Admit reports whether a fetch may begin for the caller; an error is for them alone. It is
// called for each fetch that they begin, and neither for answers that are stored
// nor for fetches of others that they follow. It must be quick: the cache is locked.
type Admit func() error

// Get returns the answer for a key, stored or fetched. Close it. Errors are those
// of admit, which may be nil, and of fetch, or of the context where that ends first.
func (c *Cache) Get(ctx context.Context, key Key, fetch Fetch, admit Admit) (Answer, error) {
	if a, ok := c.stored(ctx, key, fetch, admit); ok {
		return a, nil
	}
	a, err := c.join(ctx, key, fetch, admit)
	if err == nil {
		c.count(a.Result)
	}
	return a, err
}

// Lookup returns the answer for a key if there is one that serves without
// asking: a fresh one, or one that [Cache.Refresh] asks for. Close it.
func (c *Cache) Lookup(ctx context.Context, key Key) (Answer, bool) {
	return c.stored(ctx, key, nil, nil)
}

// stored returns what serves without waiting for the tool; a stale answer only where there is a fetch.
func (c *Cache) stored(ctx context.Context, key Key, fetch Fetch, admit Admit) (Answer, bool) {
	o, ok := c.store.get(key)
	if !ok {
		return Answer{}, false
	}
	now := time.Now()
	a := Answer{Result: Stale, ctx: ctx, object: o}
	switch s := o.state(now); {
	case s == fresh:
		a.Result = Hit
	case s == held:
	case s == staleOK && fetch != nil:
		c.revalidate(o, fetch, admit, now)
	case s == staleErr && fetch != nil && now.UnixNano() < o.nextTry.Load():
	default:
		o.body.release()
		return Answer{}, false
	}
	c.count(a.Result)
	return a, true
}

// join waits for a flight under way or starts one.
func (c *Cache) join(ctx context.Context, key Key, fetch Fetch, admit Admit) (Answer, error) {
	f, r, err := c.board(key, fetch, admit, true)
	if err != nil {
		return Answer{}, err
	}
	a, err := f.wait(ctx, r)
	if err == errAlone {
		if f, r, err = c.board(key, fetch, admit, false); err != nil {
			return Answer{}, err
		}
		a, err = f.wait(ctx, r)
	}
	if a.Result == Miss && f.first != r {
		a.Result = Coalesced
	}
	return a, err
}

// board takes a place in the key's flight, or in one of the reader's own, which nobody else can join where
// the answer isn't shared.
func (c *Cache) board(key Key, fetch Fetch, admit Admit, shared bool) (*flight, *reader, error) {
	r := &reader{alone: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.joinable[key]; f != nil && shared {
		f.body.join(r)
		return f, r, nil
	}
	if until, ok := c.passing.Get(key); ok && time.Now().Before(until) {
		shared = false
	}
	f := &flight{key: key, fetch: fetch, first: r}
	return f, r, c.launch(f, admit, shared)
}

// revalidate asks for a stale answer anew, which serves meanwhile.
func (c *Cache) revalidate(o *object, fetch Fetch, admit Admit, now time.Time) {
	if now.UnixNano() < o.nextTry.Load() {
		return
	}
	o.nextTry.Store(now.Add(retryTime).UnixNano())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.joinable[o.key] != nil {
		return
	}
	if c.launch(&flight{key: o.key, fetch: fetch, background: true}, admit, true) != nil {
		o.nextTry.Store(0) // another may
	}
}

// launch starts a flight if it is admitted. Cache.mu is held.
func (c *Cache) launch(f *flight, admit Admit, shared bool) error {
	if admit != nil {
		if err := admit(); err != nil {
			return err
		}
	}
	if err := c.start(f); err != nil {
		return err
	}
	if shared {
		c.joinable[f.key] = f
	}
	return nil
}

// Refreshed is what became of a [Cache.Refresh].
type Refreshed struct {
	// Status is the tool's, 304 included; 0 where it gave none.
	Status int

	// Kept is set where the answer is stored now.
	Kept bool

	// Fresh is how much longer the stored answer is fresh.
	Fresh time.Duration
}

// Refresh asks the tool for a key at once, whatever is stored, and stores the answer.
// Whether the tool is asked doesn't depend on what readers did; what is stored serves
// them meanwhile, and those who would have to wait follow this fetch.
//
// Where serve isn't nil, it is told how long the new answer is fresh, and returns
// for how long after that it still serves, without asking the tool, for who
// refreshes asks anyway. Answers that must not be served stale (must-revalidate,
// proxy-revalidate, s-maxage, no-cache) never are.
//
// An error is that of fetch. Where ctx ends first it is the context's, and the
// fetch goes on.
func (c *Cache) Refresh(ctx context.Context, key Key, fetch Fetch, serve func(fresh time.Duration) time.Duration) (Refreshed, error) {
	f := &flight{key: key, fetch: fetch, background: true, scheduled: true, serve: serve}
	c.mu.Lock()
	err := c.launch(f, nil, c.joinable[key] == nil)
	c.mu.Unlock()
	if err != nil {
		return Refreshed{}, err
	}
	select {
	case <-f.over:
		return f.told, f.failed
	case <-ctx.Done():
		return Refreshed{}, context.Cause(ctx)
	}
}

// Purge forgets the answers of a tool whose path and query begin with a prefix,
// and returns how many there were. What is being fetched goes to those who
// wait for it and isn't stored. An empty tool is every tool, an empty prefix
// everything.
func (c *Cache) Purge(tool, prefix string) int {
	n := c.forget(func(k Key) bool { return (tool == "" || k.tool() == tool) && strings.HasPrefix(k.url(), prefix) })
	c.purged.Add(uint64(n))
	return n
}

// Invalidate forgets the answers of keys, which a request that isn't safe may have changed (RFC
// 9111 section 4.4). What is being fetched goes to those who wait for it and isn't stored.
func (c *Cache) Invalidate(keys ...Key) {
	c.forget(func(k Key) bool { return slices.Contains(keys, k) })
}

func (c *Cache) forget(match func(Key) bool) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f := range c.flights {
		if match(f.key) {
			f.outdated = true
			f.unregister()
		}
	}
	return c.store.purge(match)
}

// Stats are counts since the cache was made, and what it holds now.
type Stats struct {
	Requests map[Result]uint64
	Evicted  uint64
	Purged   uint64

	Entries int
	Bytes   int64 // of memory for bodies, see Config.MaxBytes
}

func (c *Cache) count(r Result) { c.requests[slices.Index(results[:], r)].Add(1) }

// Stats returns the counts.
func (c *Cache) Stats() Stats {
	s := Stats{Requests: make(map[Result]uint64), Purged: c.purged.Load()}
	for i, r := range results {
		s.Requests[r] = c.requests[i].Load()
	}
	c.store.mu.RLock()
	defer c.store.mu.RUnlock()
	s.Evicted, s.Entries, s.Bytes = c.store.evicted, len(c.store.objects), c.store.used
	return s
}

// Room is how many answers fit in at most.
func (c *Cache) Room() int { return c.cfg.MaxEntries }
