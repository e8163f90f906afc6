package reports

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.etcd.io/bbolt"

	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
)

func redisClient(t testing.TB, server *redistest.Server) redis.UniversalClient {
	t.Helper()
	options, err := redis.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	options.MaxRetries = -1
	return redis.NewClient(options)
}

func openRedis(t testing.TB, server *redistest.Server) Store {
	t.Helper()
	s, err := NewRedis(redisClient(t, server), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// aDay is a stored day with n reports of one host.
func aDay(t testing.TB, n int) []byte {
	t.Helper()
	d := newDay(10, secret)
	for range n {
		d.add(host(1), 1_800_000_000)
	}
	data, err := d.encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Every store passes this.
func TestStores(t *testing.T) {
	server := redistest.Start(t, redistest.Durable...)
	path := filepath.Join(t.TempDir(), "new", "reports.db")
	for name, open := range map[string]func() (Store, error){
		"bolt":  func() (Store, error) { return OpenBolt(path, 0, nil) },
		"redis": func() (Store, error) { return openRedis(t, server), nil },
	} {
		t.Run(name, func(t *testing.T) { testStore(t, open) })
	}
}

func testStore(t *testing.T, open func() (Store, error)) {
	ctx := context.Background()
	s, err := open()
	if err != nil {
		t.Fatal(err)
	}
	one, two := aDay(t, 1), aDay(t, 2)
	put := func(day string, value []byte) {
		t.Helper()
		if err := s.Update(ctx, day, func([]byte) ([]byte, error) { return value, nil }); err != nil {
			t.Fatal(err)
		}
	}
	load := func(first, last string, want map[string][]byte) {
		t.Helper()
		got, err := s.Load(ctx, first, last)
		if err != nil || !maps.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("from %s to %s there are %d days, %v; want %d", first, last, len(got), err, len(want))
		}
	}
	load("2026-11-01", "2026-11-30", nil)
	put("2026-11-20", one)
	put("2026-11-22", two)
	load("2026-11-20", "2026-11-22", map[string][]byte{"2026-11-20": one, "2026-11-22": two})
	load("2026-11-21", "2026-11-22", map[string][]byte{"2026-11-22": two})
	load("2026-11-21", "2026-11-21", nil)

	var seen []byte
	refusal := errors.New("no")
	if err := s.Update(ctx, "2026-11-22", func(old []byte) ([]byte, error) {
		seen = bytes.Clone(old)
		return one, refusal
	}); !errors.Is(err, refusal) || !bytes.Equal(seen, two) {
		t.Errorf("a change that fails: %v", err)
	}
	if err := s.Update(ctx, "2026-11-22", func([]byte) ([]byte, error) { return nil, nil }); err != nil {
		t.Errorf("a change of nothing: %v", err)
	}
	load("2026-11-22", "2026-11-22", map[string][]byte{"2026-11-22": two})

	// Of many at once, none loses what another wrote.
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 5 {
				if err := s.Update(ctx, "2026-11-21", func(old []byte) ([]byte, error) {
					n := 0
					if old != nil {
						d, err := decodeDay(old, 10, secret)
						if err != nil {
							return nil, err
						}
						n = int(d.reports.sum())
					}
					return aDay(t, n+1), nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	load("2026-11-21", "2026-11-21", map[string][]byte{"2026-11-21": aDay(t, 40)})

	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Load(ended, "2026-11-22", "2026-11-22"); !errors.Is(err, context.Canceled) {
		t.Errorf("loading for nobody: %v", err)
	}
	if err := s.Update(ended, "2026-11-22", func([]byte) ([]byte, error) { return one, nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("writing for nobody: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = open(); err != nil {
		t.Fatal(err)
	}
	load("2026-11-22", "2026-11-22", map[string][]byte{"2026-11-22": two})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOldDaysGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reports.db")
	s, err := OpenBolt(path, 7, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	first := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for i := range 20 {
		if err := s.Update(t.Context(), dayName(first.AddDate(0, 0, i)), func([]byte) ([]byte, error) { return aDay(t, 1), nil }); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Load(t.Context(), "2026-01-01", "2026-12-31")
	if err != nil || len(got) != 7 || got["2026-11-14"] == nil || got["2026-11-20"] == nil {
		t.Errorf("%d days are left, %v", len(got), err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 600", info.Mode(), err)
	}

	server := redistest.Start(t)
	kept, err := NewRedis(redisClient(t, server), "other:", 7)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if err := kept.Update(t.Context(), "2026-11-22", func([]byte) ([]byte, error) { return aDay(t, 1), nil }); err != nil {
		t.Fatal(err)
	}
	seconds, err := strconv.Atoi(server.Command("TTL", "other:2026-11-22"))
	if ttl := time.Duration(seconds) * time.Second; err != nil || ttl < 7*24*time.Hour || ttl > 8*24*time.Hour {
		t.Errorf("it is kept for %v, %v", ttl, err)
	}
}

func TestDamagedFileIsRefusedAndLeft(t *testing.T) {
	edit := func(path string, how func(*bbolt.Tx) error) error {
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			return err
		}
		return errors.Join(db.Update(how), db.Close())
	}
	day := dayName(time.Now())
	for name, damage := range map[string]func(path string) error{
		"emptied": func(path string) error { return os.Truncate(path, 0) },
		"cut":     func(path string) error { return os.Truncate(path, int64(3*os.Getpagesize())) },
		"another file": func(path string) error {
			return edit(path, func(tx *bbolt.Tx) error { return tx.DeleteBucket(boltDays) })
		},
		"a day changed": func(path string) error {
			return edit(path, func(tx *bbolt.Tx) error {
				value := bytes.Clone(tx.Bucket(boltDays).Get([]byte(day)))
				value[len(value)/2] ^= 1
				return tx.Bucket(boltDays).Put([]byte(day), value)
			})
		},
		"a day of another version": func(path string) error {
			return edit(path, func(tx *bbolt.Tx) error { return tx.Bucket(boltDays).Put([]byte(day), []byte("{}")) })
		},
		"a foreign key": func(path string) error {
			return edit(path, func(tx *bbolt.Tx) error { return tx.Bucket(boltDays).Put([]byte("x"), aDay(t, 1)) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "reports.db")
			s, err := OpenBolt(path, 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Update(t.Context(), day, func([]byte) ([]byte, error) { return aDay(t, 1), nil }); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenBolt(path, 0, nil); !errors.Is(err, ErrInUse) {
				t.Errorf("opened twice: %v, want %v", err, ErrInUse)
			}
			if err := errors.Join(s.Close(), damage(path)); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err = OpenBolt(path, 0, nil); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "restore "+path) {
					t.Errorf("got %v, want %v with what to do", err, ErrDamaged)
				}
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed, %v", err)
			}
		})
	}
}

func TestDamagedDayInRedisIsRefusedAndLeft(t *testing.T) {
	server := redistest.Start(t)
	day := dayName(time.Now())
	server.Command("SET", DefaultPrefix+day, "damaged")
	store := openRedis(t, server)
	defer store.Close()
	if c, err := New(Config{Store: store}); !errors.Is(err, ErrDamaged) {
		t.Errorf("a collector over a damaged day: %v, %v", c, err)
	}
	server.Command("DEL", DefaultPrefix+day)
	c := collector(t, Config{Store: openRedis(t, server)})
	server.Command("SET", DefaultPrefix+day, "damaged")
	post(c, violationOf("https://cdn.example"))
	for range 2 {
		if err := c.Flush(t.Context()); !errors.Is(err, ErrDamaged) {
			t.Errorf("written over a damaged day: %v", err)
		}
	}
	if got := server.Command("GET", DefaultPrefix+day); got != "damaged" {
		t.Errorf("it was overwritten with %q", got)
	}
	if _, err := c.Snapshot(t.Context(), time.Now(), time.Now()); !errors.Is(err, ErrDamaged) {
		t.Errorf("a snapshot of a damaged day: %v", err)
	}
	server.Command("DEL", DefaultPrefix+day)
	if s := today(t, c); s.Accepted != 1 {
		t.Errorf("%d are left of what could not be written", s.Accepted)
	}
}

// Several nodes add up, also while Redis goes and comes back, and nothing is counted
// twice.
func TestNodesAddUpInRedis(t *testing.T) {
	server := redistest.Start(t, redistest.Durable...)
	const nodes, each = 3, 200
	var all []*Collector
	for range nodes {
		all = append(all, collector(t, Config{Store: openRedis(t, server), Overall: unlimited}))
	}
	var work sync.WaitGroup
	for n, c := range all {
		work.Go(func() {
			for i := range each {
				post(c, violationOf("https://both.example"))
				post(c, violationOf(fmt.Sprintf("https://only%d.example", n)))
				c.PageView()
				if i%20 == 0 {
					c.Flush(context.Background()) // fails while Redis is away
				}
			}
		})
	}
	server.Kill()
	server.Start()
	work.Wait()
	for _, c := range all {
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			err := c.Flush(context.Background())
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
	s := today(t, all[0])
	if s.Accepted != 2*nodes*each || s.PageViews != nodes*each {
		t.Errorf("%d reports and %d views, want %d and %d", s.Accepted, s.PageViews, 2*nodes*each, nodes*each)
	}
	if len(s.Groups) != nodes+1 || s.Groups[0].Count != nodes*each || s.Groups[1].Count != each || s.Lost != 0 {
		t.Errorf("groups %+v", s.Groups)
	}
}
