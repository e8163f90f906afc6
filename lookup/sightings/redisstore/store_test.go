package redisstore_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/wikiveil/wikiveil/internal/redisclient"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/lookup/sightings/redisstore"
	"github.com/wikiveil/wikiveil/lookup/sightings/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	server := redistest.Start(t, redistest.Durable...)
	storetest.Test(t, func(t *testing.T) sightings.Store {
		// A prefix for each subtest keeps them apart on one server.
		return open(t, redisstore.Config{Redis: redisclient.Config{URLs: []string{server.URL}}, Prefix: t.Name() + ":"})
	})
}

func open(t testing.TB, config redisstore.Config) *redisstore.Store {
	t.Helper()
	s, err := redisstore.Open(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

var part = sightings.Part{Day: 20779, Epoch: "0123456789ab"}

func appendOne(s sightings.Store, n int) error {
	return s.Append(context.Background(), []sightings.Entry{storetest.Entry(part, n, "value")})
}

func count(t testing.TB, s sightings.Store, n int) int {
	t.Helper()
	found, err := s.Find(context.Background(), []sightings.Ref{{Part: part, Key: storetest.Key(n)}})
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func TestUnfitServerIsRefused(t *testing.T) {
	tests := []struct {
		name   string
		server []string
		config redisclient.Config
		want   string // in the error; empty: it is taken
	}{
		{"durable", redistest.Durable, redisclient.Config{}, ""},
		{"no append-only file", nil, redisclient.Config{}, "appendonly is \"no\""},
		{"synced every second", []string{"--appendonly", "yes"}, redisclient.Config{}, "appendfsync \"everysec\""},
		{"evicting", append([]string{"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"}, redistest.Durable...),
			redisclient.Config{}, "maxmemory-policy is \"allkeys-lru\""},
		{"limited but not evicting", append([]string{"--maxmemory", "100mb"}, redistest.Durable...), redisclient.Config{}, ""},
		{"CONFIG is not allowed", append([]string{"--rename-command", "CONFIG", ""}, redistest.Durable...),
			redisclient.Config{}, "or trust it"},
		{"CONFIG is not allowed, trusted", append([]string{"--rename-command", "CONFIG", ""}, redistest.Durable...),
			redisclient.Config{Trust: true}, ""},
		{"not durable, trusted", nil, redisclient.Config{Trust: true}, ""},
		{"password is missing", append([]string{"--requirepass", "secret"}, redistest.Durable...), redisclient.Config{}, "NOAUTH"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := redistest.Start(t, tt.server...)
			tt.config.URLs = []string{server.URL}
			s, err := redisstore.Open(context.Background(), redisstore.Config{Redis: tt.config})
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("error %v, want %q in it", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := appendOne(s, 1); err != nil || count(t, s, 1) != 1 {
				t.Fatalf("Append: %v", err)
			}
		})
	}
}

func TestNegativeRetention(t *testing.T) {
	config := redisstore.Config{Redis: redisclient.Config{URLs: []string{"unix:///nowhere"}}, Retention: -1}
	if _, err := redisstore.Open(context.Background(), config); err == nil || !strings.Contains(err.Error(), "negative") {
		t.Error(err)
	}
}

func TestKilledAndRestarted(t *testing.T) {
	server := redistest.Start(t, redistest.Durable...)
	s := open(t, redisstore.Config{Redis: redisclient.Config{URLs: []string{server.URL}}})
	if err := appendOne(s, 1); err != nil {
		t.Fatal(err)
	}
	before := s.Incarnation()
	server.Kill()
	start := time.Now()
	if err := appendOne(s, 2); !errors.Is(err, sightings.ErrUnavailable) {
		t.Fatalf("Append without a server: %v", err)
	}
	if _, err := s.Find(context.Background(), []sightings.Ref{{Part: part, Key: storetest.Key(1)}}); !errors.Is(err, sightings.ErrUnavailable) {
		t.Fatalf("Find without a server: %v", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Fatalf("the errors took %v", took)
	}
	server.Start()
	testutil.Eventually(t, "it works again", func() bool { return appendOne(s, 3) == nil })
	if count(t, s, 1) != 1 || count(t, s, 3) < 1 {
		t.Error("an entry is lost")
	}
	if s.Incarnation() == before {
		t.Error("the restart was not noticed")
	}
}

// A server that comes back without its append-only file must not be taken for the one it was.
func TestRestartedUnfit(t *testing.T) {
	server := redistest.Start(t, redistest.Durable...)
	s := open(t, redisstore.Config{Redis: redisclient.Config{URLs: []string{server.URL}}})
	if err := appendOne(s, 1); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	server.Start("--appendonly", "no")
	testutil.Eventually(t, "it is refused for its configuration", func() bool {
		err := appendOne(s, 2)
		if err == nil {
			t.Fatal("Append succeeds on a server that may lose it")
		}
		return strings.Contains(err.Error(), "could lose what it acknowledged")
	})
}

func TestHangingServer(t *testing.T) {
	server := redistest.Start(t, redistest.Durable...)
	s := open(t, redisstore.Config{Redis: redisclient.Config{URLs: []string{server.URL}, Timeout: 200 * time.Millisecond}})
	if err := appendOne(s, 1); err != nil {
		t.Fatal(err)
	}
	server.Pause()
	if err := appendOne(s, 2); !errors.Is(err, sightings.ErrUnavailable) {
		t.Fatalf("Append to a hanging server: %v", err)
	}
	server.Resume()
	testutil.Eventually(t, "it works again", func() bool { return appendOne(s, 3) == nil })
}

func TestFlushIsNoticed(t *testing.T) {
	server := redistest.Start(t, redistest.Durable...)
	s := open(t, redisstore.Config{Redis: redisclient.Config{URLs: []string{server.URL}}})
	if err := appendOne(s, 1); err != nil {
		t.Fatal(err)
	}
	before := s.Incarnation()
	server.Command("FLUSHALL")
	testutil.Eventually(t, "the watcher notices", func() bool { return s.Incarnation() != before })
	before = s.Incarnation()
	if err := appendOne(s, 1); err != nil {
		t.Fatal(err)
	}
	server.Command("FLUSHALL")
	if err := appendOne(s, 2); err != nil {
		t.Fatal(err)
	}
	if s.Incarnation() == before {
		t.Error("an Append right after did not notice")
	}
}

// Nodes that see one client at once must not undo each other's work, nor a process that of the one before.
func TestSeveralWriters(t *testing.T) {
	server := redistest.Start(t, redistest.Durable...)
	const nodes, rounds = 4, 25
	var stores []*redisstore.Store
	for range nodes {
		stores = append(stores, open(t, redisstore.Config{Redis: redisclient.Config{URLs: []string{server.URL}}}))
	}
	var wg sync.WaitGroup
	for _, s := range stores {
		wg.Go(func() {
			for range rounds {
				if err := appendOne(s, 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i, s := range append(stores, open(t, redisstore.Config{Redis: redisclient.Config{URLs: []string{server.URL}}})) {
		if got := count(t, s, 1); got != nodes*rounds {
			t.Errorf("node %d finds %d values of %d", i, got, nodes*rounds)
		}
	}
}

func TestReplicas(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, redisstore.Config{Redis: redisclient.Config{URLs: []string{server.URL}, Replicas: 1, Timeout: time.Second}})
	if err := appendOne(s, 1); !errors.Is(err, sightings.ErrUnavailable) || !strings.Contains(err.Error(), "only 0 of 1 replicas") {
		t.Fatalf("Append without a replica: %v", err)
	}
}

func TestUnreachableAtStart(t *testing.T) {
	server := redistest.Start(t, redistest.Durable...)
	server.Kill()
	s := open(t, redisstore.Config{Redis: redisclient.Config{URLs: []string{server.URL}}})
	if err := appendOne(s, 1); !errors.Is(err, sightings.ErrUnavailable) {
		t.Fatalf("Append: %v", err)
	}
	server.Start()
	testutil.Eventually(t, "it works", func() bool { return appendOne(s, 1) == nil })
}

// What is left when the edge is gone goes by itself.
func TestKeysExpire(t *testing.T) {
	server := redistest.Start(t, redistest.Durable...)
	s := open(t, redisstore.Config{Redis: redisclient.Config{URLs: []string{server.URL}}, Retention: 24 * time.Hour})
	if err := appendOne(s, 1); err != nil {
		t.Fatal(err)
	}
	for _, key := range strings.Fields(server.Command("KEYS", "*")) {
		if ttl := server.Command("TTL", key); len(ttl) != 6 { // 72 hours in seconds
			t.Errorf("%s lives for %s s", key, ttl)
		}
	}
	if n := server.Command("DBSIZE"); n != "4" {
		t.Errorf("%s keys", n)
	}
}

func TestDamagedValue(t *testing.T) {
	server := redistest.Start(t, redistest.Durable...)
	s := open(t, redisstore.Config{Redis: redisclient.Config{URLs: []string{server.URL}}})
	if err := appendOne(s, 1); err != nil {
		t.Fatal(err)
	}
	options, err := redis.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer client.Close()
	hash := redisstore.DefaultPrefix + part.String()
	fields, err := client.HKeys(context.Background(), hash).Result()
	if err != nil || len(fields) != 1 {
		t.Fatalf("fields %q, %v", fields, err)
	}
	for _, cut := range []string{"\x00", "\x00\x05cut", "\x00\x01x\xff"} {
		if err := client.HSet(context.Background(), hash, fields[0], cut).Err(); err != nil {
			t.Fatal(err)
		}
		_, err := s.Find(context.Background(), []sightings.Ref{{Part: part, Key: storetest.Key(1)}})
		if !errors.Is(err, sightings.ErrDamaged) {
			t.Errorf("Find of %q: %v", cut, err)
		}
	}
	server.Command("SADD", redisstore.DefaultPrefix+"parts", "nonsense")
	if _, err := s.Parts(context.Background()); !errors.Is(err, sightings.ErrDamaged) {
		t.Errorf("Parts: %v", err)
	}
}
