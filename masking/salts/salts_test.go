package salts

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/kv"
	"github.com/wikiveil/wikiveil/masking"
)

const day24 = 24 * time.Hour

// world is a store, and nodes that use it, whose clock the test puts on.
type world struct {
	t      *testing.T
	path   string
	now    time.Time
	epochs []masking.Epoch
	store  kv.Store
}

func newWorld(t *testing.T) *world {
	ring, err := masking.ConfiguredRing(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, path: filepath.Join(t.TempDir(), "salts.db"), now: time.Now(), epochs: ring.Epochs()}
	w.open()
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) open() {
	w.t.Helper()
	var err error
	if w.store, err = kv.OpenBolt(w.path, w.time); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) time() time.Time { return w.now }

func (w *world) node(shared bool) *Site {
	w.t.Helper()
	s, err := New(Config{Store: w.store, Shared: shared, Idle: 30 * day24, Now: w.time})
	if err != nil {
		w.t.Fatal(err)
	}
	site, err := s.Site(w.epochs, "en", 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return site
}

// mask is the one that a request of a client has.
func (w *world) mask(s *Site, addr string, publishes bool) netip.Addr {
	w.t.Helper()
	a := netip.MustParseAddr(addr)
	salts, err := s.Of(w.t.Context(), a, publishes)
	if err != nil {
		w.t.Fatal(err)
	}
	site, err := masking.NewSite(w.epochs, masking.SiteConfig{Label: "en"})
	if err != nil {
		w.t.Fatal(err)
	}
	masks, err := site.Masks(masking.Who{Addr: a, Salts: salts}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return masks.Client
}

const someone = "203.0.113.9"

func TestStableFromFirstSightToTheIdleTime(t *testing.T) {
	w := newWorld(t)
	for _, shared := range []bool{false, true} {
		s := w.node(shared)
		addr := map[bool]string{false: someone, true: "2001:db8:1:2::3"}[shared]
		first := w.mask(s, addr, false)
		if got := w.mask(s, addr, true); got != first {
			t.Errorf("shared %v: reading as %v, editing as %v", shared, first, got)
		}
		if neighbour := map[bool]string{false: "203.0.113.10", true: "2001:db8:1:3::3"}[shared]; w.mask(s, neighbour, true) == first {
			t.Errorf("shared %v: a neighbour has the same mask", shared)
		}
		// An edit keeps it, a visit doesn't.
		for range 3 {
			w.now = w.now.Add(29 * day24)
			if got := w.mask(s, addr, true); got != first {
				t.Errorf("shared %v: an editor's mask changed", shared)
			}
		}
		w.now = w.now.Add(29 * day24)
		if got := w.mask(s, addr, false); got != first {
			t.Errorf("shared %v: changed before the idle time was over", shared)
		}
		w.now = w.now.Add(2 * day24)
		if got := w.mask(s, addr, false); got == first {
			t.Errorf("shared %v: the same after the idle time", shared)
		}
	}
	if w.mask(w.node(false), "2001:db8:1:2::3", true) != w.mask(w.node(true), "2001:db8:1:2:ffff::3", true) {
		t.Error("one /64 has two masks")
	}
}

func TestReadersAreForgotten(t *testing.T) {
	w := newWorld(t)
	before, err := os.ReadFile(w.path)
	if err != nil {
		t.Fatal(err)
	}
	s := w.node(false)
	first := w.mask(s, someone, false)
	after, err := os.ReadFile(w.path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("a reader was written to the disk: %v", err)
	}
	w.now = w.now.Add(ReaderLife)
	if w.mask(s, someone, false) == first {
		t.Error("a reader has the mask of the day before")
	}
}

func TestSurvivesAndAgrees(t *testing.T) {
	w := newWorld(t)
	first := w.mask(w.node(false), someone, true)
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	w.open()
	if w.mask(w.node(false), someone, false) != first {
		t.Error("another mask after a restart")
	}
	a, b := w.node(true), w.node(true)
	masks := make(chan netip.Addr, 40)
	for i := range cap(masks) {
		go func() {
			salts, err := []*Site{a, b}[i%2].Of(context.Background(), netip.MustParseAddr("198.51.100.1"), i%3 == 0)
			if err != nil {
				t.Error(err)
			}
			m, _ := a.epochs[0].masker.Salted(salts[0], netip.MustParseAddr("198.51.100.1"))
			masks <- m
		}()
	}
	one := <-masks
	for range cap(masks) - 1 {
		if <-masks != one {
			t.Fatal("two nodes don't agree")
		}
	}
}

// What is destroyed is in the file no more, and nothing there tells that two salts are of one client but that they have had the same place.
func TestDestroyedForGood(t *testing.T) {
	w := newWorld(t)
	s := w.node(false)
	w.mask(s, someone, true)
	w.mask(s, "203.0.113.10", true)
	sealed := func() []byte {
		t.Helper()
		keys, err := s.keys(netip.MustParseAddr(someone))
		if err != nil {
			t.Fatal(err)
		}
		values, err := w.store.Get(t.Context(), keys[0])
		if err != nil {
			t.Fatal(err)
		}
		return values[keys[0]]
	}
	old := sealed()
	inFile := func() bool {
		t.Helper()
		data, err := os.ReadFile(w.path)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(data, old)
	}
	if len(old) == 0 || !inFile() {
		t.Fatal("the salt isn't in the file: the test sees nothing")
	}
	w.now = w.now.Add(31 * day24)
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if inFile() || sealed() != nil {
		t.Error("the salt is still there")
	}
	w.mask(s, someone, true)
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	w.open()
	if s = w.node(false); sealed() == nil {
		t.Error("the compacted file lost what came after")
	}
}

func TestBurn(t *testing.T) {
	w := newWorld(t)
	s, addr := w.node(false), netip.MustParseAddr(someone)
	read := w.mask(s, someone, false)
	if err := s.Burn(t.Context(), addr); err != nil || w.mask(s, someone, false) == read {
		t.Errorf("a reader's mask isn't let go: %v", err)
	}
	edited := w.mask(s, someone, true)
	if err := s.Burn(t.Context(), addr); !errors.Is(err, ErrSettling) || w.mask(s, someone, false) != edited {
		t.Errorf("a fresh edit's mask is let go: %v", err)
	}
	w.now = w.now.Add(Settled + day24)
	if standing, err := s.Standing(t.Context(), addr); err != nil || standing.Edited.IsZero() || standing.Settling(w.now) {
		t.Errorf("standing %+v, %v", standing, err)
	}
	if err := s.Burn(t.Context(), addr); err != nil || w.mask(s, someone, false) == edited {
		t.Errorf("an old edit's mask isn't let go: %v", err)
	}
}

// Who is blocked keeps the mask, however long they wait, and a restart in between changes nothing: neither who has made edits nor who hasn't.
func TestBlockedClientsKeepTheirMasks(t *testing.T) {
	w := newWorld(t)
	for addr, publishes := range map[string]bool{someone: true, "203.0.113.77": false} {
		s := w.node(false)
		blocked := []netip.Addr{w.mask(s, addr, publishes), netip.MustParseAddr("2001:2f::1")}
		for range 20 {
			if err := s.Keep(t.Context(), blocked); err != nil {
				t.Fatal(err)
			}
			w.now = w.now.Add(20 * day24)
			s = w.node(false)
			if err := s.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if w.mask(s, addr, false) != blocked[0] {
			t.Errorf("%s shed the block by waiting", addr)
		}
	}
}

// A rotation gives another salt; the mask under the older epoch goes on to ride along, as long as there are edits.
func TestSaltsUnderOlderEpochs(t *testing.T) {
	w := newWorld(t)
	both := w.epochs
	w.epochs = both[1:]
	old := w.mask(w.node(false), someone, true)
	w.epochs = both
	s := w.node(false)
	salts, err := s.Of(t.Context(), netip.MustParseAddr(someone), true)
	if err != nil || len(salts) != 2 || salts[1] == nil {
		t.Fatalf("salts %x, %v", salts, err)
	}
	if m, _ := s.epochs[1].masker.Salted(salts[1], netip.MustParseAddr(someone)); m != old || bytes.Equal(salts[0], salts[1]) {
		t.Error("the older epoch's mask is another, or both have one salt")
	}
	if salts, err := s.Of(t.Context(), netip.MustParseAddr("203.0.113.10"), false); err != nil || salts[1] != nil {
		t.Errorf("one who wasn't there had a salt: %x, %v", salts, err)
	}
}

func TestFailsClosed(t *testing.T) {
	w := newWorld(t)
	for _, shared := range []bool{true, false} {
		s := w.node(shared)
		s.Store = kv.NewMemory(0)
		if _, err := s.Of(t.Context(), netip.MustParseAddr(someone), true); !errors.Is(err, kv.ErrFull) {
			t.Errorf("shared %v: without a store: %v", shared, err)
		}
	}
	s := w.node(true)
	keys, err := s.keys(netip.MustParseAddr(someone))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"\x01", "\x02" + strings.Repeat("x", 80), "\x01" + strings.Repeat("x", 80)} {
		change := func([]byte) ([]byte, error) { return []byte(bad), nil }
		if err := w.store.Update(t.Context(), keys[0], w.now.Add(day24), change); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Of(t.Context(), netip.MustParseAddr(someone), false); !errors.Is(err, kv.ErrDamaged) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := New(Config{Idle: time.Hour}); err == nil {
		t.Error("an hour is an idle time")
	}
}

// A network of IPv6 can't fill the disk; what it has goes on, and others aren't touched.
func TestNetworksAreBounded(t *testing.T) {
	w := newWorld(t)
	s := w.node(false)
	mask := w.mask(s, "2001:db8:1:2::3", true)
	s.bound.made[netip.MustParsePrefix("2001:db8:1::/48")] = ofV6Site
	if _, err := s.Of(t.Context(), netip.MustParseAddr("2001:db8:1:3::3"), true); !errors.Is(err, ErrTooMany) {
		t.Errorf("another of the /48: %v", err)
	}
	if w.mask(s, "2001:db8:1:2::3", true) != mask {
		t.Error("one that was there has another mask")
	}
	w.mask(s, "2001:db8:2:3::3", true)
	w.now = w.now.Add(day24)
	w.mask(s, "2001:db8:1:3::3", true)
}
