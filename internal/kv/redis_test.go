package kv

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
)

// once is a counter to 1, as of a token that was issued then.
func once(key string, issued time.Time) Counter {
	return Counter{Key: key, Limit: 1, Since: issued, Expires: issued.Add(10 * time.Minute)}
}

func wantOnce(t *testing.T, s Store, c Counter, over int, want error) {
	t.Helper()
	if _, got, err := s.Add(t.Context(), 1, c); got != over || !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Errorf("got %d, %v; want %d, %v", got, err, over, want)
	}
}

// begun is a store that remembers from now on.
func begun(t *testing.T, server *redistest.Server) Store {
	t.Helper()
	s := openRedis(t, server)
	wantOnce(t, s, once("begin", time.Now()), -1, ErrForgot)
	return s
}

// ahead is when something is issued that a store that has just begun can tell of.
func ahead() time.Time { return time.Now().Add(time.Minute) }

func TestNodesShareRedis(t *testing.T) {
	server := redistest.Start(t)
	one, two := begun(t, server), begun(t, server)
	c := once("a", ahead())
	wantOnce(t, one, c, -1, nil)
	wantOnce(t, two, c, 0, nil)
	other := NewRedis(redisClient(server), "other:")
	defer other.Close()
	wantOnce(t, other, c, -1, nil)
}

// What Redis keeps ends a little later than it counts, and not never.
func TestExpiryInRedis(t *testing.T) {
	server := redistest.Start(t)
	s := begun(t, server)
	c := once("a", ahead())
	wantOnce(t, s, c, -1, nil)
	put(t, s, "b", []byte("b"))
	if err := s.Update(t.Context(), "c", time.Now().Add(-time.Second), func([]byte) ([]byte, error) { return []byte("c"), nil }); err != nil {
		t.Errorf("a value that has ended: %v", err)
	}
	for key, expires := range map[string]time.Time{"a": c.Expires, "b": later()} {
		ms, err := strconv.Atoi(server.Command("PTTL", prefix+key))
		if ttl, want := time.Duration(ms)*time.Millisecond, time.Until(expires); err != nil || ttl < want-time.Second || ttl > want+time.Minute {
			t.Errorf("%s is kept for %v, %v; want a little over %v", key, ttl, err, want)
		}
	}
	// More of a counter doesn't make it last longer.
	long := Counter{Key: "a", Limit: 10, Expires: time.Now().Add(100 * time.Hour)}
	wantOnce(t, s, long, -1, nil)
	if ms, err := strconv.Atoi(server.Command("PTTL", prefix+"a")); err != nil || ms > int(time.Hour/time.Millisecond) {
		t.Errorf("it is kept for %d ms, %v", ms, err)
	}
	if answer := server.Command("DBSIZE"); answer != "3" {
		t.Errorf("%s keys, want two and the marker", answer)
	}
}

// What Redis may have forgotten, it doesn't take for new.
func TestLossesOfRedis(t *testing.T) {
	for name, lose := range map[string]func(*redistest.Server){
		"a crash with everything lost": func(s *redistest.Server) { s.Kill(); s.Start() },
		"a flush":                      func(s *redistest.Server) { s.Command("FLUSHALL") },
		"the marker is deleted":        func(s *redistest.Server) { s.Command("DEL", prefix+"since") },
		"the marker's time is broken":  func(s *redistest.Server) { s.Command("HSET", prefix+"since", "at", "soon") },
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			s := begun(t, server)
			// As if the store were an hour old.
			server.Command("HSET", prefix+"since", "at", strconv.FormatInt(time.Now().Add(-time.Hour).UnixMilli(), 10))
			now := time.Now()
			wantOnce(t, s, once("a", now), -1, nil)
			wantOnce(t, s, once("a", now), 0, nil)
			lose(server)
			wantOnce(t, s, once("a", now), -1, ErrForgot)
			wantOnce(t, s, once("b", now), -1, ErrForgot)
			wantOnce(t, s, once("c", ahead()), -1, nil)
		})
	}
}

