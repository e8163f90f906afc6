// Package redisstore keeps sightings in Redis or Valkey (6.0 or later), for edges of several nodes.
//
// # Layout
//
// With the prefix "wikiveil:{sightings}:" that is the default, and of which all keys lie on one node of a Cluster:
//
//	wikiveil:{sightings}:2026-11-22-0123456789ab          hash: a part's entries; field = key (16 bytes) and writer (6),
//	                                                    value = all values, each with its length (2 bytes, big-endian) before it
//	wikiveil:{sightings}:2026-11-22-0123456789ab:writers  set of those who wrote to it
//	wikiveil:{sightings}:parts                            set of the parts' names
//	wikiveil:{sightings}:marker                           random, made when it is missing: tells that the data are still there
//
// A writer is one process (a random number). It alone writes to its fields, so it can add to what it wrote before, and
// nothing is lost when two nodes see one client at once. A look-up reads the fields of all writers. That way a
// batch is a few commands with many fields each, which Redis takes faster than as many SETs.
//
// All keys expire by themselves, a day later than the retention would delete them, so that
// nothing stays behind when the edge is gone. Time is Redis's own; a wrong clock on an edge deletes nothing early.
//
// # Durability
//
// Redis responds before its data are on disk unless it is told otherwise. So the client looks at each
// new connection whether appendonly is yes and appendfsync is always, and that nothing is evicted (maxmemory-policy
// noeviction), and refuses a server that could lose what it acknowledged. With Replicas the store
// instead waits (WAIT) until that many replicas have each write in memory, which survives the loss of a
// machine but not of all. With Trust it takes the operator's word (a managed Redis often has no CONFIG).
package redisstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wikiveil/wikiveil/internal/followed"
	"github.com/wikiveil/wikiveil/internal/redisclient"
	"github.com/wikiveil/wikiveil/lookup/sightings"
)

// DefaultPrefix is what all keys start with. Its braces keep them on one node of a Redis Cluster.
const DefaultPrefix = "wikiveil:{sightings}:"

const watchEvery = time.Second

// Config says where Redis is and how long entries are kept.
type Config struct {
	Redis redisclient.Config
	// Prefix is what all keys start with; empty means [DefaultPrefix]. Nodes with one prefix share their
	// records. One without a hash tag becomes its own.
	Prefix string
	// Retention is the recorder's; 0 means sightings.DefaultRetention.
	Retention time.Duration
}

// Store keeps entries in Redis.
type Store struct {
	config  Config
	client  *redisclient.Client
	timeout time.Duration

	writer  string
	packing sync.Mutex
	written written    // guarded by packing
	writing sync.Mutex // one Append at a time, as it may read before it writes

	incarnation atomic.Uint64
	mu          sync.Mutex
	runID       string // of the server process that wrote last
	marker      string // last seen

	closed  atomic.Bool
	stop    context.CancelFunc
	watcher sync.WaitGroup
}

// Open connects. A server that responds but does not fit is an error; one that can't be reached is not: until
// it is there, the store is unavailable.
func Open(ctx context.Context, config Config) (*Store, error) {
	if config.Retention < 0 {
		return nil, errors.New("opening the record store: a number is negative")
	}
	config.Prefix = redisclient.Tagged(cmp.Or(config.Prefix, DefaultPrefix))
	config.Retention = cmp.Or(config.Retention, sightings.DefaultRetention)
	s := &Store{config: config, writer: rand.Text()[:writerSize], timeout: cmp.Or(config.Redis.Timeout, redisclient.DefaultTimeout)}
	var err error
	if s.client, err = redisclient.Open(config.Redis); err != nil {
		return nil, fmt.Errorf("opening the record store: %w", err)
	}
	if err := s.client.Ready(ctx); redisclient.Unfit(err) {
		s.client.Close()
		return nil, fmt.Errorf("opening the record store: %w", err)
	}
	watch, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.watcher.Go(func() { followed.Every(watch, watchEvery, s.look, nil) })
	return s, nil
}

// master is the one server that has all our keys.
func (s *Store) master(ctx context.Context) (redis.Cmdable, error) {
	return s.client.Master(ctx, s.markerKey())
}

// failure makes err one of the store's.
func (s *Store) failure(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, redis.ErrClosed):
		return sightings.ErrClosed
	}
	s.client.Failed(context.Background())
	return fmt.Errorf("%w: %w", sightings.ErrUnavailable, err)
}

// look looks whether the data are still there.
func (s *Store) look(ctx context.Context) error {
	master, err := s.master(ctx)
	if err != nil {
		return err
	}
	pipe := master.Pipeline()
	info, marker := pipe.Info(ctx, "server"), pipe.Get(ctx, s.markerKey())
	if _, err := pipe.Exec(ctx); err == nil || errors.Is(err, redis.Nil) {
		s.sawServer(info.Val())
		s.sawMarker(marker.Val())
	} else if ctx.Err() == nil {
		s.client.Failed(ctx)
	}
	return nil
}

func (s *Store) sawMarker(marker string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.marker != "" && marker != s.marker {
		s.incarnation.Add(1)
	}
	s.marker = marker
}

// sawServer is told what the server says of itself. A replica that took its place may lack what was written last.
func (s *Store) sawServer(info string) {
	runID := redisclient.Field(info, "run_id")
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
	master, err := s.master(ctx)
	if err != nil {
		return nil, s.failure(err)
	}
	names, err := master.SMembers(ctx, s.partsKey()).Result()
	if err != nil {
		return nil, s.failure(err)
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
	master, err := s.master(ctx)
	if err != nil {
		return s.failure(err)
	}
	_, err = master.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Unlink(ctx, s.partKey(part), s.writersKey(part))
		pipe.SRem(ctx, s.partsKey(), part.String())
		return nil
	})
	return s.failure(err)
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
