package access

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.etcd.io/bbolt"
)

// redisServer is a real Redis on a socket, which loses nothing that it has acknowledged.
type redisServer struct {
	dir string
	cmd *exec.Cmd
}

func startRedis(t *testing.T) *redisServer {
	t.Helper()
	dir, err := os.MkdirTemp("", "redis") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	s := &redisServer{dir: dir}
	t.Cleanup(func() {
		s.kill()
		os.RemoveAll(dir)
	})
	s.start(t)
	return s
}

func (s *redisServer) socket() string { return filepath.Join(s.dir, "redis.sock") }

func (s *redisServer) start(t *testing.T) {
	t.Helper()
	s.cmd = exec.Command("redis-server", "--port", "0", "--unixsocket", s.socket(), "--dir", s.dir,
		"--appendonly", "yes", "--appendfsync", "always", "--save", "")
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	client := s.client()
	defer client.Close()
	for deadline := time.Now().Add(20 * time.Second); client.Ping(context.Background()).Err() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("Redis does not answer")
		}
	}
}

func (s *redisServer) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

func (s *redisServer) client() redis.UniversalClient {
	return redis.NewClient(&redis.Options{Network: "unix", Addr: s.socket(), MaxRetries: -1})
}

const (
	today     = "2026-11-22"
	yesterday = "2026-11-21"
)

// Both places for counts pass this.
func TestCounts(t *testing.T) {
	server := startRedis(t)
	path := filepath.Join(t.TempDir(), "quotas.db")
	for name, open := range map[string]func() (Counts, error){
		"bolt":  func() (Counts, error) { return OpenBolt(path) },
		"redis": func() (Counts, error) { return NewRedisCounts(server.client()), nil },
	} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			counts, err := open()
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range []struct {
				day, key string
				n, limit int
				count    int
				ok       bool
			}{
				{today, "a", 0, 10, 0, true},
				{today, "a", 4, 10, 4, true},
				{today, "a", 6, 10, 10, true},
				{today, "a", 1, 10, 10, false},
				{today, "a", 0, 10, 10, true},
				{today, "b", 11, 10, 0, false},
				{today, "b", 10, 10, 10, true},
				{yesterday, "a", 1, 10, 1, true},
				{today, "a", 1, 11, 11, true}, // a limit that was raised
				{today, "a", 1, 5, 11, false}, // and one that was lowered
				{today, "c", 1<<31 - 1, 10, 0, false},
			} {
				count, ok, err := counts.Take(ctx, c.day, c.key, c.n, c.limit)
				if count != c.count || ok != c.ok || err != nil {
					t.Errorf("%d: got %d, %v, %v; want %d, %v", i, count, ok, err, c.count, c.ok)
				}
			}

			var granted atomic.Int64
			var wg sync.WaitGroup
			for range 40 {
				wg.Go(func() {
					if _, ok, err := counts.Take(ctx, today, "many", 1, 17); err != nil {
						t.Error(err)
					} else if ok {
						granted.Add(1)
					}
				})
			}
			wg.Wait()
			if granted.Load() != 17 {
				t.Errorf("%d were granted of 17", granted.Load())
			}

			ended, cancel := context.WithCancel(ctx)
			cancel()
			if _, ok, err := counts.Take(ended, today, "a", 1, 100); ok || !errors.Is(err, context.Canceled) {
				t.Errorf("for a visitor who left: %v, %v", ok, err)
			}
			if err := counts.Close(); err != nil {
				t.Fatal(err)
			}
			if counts, err = open(); err != nil {
				t.Fatal(err)
			}
			defer counts.Close()
			if count, ok, err := counts.Take(ctx, today, "a", 0, 10); count != 11 || !ok || err != nil {
				t.Errorf("reopened: %d, %v, %v; want 11", count, ok, err)
			}
		})
	}
}

func TestOldDaysAreForgotten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "quotas.db")
	counts, err := OpenBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	first := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for i := range 30 {
		if _, _, err := counts.Take(t.Context(), first.AddDate(0, 0, i).Format(time.DateOnly), "a", 1, 10); err != nil {
			t.Fatal(err)
		}
	}
	var left []string
	err = counts.(*boltCounts).file.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(daysBucket).ForEachBucket(func(k []byte) error { left = append(left, string(k)); return nil })
	})
	if err := errors.Join(err, counts.Close()); err != nil {
		t.Fatal(err)
	}
	if len(left) != keepDays+1 || left[0] != "2026-11-23" {
		t.Errorf("kept %v", left)
	}
}

func TestCountsTellNoUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "quotas.db")
	q := quotas(t, path, Limits{})
	if _, err := q.Take(t.Context(), "patroller-4711", Info, 1); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte("4711")) {
		t.Error("the file holds the user's id")
	}
	if q.keyOf("1", Info) == q.keyOf("1", Reveal) || q.keyOf("1", Info) == q.keyOf("2", Info) {
		t.Error("the key does not tell users and rights apart")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 600", info.Mode(), err)
	}
}

