package audit

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// faulty is a real store whose writes can be made to fail: without a trace, as on a
// full disk, or after all has been written, as where the last sync fails.
type faulty struct {
	Store
	mode atomic.Int32
}

const (
	works int32 = iota
	failsFirst
	failsLast
)

var errDisk = errors.New("disk on fire")

func (f *faulty) write(do func() error) error {
	switch f.mode.Load() {
	case failsFirst:
		return errDisk
	case failsLast:
		return errors.Join(do(), errDisk)
	}
	return do()
}

func (f *faulty) Append(first uint64, records [][]byte, state []byte) error {
	return f.write(func() error { return f.Store.Append(first, records, state) })
}

func (f *faulty) Prune(last uint64, state []byte) error {
	return f.write(func() error { return f.Store.Prune(last, state) })
}

func openFaulty(t *testing.T, path string, report func(error)) (*Log, *faulty) {
	t.Helper()
	store, err := OpenBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	f := &faulty{Store: store}
	l, err := Open(Config{Store: f, Keys: testKeys(t, 1), Heads: headsOf(path), Node: "edge-1", Report: report})
	if err != nil {
		t.Fatal(err)
	}
	return l, f
}

func TestFailedWriteRefusesAndRecovers(t *testing.T) {
	l, store := openFaulty(t, logPath(t), nil)
	defer mustClose(t, l)
	mustAppend(t, l, info("1", 1))
	store.mode.Store(failsFirst)
	for range 3 {
		if _, err := l.Append(t.Context(), info("1", 2)); !errors.Is(err, errDisk) {
			t.Errorf("got %v, want %v", err, errDisk)
		}
	}
	if r := mustAppend(t, l, info("1", 1)); !r.Repeated {
		t.Error("what was written before needs no disk")
	}
	if _, err := l.Publish(t.Context(), day); !errors.Is(err, errDisk) {
		t.Errorf("publishing: %v, want %v", err, errDisk)
	}
	store.mode.Store(works)
	if r := mustAppend(t, l, info("1", 2)); r.Sequence != 2 || r.Repeated {
		t.Errorf("receipt %+v: the refused entry counts as written", r)
	}
	if _, err := l.Verify(); err != nil {
		t.Error(err)
	}
}

// Where a write was reported to have failed and is in the file all the same, nobody
// knows what the disk holds: the log stops until it is opened, and verified, anew.
func TestWriteThatMayHaveFailedStopsTheLog(t *testing.T) {
	path := logPath(t)
	l, store := openFaulty(t, path, nil)
	mustAppend(t, l, info("1", 1))
	store.mode.Store(failsLast)
	if _, err := l.Append(t.Context(), info("1", 2)); !errors.Is(err, errDisk) {
		t.Errorf("got %v, want %v", err, errDisk)
	}
	store.mode.Store(works)
	for range 2 {
		if _, err := l.Append(t.Context(), info("1", 3)); !errors.Is(err, ErrFailed) {
			t.Errorf("got %v, want %v", err, ErrFailed)
		}
	}
	mustClose(t, l)
	l = mustOpen(t, path)
	defer mustClose(t, l)
	if r := mustAppend(t, l, info("1", 3)); r.Sequence != 3 {
		t.Errorf("opened anew, the next entry has number %d, want 3", r.Sequence)
	}
	if _, err := l.Verify(); err != nil {
		t.Error(err)
	}
}

func TestFailureToPruneIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reports := make(chan error, 10_000)
		l, store := openFaulty(t, logPath(t), func(err error) { reports <- err })
		mustAppend(t, l, info("1", 1))
		store.mode.Store(failsFirst)
		time.Sleep(year + pruneEvery)
		synctest.Wait()
		if len(reports) == 0 || !errors.Is(<-reports, errDisk) {
			t.Error("it was not reported")
		}
		if c := l.Checkpoint(); c.Pruned != 0 {
			t.Errorf("it counts as pruned: %+v", c)
		}
		store.mode.Store(works)
		time.Sleep(pruneEvery)
		synctest.Wait()
		if c := l.Checkpoint(); c.Pruned != 1 {
			t.Errorf("it was not pruned when it could be: %+v", c)
		}
		mustClose(t, l)
	})
}
