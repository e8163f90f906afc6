package blocks

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
	"github.com/wikiveil/wikiveil/internal/trustedclock"
)

func TestMatch(t *testing.T) {
	s := files(t)
	mustAdd(t, mustOpen(t, s),
		Block{Mask: mask(1), By: "1", Reason: "vandalism", Expires: time.Now().Add(time.Hour)},
		Block{Mask: networkMask(1), By: "2", Reason: "proxies"})
	l := mustOpen(t, s) // what is stored counts
	for name, c := range map[string]struct {
		masks []netip.Addr
		want  string // the reason
	}{
		"the client":               {[]netip.Addr{mask(1)}, "vandalism"},
		"another client":           {[]netip.Addr{mask(2)}, ""},
		"its network":              {[]netip.Addr{mask(2), networkMask(2), networkMask(1)}, "proxies"},
		"the client before others": {[]netip.Addr{mask(1), networkMask(1)}, "vandalism"},
		"no masks":                 {nil, ""},
		"no address":               {[]netip.Addr{{}}, ""},
		"IPv4 of the same bytes":   {[]netip.Addr{netip.AddrFrom4([4]byte{0, 0, 0, 1})}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b, ok := l.Match(c.masks)
			if ok != (c.want != "") || b.Reason != c.want {
				t.Errorf("got %v %+v, want reason %q", ok, b, c.want)
			}
		})
	}
	hit, miss := []netip.Addr{mask(2), networkMask(1)}, []netip.Addr{mask(2), networkMask(2)}
	if n := testing.AllocsPerRun(100, func() { l.Match(hit); l.Match(miss) }); n != 0 {
		t.Errorf("it allocates %v times", n)
	}
	if info, err := os.Stat(filepath.Join(s.Path, Key)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 600", info.Mode(), err)
	}
}

func TestRefusedBlocks(t *testing.T) {
	for name, c := range map[string]struct {
		block Block
		want  error
	}{
		"an address":     {Block{Mask: netip.MustParseAddr("203.0.113.77"), By: "1"}, ErrNotMask},
		"nothing":        {Block{By: "1"}, ErrNotMask},
		"unused masks":   {Block{Mask: netip.MustParseAddr("2001:20::1"), By: "1"}, ErrNotMask},
		"by nobody":      {Block{Mask: mask(1)}, ErrBy},
		"by two lines":   {Block{Mask: mask(1), By: "a\nb"}, ErrBy},
		"long reason":    {Block{Mask: mask(1), By: "1", Reason: strings.Repeat("x", MaxReason+1)}, ErrReason},
		"reason's bytes": {Block{Mask: mask(1), By: "1", Reason: "\xff"}, ErrReason},
		"expired":        {Block{Mask: mask(1), By: "1", Expires: time.Now()}, ErrExpired},
	} {
		t.Run(name, func(t *testing.T) {
			l := mustOpen(t, files(t))
			err := l.Add(t.Context(), Block{Mask: mask(9), By: "1"}, c.block)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "203.0.113.77") {
				t.Errorf("the error holds an address: %v", err)
			}
			if l.Len() != 0 {
				t.Error("the good one beside it was added")
			}
		})
	}
}

