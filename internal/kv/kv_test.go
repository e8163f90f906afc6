package kv

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
)

// crashFile is the file that a process started by a test counts in.
const crashFile = "WIKIVEIL_TEST_KV_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFile); path != "" {
		countUntilKilled(path)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

const prefix = "test:{kv}:"

func redisClient(server *redistest.Server) redis.UniversalClient {
	return redis.NewClient(&redis.Options{
		Network: "unix", Addr: filepath.Join(server.Dir, "socket"), MaxRetries: -1, ReadTimeout: 2 * time.Second,
	})
}

func openRedis(t *testing.T, server *redistest.Server) Store {
	t.Helper()
	s := NewRedis(redisClient(server), prefix)
	t.Cleanup(func() { s.Close() })
	return s
}

func openBolt(t *testing.T, path string) Store {
	t.Helper()
	s, err := OpenBolt(path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// later is when what a test makes ends.
func later() time.Time { return time.Now().Add(time.Hour) }

// Every store passes this. Open opens an empty one.
func TestStores(t *testing.T) {
	server := redistest.Start(t, redistest.Durable...)
	for name, open := range map[string]func(*testing.T) Store{
		"memory": func(*testing.T) Store { return NewMemory(1000) },
		"bolt":   func(t *testing.T) Store { return openBolt(t, filepath.Join(t.TempDir(), "new", "kv.db")) },
		"redis": func(t *testing.T) Store {
			server.Command("FLUSHALL")
			return openRedis(t, server)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for what, test := range map[string]func(*testing.T, Store){
				"values": testValues, "counters": testCounters, "all counters or none": testSeveral,
				"many at once": testAtOnce, "what can't be told": testSince, "for nobody": testNobody,
			} {
				t.Run(what, func(t *testing.T) { test(t, open(t)) })
			}
		})
	}
}

func put(t *testing.T, s Store, key string, value []byte) {
	t.Helper()
	if err := s.Update(t.Context(), key, later(), func([]byte) ([]byte, error) { return value, nil }); err != nil {
		t.Fatal(err)
	}
}

func wantValues(t *testing.T, s Store, keys []string, want map[string][]byte) {
	t.Helper()
	got, err := s.Get(t.Context(), keys...)
	if err != nil || !maps.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("under %q is %q, %v; want %q", keys, got, err, want)
	}
}

func testValues(t *testing.T, s Store) {
	wantValues(t, s, nil, nil)
	wantValues(t, s, []string{"a", "b"}, nil)
	one, two := []byte("one\r\n\x00\xff"), bytes.Repeat([]byte("two"), 100_000)
	put(t, s, "a", one)
	put(t, s, "b", two)
	put(t, s, "empty", []byte{})
	wantValues(t, s, []string{"a", "c", "b", "empty"}, map[string][]byte{"a": one, "b": two, "empty": {}})
	wantValues(t, s, []string{"b"}, map[string][]byte{"b": two})

	var seen []byte
	refusal := errors.New("no")
	if err := s.Update(t.Context(), "b", later(), func(old []byte) ([]byte, error) {
		seen = bytes.Clone(old)
		return one, refusal
	}); !errors.Is(err, refusal) || !bytes.Equal(seen, two) {
		t.Errorf("a change that fails: %v", err)
	}
	if err := s.Update(t.Context(), "b", later(), func([]byte) ([]byte, error) { return nil, nil }); err != nil {
		t.Errorf("a change of nothing: %v", err)
	}
	wantValues(t, s, []string{"b"}, map[string][]byte{"b": two})

	if err := s.Delete(t.Context(), "a", "nothing"); err != nil {
		t.Error(err)
	}
	if err := s.Delete(t.Context(), "nothing"); err != nil {
		t.Error(err)
	}
	wantValues(t, s, []string{"a", "b"}, map[string][]byte{"b": two})
}

