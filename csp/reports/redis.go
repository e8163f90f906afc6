package reports

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// DefaultPrefix comes before the day in Redis's keys.
	DefaultPrefix = "wikiveil:csp-reports:"

	redisTries = 50
)

type redisStore struct {
	client redis.UniversalClient
	prefix string
	keep   atomic.Int64
}

// NewRedis keeps the days in Redis or Valkey, where those of all nodes that have one
// prefix ([DefaultPrefix] if it is empty) add up. Days expire after keep days,
// [DefaultKeep] if that is 0. The store closes the client when it is closed.
// Redis should run with "appendonly yes", and with "appendfsync always" if nothing may
// be lost when its machine crashes.
func NewRedis(client redis.UniversalClient, prefix string, keep int) (Store, error) {
	if keep < 0 {
		return nil, errors.New("opening the reports: a number of days is negative")
	}
	s := &redisStore{client: client, prefix: cmp.Or(prefix, DefaultPrefix)}
	s.SetKeep(keep)
	return s, nil
}

// Load implements [Store].
func (s *redisStore) Load(ctx context.Context, first, last string) (map[string][]byte, error) {
	from, err1 := time.Parse(time.DateOnly, first)
	to, err2 := time.Parse(time.DateOnly, last)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	// Older ones have expired.
	if oldest := to.AddDate(0, 0, -int(s.keep.Load())-1); from.Before(oldest) {
		from = oldest
	}
	pipe := s.client.Pipeline()
	answers := make(map[string]*redis.StringCmd)
	for ; !from.After(to); from = from.AddDate(0, 0, 1) {
		name := dayName(from)
		answers[name] = pipe.Get(ctx, s.prefix+name)
	}
	// That a day is not there is an "error" of its own command only.
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, unavailable(ctx, err)
	}
	days := make(map[string][]byte)
	for name, answer := range answers {
		value, err := answer.Bytes()
		if errors.Is(err, redis.Nil) {
			continue
		} else if err != nil {
			return nil, unavailable(ctx, err)
		}
		days[name] = value
	}
	return days, nil
}

// Update implements [Store]: it watches the key, so that what another node writes
// meanwhile makes it begin again.
func (s *redisStore) Update(ctx context.Context, day string, change func([]byte) ([]byte, error)) error {
	key := s.prefix + day
	var refused error
	try := func(tx *redis.Tx) error {
		old, err := tx.Get(ctx, key).Bytes()
		if errors.Is(err, redis.Nil) {
			old = nil
		} else if err != nil {
			return err
		}
		value, err := change(old)
		if refused = err; err != nil || value == nil {
			return err
		}
		_, err = tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			return pipe.Set(ctx, key, value, time.Duration(s.keep.Load()+1)*24*time.Hour).Err()
		})
		return err
	}
	for range redisTries {
		err := s.client.Watch(ctx, try, key)
		switch {
		case err == nil:
			return nil
		case refused != nil:
			return refused
		case !errors.Is(err, redis.TxFailedErr):
			return unavailable(ctx, err)
		}
		select { // so that two nodes do not meet for ever
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rand.N(20 * time.Millisecond)):
		}
	}
	return fmt.Errorf("%w: other nodes write all the time", ErrUnavailable)
}

func unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// SetKeep implements [Keeper].
func (s *redisStore) SetKeep(days int) { s.keep.Store(int64(cmp.Or(days, DefaultKeep))) }

// Close implements [Store].
func (s *redisStore) Close() error { return s.client.Close() }

// Interface guards.
var (
	_ Store  = (*redisStore)(nil)
	_ Keeper = (*redisStore)(nil)
)
