package audit

import (
	"bytes"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddyserver/certmagic"
	"go.uber.org/goleak"
)

// helperMode tells a process started by a test what to do instead of the tests.
const helperMode = "WIKIVEIL_AUDIT_TEST_HELPER"

func TestMain(m *testing.M) {
	if mode := os.Getenv(helperMode); mode != "" {
		if err := helpers[mode](os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// certmagic's file lock ends its goroutine some seconds after the lock.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"))
}

// helpers are what such a process may do, with the path of a log.
var helpers = make(map[string]func(path string) error)

func testKeys(t testing.TB, fill byte) *Keys {
	t.Helper()
	keys, err := NewKeys(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func mask(n int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x00, 0x2f, 14: byte(n >> 8), 15: byte(n)})
}

func masks(ns ...int) []netip.Addr {
	var out []netip.Addr
	for _, n := range ns {
		out = append(out, mask(n))
	}
	return out
}

func logPath(t testing.TB) string { return filepath.Join(t.TempDir(), "audit.db") }

// headsOf keeps the heads of the log at a path beside it.
func headsOf(path string) Heads {
	return StorageHeads(&certmagic.FileStorage{Path: path + ".storage"}, "edge-1")
}

func openAt(path string, keys *Keys) (*Log, error) {
	store, err := OpenBolt(path)
	if err != nil {
		return nil, err
	}
	l, err := Open(Config{Store: store, Keys: keys, Heads: headsOf(path), Node: "edge-1", Report: func(err error) { panic(err) }})
	if err != nil {
		store.Close()
	}
	return l, err
}

func mustOpen(t testing.TB, path string) *Log {
	t.Helper()
	l, err := openAt(path, testKeys(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustClose(t testing.TB, l interface{ Close() error }) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustAppend(t testing.TB, l *Log, e Entry) Receipt {
	t.Helper()
	r, err := l.Append(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func entries(t testing.TB, l *Log) []Entry {
	t.Helper()
	var out []Entry
	for e, err := range l.Entries(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func info(performer string, m ...int) Entry {
	return Entry{Performer: performer, Action: Info, Masks: masks(m...)}
}

func reveal(performer string, m int) Entry {
	return Entry{Performer: performer, Action: Reveal, Masks: masks(m), Reason: "threats against a person"}
}

// sampleLog writes eight entries, of which the third and seventh are reveals, and
// returns the checkpoints after the fifth and the eighth.
func sampleLog(t testing.TB, path string) (five, eight Checkpoint) {
	t.Helper()
	l := mustOpen(t, path)
	defer mustClose(t, l)
	for i := 1; i <= 8; i++ {
		if i == 3 || i == 7 {
			mustAppend(t, l, reveal("42", i))
		} else {
			mustAppend(t, l, info(fmt.Sprint(i), i))
		}
		if i == 5 {
			five = l.Checkpoint()
		}
	}
	eight = l.Checkpoint()
	if five.Entries != 5 || five.Reveals != 1 || eight.Entries != 8 || eight.Reveals != 2 {
		t.Fatalf("checkpoints count %+v and %+v", five, eight)
	}
	return five, eight
}

const year = 365 * day

// recordStore holds records to be read.
type recordStore struct {
	Store
	all    [][]byte
	pruned uint64
}

func (s *recordStore) View(from uint64, fn func([]byte, iter.Seq2[uint64, []byte]) error) error {
	return fn(nil, func(yield func(uint64, []byte) bool) {
		for n := max(from, s.pruned+1); n <= uint64(len(s.all)); n++ {
			if !yield(n, s.all[n-1]) {
				return
			}
		}
	})
}