func TestAddReplacesAndRemoveRemoves(t *testing.T) {
	s := files(t)
	l := mustOpen(t, s)
	mustAdd(t, l, Block{Mask: mask(1), By: "1", Reason: "first"}, Block{Mask: mask(2), By: "1"})
	mustAdd(t, l, Block{Mask: mask(1), By: "2", Reason: "second"})
	if b, ok := l.Match([]netip.Addr{mask(1)}); !ok || b.Reason != "second" || b.By != "2" || time.Since(b.Created) > time.Minute {
		t.Errorf("got %v %+v, want the second", ok, b)
	}
	if n := len(l.All()); n != 2 {
		t.Errorf("%d blocks, want 2", n)
	}
	if n, err := l.Remove(t.Context(), mask(1), mask(3)); n != 1 || err != nil {
		t.Errorf("removed %d, %v, want 1", n, err)
	}
	if n, err := l.Remove(t.Context(), mask(1)); n != 0 || err != nil {
		t.Errorf("removed %d, %v, want none", n, err)
	}
	for _, l := range []*List{l, mustOpen(t, s)} {
		if blocked(l, mask(1)) || !blocked(l, mask(2)) {
			t.Errorf("left: %+v, want the second mask's", l.All())
		}
	}
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := files(t)
		l := mustOpen(t, s)
		mustAdd(t, l, Block{Mask: mask(1), By: "1", Expires: time.Now().Add(time.Hour)}, Block{Mask: mask(2), By: "1"})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { l.Follow(ctx, time.Minute, func(err error) { t.Error(err) }) })
		time.Sleep(time.Hour - time.Nanosecond)
		if !blocked(l, mask(1)) {
			t.Error("it ended too soon")
		}
		time.Sleep(time.Nanosecond)
		if blocked(l, mask(1)) || len(l.All()) != 1 {
			t.Errorf("it did not end: %+v", l.All())
		}
		if n, err := l.Remove(ctx, mask(7)); n != 0 || err != nil || l.Len() != 2 {
			t.Errorf("it was deleted at once, when the clock might be wrong: %d kept", l.Len())
		}
		time.Sleep(grace + time.Minute)
		synctest.Wait()
		if l.Len() != 1 {
			t.Errorf("%d kept after a day, want 1", l.Len())
		}
		if data, err := s.Load(ctx, Key); err != nil || strings.Contains(string(data), mask(1).String()) {
			t.Errorf("it is still in the storage, %v", err)
		}
		if !blocked(l, mask(2)) {
			t.Error("the one without an expiry ended")
		}
		cancel()
		wg.Wait()
		time.Sleep(time.Minute) // certmagic's goroutines of its locks end
	})
}

// When the clock goes back, blocks of the future hold, and those that had ended for a
// clock that was ahead hold again.
func TestClockGoingBackwards(t *testing.T) {
	s := files(t)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(10 * time.Hour)
		l := mustOpen(t, s)
		mustAdd(t, l, Block{Mask: mask(1), By: "1", Expires: time.Now().Add(time.Hour)})
		time.Sleep(2 * time.Hour)
		if blocked(l, mask(1)) {
			t.Error("it did not end")
		}
		mustAdd(t, l, Block{Mask: mask(2), By: "1"})
		time.Sleep(time.Minute)
	})
	synctest.Test(t, func(t *testing.T) { // ten hours back
		l := mustOpen(t, s)
		mustAdd(t, l, Block{Mask: mask(3), By: "1"})
		for n := 1; n <= 3; n++ {
			if !blocked(l, mask(n)) {
				t.Errorf("block %d does not hold", n)
			}
		}
		time.Sleep(time.Minute)
	})
}

// Case 43: while the clock is years ahead blocks hold that would have ended by it, and none is deleted.
func TestCase43BlocksOutliveAWrongClock(t *testing.T) {
	wall, elapsed := time.Now(), time.Duration(0)
	clock := trustedclock.NewFrom(func() (time.Time, time.Duration) { return wall, elapsed })
	s := files(t)
	l, err := Open(t.Context(), s, clock)
	if err != nil {
		t.Fatal(err)
	}
	mustAdd(t, l, Block{Mask: mask(1), By: "1", Expires: wall.Add(31 * 24 * time.Hour)})
	wall, elapsed = wall.Add(4*365*24*time.Hour), elapsed+17*time.Second
	if err := l.poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, l, Block{Mask: mask(2), By: "1", Expires: wall.Add(time.Hour)})
	wall = wall.Add(-4 * 365 * 24 * time.Hour)
	for _, again := range []*List{l, mustOpen(t, s)} {
		if !blocked(again, mask(1)) || again.Len() != 2 {
			t.Errorf("the block is gone: %+v", again.All())
		}
	}
}

func TestNodesShareTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		a, b := mustOpen(t, &certmagic.FileStorage{Path: dir}), mustOpen(t, &certmagic.FileStorage{Path: dir})
		var wg sync.WaitGroup
		wg.Go(func() { b.Follow(ctx, 0, func(err error) { t.Error(err) }) })
		mustAdd(t, a, Block{Mask: mask(1), By: "1"})
		time.Sleep(DefaultPoll)
		synctest.Wait()
		if !blocked(b, mask(1)) {
			t.Error("the other node does not know the block after its poll")
		}
		mustAdd(t, b, Block{Mask: mask(2), By: "1"})
		if _, err := a.Remove(ctx, mask(1)); err != nil { // a has not polled yet
			t.Fatal(err)
		}
		if !blocked(a, mask(2)) {
			t.Error("a change overwrote the other node's")
		}
		time.Sleep(DefaultPoll)
		synctest.Wait()
		if blocked(b, mask(1)) || !blocked(b, mask(2)) {
			t.Errorf("the other node has %+v", b.All())
		}
		cancel()
		wg.Wait()
		time.Sleep(time.Minute)
	})
}

func TestManyNodesAtOnceLoseNothing(t *testing.T) {
	dir := t.TempDir()
	const nodes, each = 3, 4
	var wg sync.WaitGroup
	for n := range nodes {
		l := mustOpen(t, &certmagic.FileStorage{Path: dir})
		wg.Go(func() {
			for i := range each {
				if err := l.Add(context.Background(), Block{Mask: mask(n*each + i), By: "1"}); err != nil {
					t.Error(err)
				}
				l.Match([]netip.Addr{mask(1)})
			}
		})
	}
	wg.Wait()
	if l := mustOpen(t, &certmagic.FileStorage{Path: dir}); l.Len() != nodes*each {
		t.Errorf("%d blocks, want %d", l.Len(), nodes*each)
	}
}

func TestDamagedListIsNeverOverwritten(t *testing.T) {
	ctx := context.Background()
	s := files(t)
	l := mustOpen(t, s)
	mustAdd(t, l, Block{Mask: mask(1), By: "1"})
	const damage = `{"version":1,"blocks":1,"sha256":"00"}`
	if err := s.Store(ctx, Key, []byte(damage)); err != nil {
		t.Fatal(err)
	}
	_, removeErr := l.Remove(ctx, mask(1))
	_, openErr := Open(ctx, s, trustedclock.New())
	for name, err := range map[string]error{
		"opening": openErr, "adding": l.Add(ctx, Block{Mask: mask(2), By: "1"}), "removing": removeErr, "polling": l.Refresh(ctx),
	} {
		if !errors.Is(err, shareddoc.ErrDamaged) || !strings.Contains(err.Error(), "restore "+Key) {
			t.Errorf("%s: %v, want %v with what to do", name, err, shareddoc.ErrDamaged)
		}
	}
	if data, err := s.Load(ctx, Key); err != nil || string(data) != damage {
		t.Errorf("it changed to %q, %v", data, err)
	}
	if !blocked(l, mask(1)) {
		t.Error("the last list read no longer holds")
	}
}

func TestVanishedListHolds(t *testing.T) {
	ctx := context.Background()
	s := files(t)
	l := mustOpen(t, s)
	mustAdd(t, l, Block{Mask: mask(1), By: "1"})
	if err := s.Delete(ctx, Key); err != nil {
		t.Fatal(err)
	}
	if err := l.Refresh(ctx); !errors.Is(err, shareddoc.ErrVanished) {
		t.Errorf("got %v, want %v", err, shareddoc.ErrVanished)
	}
	if err := l.Add(ctx, Block{Mask: mask(2), By: "1"}); !errors.Is(err, shareddoc.ErrVanished) {
		t.Errorf("got %v, want %v", err, shareddoc.ErrVanished)
	}
	if !blocked(l, mask(1)) {
		t.Error("the last list read no longer holds")
	}
	if _, err := s.Load(ctx, Key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was written in its place: %v", err)
	}
	// Restarted, it is empty and can be added to.
	l = mustOpen(t, s)
	mustAdd(t, l, Block{Mask: mask(2), By: "1"})
	if l.Len() != 1 {
		t.Errorf("%d blocks, want 1", l.Len())
	}
}

