package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/certmagic"
	"go.etcd.io/bbolt"
)

// copyOf keeps what the file at a path holds just now.
func copyOf(t *testing.T, path string) (putBack func()) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// refused opens a log that must be refused, and accepted again once the right file is back.
func refused(t *testing.T, path, want string) {
	t.Helper()
	l, err := openAt(path, testKeys(t, 1))
	if err == nil {
		mustClose(t, l)
		t.Fatalf("it was opened, want %q", want)
	}
	if !strings.Contains(err.Error(), want) {
		t.Fatalf("refused with %v, want %q", err, want)
	}
}

// Case 29: each way of putting an older file in place is refused, and found by Verify; the right file is taken again.
func TestCase29CopyPutBackIsRefused(t *testing.T) {
	path := logPath(t)
	l := mustOpen(t, path)
	mustAppend(t, l, info("1", 1))
	store := l.config.Store.(*boltStore)
	old := path + ".copy"
	if err := store.file.View(func(tx *bbolt.Tx) error { // while it runs
		to, err := os.Create(old)
		if err != nil {
			return err
		}
		defer to.Close()
		_, err = tx.WriteTo(to)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	receipt := mustAppend(t, l, reveal("7", 2))
	if err := receipt.Head.Verify(l.PublicKey()); err != nil || receipt.Head.Entries != 2 || receipt.Head.Reveals != 1 {
		t.Errorf("receipt %+v, %v", receipt.Head, err)
	}
	mustClose(t, l)
	right := copyOf(t, path)

	if err := os.Rename(old, path); err != nil {
		t.Fatal(err)
	}
	refused(t, path, "it is an older copy, of 1 entries, 0 of them reveals: its head in the storage counts 2 entries, 1 of them reveals")
	verify(t, path, "against the head", VerifyOptions{Keys: testKeys(t, 1), Heads: headsOf(path)}, "entry 2: it and all to 2 are missing")
	verify(t, path, "against the receipt", VerifyOptions{Keys: testKeys(t, 1), Checkpoints: []Checkpoint{receipt.Head}}, "entry 2: it and all to 2 are missing")

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	refused(t, path, "it is gone: its head in the storage counts 2 entries, 1 of them reveals")
	refused(t, path, "it is gone") // the first refusal left nothing that would do

	right()
	l = mustOpen(t, path)
	mustAppend(t, l, reveal("7", 3))
	if r, err := l.Verify(receipt.Head); err != nil || r.Followed != 2 {
		t.Errorf("the right file: %+v, %v", r, err)
	}
	mustClose(t, l)
}

// A file that went another way than the head was signed for, as after two edges had one's copy.
func TestOtherWayThanTheHeadIsRefused(t *testing.T) {
	path := logPath(t)
	l := mustOpen(t, path)
	mustAppend(t, l, info("1", 1))
	mustClose(t, l)
	early := copyOf(t, path)
	l = mustOpen(t, path)
	mustAppend(t, l, reveal("1", 2))
	mustClose(t, l)
	heads := headsOf(path)
	late, err := heads.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	early()
	if err := os.RemoveAll(path + ".storage"); err != nil {
		t.Fatal(err)
	}
	refused(t, path, "its head isn't in the storage any more")
	if _, err := acceptAt(t, path, "storage lost"); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, path)
	mustAppend(t, l, reveal("1", 3))
	mustClose(t, l)
	if err := heads.Store(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	refused(t, path, "up to entry 2 it is another one than its head in the storage counts")
	l, err = openOther(t, path)
	if err == nil {
		mustClose(t, l)
	}
	if err == nil || !strings.Contains(err.Error(), "its head in the storage") {
		t.Errorf("a log begun anew: %v", err)
	}
}

// openOther opens a new log at another path with the heads of this one.
func openOther(t *testing.T, path string) (*Log, error) {
	t.Helper()
	other := logPath(t)
	mustClose(t, mustOpen(t, other))
	store, err := OpenBolt(other)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(Config{Store: store, Keys: testKeys(t, 1), Heads: headsOf(path), Node: "edge-1"})
	if err != nil {
		mustClose(t, store)
	}
	return l, err
}

func acceptAt(t *testing.T, path, reason string) (string, error) {
	t.Helper()
	store, err := OpenBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	return AcceptLoss(t.Context(), Config{Store: store, Keys: testKeys(t, 1), Heads: headsOf(path), Node: "edge-1"}, "admin:root", reason)
}

// A restored backup is used only once somebody has said so in the log.
func TestAcceptedLossIsInTheLog(t *testing.T) {
	path := logPath(t)
	l := mustOpen(t, path)
	mustAppend(t, l, info("1", 1))
	mustClose(t, l)
	backup := copyOf(t, path)
	l = mustOpen(t, path)
	receipt := mustAppend(t, l, reveal("1", 2))
	mustClose(t, l)
	if _, err := acceptAt(t, path, "nothing to accept"); !errors.Is(err, ErrNoLoss) {
		t.Errorf("a log without loss: %v", err)
	}

	backup()
	if _, err := acceptAt(t, path, " "); !errors.Is(err, ErrNoReason) {
		t.Errorf("without a reason: %v", err)
	}
	refused(t, path, "an older copy") // still
	lost, err := acceptAt(t, path, "disk failure, backup of Sunday restored")
	if err != nil || lost != "1 entries, 1 of them reveals" {
		t.Fatalf("lost %q, %v", lost, err)
	}
	l = mustOpen(t, path)
	all := entries(t, l)
	want := Entry{Performer: "admin:root", Action: Loss, Reason: "lost: 1 entries, 1 of them reveals; disk failure, backup of Sunday restored"}
	if got := all[len(all)-1]; got.Action != want.Action || got.Performer != want.Performer || got.Reason != want.Reason {
		t.Errorf("the last entry is %+v, want %+v", got, want)
	}
	if _, err := l.Verify(receipt.Head); !errors.Is(err, ErrTampered) {
		t.Errorf("who holds the receipt of what was lost sees %v", err)
	}
	mustClose(t, l)
}

// Case 30: whoever can write the file and the last published checkpoint, but has no keys, can't write a
// state for a log that is cut there.
func TestCase30StateCutToThePublishedCheckpoint(t *testing.T) {
	path := logPath(t)
	five, _ := publishedLog(t, path)
	forge(t, path, func(f *forger) {
		for n := uint64(6); n <= 8; n++ {
			f.drop(n)
		}
		s, err := decodeState(f.state.Get(stateKey))
		f.ok(err)
		signature := slices.Clone(f.state.Get(stateKey)[len(f.state.Get(stateKey))-64:])
		at := s.start() // as it was by then
		for n := uint64(1); n <= 5; n++ {
			r, err := decodeRecord(f.get(n))
			f.ok(err)
			at = at.extend(r.action, f.get(n), nil)
		}
		if s.chain = at; !five.isOf(at) {
			t.Fatal("not the published checkpoint's")
		}
		data := s.encode(testKeys(t, 2)) // another key in the place of the log's
		f.ok(f.state.Put(stateKey, append(data[:len(data)-64], signature...)))
	})
	if err := os.RemoveAll(path + ".storage"); err != nil { // even with no head
		t.Fatal(err)
	}
	for how, o := range map[string]VerifyOptions{"alone": {}, "by the public key": {PublicKey: testKeys(t, 1).Public()}, "with keys": {Keys: testKeys(t, 1)}} {
		verify(t, path, how, o, "wrong signature of its state")
	}
	refused(t, path, "wrong signature of its state")
}

// heads that fail as told, over real ones.
type failingHeads struct {
	Heads
	err    atomic.Pointer[error]
	stores atomic.Int32
}

func (h *failingHeads) Store(ctx context.Context, head Checkpoint) error {
	h.stores.Add(1)
	if err := h.err.Load(); err != nil {
		return *err
	}
	return h.Heads.Store(ctx, head)
}

// openWithFailingHeads opens a new log whose heads can be made to fail.
func openWithFailingHeads(t *testing.T) (string, *failingHeads, *Log) {
	t.Helper()
	path := logPath(t)
	store, err := OpenBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	heads := &failingHeads{Heads: headsOf(path)}
	l, err := Open(Config{Store: store, Keys: testKeys(t, 1), Heads: heads, Node: "edge-1"})
	if err != nil {
		t.Fatal(err)
	}
	return path, heads, l
}

// Where the head can't be stored, no reveal is answered; look-ups go on. A crash in between leaves the
// file ahead of its head, which is taken.
func TestRevealNeedsItsHead(t *testing.T) {
	path, heads, l := openWithFailingHeads(t)
	broken := errors.New("storage is away")
	heads.err.Store(&broken)
	for range 2 {
		if _, err := l.Append(t.Context(), reveal("1", 1)); !errors.Is(err, ErrHead) || !errors.Is(err, broken) {
			t.Errorf("reveal: %v, want %v", err, ErrHead)
		}
	}
	mustAppend(t, l, info("1", 2))
	mustClose(t, l) // which can't store the head either

	l = mustOpen(t, path) // the file has three entries, its head counts none
	if r := mustAppend(t, l, reveal("1", 3)); r.Head.Entries != 4 || r.Head.Reveals != 3 {
		t.Errorf("head %+v", r.Head)
	}
	if _, err := l.Verify(); err != nil {
		t.Error(err)
	}
	mustClose(t, l)
}

// Look-ups' heads are stored before long, and at the latest when the log is closed.
func TestHeadOfLookUps(t *testing.T) {
	path := logPath(t)
	l := mustOpen(t, path)
	for i := range 5 {
		mustAppend(t, l, info("1", i))
	}
	mustClose(t, l)
	head, err := headsOf(path).Load(t.Context())
	if err != nil || head.Entries != 5 {
		t.Errorf("head %+v, %v", head, err)
	}
}

// Two edges on copies of one data directory would each see the other's head as a log put back: reveals
// stop at the one that comes second.
func TestCopiedDataDirectory(t *testing.T) {
	path := logPath(t)
	l := mustOpen(t, path)
	mustAppend(t, l, info("1", 1))
	mustClose(t, l)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	twin := logPath(t)
	if err := os.WriteFile(twin, data, 0o600); err != nil {
		t.Fatal(err)
	}
	var logs []*Log
	for _, p := range []string{path, twin} {
		store, err := OpenBolt(p)
		if err != nil {
			t.Fatal(err)
		}
		l, err := Open(Config{Store: store, Keys: testKeys(t, 1), Heads: headsOf(path), Node: "edge-1"})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		logs = append(logs, l)
	}
	mustAppend(t, logs[0], reveal("1", 1))
	if _, err := logs[1].Append(t.Context(), reveal("1", 2)); !errors.Is(err, ErrHead) || !strings.Contains(err.Error(), "was the data directory copied?") {
		t.Errorf("the twin: %v", err)
	}
	mustAppend(t, logs[0], reveal("1", 3))
}

// A head that is taken away under a running log is said and comes back; Verify tells of it meanwhile.
func TestHeadTakenAwayUnderARunningLog(t *testing.T) {
	path := logPath(t)
	store, err := OpenBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	said := make(chan error, 8)
	l, err := Open(Config{Store: store, Keys: testKeys(t, 1), Heads: headsOf(path), Node: "edge-1", Report: func(err error) { said <- err }})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, l)
	mustAppend(t, l, reveal("1", 1))
	if err := os.RemoveAll(path + ".storage"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Verify(); !errors.Is(err, ErrTampered) {
		t.Errorf("verify: %v", err)
	}
	mustAppend(t, l, reveal("1", 2))
	if err := <-said; !strings.Contains(err.Error(), "stored anew") {
		t.Error(err)
	}
	if r, err := l.Verify(); err != nil || r.Followed != 1 {
		t.Errorf("verify: %+v, %v", r, err)
	}
}

// An older head in the place of the newest is no harm, and is replaced.
func TestOlderHeadIsReplaced(t *testing.T) {
	path := logPath(t)
	l := mustOpen(t, path)
	first := mustAppend(t, l, reveal("1", 1))
	mustAppend(t, l, reveal("1", 2))
	if err := headsOf(path).Store(t.Context(), first.Head); err != nil {
		t.Fatal(err)
	}
	third := mustAppend(t, l, reveal("1", 3))
	if head, err := headsOf(path).Load(t.Context()); err != nil || head.Entries != 3 || head.Head != third.Head.Head {
		t.Errorf("head %+v, %v", head, err)
	}
	mustClose(t, l)
}

// Many reveals at once share heads.
func TestRevealsShareHeads(t *testing.T) {
	_, heads, l := openWithFailingHeads(t)
	defer mustClose(t, l)
	const n = 200
	done := make(chan error, n)
	for i := range n {
		go func() {
			r, err := l.Append(context.Background(), reveal(fmt.Sprint(i), i))
			if err == nil && r.Head.Entries < r.Sequence {
				err = fmt.Errorf("entry %d has a head of %d", r.Sequence, r.Head.Entries)
			}
			done <- err
		}()
	}
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d heads for %d reveals", heads.stores.Load(), n)
}

func TestDamagedOrForgedHeadIsRefused(t *testing.T) {
	path := logPath(t)
	l := mustOpen(t, path)
	mustAppend(t, l, reveal("1", 1))
	mustClose(t, l)
	head, err := headsOf(path).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	forged := head
	forged.Note = strings.Replace(forged.Note, "\n1\n", "\n0\n", 1)
	forged.Note = strings.Replace(forged.Note, "reveals 1", "reveals 0", 1)
	if err := headsOf(path).Store(t.Context(), forged); err != nil {
		t.Fatal(err)
	}
	refused(t, path, "checkpoint has a wrong signature")
	storage := &certmagic.FileStorage{Path: path + ".storage"}
	if err := storage.Store(t.Context(), "wikiveil/audit_heads/edge-1.checkpoint", []byte("{")); err != nil {
		t.Fatal(err)
	}
	refused(t, path, "the log's head wikiveil/audit_heads/edge-1.checkpoint in the storage: checkpoint is not of its form")
	if err := storage.Delete(t.Context(), "wikiveil/audit_heads/edge-1.checkpoint"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	refused(t, path, "its head isn't in the storage any more")
}

// bbolt goes on from the commit before where its newest header is damaged; the head tells that a reveal is lost by that.
func TestLostCommitIsNoticed(t *testing.T) {
	path := logPath(t)
	l := mustOpen(t, path)
	mustAppend(t, l, info("1", 1))
	mustAppend(t, l, reveal("1", 2))
	mustClose(t, l)
	whole := copyOf(t, path)
	lost := 0
	for _, header := range []int64{0, int64(os.Getpagesize())} {
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt([]byte("damage"), header+40); err != nil {
			t.Fatal(err)
		}
		file.Close()
		l, err := openAt(path, testKeys(t, 1))
		switch {
		case err == nil: // it was the older one
			mustClose(t, l)
		case strings.Contains(err.Error(), "it is an older copy, of 1 entries"):
			lost++
		default:
			t.Error(err)
		}
		whole()
	}
	if lost != 1 {
		t.Errorf("the loss was noticed %d times", lost)
	}
}
