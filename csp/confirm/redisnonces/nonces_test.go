package redisnonces

import (
	"encoding/hex"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/csp/confirm/noncetest"
	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
)

func connect(t *testing.T, server *redistest.Server) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: filepath.Join(server.Dir, "socket"), MaxRetries: -1, ReadTimeout: 2 * time.Second})
	t.Cleanup(func() { client.Close() })
	return client
}

func started(t *testing.T, server *redistest.Server) *Nonces {
	t.Helper()
	n := New(connect(t, server), "")
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNonces(t *testing.T) {
	server := redistest.Start(t)
	client := connect(t, server)
	noncetest.Run(t, func(t *testing.T) confirm.Nonces {
		server.Command("FLUSHALL")
		return New(client, "")
	})
}

// ahead is when something is issued that the store can tell of for sure.
func ahead() (issued, expires time.Time) {
	issued = time.Now().Add(time.Minute)
	return issued, issued.Add(10 * time.Minute)
}

func burn(t *testing.T, n *Nonces, nonce byte, issued, expires time.Time, want error) {
	t.Helper()
	if err := n.Burn(t.Context(), confirm.Nonce{nonce}, nil, issued, expires); !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestNodesShareNonces(t *testing.T) {
	server := redistest.Start(t)
	one, two := started(t, server), started(t, server)
	issued, expires := ahead()
	burn(t, one, 1, issued, expires, nil)
	burn(t, two, 1, issued, expires, confirm.ErrUsed)
	other := New(connect(t, server), "other:{wiki}:")
	burn(t, other, 1, issued, expires, nil)
}

// A nonce is kept a little longer than it counts, and not for ever.
func TestExpiry(t *testing.T) {
	server := redistest.Start(t)
	n := started(t, server)
	issued, expires := ahead()
	burn(t, n, 1, issued, expires, nil)
	ttl, err := strconv.Atoi(server.Command("PTTL", DefaultPrefix+hex.EncodeToString(append([]byte{1}, make([]byte, 15)...))))
	least := time.Until(expires).Milliseconds()
	if err != nil || int64(ttl) < least || int64(ttl) > least+60_000 {
		t.Errorf("kept for %d ms, want a little over %d", ttl, least)
	}
	burn(t, n, 2, issued, time.Now().Add(-time.Second), confirm.ErrExpired)
	if answer := server.Command("DBSIZE"); answer != "2" {
		t.Errorf("%s keys, want the nonce and the marker", answer)
	}
}

// What Redis may have forgotten, nobody can use again.
func TestLosses(t *testing.T) {
	for name, lose := range map[string]func(*redistest.Server){
		"a crash with everything lost": func(s *redistest.Server) { s.Kill(); s.Start() },
		"a flush":                      func(s *redistest.Server) { s.Command("FLUSHALL") },
		"the marker is deleted":        func(s *redistest.Server) { s.Command("DEL", DefaultPrefix+"since") },
		"the marker's time is broken":  func(s *redistest.Server) { s.Command("HSET", DefaultPrefix+"since", "at", "soon") },
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			n := started(t, server)
			// As if the store were an hour old.
			server.Command("HSET", DefaultPrefix+"since", "at", strconv.FormatInt(time.Now().Add(-time.Hour).UnixMilli(), 10))
			issued := time.Now()
			expires := issued.Add(10 * time.Minute)
			burn(t, n, 1, issued, expires, nil)
			burn(t, n, 1, issued, expires, confirm.ErrUsed)
			lose(server)
			burn(t, n, 1, issued, expires, confirm.ErrExpired)
			burn(t, n, 2, issued, expires, confirm.ErrExpired)
			issued, expires = ahead()
			burn(t, n, 3, issued, expires, nil)
		})
	}
}

func TestARestartWithAllDataLosesNoToken(t *testing.T) {
	server := redistest.Start(t, redistest.Durable...)
	n := started(t, server)
	issued, expires := ahead()
	burn(t, n, 1, issued, expires, nil)
	server.Kill()
	server.Start()
	burn(t, n, 1, issued, expires, confirm.ErrUsed)
}

func TestFailures(t *testing.T) {
	issued, expires := ahead()
	for name, tt := range map[string]struct {
		spoil func(*redistest.Server)
		want  string
	}{
		"a server that evicts": {func(s *redistest.Server) {
			s.Command("CONFIG", "SET", "maxmemory", "100mb")
			s.Command("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
		}, "maxmemory-policy must be noeviction"},
		"a server without memory": {func(s *redistest.Server) { s.Command("CONFIG", "SET", "maxmemory", "1") }, "OOM"},
		"a key of another type": {func(s *redistest.Server) {
			s.Command("DEL", DefaultPrefix+"since")
			s.Command("SET", DefaultPrefix+"since", "x")
		}, "WRONGTYPE"},
		"a server that is gone": {func(s *redistest.Server) { s.Kill() }, "asking Redis: "},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			n := started(t, server)
			tt.spoil(server)
			err := n.Burn(t.Context(), confirm.Nonce{1}, nil, issued, expires)
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.As(err, new(*confirm.Refusal)) {
				t.Errorf("got %v, want a failure with %q", err, tt.want)
			}
		})
	}
}

// A server without a limit evicts nothing, whatever its policy.
func TestPolicyWithoutLimit(t *testing.T) {
	server := redistest.Start(t, "--maxmemory-policy", "allkeys-lru")
	issued, expires := ahead()
	burn(t, started(t, server), 1, issued, expires, nil)
}
