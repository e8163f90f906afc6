package kv

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wikiveil/wikiveil/internal/redisclient"
)

const (
	redisTries = 50
	// skew is how far a node's clock may be from Redis's.
	skew = 5 * time.Second
)

type redisStore struct {
	client redis.UniversalClient
	prefix string
}

// NewRedis keeps all in Redis or Valkey (6.0 or later) under keys that begin with a prefix, with a hash tag around it unless
// it has one: a Cluster then keeps them on one node. The store closes the client when it is closed. What Update and Add write
// is as durable as the server makes it.
//
// What a server may have forgotten, by a crash, a flush, or a replica that takes over and lags, shows as another process id
// or a missing key: [ErrForgot] then, for all that began before. So may a server that evicts keys: where a
// counter has Since, one whose maxmemory-policy isn't noeviction is refused.
//
// The user needs the commands MGET, GET, SET, WATCH, UNWATCH, MULTI, EXEC, DEL, EVALSHA, EVAL, INFO, TIME, HMGET, HSET and INCRBY.
func NewRedis(client redis.UniversalClient, prefix string) Store {
	return &redisStore{client, redisclient.Tagged(prefix)}
}

func failed(err error) error { return fmt.Errorf("asking Redis: %w", err) }

func (s *redisStore) keys(keys []string) []string {
	full := make([]string, len(keys))
	for i, key := range keys {
		full[i] = s.prefix + key
	}
	return full
}

// Get implements [Store].
func (s *redisStore) Get(ctx context.Context, keys ...string) (map[string][]byte, error) {
	found := make(map[string][]byte)
	if len(keys) == 0 {
		return found, nil
	}
	values, err := s.client.MGet(ctx, s.keys(keys)...).Result()
	if err != nil {
		return nil, failed(err)
	}
	for i, value := range values {
		if text, ok := value.(string); ok {
			if found[keys[i]], err = decodeValue([]byte(text)); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// Update implements [Store]: it watches the key, so that what another node writes meanwhile makes it begin again.
func (s *redisStore) Update(ctx context.Context, key string, expires time.Time, change func([]byte) ([]byte, error)) error {
	key = s.prefix + key
	var refused error
	try := func(tx *redis.Tx) error {
		data, err := tx.Get(ctx, key).Bytes()
		if err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		var old []byte
		if err == nil {
			if old, refused = decodeValue(data); refused != nil {
				return refused
			}
		}
		value, err := change(old)
		if refused = err; err != nil || value == nil {
			return err
		}
		life := time.Until(expires)
		if life <= 0 {
			return nil
		}
		_, err = tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			return pipe.Set(ctx, key, encodeValue(value), life+skew).Err()
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
			return failed(err)
		}
		select { // so that two nodes do not meet for ever
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rand.N(20 * time.Millisecond)):
		}
	}
	return failed(errors.New("other nodes write all the time"))
}

// addScript has KEYS of the marker and of the counters, and ARGV n, the earliest Since (0: none), the skew, and of each
// counter its limit and how long it lasts from now, all times in milliseconds. The marker is a hash: "run" is the
// server process's id, "at" when it was first seen. What is no number is an error, so it grants nothing.
var addScript = redis.NewScript(`
local n, since = tonumber(ARGV[1]), tonumber(ARGV[2])
if since ~= 0 then
  local info = redis.call('INFO', 'memory')
  local limit, policy = string.match(info, 'maxmemory:(%d+)'), string.match(info, 'maxmemory_policy:([%w-]+)')
  if limit ~= '0' and policy ~= 'noeviction' then
    return redis.error_reply('ERR this Redis evicts keys, its maxmemory-policy must be noeviction')
  end
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  if not run then return redis.error_reply('ERR this Redis does not tell its run_id') end
  local known = redis.call('HMGET', KEYS[1], 'run', 'at')
  local at = tonumber(known[2] or nil)
  if known[1] ~= run or not at then
    local now = redis.call('TIME')
    at = now[1] * 1000 + math.floor(now[2] / 1000)
    redis.call('HSET', KEYS[1], 'run', run, 'at', string.format('%d', at))
  end
  if since <= at + tonumber(ARGV[3]) then return {-1} end
end
local over, counts = 0, {}
for i = 2, #KEYS do
  local count = redis.call('GET', KEYS[i]) or '0'
  if not string.find(count, '^%d+$') then return redis.error_reply('ERR count is not a number') end
  counts[i - 1] = tonumber(count)
  if over == 0 and n > 0 and n > tonumber(ARGV[2 * i]) - counts[i - 1] then over = i - 1 end
end
if over == 0 and n > 0 then
  for i = 2, #KEYS do
    if counts[i - 1] == 0 then
      redis.call('SET', KEYS[i], n, 'PX', ARGV[2 * i + 1])
    else
      redis.call('INCRBY', KEYS[i], n)
    end
    counts[i - 1] = counts[i - 1] + n
  end
end
return {over, unpack(counts)}`)

// Add implements [Store].
func (s *redisStore) Add(ctx context.Context, n int, to ...Counter) ([]int, int, error) {
	keys := []string{s.prefix + "since"}
	args := []any{n, int64(0), skew.Milliseconds()}
	var since time.Time
	for _, c := range to {
		life := time.Until(c.Expires)
		if life <= 0 {
			return nil, -1, ErrForgot
		}
		if !c.Since.IsZero() && (since.IsZero() || c.Since.Before(since)) {
			since = c.Since
			args[1] = max(since.UnixMilli(), 1)
		}
		keys = append(keys, s.prefix+c.Key)
		args = append(args, c.Limit, (life + skew).Milliseconds())
	}
	answer, err := addScript.Run(ctx, s.client, keys, args...).Int64Slice()
	switch {
	case err != nil:
		return nil, -1, failed(err)
	case len(answer) == 1 && answer[0] == -1:
		return nil, -1, ErrForgot
	case len(answer) != 1+len(to):
		return nil, -1, failed(errors.New("its answer is not of its form"))
	}
	var counts []int
	for _, n := range answer[1:] {
		counts = append(counts, int(n))
	}
	return counts, int(answer[0]) - 1, nil
}

// Delete implements [Store].
func (s *redisStore) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	if err := s.client.Del(ctx, s.keys(keys)...).Err(); err != nil {
		return failed(err)
	}
	return nil
}

// Sweep implements [Store]: the server does it by itself.
func (s *redisStore) Sweep(context.Context) error { return nil }

// Close implements [Store].
func (s *redisStore) Close() error { return s.client.Close() }

// A value is stored behind its CRC-32C.
func encodeValue(value []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, crc32.Checksum(value, castagnoli)), value...)
}

func decodeValue(data []byte) ([]byte, error) {
	if len(data) < crc32.Size || binary.BigEndian.Uint32(data) != crc32.Checksum(data[crc32.Size:], castagnoli) {
		return nil, fmt.Errorf("%w: a value's checksum in Redis is wrong; restore the key from a backup, or delete it", ErrDamaged)
	}
	return data[crc32.Size:], nil
}
