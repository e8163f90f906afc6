package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestEntryIsReadBackAfterReopening(t *testing.T) {
	path := logPath(t)
	l := mustOpen(t, path)
	want := Entry{Performer: "Ærø 42", Action: Compare, Masks: masks(3, 1, 2, 1), Reason: "same vandal?"}
	before := time.Now().Add(-time.Millisecond)
	receipt := mustAppend(t, l, want)
	if receipt.Sequence != 1 || receipt.Repeated || receipt.Time.Before(before) || time.Now().Before(receipt.Time) {
		t.Errorf("receipt %+v", receipt)
	}
	mustClose(t, l)

	l = mustOpen(t, path)
	defer mustClose(t, l)
	got := entries(t, l)
	if len(got) != 1 {
		t.Fatalf("%d entries, want 1", len(got))
	}
	e := got[0]
	if e.Sequence != 1 || !e.Time.Equal(receipt.Time) || e.Performer != want.Performer || e.Action != Compare ||
		!slices.Equal(e.Masks, masks(1, 2, 3)) || e.Reason != want.Reason {
		t.Errorf("read back %+v", e)
	}
	if c := l.Checkpoint(); c.Entries != 1 || c.Head != l.current.Load().last { // a tree of one leaf
		t.Errorf("%+v is not the checkpoint of that entry", c)
	}
}

func TestRefusedEntries(t *testing.T) {
	raw := netip.MustParseAddr("203.0.113.77")
	for name, c := range map[string]struct {
		entry Entry
		want  error
	}{
		"no action":          {Entry{Performer: "1", Masks: masks(1)}, ErrAction},
		"unknown action":     {Entry{Performer: "1", Action: 99, Masks: masks(1)}, ErrAction},
		"no performer":       {info("", 1), ErrPerformer},
		"long performer":     {info(strings.Repeat("x", MaxPerformer+1), 1), ErrPerformer},
		"performer's bytes":  {info("a\xff", 1), ErrPerformer},
		"performer's lines":  {info("a\nb", 1), ErrPerformer},
		"no masks":           {info("1"), ErrMasks},
		"too many masks":     {Entry{Performer: "1", Action: Info, Masks: make([]netip.Addr, MaxMasks+1)}, ErrMasks},
		"an address":         {Entry{Performer: "1", Action: Info, Masks: []netip.Addr{mask(1), raw}}, ErrNotMask},
		"no address":         {Entry{Performer: "1", Action: Info, Masks: []netip.Addr{{}}}, ErrNotMask},
		"mask with a zone":   {Entry{Performer: "1", Action: Info, Masks: []netip.Addr{mask(1).WithZone("eth0")}}, ErrNotMask},
		"reveal unreasoned":  {Entry{Performer: "1", Action: Reveal, Masks: masks(1)}, ErrNoReason},
		"reveal with blanks": {Entry{Performer: "1", Action: Reveal, Masks: masks(1), Reason: " \u00a0 "}, ErrNoReason},
		"long reason":        {Entry{Performer: "1", Action: Info, Masks: masks(1), Reason: strings.Repeat("x", MaxReason+1)}, ErrReason},
		"reason's lines":     {Entry{Performer: "1", Action: Info, Masks: masks(1), Reason: "a\r\nb"}, ErrReason},
	} {
		t.Run(name, func(t *testing.T) {
			l := mustOpen(t, logPath(t))
			defer mustClose(t, l)
			_, err := l.Append(t.Context(), c.entry)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), raw.String()) {
				t.Errorf("the error holds the address: %v", err)
			}
			if n := l.Checkpoint().Entries; n != 0 {
				t.Errorf("%d entries were written", n)
			}
		})
	}
}

func TestReadingTheLogNeedsNoMask(t *testing.T) {
	l := mustOpen(t, logPath(t))
	defer mustClose(t, l)
	mustAppend(t, l, Entry{Performer: "1", Action: Read})
}