// failing is a storage whose disk can be taken away.
type failing struct {
	shareddoc.Storage
	broken atomic.Bool
}

var errDisk = errors.New("no such disk")

func (f *failing) Load(ctx context.Context, key string) ([]byte, error) {
	if f.broken.Load() {
		return nil, errDisk
	}
	return f.Storage.Load(ctx, key)
}

// slow is a storage that holds back what it has read until it is told to go on.
type slow struct {
	shareddoc.Storage
	next       atomic.Bool // hold back the next
	read, goOn chan struct{}
}

func (s *slow) Load(ctx context.Context, key string) ([]byte, error) {
	data, err := s.Storage.Load(ctx, key)
	if s.next.CompareAndSwap(true, false) {
		close(s.read)
		<-s.goOn
	}
	return data, err
}

// A poll that read the list before a change must not undo it.
func TestPollDoesNotUndoAChange(t *testing.T) {
	s := &slow{Storage: files(t), read: make(chan struct{}), goOn: make(chan struct{})}
	l := mustOpen(t, s)
	mustAdd(t, l, Block{Mask: mask(1), By: "1"})
	if _, err := mustOpen(t, s.Storage).Remove(t.Context(), mask(1)); err != nil {
		t.Fatal(err)
	}
	s.next.Store(true)
	var both sync.WaitGroup
	both.Go(func() {
		if err := l.Refresh(context.Background()); err != nil {
			t.Error(err)
		}
	})
	<-s.read
	both.Go(func() {
		if err := l.Add(context.Background(), Block{Mask: mask(2), By: "1"}); err != nil {
			t.Error(err)
		}
	})
	time.Sleep(100 * time.Millisecond) // time for the change to overtake the poll
	close(s.goOn)
	both.Wait()
	if !blocked(l, mask(2)) {
		t.Errorf("the change is undone: %+v", l.All())
	}
}

func TestStorageFailureIsReportedOnceAndOutlived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &failing{Storage: files(t)}
		l := mustOpen(t, s)
		mustAdd(t, l, Block{Mask: mask(1), By: "1"})
		ctx, cancel := context.WithCancel(t.Context())
		reports := make(chan error, 100)
		var wg sync.WaitGroup
		wg.Go(func() { l.Follow(ctx, time.Second, func(err error) { reports <- err }) })
		for range 2 {
			s.broken.Store(true)
			time.Sleep(10 * time.Second)
			if !blocked(l, mask(1)) {
				t.Error("the last list read no longer holds")
			}
			if n := len(reports); n != 1 || !errors.Is(<-reports, errDisk) {
				t.Errorf("%d reports, want one", n)
			}
			s.broken.Store(false)
			time.Sleep(10 * time.Second)
		}
		cancel()
		wg.Wait()
		time.Sleep(time.Minute)
	})
}

func TestHundredThousandBlocks(t *testing.T) {
	s := files(t)
	l := mustOpen(t, s)
	const n = 100_000
	add := make([]Block, 0, n)
	for i := range n {
		add = append(add, Block{Mask: mask(i), By: "1", Reason: "open proxy"})
	}
	mustAdd(t, l, add...)
	l = mustOpen(t, s)
	if l.Len() != n || !blocked(l, mask(0)) || !blocked(l, mask(n-1)) || blocked(l, mask(n)) {
		t.Errorf("%d blocks", l.Len())
	}
	if removed, err := l.Remove(t.Context(), mask(n/2)); removed != 1 || err != nil || blocked(l, mask(n/2)) {
		t.Errorf("removed %d, %v", removed, err)
	}
	for i := n; i < MaxBlocks; i++ {
		add = append(add, Block{Mask: mask(i), By: "1"})
	}
	add = append(add, Block{Mask: networkMask(1), By: "1"})
	if err := l.Add(t.Context(), add...); !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want %v", err, ErrFull)
	}
	if l.Len() != n-1 {
		t.Errorf("%d blocks after a refusal, want %d", l.Len(), n-1)
	}
}
