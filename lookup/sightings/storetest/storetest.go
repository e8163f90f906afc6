// Package storetest has the one test that every store of sightings passes.
package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/wikiveil/wikiveil/lookup/sightings"
)

// Test runs the conformance test. Open opens the store that was opened and closed before in the
// same subtest, if there was one, with all that it has; else an empty one.
func Test(t *testing.T, open func(t *testing.T) sightings.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, func(*testing.T) sightings.Store)
	}{
		{"what is appended is found", testRoundTrip},
		{"a key has many values", testManyValues},
		{"values are any bytes", testAnyBytes},
		{"what is appended survives a restart", testRestart},
		{"many entries in many batches", testMany},
		{"parts are apart", testParts},
		{"a dropped part is gone", testDrop},
		{"values of a bad part or size are refused", testRefusals},
		{"a cancelled context", testCancelled},
		{"use at once by many", testConcurrent},
		{"use after close", testClosed},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open) })
	}
}

var (
	today     = sightings.Part{Day: 20779, Epoch: "0123456789ab"}
	yesterday = sightings.Part{Day: 20778, Epoch: "0123456789ab"}
	rotated   = sightings.Part{Day: 20779, Epoch: "ba9876543210"}
)

// Key returns the n-th of a row of keys that look random.
func Key(n int) sightings.Key {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
	return sightings.Key(sum[:])
}

// Entry returns an entry for the n-th key.
func Entry(part sightings.Part, n int, value string) sightings.Entry {
	return sightings.Entry{Ref: sightings.Ref{Part: part, Key: Key(n)}, Value: []byte(value)}
}

func mustAppend(t testing.TB, s sightings.Store, entries ...sightings.Entry) {
	t.Helper()
	if err := s.Append(context.Background(), entries); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

// wantValues checks that a key has exactly these values, in any order.
func wantValues(t testing.TB, s sightings.Store, part sightings.Part, n int, want ...string) {
	t.Helper()
	found, err := s.Find(context.Background(), []sightings.Ref{{Part: part, Key: Key(n)}})
	if err != nil {
		t.Fatalf("Find: %v", err)
	}
	var got []string
	for _, e := range found {
		if e.Part != part || e.Key != Key(n) {
			t.Fatalf("found %v %x, which was not asked", e.Part, e.Key)
		}
		got = append(got, string(e.Value))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("%v, key %d: found %q, want %q", part, n, got, want)
	}
}

func testRoundTrip(t *testing.T, open func(*testing.T) sightings.Store) {
	s := open(t)
	wantValues(t, s, today, 1)
	if parts, err := s.Parts(context.Background()); err != nil || len(parts) != 0 {
		t.Fatalf("an empty store has parts %v, %v", parts, err)
	}
	mustAppend(t, s)
	mustAppend(t, s, Entry(today, 1, "one"), Entry(today, 2, "two"))
	wantValues(t, s, today, 1, "one")
	wantValues(t, s, today, 2, "two")
	wantValues(t, s, today, 3)
	found, err := s.Find(context.Background(), []sightings.Ref{
		{Part: today, Key: Key(2)}, {Part: today, Key: Key(3)}, {Part: yesterday, Key: Key(1)}, {Part: today, Key: Key(1)},
	})
	if err != nil || len(found) != 2 {
		t.Fatalf("Find of four keys: %v, %v", found, err)
	}
	if found, err := s.Find(context.Background(), nil); err != nil || len(found) != 0 {
		t.Fatalf("Find of nothing: %v, %v", found, err)
	}
}

func testManyValues(t *testing.T, open func(*testing.T) sightings.Store) {
	s := open(t)
	mustAppend(t, s, Entry(today, 1, "a"), Entry(today, 2, "x"), Entry(today, 1, "b"))
	mustAppend(t, s, Entry(today, 1, "c"))
	mustAppend(t, s, Entry(today, 1, "a")) // the same again is another value
	wantValues(t, s, today, 1, "a", "a", "b", "c")
	wantValues(t, s, today, 2, "x")
}

func testAnyBytes(t *testing.T, open func(*testing.T) sightings.Store) {
	s := open(t)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	values := []string{"", "\x00", "\r\n", string(every), string(bytes.Repeat([]byte{0xff}, sightings.MaxValue))}
	for i, v := range values {
		mustAppend(t, s, Entry(today, i, v), Entry(today, 100, v))
	}
	for i, v := range values {
		wantValues(t, s, today, i, v)
	}
	wantValues(t, s, today, 100, values...)
}

func testRestart(t *testing.T, open func(*testing.T) sightings.Store) {
	for round := range 4 {
		s := open(t)
		for before := range round {
			wantValues(t, s, today, before, fmt.Sprint("value ", before))
		}
		mustAppend(t, s, Entry(today, round, fmt.Sprint("value ", round)), Entry(yesterday, 1000, fmt.Sprint(round)))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t)
	wantValues(t, s, yesterday, 1000, "0", "1", "2", "3")
	mustAppend(t, s, Entry(yesterday, 1000, "late")) // an older part takes entries too: clocks step back
	wantValues(t, s, yesterday, 1000, "0", "1", "2", "3", "late")
}

// testMany is against a model, with enough entries that every path of a store is gone.
func testMany(t *testing.T, open func(*testing.T) sightings.Store) {
	const entries, keys = 150_000, 100_000
	s := open(t)
	random := rand.New(rand.NewPCG(1, 2))
	model := make(map[int][]string)
	for written := 0; written < entries; {
		batch := make([]sightings.Entry, 1+random.IntN(5000))
		for i := range batch {
			n, value := random.IntN(keys), fmt.Sprint("v", written+i)
			model[n] = append(model[n], value)
			batch[i] = Entry(today, n, value)
		}
		mustAppend(t, s, batch...)
		written += len(batch)
	}
	check := func() {
		t.Helper()
		for range 2000 {
			n := random.IntN(keys)
			wantValues(t, s, today, n, model[n]...)
		}
	}
	check()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t)
	check()
}

