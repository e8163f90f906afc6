// Package redisstore keeps sightings in Redis or Valkey (6.0 or later, one primary), for edges of several nodes.
//
// # Layout
//
// With the prefix "wikiveil:sightings:" that is the default:
//
//	wikiveil:sightings:2026-11-22-0123456789ab          hash: a part's entries; field = key (16 bytes) and writer (6),
//	                                                    value = all values, each with its length (2 bytes, big-endian) before it
//	wikiveil:sightings:2026-11-22-0123456789ab:writers  set of those who wrote to it
//	wikiveil:sightings:parts                            set of the parts' names
//	wikiveil:sightings:marker                           random, made when it is missing: tells that the data are still there
//
// A writer is one process (a random number). It alone writes to its fields, so it can add to what is there, if it wrote there before,
// and nodes that see one client at once lose nothing; a look-up asks for the fields of all writers. That way a
// batch is a few commands with many fields each, which Redis takes faster than as many SETs.
//
// All keys expire by themselves, a day later than the retention would delete them, so that
// nothing stays behind when the edge is gone. Time is Redis's own; a wrong clock on an edge deletes nothing early.
//
// # Durability
//
// Redis answers before its data are on disk unless it is told otherwise. So the store looks at each
// new connection whether appendonly is yes and appendfsync is always, and that nothing is evicted (maxmemory-policy
// noeviction), and refuses a server that could lose what it acknowledged. With [Config.Replicas] it
// asks by WAIT for that many replicas to have each write in memory instead, which survives the loss of a
// machine but not of all; with [Config.Trust] it takes the operator's word (a managed Redis often has no CONFIG).
package redisstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/wikiveil/wikiveil/masking/sightings"
)

// Defaults of a [Config].
const (
	DefaultPrefix  = "wikiveil:sightings:"
	DefaultTimeout = 2 * time.Second

	watchEvery = time.Second
)

// Config says where Redis is and what it promises. URL is needed.
type Config struct {
	// URL is redis://user:password@host:port/db, rediss://… with TLS, or unix:///path.
	URL string
	// Prefix is what all keys start with; empty means [DefaultPrefix]. Nodes with one prefix share their records.
	Prefix string
	// Retention is the book's; 0 means sightings.DefaultRetention.
	Retention time.Duration
	// Replicas is how many replicas must have a write before it counts, instead of a synced append-only file.
	Replicas int
	// Trust says that the server keeps what it acknowledges, whatever its configuration looks like.
	Trust bool
	// Timeout bounds each exchange with the server; 0 means [DefaultTimeout].
	Timeout time.Duration
	// Log is told when Redis can't be reached at the start; nil means nobody is.
	Log *slog.Logger
}

// Store keeps entries in Redis.
type Store struct {
	config Config
	client *redis.Client

	writer  string
	packing sync.Mutex
	written written    // guarded by packing
	writing sync.Mutex // one Append at a time, as it may read before it writes

	incarnation atomic.Uint64
	mu          sync.Mutex
	runID       string // of the server process last connected to
	marker      string // last seen

	closed  atomic.Bool
	stop    context.CancelFunc
	watcher sync.WaitGroup
}

// Open connects. A server that answers but does not fit is an error; one that can't be reached is not: until
// it is there, the store is unavailable.
func Open(ctx context.Context, config Config) (*Store, error) {
	options, err := redis.ParseURL(config.URL)
	if err != nil { // its text can hold the password
		return nil, errors.New("opening the record store: its URL is not redis://…, rediss://… or unix://…")
	}
	if config.Replicas < 0 || config.Timeout < 0 || config.Retention < 0 {
		return nil, errors.New("opening the record store: a number is negative")
	}
	config.Prefix = cmp.Or(config.Prefix, DefaultPrefix)
	config.Retention = cmp.Or(config.Retention, sightings.DefaultRetention)
	config.Timeout = cmp.Or(config.Timeout, DefaultTimeout)
	s := &Store{config: config, writer: rand.Text()[:writerSize]}
	s.client = redis.NewClient(s.options(options))
	if err := s.client.Ping(ctx).Err(); err != nil {
		if !unreachable(err) {
			s.client.Close()
			return nil, fmt.Errorf("opening the record store: %w", err)
		}
		if config.Log != nil {
			config.Log.Warn("Redis can't be reached, trying on", "error", err)
		}
	}
	watch, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.watcher.Go(func() { s.watch(watch) })
	return s, nil
}

func (s *Store) options(o *redis.Options) *redis.Options {
	o.OnConnect = s.greet
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = s.config.Timeout, s.config.Timeout, s.config.Timeout, s.config.Timeout
	o.ContextTimeoutEnabled = true
	o.MaxRetries = -1 // whoever waits for a write should know soon, and can ask again
	o.DialerRetries = 1
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return o
}

// unreachable tells that a server is not there (yet) from that it is the wrong one.
func unreachable(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) || errors.Is(err, context.DeadlineExceeded) || redis.IsLoadingError(err)
}

// watch looks every second whether the data are still there.
func (s *Store) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			marker, err := s.client.Get(ctx, s.markerKey()).Result()
			if err == nil || errors.Is(err, redis.Nil) {
				s.sawMarker(marker)
			}
		}
	}
}

func (s *Store) sawMarker(marker string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.marker != "" && marker != s.marker {
		s.incarnation.Add(1)
	}
	s.marker = marker
}

func (s *Store) sawServer(runID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runID != "" && runID != s.runID {
		s.incarnation.Add(1)
	}
	s.runID = runID
}

// Incarnation changes when Redis was restarted, replaced or flushed.
func (s *Store) Incarnation() uint64 { return s.incarnation.Load() }

// Parts returns the parts that were written to, even if all their entries expired.
func (s *Store) Parts(ctx context.Context) ([]sightings.Part, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	names, err := s.client.SMembers(ctx, s.partsKey()).Result()
	if err != nil {
		return nil, failure(err)
	}
	parts := make([]sightings.Part, 0, len(names))
	for _, name := range names {
		part, err := sightings.ParsePart(name)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", sightings.ErrDamaged, err)
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// Drop deletes a part. Redis frees its memory in the background.
func (s *Store) Drop(ctx context.Context, part sightings.Part) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	_, err := s.client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Unlink(ctx, s.partKey(part), s.writersKey(part))
		pipe.SRem(ctx, s.partsKey(), part.String())
		return nil
	})
	return failure(err)
}

func (s *Store) partKey(part sightings.Part) string { return s.config.Prefix + part.String() }

func (s *Store) writersKey(part sightings.Part) string { return s.partKey(part) + ":writers" }

func (s *Store) partsKey() string { return s.config.Prefix + "parts" }

func (s *Store) markerKey() string { return s.config.Prefix + "marker" }

func (s *Store) ready(ctx context.Context) error {
	if s.closed.Load() {
		return sightings.ErrClosed
	}
	return ctx.Err()
}

func failure(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, redis.ErrClosed):
		return sightings.ErrClosed
	}
	return fmt.Errorf("%w: %w", sightings.ErrUnavailable, err)
}

// Close lets go of the connections.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.stop()
	s.watcher.Wait()
	return s.client.Close()
}

var _ sightings.Store = (*Store)(nil)
