package reports

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wikiveil/wikiveil/internal/followed"
	"github.com/wikiveil/wikiveil/internal/kv"
)

// Defaults of a [Config].
const (
	DefaultGroups = 2000
	DefaultFlush  = 10 * time.Second

	// maxUnwritten is how many days are kept in memory while the store is away.
	maxUnwritten = 3
	flushTimeout = 30 * time.Second
)

// Config of a [Collector]. Store is needed.
type Config struct {
	// Store keeps the counts, one value a day. All nodes that share it add up. The collector closes it.
	Store kv.Store
	// Keep is for how many days; 0 means [DefaultKeep]. See [Collector.SetKeep].
	Keep int
	// Passed is the latest time that has passed for sure, which old days are deleted by; nil is the machine's clock.
	Passed func() time.Time
	// Client returns what tells clients apart for the limit, such as the mask; "" for
	// one that has no limit of its own. If nil, no client has one.
	Client func(*http.Request) string
	// Names reports whether a text names the address of a request's sender; what does is not kept.
	// Nil looks at none.
	Names func(r *http.Request, text string) bool
	// Overall and PerClient limit the reports; zero means the defaults.
	Overall, PerClient Rate
	// Clients is how many clients are told apart; 0 means [DefaultClients].
	Clients int
	// Groups is how many groups a day keeps at least, with twice as many in memory;
	// 0 means [DefaultGroups]. All nodes should have the same.
	Groups int
	// Flush is how often counts are written; 0 means [DefaultFlush]. A crash loses
	// what came after the last time.
	Flush time.Duration
	// Observe, if not nil, is told of each request's outcomes for metrics: "accepted"
	// with no reason, or "noise", "bad", "limited", "refused" with one. It must be
	// quick and safe for concurrent use.
	Observe func(outcome string, reason Reason, n int)
	// Log is told when the store fails and when it works again; nil means nobody is.
	Log *slog.Logger
}

// A Collector takes violation reports over HTTP and counts them. It is safe for
// concurrent use; [Collector.Close] ends it.
type Collector struct {
	config Config
	limits *limits
	writer string
	// views are all pages, enforced those of them that a policy was enforced on.
	views, enforced atomic.Uint64

	mu      sync.Mutex
	current map[string]*day // not yet being written

	flushing sync.Mutex // one Flush at a time, and none while a Snapshot loads
	pending  []pending  // being written, or to be written again as they are
	sequence uint64
	failing  bool

	keep   atomic.Int64
	tidied atomic.Int64 // on this day

	stop    context.CancelFunc
	flusher sync.WaitGroup
	closing sync.Once
	closed  error
}

// A pending day is what this process has to add to a stored one.
type pending struct {
	name     string
	sequence uint64
	day      *day
}

// New starts a collector. A store that can't be reached is no error: reports are
// counted in memory until it is there. One whose present day is damaged is.
func New(config Config) (*Collector, error) {
	if config.Store == nil {
		return nil, errors.New("starting the collector: it has no store")
	}
	if config.Flush < 0 || config.Keep < 0 || config.Groups < 0 || config.Clients < 0 ||
		config.Overall.PerSecond < 0 || config.Overall.Burst < 0 || config.PerClient.PerSecond < 0 || config.PerClient.Burst < 0 {
		return nil, errors.New("starting the collector: a number is negative")
	}
	config.Flush = cmp.Or(config.Flush, DefaultFlush)
	config.Groups = cmp.Or(config.Groups, DefaultGroups)
	config.Overall = cmp.Or(config.Overall, DefaultOverall)
	config.PerClient = cmp.Or(config.PerClient, DefaultPerClient)
	if config.Overall.Burst == 0 || config.PerClient.Burst == 0 {
		return nil, errors.New("starting the collector: a rate without a burst lets nothing through")
	}
	limits, err := newLimits(config.Overall, config.PerClient, cmp.Or(config.Clients, DefaultClients))
	if err != nil {
		return nil, fmt.Errorf("starting the collector: %w", err)
	}
	if config.Observe == nil {
		config.Observe = func(string, Reason, int) {}
	}
	if config.Passed == nil {
		config.Passed = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	c := &Collector{
		config: config, limits: limits,
		writer: rand.Text(), current: make(map[string]*day),
	}
	c.SetKeep(config.Keep)
	c.tidied.Store(dayNumber(config.Passed())) // whoever opens the store may yet come to nothing
	ctx, stop := context.WithCancel(context.Background())
	if err := c.inspect(ctx); err != nil {
		stop()
		return nil, fmt.Errorf("starting the collector: %w", err)
	}
	c.stop = stop
	c.flusher.Go(func() { followed.Every(ctx, c.config.Flush, c.flush, nil) })
	return c, nil
}

func (c *Collector) inspect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	today := dayName(time.Now())
	days, err := c.config.Store.Get(ctx, today)
	if errors.Is(err, kv.ErrDamaged) {
		return err
	} else if err != nil {
		c.config.Log.Debug("CSP reports can't be loaded, counting on", "error", err) // told of when they can't be written
	}
	_, err = c.decode(today, days[today])
	return err
}

// PageView counts a page that was shown to a reader, for the share of pages that a
// violation is on. It costs an addition.
func (c *Collector) PageView() { c.views.Add(1) }

// EnforcedPageView is PageView for a page on which the policy is enforced, where on
// others it is only tried: [Snapshot.EnforcedViewHours] has these apart.
func (c *Collector) EnforcedPageView() {
	c.views.Add(1)
	c.enforced.Add(1)
}

// count adds what one request brought.
func (c *Collector) count(now time.Time, reports []Report, of counts) {
	c.mu.Lock()
	d := c.today(now)
	for _, r := range reports {
		d.add(r, now.Unix())
	}
	d.counts.merge(of)
	c.mu.Unlock()

	if len(reports) > 0 {
		c.config.Observe("accepted", "", len(reports))
	}
	for class, reasons := range of {
		for reason, n := range reasons {
			c.config.Observe(string(class), reason, int(n))
		}
	}
}

// today returns the day to add to. The caller has c.mu.
func (c *Collector) today(now time.Time) *day {
	name := dayName(now)
	d := c.current[name]
	if d == nil {
		for len(c.current) >= maxUnwritten {
			oldest := name
			for other := range c.current {
				oldest = min(oldest, other)
			}
			if oldest == name { // the clock went back
				break
			}
			delete(c.current, oldest)
			c.config.Log.Error("CSP reports of a day are lost: the store has been away for too long", "day", oldest)
		}
		d = newDay(c.config.Groups)
		c.current[name] = d
	}
	return d
}

// Close writes what is left and closes the store.
func (c *Collector) Close() error {
	c.closing.Do(func() {
		c.stop()
		c.flusher.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
		defer cancel()
		c.closed = errors.Join(c.Flush(ctx), c.config.Store.Close())
	})
	return c.closed
}