func testParts(t *testing.T, open func(*testing.T) sightings.Store) {
	s := open(t)
	mustAppend(t, s, Entry(today, 1, "today"), Entry(yesterday, 1, "yesterday"), Entry(rotated, 1, "rotated"))
	wantValues(t, s, today, 1, "today")
	wantValues(t, s, yesterday, 1, "yesterday")
	wantValues(t, s, rotated, 1, "rotated")
	wantParts(t, s, yesterday, today, rotated)
}

func wantParts(t testing.TB, s sightings.Store, want ...sightings.Part) {
	t.Helper()
	got, err := s.Parts(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, sightings.Part.Compare)
	slices.SortFunc(want, sightings.Part.Compare)
	if !slices.Equal(got, want) {
		t.Fatalf("Parts = %v, want %v", got, want)
	}
}

func testDrop(t *testing.T, open func(*testing.T) sightings.Store) {
	ctx := context.Background()
	s := open(t)
	mustAppend(t, s, Entry(today, 1, "today"), Entry(yesterday, 1, "yesterday"))
	if err := s.Drop(ctx, yesterday); err != nil {
		t.Fatal(err)
	}
	if err := s.Drop(ctx, rotated); err != nil {
		t.Fatalf("dropping what isn't there: %v", err)
	}
	wantValues(t, s, yesterday, 1)
	wantValues(t, s, today, 1, "today")
	wantParts(t, s, today)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t)
	wantValues(t, s, yesterday, 1)
	wantParts(t, s, today)
	mustAppend(t, s, Entry(yesterday, 1, "again"))
	wantValues(t, s, yesterday, 1, "again")
}

func testRefusals(t *testing.T, open func(*testing.T) sightings.Store) {
	ctx := context.Background()
	s := open(t)
	for name, e := range map[string]sightings.Entry{
		"too long":           Entry(today, 1, string(make([]byte, sightings.MaxValue+1))),
		"no epoch":           Entry(sightings.Part{Day: 1}, 1, "x"),
		"a path for epoch":   Entry(sightings.Part{Day: 1, Epoch: "../../x"}, 1, "x"),
		"a day of year 9e5":  Entry(sightings.Part{Day: 1 << 30, Epoch: "ab"}, 1, "x"),
		"a negative year":    Entry(sightings.Part{Day: -1 << 30, Epoch: "ab"}, 1, "x"),
		"control characters": Entry(sightings.Part{Day: 1, Epoch: "a\x00b"}, 1, "x"),
	} {
		if err := s.Append(ctx, []sightings.Entry{e}); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
	wantParts(t, s)
	mustAppend(t, s, Entry(sightings.Part{Day: -719162, Epoch: "ab"}, 1, "the year 1 is odd but can be named"))
}

func testCancelled(t *testing.T, open func(*testing.T) sightings.Store) {
	s := open(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Append(ctx, []sightings.Entry{Entry(today, 1, "x")}); !errors.Is(err, context.Canceled) {
		t.Errorf("Append: %v", err)
	}
	mustAppend(t, s, Entry(today, 1, "y"))
	if _, err := s.Find(ctx, []sightings.Ref{{Part: today, Key: Key(1)}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Find: %v", err)
	}
}

func testConcurrent(t *testing.T, open func(*testing.T) sightings.Store) {
	const writers, batches = 4, 25
	ctx := context.Background()
	s := open(t)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range batches {
				// One key that all write, and one of its own in a part that others drop around.
				part := []sightings.Part{today, rotated}[i%2]
				err := s.Append(ctx, []sightings.Entry{Entry(today, 0, fmt.Sprint(w, " ", i)), Entry(part, 1+w*batches+i, "own")})
				if err != nil {
					t.Errorf("Append: %v", err)
				}
				found, err := s.Find(ctx, []sightings.Ref{{Part: part, Key: Key(1 + w*batches + i)}})
				if err != nil || len(found) != 1 {
					t.Errorf("an entry is not found right after its Append: %v, %v", found, err)
				}
			}
		})
	}
	wg.Go(func() {
		for range batches {
			if err := errors.Join(s.Append(ctx, []sightings.Entry{Entry(yesterday, 1, "x")}), s.Drop(ctx, yesterday)); err != nil {
				t.Errorf("Append and Drop: %v", err)
			}
			if _, err := s.Find(ctx, []sightings.Ref{{Part: yesterday, Key: Key(1)}}); err != nil {
				t.Errorf("Find in a dropped part: %v", err)
			}
			if _, err := s.Parts(ctx); err != nil {
				t.Errorf("Parts: %v", err)
			}
		}
	})
	wg.Wait()
	var want []string
	for w := range writers {
		for i := range batches {
			want = append(want, fmt.Sprint(w, " ", i))
		}
	}
	wantValues(t, s, today, 0, want...)
}

func testClosed(t *testing.T, open func(*testing.T) sightings.Store) {
	ctx := context.Background()
	s := open(t)
	mustAppend(t, s, Entry(today, 1, "x"))
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	if err := s.Append(ctx, []sightings.Entry{Entry(today, 1, "x")}); !errors.Is(err, sightings.ErrClosed) {
		t.Errorf("Append: %v", err)
	}
	if _, err := s.Find(ctx, []sightings.Ref{{Part: today, Key: Key(1)}}); !errors.Is(err, sightings.ErrClosed) {
		t.Errorf("Find: %v", err)
	}
	if _, err := s.Parts(ctx); !errors.Is(err, sightings.ErrClosed) {
		t.Errorf("Parts: %v", err)
	}
}
