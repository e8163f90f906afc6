// Package redisnonces makes a confirmation count once on several nodes, by way of
// Redis or Valkey (6.0 or later, one primary).
//
// # Layout
//
// With the prefix "wikiveil:{nonces}:" that is the default:
//
//	wikiveil:{nonces}:since      hash: "run" is the server process's id, "at" when it was first seen, Unix time in milliseconds
//	wikiveil:{nonces}:HEX        a burnt nonce; expires when what bore it is worth nothing any more
//	wikiveil:{nonces}:by:HEX     sorted set: the nonces that a client or a network burnt, by when they expire, Unix time in milliseconds
//
// # What may be lost
//
// Redis may forget what it acknowledged: by a crash, a flush, or a failover to a replica
// that lags. Each of them shows as another process id or a missing key, and
// whatever was issued before is then refused: who was just answering starts again, and nothing counts twice.
// So neither an append-only file nor WAIT is needed. A server that may
// evict keys (maxmemory-policy other than noeviction) is refused.
//
// The user needs the commands EVALSHA, EVAL, INFO, TIME, HMGET, HSET, EXISTS, SET, ZREMRANGEBYSCORE, ZCARD, ZADD, PTTL and PEXPIRE.
package redisnonces

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wikiveil/wikiveil/csp/confirm"
)

// DefaultPrefix is what all keys start with. Its braces keep them on one node of a Redis cluster.
const DefaultPrefix = "wikiveil:{nonces}:"

// skew is how far a node's clock may be ahead of Redis's.
const skew = 5 * time.Second

// burnScript has KEYS since, nonce, groups and ARGV issued, time to live, skew, all in milliseconds, and the share of each group.
var burnScript = redis.NewScript(`
local info = redis.call('INFO', 'memory')
local limit, policy = string.match(info, 'maxmemory:(%d+)'), string.match(info, 'maxmemory_policy:([%w-]+)')
if limit ~= '0' and policy ~= 'noeviction' then
  return redis.error_reply('ERR this Redis evicts keys, its maxmemory-policy must be noeviction')
end
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
if not run then return redis.error_reply('ERR this Redis does not tell its run_id') end
local since = redis.call('HMGET', KEYS[1], 'run', 'at')
local at = tonumber(since[2] or nil)
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
if since[1] ~= run or not at then
  at = now
  redis.call('HSET', KEYS[1], 'run', run, 'at', string.format('%d', at))
end
if tonumber(ARGV[1]) <= at + tonumber(ARGV[3]) then return 'expired' end
if redis.call('EXISTS', KEYS[2]) == 1 then return 'used' end
for i = 3, #KEYS do
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', string.format('%d', now))
  if redis.call('ZCARD', KEYS[i]) >= tonumber(ARGV[i + 1]) then return 'busy' end
end
redis.call('SET', KEYS[2], '', 'PX', ARGV[2])
for i = 3, #KEYS do
  redis.call('ZADD', KEYS[i], string.format('%d', now + ARGV[2]), KEYS[2])
  if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
end
return 'burnt'`)

// Nonces keeps burnt nonces in Redis. It is safe for concurrent use.
type Nonces struct {
	client redis.UniversalClient
	prefix string
}

// New uses the client, which stays the caller's. An empty prefix means [DefaultPrefix].
func New(client redis.UniversalClient, prefix string) *Nonces {
	return &Nonces{client, cmp.Or(prefix, DefaultPrefix)}
}

// Start begins to remember, so that what is issued from now on (and [skew] later) can
// be burnt. Without it the first confirmation is refused as expired. It also tells
// whether the server is fit.
func (n *Nonces) Start(ctx context.Context) error {
	_, err := n.run(ctx, confirm.Nonce{}, nil, time.Unix(0, 0), time.Millisecond)
	return err
}

// Burn implements [confirm.Nonces].
func (n *Nonces) Burn(ctx context.Context, nonce confirm.Nonce, groups []confirm.Group, issued, expires time.Time) error {
	life := time.Until(expires)
	if life <= 0 {
		return confirm.ErrExpired
	}
	// For a Redis whose clock runs ahead nothing is to be added: a time to live is relative.
	answer, err := n.run(ctx, nonce, groups, issued, life+skew)
	if err != nil {
		return err
	}
	switch answer {
	case "burnt":
		return nil
	case "busy":
		return confirm.ErrBusy
	case "used":
		return confirm.ErrUsed
	case "expired":
		return confirm.ErrExpired
	}
	return errors.New("asking Redis: its answer is not of its form")
}

func (n *Nonces) run(ctx context.Context, nonce confirm.Nonce, groups []confirm.Group, issued time.Time, life time.Duration) (string, error) {
	keys := []string{n.prefix + "since", n.prefix + hex.EncodeToString(nonce[:])}
	args := []any{issued.UnixMilli(), life.Milliseconds() + 1, skew.Milliseconds()}
	for place, group := range groups {
		keys = append(keys, n.prefix+"by:"+hex.EncodeToString(group[:]))
		args = append(args, confirm.Share(place))
	}
	answer, err := burnScript.Run(ctx, n.client, keys, args...).Text()
	if err != nil {
		return "", fmt.Errorf("asking Redis: %w", err)
	}
	return answer, nil
}

// Interface guard
var _ confirm.Nonces = (*Nonces)(nil)