func TestARestartOfRedisWithAllDataLosesNothing(t *testing.T) {
	server := redistest.Start(t, redistest.Durable...)
	s := begun(t, server)
	c := once("a", ahead())
	wantOnce(t, s, c, -1, nil)
	put(t, s, "value", []byte("x"))
	server.Kill()
	if _, _, err := s.Add(t.Context(), 1, once("b", ahead())); err == nil || !strings.HasPrefix(err.Error(), "asking Redis: ") {
		t.Errorf("without Redis: %v", err)
	}
	server.Start()
	wantOnce(t, s, c, 0, nil)
	wantValues(t, s, []string{"value"}, map[string][]byte{"value": []byte("x")})
}

func TestFailuresOfRedis(t *testing.T) {
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
			s.Command("DEL", prefix+"since")
			s.Command("SET", prefix+"since", "x")
		}, "WRONGTYPE"},
		"a text as a count":     {func(s *redistest.Server) { s.Command("SET", prefix+"a", "x") }, "not a number"},
		"a negative count":      {func(s *redistest.Server) { s.Command("SET", prefix+"a", "-100") }, "not a number"},
		"a fraction as a count": {func(s *redistest.Server) { s.Command("SET", prefix+"a", "0.5") }, "not a number"},
		"a server that is gone": {func(s *redistest.Server) { s.Kill() }, "asking Redis: "},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			s := begun(t, server)
			tt.spoil(server)
			if _, over, err := s.Add(t.Context(), 1, once("a", ahead())); err == nil || over >= 0 || !strings.Contains(err.Error(), tt.want) || errors.Is(err, ErrForgot) {
				t.Errorf("got %d, %v; want a failure with %q", over, err, tt.want)
			}
		})
	}
}

// A server without a limit evicts nothing, whatever its policy.
func TestPolicyWithoutLimit(t *testing.T) {
	server := redistest.Start(t, "--maxmemory-policy", "allkeys-lru")
	wantOnce(t, begun(t, server), once("a", ahead()), -1, nil)
}

func TestDamagedValueInRedisIsRefusedAndLeft(t *testing.T) {
	server := redistest.Start(t)
	s := openRedis(t, server)
	server.Command("SET", prefix+"a", "damaged")
	if _, err := s.Get(t.Context(), "a"); !errors.Is(err, ErrDamaged) {
		t.Errorf("reading it: %v", err)
	}
	if err := s.Update(t.Context(), "a", later(), func([]byte) ([]byte, error) { return []byte("x"), nil }); !errors.Is(err, ErrDamaged) {
		t.Errorf("writing over it: %v", err)
	}
	if got := server.Command("GET", prefix+"a"); got != "damaged" {
		t.Errorf("it was overwritten with %q", got)
	}
}

// A user with the commands that NewRedis names, and what the client says hello with, is denied nothing.
func TestCommandsOfRedis(t *testing.T) {
	source, err := os.ReadFile("redis.go")
	if err != nil {
		t.Fatal(err)
	}
	_, named, _ := strings.Cut(string(source), "The user needs the commands ")
	named, _, _ = strings.Cut(named, ".\n")
	server := redistest.Start(t)
	rules := []string{"ACL", "SETUSER", "edge", "on", ">secret", "~" + prefix + "*", "+hello", "+client", "+ping"}
	for name := range strings.FieldsSeq(strings.NewReplacer(",", "", " and ", " ").Replace(named)) {
		rules = append(rules, "+"+strings.ToLower(name))
	}
	if answer := server.Command(rules...); answer != "OK" {
		t.Fatal(answer)
	}
	s := NewRedis(redis.NewClient(&redis.Options{
		Network: "unix", Addr: filepath.Join(server.Dir, "socket"), Username: "edge", Password: "secret", MaxRetries: -1,
	}), prefix)
	defer s.Close()
	wantOnce(t, s, once("begin", time.Now()), -1, ErrForgot)
	for range 2 {
		if _, _, err := s.Add(t.Context(), 1, Counter{Key: "n", Limit: 10, Since: ahead(), Expires: later()}); err != nil {
			t.Error(err)
		}
	}
	put(t, s, "a", []byte("a"))
	put(t, s, "a", nil)
	wantValues(t, s, []string{"a"}, map[string][]byte{"a": []byte("a")})
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if denied := server.Command("ACL", "LOG"); denied != "" {
		t.Errorf("denied: %s", denied)
	}
}