func testCounters(t *testing.T, s Store) {
	for i, c := range []struct {
		key      string
		n, limit int
		count    int
		ok       bool
	}{
		{"a", 0, 10, 0, true},
		{"a", 4, 10, 4, true},
		{"a", 6, 10, 10, true},
		{"a", 1, 10, 10, false},
		{"a", 0, 10, 10, true},
		{"b", 11, 10, 0, false},
		{"b", 10, 10, 10, true},
		{"c", 1, 10, 1, true},
		{"a", 1, 11, 11, true}, // a limit that was raised
		{"a", 1, 5, 11, false}, // and one that was lowered
		{"a", 0, 5, 11, true},
		{"d", 1<<31 - 1, 10, 0, false},
	} {
		counts, over, err := s.Add(t.Context(), c.n, Counter{Key: c.key, Limit: c.limit, Expires: later()})
		if err != nil || len(counts) != 1 || counts[0] != c.count || over != map[bool]int{true: -1, false: 0}[c.ok] {
			t.Errorf("%d: got %v, %d, %v; want %d, %v", i, counts, over, err, c.count, c.ok)
		}
	}
}

func testSeveral(t *testing.T, s Store) {
	add := func(want int, keys ...string) []int {
		t.Helper()
		var to []Counter
		for i, key := range keys {
			to = append(to, Counter{Key: key, Limit: 1 + i, Expires: later()})
		}
		counts, over, err := s.Add(t.Context(), 1, to...)
		if err != nil || over != want || len(counts) != len(keys) {
			t.Errorf("adding to %v: %v, %d, %v; want %d", keys, counts, over, err, want)
		}
		return counts
	}
	add(-1, "a", "all")
	add(0, "a", "all")
	if counts := add(-1, "b", "all"); len(counts) == 2 && (counts[0] != 1 || counts[1] != 2) {
		t.Errorf("the counts are %v", counts)
	}
	add(1, "c", "all")
	add(-1, "c") // it was not counted when the other was full
	add(-1)
}

func testAtOnce(t *testing.T, s Store) {
	var added atomic.Int64
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if _, over, err := s.Add(context.Background(), 1, Counter{Key: "many", Limit: 17, Expires: later()}); err != nil {
				t.Error(err)
			} else if over < 0 {
				added.Add(1)
			}
		})
	}
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if err := s.Update(context.Background(), "sum", later(), func(old []byte) ([]byte, error) {
					n, _ := strconv.Atoi(string(old))
					return fmt.Append(nil, n+1), nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if added.Load() != 17 {
		t.Errorf("%d were added of 17", added.Load())
	}
	wantValues(t, s, []string{"sum"}, map[string][]byte{"sum": []byte("40")})
}

func testSince(t *testing.T, s Store) {
	for what, c := range map[string]Counter{
		"before the store":  {Since: time.Now().Add(-time.Hour), Expires: later()},
		"ended":             {Expires: time.Now().Add(-time.Second)},
		"ended, with Since": {Since: time.Now().Add(-time.Hour), Expires: time.Now().Add(-time.Second)},
	} {
		c.Key, c.Limit = "a", 1
		if _, _, err := s.Add(t.Context(), 1, c); !errors.Is(err, ErrForgot) {
			t.Errorf("%s: %v", what, err)
		}
		if _, _, err := s.Add(t.Context(), 1, Counter{Key: "b", Limit: 100, Expires: later()}, c); !errors.Is(err, ErrForgot) {
			t.Errorf("%s, beside another: %v", what, err)
		}
	}
	ahead := Counter{Key: "a", Limit: 1, Since: time.Now().Add(time.Minute), Expires: later()}
	for want := range 2 {
		if _, over, err := s.Add(t.Context(), 1, ahead); err != nil || over != want-1 {
			t.Errorf("%d, %v, want %d", over, err, want-1)
		}
	}
	if counts, _, err := s.Add(t.Context(), 0, Counter{Key: "b", Limit: 100, Expires: later()}); err != nil || counts[0] != 0 {
		t.Errorf("counted beside what can't be told: %v, %v", counts, err)
	}
}

func testNobody(t *testing.T, s Store) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, getErr := s.Get(ended, "a")
	_, _, addErr := s.Add(ended, 1, Counter{Key: "a", Limit: 100, Expires: later()})
	updateErr := s.Update(ended, "a", later(), func([]byte) ([]byte, error) { return []byte("x"), nil })
	for _, err := range []error{getErr, addErr, updateErr} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	wantValues(t, s, []string{"a"}, nil)
}

func TestMemoryDropsWhatHasEndedOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory(2)
		add := func(key string, life time.Duration, want error) {
			t.Helper()
			if _, over, err := s.Add(t.Context(), 1, Counter{Key: key, Limit: 1, Expires: time.Now().Add(life)}); !errors.Is(err, want) || err == nil && over >= 0 {
				t.Errorf("%s: %d, %v, want %v", key, over, err, want)
			}
		}
		add("a", 10*time.Minute, nil)
		add("b", time.Minute, nil)
		add("c", time.Minute, ErrFull)
		if err := s.Update(t.Context(), "c", later(), func([]byte) ([]byte, error) { return []byte("x"), nil }); !errors.Is(err, ErrFull) {
			t.Errorf("a value: %v", err)
		}
		time.Sleep(time.Minute - time.Nanosecond)
		add("c", time.Minute, ErrFull)
		time.Sleep(sweepEvery)
		add("c", time.Minute, nil)
		if _, over, err := s.Add(t.Context(), 1, Counter{Key: "a", Limit: 1, Expires: later()}); err != nil || over != 0 {
			t.Errorf("the other one: %d, %v", over, err)
		}
		time.Sleep(time.Hour)
		add("a", time.Minute, nil) // begins again
		if n := len(s.(*memory).entries); n != 1 {
			t.Errorf("it holds %d entries", n)
		}
		// As if the clock had been put back: what has ended can't begin again.
		s.(*memory).latest = time.Now().Add(time.Hour)
		if _, _, err := s.Add(t.Context(), 1, Counter{Key: "b", Limit: 1, Expires: time.Now().Add(time.Minute)}); !errors.Is(err, ErrForgot) {
			t.Errorf("after the clock was put back: %v", err)
		}
	})
}

