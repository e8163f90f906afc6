package sightings

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/wikiveil/wikiveil/lookup/geo"
	"github.com/wikiveil/wikiveil/lookup/seal"
	"github.com/wikiveil/wikiveil/masking"
)

// Defaults of a [Config].
const (
	DefaultRetention = 90 * 24 * time.Hour
	DefaultTimeout   = 5 * time.Second
	DefaultAgain     = time.Hour
	DefaultKnown     = 1 << 16
	DefaultSettle    = 10 * time.Minute

	minRetention = 24 * time.Hour
	freshQueue   = 1 << 14

	// shownNetworks is how many network masks are remembered as stored already.
	shownNetworks = 1 << 12
)

// Config says how a recorder works. Store and Epochs are needed.
type Config struct {
	Store Store
	// Epochs returns the epochs whose secrets are kept; it is called at every look-up. A record of
	// an epoch that is not among them can't be opened.
	Epochs func() []masking.Epoch
	// Geo tells of organisations and places; nil knows nothing.
	Geo *geo.DB
	// Sealer seals the address; nil keeps no address at all.
	Sealer *seal.Sealer
	// Retention is how long a sighting is kept, at least a day; 0 means [DefaultRetention].
	// It is deleted within a day and an hour after, or Settle after a start.
	Retention time.Duration
	// Timeout is how long RecordDurably waits for the store; 0 means [DefaultTimeout].
	Timeout time.Duration
	// Again is how often it is written down that known clients were seen again; 0 means [DefaultAgain].
	Again time.Duration
	// Settle is how long a recorder runs before it deletes anything; 0 means [DefaultSettle]. A configuration that
	// comes to nothing has ended by then, and a clock that was wrong at the machine's start has been set.
	Settle time.Duration
	// Passed is the latest time that has passed for sure: sightings are deleted by it. nil means the recorder's clock.
	Passed func() time.Time
	// Known is how many clients are remembered as known; 0 means [DefaultKnown]. Each takes some 300 bytes.
	Known int
	// Limits bound what one network makes.
	Limits Limits
	// Log is told when the store fails and when it works again; nil means nobody is.
	Log *slog.Logger
}

// A Recorder records sightings and looks them up. It is safe for concurrent use.
type Recorder struct {
	config   Config
	observer observer
	vaults   vaults
	known    *clients
	shown    *lru.Cache[shownNetwork, struct{}]
	commits  *committer
	now      func() time.Time

	fresh    chan firstSighting
	quit     chan struct{} // closed by Close
	builders sync.WaitGroup
	keeper   sync.WaitGroup
	closing  sync.Once

	tally   *tally
	index   *memberIndex
	dropped atomic.Uint64
	over    atomic.Uint64
}

// firstSighting waits to become an entry.
type firstSighting struct {
	Sighting
	client *client
}

// New starts a recorder. Close it before its store.
func New(config Config) (*Recorder, error) { return newRecorder(config, time.Now) }

