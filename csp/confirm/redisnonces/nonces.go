// Package redisnonces makes a confirmation count once on several nodes, by way of
// Redis or Valkey (6.0 or later, one primary).
//
// # Layout
//
// With the prefix "wikiveil:{nonces}:" that is the default:
//
//	wikiveil:{nonces}:since      hash: "run" is the server process's id, "at" when it was first seen, Unix time in milliseconds
//	wikiveil:{nonces}:HEX        a burnt nonce; expires when what bore it is worth nothing any more
//
// # What may be lost
//
// Redis may forget what it acknowledged: by a crash, a flush, or a failover to a replica
// that lags. Each of them shows as another process id or a missing key, and
// whatever was issued before is then refused: who was just answering starts again, and nothing counts twice.
// So neither an append-only file nor WAIT is needed. A server that may
// evict keys (maxmemory-policy other than noeviction) is refused.
//
// The user needs the commands EVALSHA, EVAL, INFO, TIME, HMGET, HSET and SET.
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

// burnScript has KEYS since, nonce and ARGV issued, time to live, skew; all in milliseconds.
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
if since[1] ~= run or not at then
  local now = redis.call('TIME')
  at = now[1] * 1000 + math.floor(now[2] / 1000)
  redis.call('HSET', KEYS[1], 'run', run, 'at', string.format('%d', at))
end
if tonumber(ARGV[1]) <= at + tonumber(ARGV[3]) then return 'expired' end
if redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[2]) then return 'burnt' end
return 'used'`)

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
	_, err := n.run(ctx, confirm.Nonce{}, time.Unix(0, 0), time.Millisecond)
	return err
}

// Burn implements [confirm.Nonces].
func (n *Nonces) Burn(ctx context.Context, nonce confirm.Nonce, issued, expires time.Time) error {
	life := time.Until(expires)
	if life <= 0 {
		return confirm.ErrExpired
	}
	// For a Redis whose clock runs ahead nothing is to be added: a time to live is relative.
	answer, err := n.run(ctx, nonce, issued, life+skew)
	if err != nil {
		return err
	}
	switch answer {
	case "burnt":
		return nil
	case "used":
		return confirm.ErrUsed
	case "expired":
		return confirm.ErrExpired
	}
	return errors.New("asking Redis: its answer is not of its form")
}

func (n *Nonces) run(ctx context.Context, nonce confirm.Nonce, issued time.Time, life time.Duration) (string, error) {
	keys := []string{n.prefix + "since", n.prefix + hex.EncodeToString(nonce[:])}
	answer, err := burnScript.Run(ctx, n.client, keys, issued.UnixMilli(), life.Milliseconds()+1, skew.Milliseconds()).Text()
	if err != nil {
		return "", fmt.Errorf("asking Redis: %w", err)
	}
	return answer, nil
}

// Interface guard
var _ confirm.Nonces = (*Nonces)(nil)