func TestBoltKeepsAndDrops(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kv.db")
	now := time.Now()
	passed := func() time.Time { return now }
	open := func() Store {
		s, err := OpenBolt(path, passed)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	value := func(string) func([]byte) ([]byte, error) {
		return func([]byte) ([]byte, error) { return []byte("x"), nil }
	}
	for i := range 30 {
		key := strconv.Itoa(i)
		if err := s.Update(t.Context(), key, now.AddDate(0, 0, i), value(key)); err != nil {
			t.Fatal(err)
		}
	}
	counter := Counter{Key: "n", Limit: 10, Expires: now.AddDate(0, 0, 10)}
	if _, over, err := s.Add(t.Context(), 7, counter); err != nil || over >= 0 {
		t.Fatal(over, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 600", info.Mode(), err)
	}
	s = open()
	if _, err := OpenBolt(path, passed); !errors.Is(err, ErrInUse) {
		t.Errorf("opened twice: %v, want %v", err, ErrInUse)
	}
	if counts, _, err := s.Add(t.Context(), 0, counter); err != nil || counts[0] != 7 {
		t.Errorf("reopened: %v, %v", counts, err)
	}
	now = now.AddDate(0, 0, 20)
	wantValues(t, s, []string{"19", "20", "21"}, map[string][]byte{"21": []byte("x")})
	counter.Expires = now.AddDate(0, 0, 1)
	if counts, _, err := s.Add(t.Context(), 1, counter); err != nil || counts[0] != 1 {
		t.Errorf("a counter that had ended: %v, %v", counts, err)
	}
	kept := 0
	err := s.(*bolt).view(func(b *bbolt.Bucket) error { return b.ForEach(func(_, _ []byte) error { kept++; return nil }) })
	if err := errors.Join(err, s.Close()); err != nil || kept != 9+1+1 { // values, the counter and the beginning
		t.Errorf("%d entries are left, %v", kept, err)
	}
}

func TestDamagedFileIsRefusedAndLeft(t *testing.T) {
	edit := func(how func(*bbolt.Tx) error) func(string) error {
		return func(path string) error {
			db, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				return err
			}
			return errors.Join(db.Update(how), db.Close())
		}
	}
	change := func(key string, how func([]byte) []byte) func(string) error {
		return edit(func(tx *bbolt.Tx) error {
			b := tx.Bucket(entriesBucket)
			return b.Put([]byte(key), how(bytes.Clone(b.Get([]byte(key)))))
		})
	}
	flip := func(value []byte) []byte { value[len(value)-1] ^= 1; return value }
	for name, damage := range map[string]func(path string) error{
		"emptied":         func(path string) error { return os.Truncate(path, 0) },
		"cut":             func(path string) error { return os.Truncate(path, int64(3*os.Getpagesize())) },
		"another file":    edit(func(tx *bbolt.Tx) error { return tx.DeleteBucket(entriesBucket) }),
		"no beginning":    edit(func(tx *bbolt.Tx) error { return tx.Bucket(entriesBucket).Delete([]byte(beganKey)) }),
		"a value changed": change("value", flip),
		"a value cut":     change("value", func([]byte) []byte { return []byte("x") }),
		"a count changed": change("count", flip),
		"an end changed":  change("count", func(value []byte) []byte { value[0] ^= 1; return value }),
		"a value moved": edit(func(tx *bbolt.Tx) error {
			b := tx.Bucket(entriesBucket)
			return b.Put([]byte("other"), bytes.Clone(b.Get([]byte("value"))))
		}),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kv.db")
			s := openBolt(t, path)
			put(t, s, "value", []byte("value"))
			if _, _, err := s.Add(t.Context(), 1, Counter{Key: "count", Limit: 1, Expires: later()}); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(s.Close(), damage(path)); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err = OpenBolt(path, time.Now); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "restore "+path) {
					t.Errorf("got %v, want %v with what to do", err, ErrDamaged)
				}
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed, %v", err)
			}
		})
	}
}

func TestNoByteOfAnEntryChangesUnseen(t *testing.T) {
	key := []byte("key")
	for kind, c := range map[string]struct {
		data   []byte
		decode func([]byte) error
	}{
		"bolt":  {encodeEntry(string(key), later(), []byte("value")), func(data []byte) error { _, err := decodeEntry(key, data); return err }},
		"redis": {encodeValue([]byte("value")), func(data []byte) error { _, err := decodeValue(data); return err }},
	} {
		for i := range c.data {
			damaged := bytes.Clone(c.data)
			damaged[i] ^= 0x20
			for _, data := range [][]byte{damaged, c.data[:i]} {
				if err := c.decode(data); !errors.Is(err, ErrDamaged) {
					t.Errorf("%s: byte %d: %v", kind, i, err)
				}
			}
		}
		if err := c.decode(c.data); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// countUntilKilled adds one after the other and says each that is counted.
func countUntilKilled(path string) {
	s, err := OpenBolt(path, time.Now)
	for err == nil {
		var counts []int
		if counts, _, err = s.Add(context.Background(), 1, Counter{Key: "a", Limit: 1 << 30, Expires: later()}); err == nil {
			fmt.Println(counts[0])
		}
	}
	fmt.Fprintln(os.Stderr, err)
}

func TestCrashGivesNothingBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kv.db")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	said := 0
	for range 10 {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), crashFile+"="+path)
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
			if _, err := fmt.Sscan(line, &said); err != nil {
				t.Fatal(err)
			}
			if n == killAfter {
				cmd.Process.Kill()
			}
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("it ended by itself: %v", err)
		}
		s, err := OpenBolt(path, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		counts, _, err := s.Add(t.Context(), 0, Counter{Key: "a", Limit: 1, Expires: later()})
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		if counts[0] < said || counts[0] > said+1 {
			t.Fatalf("%d are counted, %d were said", counts[0], said)
		}
	}
}
