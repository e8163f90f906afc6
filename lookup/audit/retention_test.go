package audit

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestRetentionKeepsTheChainVerifiable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := logPath(t)
		store, err := OpenBolt(path)
		if err != nil {
			t.Fatal(err)
		}
		l, err := Open(Config{Store: store, Keys: testKeys(t, 1), Heads: headsOf(path), Node: "edge-1", Retention: 10 * day})
		if err != nil {
			t.Fatal(err)
		}
		var published []Checkpoint
		for i := range 30 { // two a day, one a reveal
			mustAppend(t, l, info("1", i))
			mustAppend(t, l, reveal("1", i))
			published = append(published, l.Checkpoint())
			time.Sleep(day)
		}
		time.Sleep(pruneEvery) // the log prunes by itself
		synctest.Wait()

		now := l.Checkpoint()
		if now.Entries != 60 || now.Reveals != 30 || now.Pruned != 42 {
			t.Errorf("it counts %d entries, %d reveals, %d pruned; want 60, 30, 42", now.Entries, now.Reveals, now.Pruned)
		}
		kept := entries(t, l)
		if len(kept) != 18 || kept[0].Sequence != 43 || time.Since(kept[0].Time) > 10*day+pruneEvery {
			t.Errorf("kept %d from %d on", len(kept), kept[0].Sequence)
		}
		for day, c := range published {
			_, err := l.Verify(c)
			if c.Entries < 42 && !errors.Is(err, ErrNoneFollowed) {
				t.Errorf("against the checkpoint of day %d: %v, want %v", day, err, ErrNoneFollowed)
			}
			if c.Entries >= 42 && err != nil {
				t.Errorf("against the checkpoint of day %d: %v", day, err)
			}
		}
		if _, err := l.Publish(t.Context(), day); err != nil {
			t.Fatal(err)
		}
		if _, _, err := l.Proof(41); !errors.Is(err, ErrPruned) {
			t.Errorf("a proof from among pruned entries: %v, want %v", err, ErrPruned)
		}
		for _, from := range published[20:] { // the first is the base's
			if _, proof, err := l.Proof(from.Entries); err != nil || now.Follows(from, proof) != nil {
				t.Errorf("the checkpoint of %d entries is not followed: %v, %v", from.Entries, err, now.Follows(from, proof))
			}
		}
		mustClose(t, l)

		l = mustOpen(t, path) // with the default retention
		if n := len(entries(t, l)); n != 18 {
			t.Errorf("%d entries after reopening, want 18", n)
		}
		if r := mustAppend(t, l, info("1", 1)); r.Sequence != 61 {
			t.Errorf("the next entry has number %d, want 61", r.Sequence)
		}
		time.Sleep(2 * year)
		if n := len(entries(t, l)); n != 0 {
			t.Errorf("%d entries after two years, want none", n)
		}
		c := l.Checkpoint()
		if c.Pruned != 61 || c.Entries != 61 || c.Reveals != 30 {
			t.Errorf("after two years: %+v", c)
		}
		if _, err := l.Verify(now); !errors.Is(err, ErrNoneFollowed) {
			t.Errorf("got %v, want %v", err, ErrNoneFollowed)
		}
		if r, err := l.Verify(now, c); err != nil || r.TooOld != 1 || r.Followed != 2 {
			t.Errorf("with a newer one beside it: %+v, %v", r, err)
		}
		mustClose(t, l)
		mustClose(t, mustOpen(t, path))
	})
}

func TestPruneInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := logPath(t)
		l := mustOpen(t, path)
		const n = 2*maxPrune + 5
		batch := make([]*request, 0, n)
		for i := range n {
			batch = append(batch, &request{ctx: t.Context(), entry: info(fmt.Sprint(i), 1), answer: make(chan answer, 1)})
		}
		if err := l.do(t.Context(), func() error { l.commit(batch); return nil }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(year + 1)
		pruned, err := l.Prune(t.Context())
		if err != nil || pruned != n {
			t.Errorf("pruned %d, %v, want %d", pruned, err, n)
		}
		mustClose(t, l)
		l = mustOpen(t, path)
		defer mustClose(t, l)
		if c := l.Checkpoint(); c.Entries != n || c.Pruned != n {
			t.Errorf("%+v", c)
		}
	})
}

// An entry from a time when the clock was ahead holds back those after it, and nothing is lost.
func TestClockGoingBackwards(t *testing.T) {
	path := logPath(t)
	synctest.Test(t, func(t *testing.T) {
		l := mustOpen(t, path)
		mustAppend(t, l, info("1", 1))
		time.Sleep(100 * day)
		mustAppend(t, l, info("1", 1))
		if _, err := l.Publish(t.Context(), day); err != nil {
			t.Fatal(err)
		}
		mustClose(t, l)
	})
	synctest.Test(t, func(t *testing.T) { // the clock starts again at the same time
		l := mustOpen(t, path)
		defer mustClose(t, l)
		if r := mustAppend(t, l, info("1", 1)); r.Sequence != 3 && !r.Repeated {
			t.Errorf("receipt %+v", r)
		}
		c, err := l.Publish(t.Context(), day)
		if err != nil || time.Since(c.Time) > day {
			t.Errorf("a checkpoint from the future stays: %v, %v", c.Time, err)
		}
		if r, err := l.Verify(); err != nil || r.Entries < 2 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}
