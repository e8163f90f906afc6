package cache

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Cache is a shared cache. It is safe for concurrent use.
type Cache struct {
	cfg   Config
	store *sieve[Key, *object]
	pool  pool // of bytes
	stats stats

	ctx     context.Context // of all fetches
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu         sync.Mutex
	closed     bool
	generation uint64 // counts purges
	flights    map[Key]*flight
	passing    *simplelru.LRU[Key, time.Time] // answers that are one reader's, so that nobody waits for another's
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
	c := &Cache{cfg: cfg, store: newSieve[Key, *object](), flights: make(map[Key]*flight)}
	c.store.group = func(k Key) string { return k.Scope.Value().Tool }
	c.pool.max, c.pool.evict = cfg.MaxBytes, c.evictOf
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if c.passing, err = simplelru.NewLRU[Key, time.Time](passEntries, nil); err != nil {
		return nil, err
	}
	return c, nil
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

// Get returns the answer for a key, stored or fetched. Close it. Errors are those
// of fetch, or of the context where that ends first.
func (c *Cache) Get(ctx context.Context, key Key, fetch Fetch) (Answer, error) {
	return c.get(ctx, key, asker{fetch: fetch})
}

func (c *Cache) get(ctx context.Context, key Key, by asker) (Answer, error) {
	if o, ok := c.store.get(key, (*object).acquire); ok {
		now := time.Now()
		s := o.state(now)
		switch {
		case s == fresh:
			c.stats.hits.Add(1)
			return Answer{Result: Hit, ctx: ctx, object: o}, nil
		case s == held:
			c.stats.stale.Add(1)
			return Answer{Result: Stale, ctx: ctx, object: o}, nil
		case s == staleOK:
			c.refresh(o, by, now)
			c.stats.stale.Add(1)
			return Answer{Result: Stale, ctx: ctx, object: o}, nil
		case s == staleErr && now.UnixNano() < o.nextTry.Load():
			c.stats.stale.Add(1)
			return Answer{Result: Stale, ctx: ctx, object: o}, nil
		}
		o.body.release()
	}
	return c.join(ctx, key, by)
}

func (o *object) acquire() { o.body.acquire() }

// put stores an answer.
func (c *Cache) put(o *object) {
	o.acquire()
	if old, ok := c.store.put(o.key, o); ok {
		old.body.release()
	}
	for c.store.len() > c.cfg.MaxEntries && c.evictOf(c.store.largest()) {
	}
}

// Lookup returns the answer for a key if there is one that serves without
// asking: a fresh one, or one that [Cache.Refresh] asks for. Close it.
func (c *Cache) Lookup(ctx context.Context, key Key) (Answer, bool) {
	o, ok := c.store.get(key, (*object).acquire)
	if !ok {
		return Answer{}, false
	}
	r := Hit
	switch o.state(time.Now()) {
	case fresh:
	case held:
		r = Stale
	default:
		o.body.release()
		return Answer{}, false
	}
	c.stats.count(r)
	return Answer{Result: r, ctx: ctx, object: o}, true
}

// budgetOf is the part of the memory that a key's tool has.
func (c *Cache) budgetOf(key Key) *budget { return c.pool.of(key.Scope.Value().Tool) }

// evictOf takes the tool's answer that is worth least out of memory.
func (c *Cache) evictOf(tool string) bool {
	o, ok := c.store.evictFrom(tool)
	if ok {
		c.stats.evicted.Add(1)
		o.body.release()
	}
	return ok
}

// drop takes one answer out.
func (c *Cache) drop(o *object) {
	if _, ok := c.store.removeIf(o.key, func(stored *object) bool { return stored == o }); ok {
		o.body.release()
	}
}
