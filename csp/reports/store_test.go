package reports

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wikiveil/wikiveil/internal/kv"
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

const prefix = "{reports}:"

func openRedis(t testing.TB, server *redistest.Server) kv.Store {
	t.Helper()
	return kv.NewRedis(redisClient(t, server), prefix)
}

// Old days go by themselves, also while how long they are kept changes.
func TestOldDaysGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := kv.OpenBolt(filepath.Join(t.TempDir(), "reports.db"), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var behind atomic.Bool
		passed := func() time.Time {
			if behind.Load() {
				return start
			}
			return time.Now()
		}
		c := collector(t, Config{Store: store, Keep: 10, Passed: passed})
		time.Sleep(12 * time.Hour) // midnights, with their flushes by themselves, are between the steps
		for i, step := range []struct{ keep, want int }{{10, 1}, {10, 2}, {10, 3}, {10, 4}, {2, 2}, {0, 2}, {0, 2}, {0, 3}, {3, 3}, {3, 3}} {
			if step.keep != c.Keep() {
				c.SetKeep(step.keep)
			}
			post(c, violationOf("https://cdn.example"))
			if err := c.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			days, err := c.load(t.Context(), start, time.Now())
			if err != nil || len(days) != step.want || days[dayName(time.Now())] == nil {
				t.Errorf("day %d: %d are left, %v, want %d", i, len(days), err, step.want)
			}
			time.Sleep(24 * time.Hour)
		}
		// A clock that is ahead deletes nothing.
		behind.Store(true)
		c.SetKeep(1)
		if err := c.forget(t.Context()); err != nil {
			t.Fatal(err)
		}
		if days, err := c.load(t.Context(), start, time.Now()); err != nil || len(days) != 2 {
			t.Errorf("%d are left, %v", len(days), err)
		}
		if days, err := c.load(t.Context(), time.Time{}, start.AddDate(9000, 0, 0)); err != nil || len(days) != 2 {
			t.Errorf("of all time %d are left, %v", len(days), err)
		}
	})
}

func TestDamagedDayInRedisIsRefusedAndLeft(t *testing.T) {
	server := redistest.Start(t)
	day := dayName(time.Now())
	server.Command("SET", prefix+day, "damaged")
	store := openRedis(t, server)
	defer store.Close()
	if c, err := New(Config{Store: store}); !errors.Is(err, kv.ErrDamaged) {
		t.Errorf("a collector over a damaged day: %v, %v", c, err)
	}
	server.Command("DEL", prefix+day)
	c := collector(t, Config{Store: openRedis(t, server)})
	server.Command("SET", prefix+day, "damaged")
	post(c, violationOf("https://cdn.example"))
	for range 2 {
		if err := c.Flush(t.Context()); !errors.Is(err, kv.ErrDamaged) {
			t.Errorf("written over a damaged day: %v", err)
		}
	}
	if got := server.Command("GET", prefix+day); got != "damaged" {
		t.Errorf("it was overwritten with %q", got)
	}
	if _, err := c.Snapshot(t.Context(), time.Now(), time.Now()); !errors.Is(err, kv.ErrDamaged) {
		t.Errorf("a snapshot of a damaged day: %v", err)
	}
	server.Command("DEL", prefix+day)
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