func TestRepetitions(t *testing.T) {
	for name, c := range map[string]struct {
		first, second Entry
		repeated      bool
	}{
		"same look-up":       {info("1", 1), info("1", 1), true},
		"masks as a set":     {info("1", 1, 2), info("1", 2, 1, 2), true},
		"another performer":  {info("1", 1), info("2", 1), false},
		"another mask":       {info("1", 1), info("1", 2), false},
		"more masks":         {info("1", 1), info("1", 1, 2), false},
		"another action":     {info("1", 1), Entry{Performer: "1", Action: Compare, Masks: masks(1)}, false},
		"same reveal":        {reveal("1", 1), reveal("1", 1), false},                                                          // case 31
		"reveal anew":        {reveal("1", 1), Entry{Performer: "1", Action: Reveal, Masks: masks(1), Reason: "other"}, false}, // case 31
		"another reason":     {info("1", 1), Entry{Performer: "1", Action: Info, Masks: masks(1), Reason: "other"}, false},
		"same reading":       {Entry{Performer: "1", Action: Read}, Entry{Performer: "1", Action: Read}, true},
		"same members":       {Entry{Performer: "1", Action: Members, Masks: masks(1)}, Entry{Performer: "1", Action: Members, Masks: masks(1)}, false},
		"block":              {Entry{Performer: "1", Action: Block, Masks: masks(1)}, Entry{Performer: "1", Action: Block, Masks: masks(1)}, false},
		"unblock":            {Entry{Performer: "1", Action: Unblock, Masks: masks(1)}, Entry{Performer: "1", Action: Unblock, Masks: masks(1)}, false},
		"joined differently": {Entry{Performer: "1/", Action: Info, Masks: masks(1)}, Entry{Performer: "1", Action: Info, Masks: masks(1)}, false},
	} {
		for _, reopened := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, reopened %v", name, reopened), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					path := logPath(t)
					l := mustOpen(t, path)
					first := mustAppend(t, l, c.first)
					if reopened {
						mustClose(t, l)
						l = mustOpen(t, path)
					}
					defer func() { mustClose(t, l) }()
					time.Sleep(23*time.Hour + 59*time.Minute)
					second := mustAppend(t, l, c.second)
					if second.Repeated != c.repeated {
						t.Fatalf("repeated: %v, want %v", second.Repeated, c.repeated)
					}
					if c.repeated && (second.Sequence != first.Sequence || !second.Time.Equal(first.Time)) {
						t.Errorf("receipt %+v, want the first's %+v", second, first)
					}
					time.Sleep(time.Minute) // now it is another day
					if third := mustAppend(t, l, c.second); third.Repeated {
						t.Error("it counts as repeated on the next day")
					}
				})
			})
		}
	}
}

// Entries that come at once share commits, in order and without loss, and what is
// said twice is written once.
func TestManyAtOnce(t *testing.T) {
	path := logPath(t)
	l := mustOpen(t, path)
	const users, each = 40, 15
	var wg sync.WaitGroup
	receipts := make([][]Receipt, users)
	for u := range users {
		receipts[u] = make([]Receipt, each)
		wg.Go(func() {
			for i := range each {
				r, err := l.Append(context.Background(), info(fmt.Sprint(u/2), i)) // two of each user
				if err != nil {
					t.Error(err)
				}
				receipts[u][i] = r
			}
		})
	}
	wg.Wait()
	got := entries(t, l)
	if want := users / 2 * each; len(got) != want {
		t.Fatalf("%d entries, want %d", len(got), want)
	}
	for u := range users {
		for i, r := range receipts[u] {
			e := got[r.Sequence-1]
			if e.Performer != fmt.Sprint(u/2) || e.Masks[0] != mask(i) {
				t.Fatalf("the receipt of user %d, mask %d leads to %+v", u/2, i, e)
			}
			if a, b := receipts[u&^1][i], receipts[u|1][i]; a.Sequence != b.Sequence || a.Repeated == b.Repeated {
				t.Fatalf("receipts of one thing said twice: %+v, %+v", a, b)
			}
		}
	}
	if _, err := l.Verify(); err != nil {
		t.Error(err)
	}
	mustClose(t, l)
}