func TestDamagedFileOfCountsIsRefused(t *testing.T) {
	edit := func(path string, how func(*bbolt.Tx) error) error {
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			return err
		}
		return errors.Join(db.Update(how), db.Close())
	}
	for name, damage := range map[string]func(path string) error{
		"emptied": func(path string) error { return os.Truncate(path, 0) },
		"cut":     func(path string) error { return os.Truncate(path, int64(3*os.Getpagesize())) },
		"another file": func(path string) error {
			return edit(path, func(tx *bbolt.Tx) error { return tx.DeleteBucket(daysBucket) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "quotas.db")
			counts, err := OpenBolt(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := counts.Take(t.Context(), today, "a", 1, 10); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenBolt(path); !errors.Is(err, ErrInUse) {
				t.Errorf("opened twice: %v, want %v", err, ErrInUse)
			}
			if err := errors.Join(counts.Close(), damage(path)); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err = OpenBolt(path); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "restore "+path) {
					t.Errorf("got %v, want %v with what to do", err, ErrDamaged)
				}
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed, %v", err)
			}
		})
	}
	t.Run("a count", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "quotas.db")
		counts, err := OpenBolt(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := counts.Take(t.Context(), today, "a", 1, 10); err != nil {
			t.Fatal(err)
		}
		err = errors.Join(counts.Close(), edit(path, func(tx *bbolt.Tx) error {
			return tx.Bucket(daysBucket).Bucket([]byte(today)).Put([]byte("a"), []byte("x"))
		}))
		if err != nil {
			t.Fatal(err)
		}
		if counts, err = OpenBolt(path); err != nil {
			t.Fatal(err)
		}
		defer counts.Close()
		if _, ok, err := counts.Take(t.Context(), today, "a", 1, 10); ok || !errors.Is(err, ErrDamaged) {
			t.Errorf("got %v, %v, want %v", ok, err, ErrDamaged)
		}
	})
}

// takeUntilKilled takes one after the other and says each that is granted.
func takeUntilKilled(path string) {
	counts, err := OpenBolt(path)
	for err == nil {
		var count int
		if count, _, err = counts.Take(context.Background(), today, "a", 1, 1<<30); err == nil {
			fmt.Println(count)
		}
	}
	fmt.Fprintln(os.Stderr, err)
}

func TestCrashGivesNothingBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "quotas.db")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	granted := 0
	for range 10 {
		cmd := exec.Command(self, path)
		cmd.Env = append(os.Environ(), helperMode+"=take")
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		killAfter := 1 + rand.IntN(50)
		for n := 0; ; n++ {
			line, err := lines.ReadString('\n')
			if err != nil {
				break // a line that is cut was not said
			}
			if _, err := fmt.Sscan(line, &granted); err != nil {
				t.Fatal(err)
			}
			if n == killAfter {
				cmd.Process.Kill()
			}
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("it ended by itself: %v", err)
		}
		counts, err := OpenBolt(path)
		if err != nil {
			t.Fatal(err)
		}
		count, _, err := counts.Take(t.Context(), today, "a", 0, 1)
		if err := errors.Join(err, counts.Close()); err != nil {
			t.Fatal(err)
		}
		if count < granted || count > granted+1 {
			t.Fatalf("%d are counted, %d were granted", count, granted)
		}
	}
}

func TestRedisGoesAndComesBack(t *testing.T) {
	server := startRedis(t)
	counts := NewRedisCounts(server.client())
	defer counts.Close()
	ctx := context.Background()
	if _, ok, err := counts.Take(ctx, today, "a", 7, 10); !ok || err != nil {
		t.Fatal(ok, err)
	}
	server.kill()
	if _, ok, err := counts.Take(ctx, today, "a", 1, 10); ok || err == nil {
		t.Errorf("without Redis: %v, %v", ok, err)
	}
	server.start(t)
	if count, ok, err := counts.Take(ctx, today, "a", 4, 10); count != 7 || ok || err != nil {
		t.Errorf("after its return: %d, %v, %v; want 7, refused", count, ok, err)
	}
	client := server.client()
	defer client.Close()
	keys, err := client.Keys(ctx, "*").Result()
	if err != nil || len(keys) != 1 || keys[0] != redisPrefix+today+":a" {
		t.Errorf("keys %v, %v", keys, err)
	}
	if ttl := client.TTL(ctx, keys[0]).Val(); ttl < keepDays*day || ttl > (keepDays+1)*day {
		t.Errorf("it is kept for %v", ttl)
	}
	for name, value := range map[string]string{"text": "x", "negative": "-100", "fraction": "0.5"} {
		if err := client.Set(ctx, redisPrefix+today+":a", value, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := counts.Take(ctx, today, "a", 1, 10); ok || err == nil || !strings.Contains(err.Error(), "not a number") {
			t.Errorf("%s as a count: %v, %v", name, ok, err)
		}
	}
}