func newRecorder(config Config, now func() time.Time) (*Recorder, error) {
	if config.Store == nil || config.Epochs == nil {
		return nil, errors.New("starting the recorder of sightings: it needs a store and the epochs")
	}
	config.Retention = cmp.Or(config.Retention, DefaultRetention)
	if config.Retention < minRetention {
		return nil, fmt.Errorf("starting the recorder of sightings: retention %v is less than a day", config.Retention)
	}
	config.Timeout = cmp.Or(config.Timeout, DefaultTimeout)
	config.Again = cmp.Or(config.Again, DefaultAgain)
	config.Known = cmp.Or(config.Known, DefaultKnown)
	config.Settle = cmp.Or(config.Settle, DefaultSettle)
	if config.Timeout < 0 || config.Again < 0 || config.Known < 0 || config.Settle < 0 {
		return nil, errors.New("starting the recorder of sightings: a number is negative")
	}
	if config.Passed == nil {
		config.Passed = now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	b := &Recorder{
		config:   config,
		observer: observer{config.Geo, config.Sealer},
		now:      now,
		fresh:    make(chan firstSighting, freshQueue),
		quit:     make(chan struct{}),
	}
	var err error
	if b.tally, err = newTally(config.Limits); err != nil {
		return nil, fmt.Errorf("starting the recorder of sightings: %w", err)
	}
	if b.shown, err = lru.New[shownNetwork, struct{}](shownNetworks); err != nil {
		return nil, fmt.Errorf("starting the recorder of sightings: %w", err)
	}
	if b.index, err = newMemberIndex(); err != nil {
		return nil, fmt.Errorf("starting the recorder of sightings: %w", err)
	}
	b.commits = newCommitter(config.Store, config.Log)
	if b.known, err = newClients(config.Known, b.evicted); err != nil {
		b.commits.close()
		return nil, fmt.Errorf("starting the recorder of sightings: %w", err)
	}
	for range max(runtime.GOMAXPROCS(0)/2, 1) {
		b.builders.Go(b.build)
	}
	b.keeper.Go(b.keep)
	return b, nil
}

// Record records a sighting soon, off the caller's path. Of a known client it only counts. A first
// sighting waits in a bounded queue; when that is full it is dropped and counted in [Stats],
// and the client's next request tries again: what must not be lost goes through [Recorder.RecordDurably].
func (b *Recorder) Record(s Sighting) {
	if b.refuse(s) != nil {
		return
	}
	c := b.known.get(s.Mask)
	part := s.part()
	again, first := c.arrive(part, clock(s.Time), b.config.Store.Incarnation())
	b.writeAgain(again)
	if !first {
		return
	}
	if b.tally.take(part.Day, s.Addr, true) != nil {
		c.reset(part)
		b.over.Add(1)
		return
	}
	select {
	case b.fresh <- firstSighting{s, c}:
	default:
		b.drop(s, c)
	}
}

// drop lets a first sighting go, so that the client's next request tries again.
func (b *Recorder) drop(s Sighting, c *client) {
	c.reset(s.part())
	b.tally.giveBack(s.part().Day, s.Addr)
	b.dropped.Add(1)
}

// refuse returns why a sighting can't be recorded at all.
func (b *Recorder) refuse(s Sighting) error {
	select {
	case <-b.quit:
		return ErrClosed
	default:
	}
	if s.Site == nil || !clientMask(s.Mask) {
		return ErrNotMask
	}
	if !s.Addr.IsValid() {
		return masking.ErrInvalidAddress
	}
	return nil
}

func clientMask(mask netip.Addr) bool { return masking.Is(mask) && !masking.IsNetwork(mask) }

func (s Sighting) part() Part { return Part{Day: s.Site.day(s.Time), Epoch: s.Site.epoch.ID()} }

// build makes entries of first sightings, off the path of requests.
func (b *Recorder) build() {
	for {
		select {
		case f := <-b.fresh:
			b.buildOne(f)
		case <-b.quit:
			for { // what is queued is still written
				select {
				case f := <-b.fresh:
					b.buildOne(f)
				default:
					return
				}
			}
		}
	}
}

func (b *Recorder) buildOne(f firstSighting) {
	j, err := b.wholeJob(f.Sighting, f.client, b.config.Store.Incarnation(), memberSeen, func() { b.drop(f.Sighting, f.client) })
	if err != nil {
		b.drop(f.Sighting, f.client)
		return
	}
	b.commits.calm <- j
}

// writeAgain queues that a client was seen again, if there is anything to say. When
// the queue is full only a count is lost.
func (b *Recorder) writeAgain(a again) {
	if a.count == 0 {
		return
	}
	select {
	case b.commits.calm <- a.job():
	default:
		b.dropped.Add(a.count)
	}
}

// evicted is told of clients that are no longer remembered.
func (b *Recorder) evicted(c *client) { b.writeAgain(c.take()) }

// Close writes down what is queued and stops. The store stays open.
func (b *Recorder) Close() error {
	b.closing.Do(func() {
		close(b.quit)
		b.builders.Wait()
		b.keeper.Wait()
		b.commits.flush() // what was seen again of a client is written after the client
		b.writeAllAgain()
		b.commits.close()
	})
	return nil
}