func TestGivenUpRequestIsRefused(t *testing.T) {
	l := mustOpen(t, logPath(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Append(ctx, info("1", 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	mustClose(t, l)
	if _, err := l.Append(t.Context(), info("1", 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("after closing: %v, want %v", err, ErrClosed)
	}
	if _, err := l.Publish(t.Context(), time.Hour); !errors.Is(err, ErrClosed) {
		t.Errorf("after closing: %v, want %v", err, ErrClosed)
	}
	if _, err := l.Verify(); !errors.Is(err, ErrClosed) {
		t.Errorf("after closing: %v, want %v", err, ErrClosed)
	}
	for _, err := range l.Entries(t.Context(), 0) {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("after closing: %v, want %v", err, ErrClosed)
		}
	}
	mustClose(t, l) // twice does no harm
}

func TestClosingUnderLoad(t *testing.T) {
	path := logPath(t)
	l := mustOpen(t, path)
	var wg sync.WaitGroup
	var mu sync.Mutex
	acknowledged := 0
	for u := range 16 {
		wg.Go(func() {
			for i := 0; ; i++ {
				if _, err := l.Append(context.Background(), info(fmt.Sprint(u), i)); errors.Is(err, ErrClosed) {
					return
				} else if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acknowledged++
				mu.Unlock()
			}
		})
	}
	for !func() bool { mu.Lock(); defer mu.Unlock(); return acknowledged > 100 }() {
		time.Sleep(time.Millisecond)
	}
	mustClose(t, l)
	wg.Wait()
	l = mustOpen(t, path)
	defer mustClose(t, l)
	if got := int(l.Checkpoint().Entries); got != acknowledged {
		t.Errorf("%d entries, %d were acknowledged", got, acknowledged)
	}
}

func TestOpenRefusesWrongSettings(t *testing.T) {
	path := logPath(t)
	mustClose(t, mustOpen(t, path))
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no store":          {func(c *Config) { c.Store = nil }, "store, keys and heads are needed"},
		"no keys":           {func(c *Config) { c.Keys = nil }, "store, keys and heads are needed"},
		"no heads":          {func(c *Config) { c.Heads = nil }, "store, keys and heads are needed"},
		"no node":           {func(c *Config) { c.Node = "" }, "node name"},
		"node with a space": {func(c *Config) { c.Node = "edge 1" }, "node name"},
		"another node":      {func(c *Config) { c.Node = "edge-2" }, "it is the log of node edge-1, not edge-2"},
		"short retention":   {func(c *Config) { c.Retention = time.Hour }, "shorter than a day"},
		"other keys":        {func(c *Config) { c.Keys = testKeys(t, 2) }, ErrWrongKeys.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			store, err := OpenBolt(path)
			if err != nil {
				t.Fatal(err)
			}
			defer mustClose(t, store)
			config := Config{Store: store, Keys: testKeys(t, 1), Heads: headsOf(path), Node: "edge-1"}
			c.change(&config)
			if _, err := Open(config); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestFileTellsNothing(t *testing.T) {
	path := logPath(t)
	l := mustOpen(t, path)
	e := Entry{Performer: "patroller-4711", Action: Reveal, Masks: masks(513), Reason: "a threat against somebody"}
	mustAppend(t, l, e)
	mustClose(t, l)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m := e.Masks[0].As16()
	for name, secret := range map[string][]byte{"performer": []byte(e.Performer), "reason": []byte(e.Reason),
		"mask": m[:], "mask as text": []byte(e.Masks[0].String())} {
		if bytes.Contains(data, secret) {
			t.Errorf("the file holds the %s", name)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v, want 600", info.Mode(), err)
	}
	// The length tells nothing of short names and reasons either.
	short, long := encodeContent(info("1", 1)), encodeContent(Entry{Performer: "a longer name", Action: Info, Masks: masks(1), Reason: "and a reason"})
	if len(short) != len(long) {
		t.Errorf("contents have %d and %d bytes", len(short), len(long))
	}
}

func TestPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := logPath(t)
		l := mustOpen(t, path)
		publish := func() Checkpoint {
			t.Helper()
			c, err := l.Publish(t.Context(), day)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Verify(l.PublicKey()); err != nil {
				t.Fatal(err)
			}
			return c
		}
		mustAppend(t, l, info("1", 1))
		if _, _, err := l.Proof(1); err == nil {
			t.Error("a proof before anything was published")
		}
		first := publish()
		mustAppend(t, l, reveal("1", 1))
		time.Sleep(day - time.Second)
		if c := publish(); c.Entries != 1 || !c.Time.Equal(first.Time) {
			t.Errorf("published too soon: %+v", c)
		}
		mustClose(t, l)
		l = mustOpen(t, path)
		if c := publish(); c.Entries != 1 {
			t.Errorf("a restart published: %+v", c)
		}
		if c, proof, err := l.Proof(2); len(proof) != 0 || err != nil || c.Entries != 1 {
			t.Errorf("a proof of %d hashes to %+v, %v, want none beyond the published one", len(proof), c, err)
		}
		time.Sleep(time.Second)
		second := publish()
		if second.Entries != 2 || second.Reveals != 1 {
			t.Errorf("after a day: %+v", second)
		}
		_, proof, err := l.Proof(first.Entries)
		if err != nil {
			t.Fatal(err)
		}
		if err := second.Follows(first, proof); err != nil {
			t.Error(err)
		}
		mustClose(t, l)
	})
}
