package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisPrefix comes before day and key.
const redisPrefix = "wikiveil:quota:"

// takeScript adds to a count unless it would come over the limit, in one step for all
// nodes. What is no number is an error, so it grants nothing.
var takeScript = redis.NewScript(`
local count = redis.call('GET', KEYS[1]) or '0'
if not string.find(count, '^%d+$') then return redis.error_reply('ERR count is not a number') end
count = tonumber(count)
local n = tonumber(ARGV[1])
if n == 0 then return {count, 1} end
if n > tonumber(ARGV[2]) - count then return {count, 0} end
redis.call('SET', KEYS[1], count + n, 'EX', ARGV[3])
return {count + n, 1}`)

type redisCounts struct{ client redis.UniversalClient }

// NewRedisCounts keeps the counts in Redis or Valkey, for several nodes. It closes the
// client when it is closed. Redis should run with "appendonly yes".
func NewRedisCounts(client redis.UniversalClient) Counts { return redisCounts{client} }

// Take implements [Counts].
func (c redisCounts) Take(ctx context.Context, day, key string, n, limit int) (count int, ok bool, err error) {
	keep := int(((keepDays + 1) * 24 * time.Hour).Seconds())
	out, err := takeScript.Run(ctx, c.client, []string{redisPrefix + day + ":" + key}, n, limit, keep).Int64Slice()
	if err != nil {
		return 0, false, fmt.Errorf("asking Redis: %w", err)
	}
	if len(out) != 2 {
		return 0, false, errors.New("asking Redis: its answer is not of its form")
	}
	return int(out[0]), out[1] == 1, nil
}

func (c redisCounts) Close() error { return c.client.Close() }

// Interface guard.
var _ Counts = redisCounts{}
