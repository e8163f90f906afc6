package masking

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
)

var day0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func ids(epochs []Epoch) []string {
	var out []string
	for _, e := range epochs {
		out = append(out, e.ID())
	}
	return out
}

// fakeClock is moved by tests.
type fakeClock struct {
	mu          sync.Mutex
	now, passed time.Time // passed: zero is as now
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) Passed() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.passed.IsZero() {
		return c.now
	}
	return c.passed
}

func (c *fakeClock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// ringScene is nodes that share a storage and a clock.
type ringScene struct {
	*fakeClock
	t       *testing.T
	dir     string
	changes []string
}

func newScene(t *testing.T) *ringScene {
	return &ringScene{fakeClock: &fakeClock{now: day0}, t: t, dir: filepath.Join(t.TempDir(), "storage")}
}

func (s *ringScene) node() *Keeper {
	return NewKeeper(KeeperConfig{Storage: &certmagic.FileStorage{Path: s.dir}, Clock: s.fakeClock, Report: func(c Change) {
		s.changes = append(s.changes, c.What+" "+c.ID())
	}})
}

// ring returns what a call returned, which must have done well.
func (s *ringScene) ring(r *Ring, err error) *Ring {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *ringScene) file() string {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, RingKey))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

func (s *ringScene) has(e Epoch) (ring, copied bool) {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, RingCopyKey))
	if err != nil {
		s.t.Fatal(err)
	}
	secret := hex.EncodeToString(e.secret)
	return strings.Contains(s.file(), secret), strings.Contains(string(data), secret)
}

// rotate rotates by command, and lets the time pass until the new epoch has started.
func (s *ringScene) rotate(k *Keeper) *Ring {
	s.t.Helper()
	r := s.ring(k.Rotate(context.Background(), false))
	s.set(s.Now().Add(2 * rotateOnce))
	return r
}

func TestKeeperMakesOneRingForAllNodes(t *testing.T) {
	s := newScene(t)
	const nodes = 8
	got := make([]string, nodes)
	var wg sync.WaitGroup
	for i := range nodes {
		wg.Go(func() {
			k := NewKeeper(KeeperConfig{Storage: &certmagic.FileStorage{Path: s.dir}, Clock: s.fakeClock})
			r, err := k.Open(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			got[i] = fmt.Sprint(ids(r.Epochs()))
		})
	}
	wg.Wait()
	for _, g := range got {
		if g != got[0] || g == "" {
			t.Fatalf("nodes disagree: %q", got)
		}
	}
	for _, key := range []string{RingKey, RingCopyKey} {
		info, err := os.Stat(filepath.Join(s.dir, key))
		if err != nil {
			t.Fatal(err)
		}
		if perm := info.Mode().Perm(); perm != 0o600 {
			t.Errorf("%s has mode %o, want 600", key, perm)
		}
	}
}

// halfMade is a storage that stops between the ring's copy and the ring.
type halfMade struct {
	certmagic.FileStorage
	copied, goOn chan struct{}
}

func (s *halfMade) Store(ctx context.Context, key string, value []byte) error {
	if key == RingKey {
		close(s.copied)
		<-s.goOn
	}
	return s.FileStorage.Store(ctx, key, value)
}

// A node that starts while another one makes the ring waits for it.
func TestRingThatIsBeingMade(t *testing.T) {
	s := newScene(t)
	storage := &halfMade{certmagic.FileStorage{Path: s.dir}, make(chan struct{}), make(chan struct{})}
	made := make(chan []string)
	go func() {
		r, err := NewKeeper(KeeperConfig{Storage: storage, Clock: s.fakeClock, Report: func(Change) {}}).Open(context.Background())
		if err != nil {
			t.Error(err)
			close(made)
			return
		}
		made <- ids(r.Epochs())
	}()
	<-storage.copied
	time.AfterFunc(50*time.Millisecond, func() { close(storage.goOn) })
	read := s.ring(s.node().Load(t.Context()))
	if want := <-made; !slices.Equal(ids(read.Epochs()), want) {
		t.Errorf("it read %v, made were %v", ids(read.Epochs()), want)
	}
}

// Case 41: reading makes nothing.
func TestCase41LoadWritesNothing(t *testing.T) {
	s := newScene(t)
	if _, err := s.node().Load(t.Context()); !errors.Is(err, ErrNoRing) {
		t.Errorf("got %v, want ErrNoRing", err)
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the storage was made: %v", err)
	}
	s.ring(s.node().Open(t.Context()))
	before := s.file()
	s.set(day0.Add(1000 * day))
	s.ring(s.node().Load(t.Context()))
	s.ring(s.node().Open(t.Context()))
	if s.file() != before {
		t.Error("the ring has changed")
	}
}

// Case 41: an epoch past keep is destroyed after a grace, and can be taken back until then.
func TestCase41DestroyingHasAGrace(t *testing.T) {
	s := newScene(t)
	k := s.node()
	policy := Policy{Keep: 0, Grace: 7 * day}
	first := s.ring(k.Open(t.Context())).epochs[0]
	s.rotate(k)
	r := s.ring(k.Tend(t.Context(), policy))
	if len(r.epochs) != 2 || len(r.Active(s.Now(), 0)) != 1 || !r.epochs[1].Destroy().Equal(s.Now().Add(7*day)) {
		t.Fatalf("after the rotation: %+v", r.epochs)
	}
	if len(r.Active(s.Now(), 3)) != 2 {
		t.Error("for a node that keeps more it doesn't count")
	}
	s.set(s.Now().Add(7*day - time.Second))
	if in, copied := s.has(first); !in || !copied {
		t.Fatal("destroyed before its time")
	}
	s.ring(k.Tend(t.Context(), policy))
	r = s.ring(k.Hold(t.Context(), first.ID()))
	if len(r.Active(s.Now(), 0)) != 2 || !r.epochs[1].Held() {
		t.Error("taken back, it doesn't count")
	}
	s.set(s.Now().Add(100 * day))
	if r = s.ring(k.Tend(t.Context(), policy)); len(r.epochs) != 2 {
		t.Error("what was taken back is destroyed")
	}
	r = s.ring(k.Remove(t.Context(), first.ID(), 7*day))
	if len(r.Active(s.Now(), 3)) != 1 {
		t.Error("removed, it still counts")
	}
	s.set(s.Now().Add(7 * day))
	if r = s.ring(k.Tend(t.Context(), policy)); len(r.epochs) != 1 {
		t.Error("not destroyed after its grace")
	}
	if in, copied := s.has(first); in || copied {
		t.Errorf("the secret is still in the storage: ring %v, copy %v", in, copied)
	}
	if last := s.changes[len(s.changes)-1]; last != "destroyed "+first.ID() {
		t.Errorf("told %q", s.changes)
	}
	if _, err := k.Remove(t.Context(), r.epochs[0].ID(), 0); !errors.Is(err, ErrInUse) {
		t.Errorf("removing the current one: %v", err)
	}
	if _, err := k.Hold(t.Context(), first.ID()); !errors.Is(err, ErrNoEpoch) {
		t.Errorf("holding a destroyed one: %v", err)
	}
}

// A secret that has leaked is removed at once.
func TestRemoveAtOnce(t *testing.T) {
	s := newScene(t)
	k := s.node()
	first := s.ring(k.Open(t.Context())).epochs[0]
	s.rotate(k)
	s.ring(k.Remove(t.Context(), first.ID(), 0))
	if in, copied := s.has(first); in || copied {
		t.Error("the secret is still in the storage")
	}
}

// Case 41: nodes that disagree. The longest of each holds, whoever comes or goes.
func TestCase41TheLongestKeepWins(t *testing.T) {
	s := newScene(t)
	a, b, c := s.node(), s.node(), s.node()
	long, short := Policy{Keep: 3, Grace: 7 * day}, Policy{Keep: 0, Every: time.Hour, Grace: day}
	s.ring(a.Open(t.Context()))
	for range 3 {
		s.rotate(a)
	}
	s.ring(a.Tend(t.Context(), long))
	before := s.file()
	for range 3 * 24 { // hours
		for _, n := range []*Keeper{b, c} {
			if _, err := n.Tend(t.Context(), short); !errors.Is(err, ErrDisagree) {
				t.Fatalf("a node that disagrees is told %v", err)
			}
		}
		for range 3 { // the one that keeps longest says so often enough
			if _, err := a.Tend(t.Context(), long); !errors.Is(err, ErrDisagree) {
				t.Fatalf("got %v", err)
			}
			s.set(s.Now().Add(20 * time.Minute))
		}
	}
	if s.file() != before {
		t.Fatal("the ring has changed")
	}
	// It stops: now the others' policy holds, with its grace. It comes back within that.
	if err := a.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := s.ring(b.Tend(t.Context(), short)); r.epochs[len(r.epochs)-1].Destroy().IsZero() {
		t.Error("nothing is marked")
	}
	s.set(s.Now().Add(day - time.Minute))
	s.ring(c.Tend(t.Context(), short))
	r, err := s.node().Tend(t.Context(), long)
	if !errors.Is(err, ErrDisagree) || len(r.epochs) < 4 {
		t.Fatalf("the node that came back has %d epochs, %v", len(r.epochs), err)
	}
	s.set(s.Now().Add(50 * time.Minute))
	if r, _ := b.Tend(t.Context(), short); len(r.epochs) < 4 {
		t.Error("the mark was not taken away")
	}
}

func TestScheduledRotation(t *testing.T) {
	s := newScene(t)
	k, other := s.node(), s.node()
	policy := Policy{Every: 90 * day, Keep: 1, Grace: day}
	first := s.ring(k.Open(t.Context()))
	due := day0.Add(90 * day)

	s.set(due.Add(-rotationLead - time.Second))
	if r := s.ring(k.Tend(t.Context(), policy)); len(r.Epochs()) != 1 {
		t.Fatalf("planned before its time: %v", r.Epochs())
	}
	s.set(due.Add(-time.Minute))
	planned := s.ring(k.Tend(t.Context(), policy))
	if got := planned.Active(s.Now(), 1); !slices.Equal(ids(got), ids(first.Epochs())) {
		t.Errorf("before its start, active is %v, want the first alone", got)
	}
	if got := planned.Readable(s.Now(), 1); len(got) != 2 {
		t.Errorf("before its start, readable is %v", got)
	}
	if next, ok := planned.Next(s.Now()); !ok || !next.Equal(due) {
		t.Errorf("next epoch at %v, %v, want %v", next, ok, due)
	}
	s.set(due.Add(-time.Second))
	if again := s.ring(other.Tend(t.Context(), policy)); !slices.Equal(ids(again.Epochs()), ids(planned.Epochs())) {
		t.Error("another node planned another epoch")
	}
	active := planned.Active(due, 1)
	if len(active) != 2 || active[1].ID() != first.Epochs()[0].ID() {
		t.Errorf("at its start, active is %v, want the new one, then the first", active)
	}
	// All nodes were down for a year. They change over together.
	late := due.Add(365 * day)
	s.set(late)
	if r := s.ring(s.node().Tend(t.Context(), policy)); !r.Epochs()[0].Start().Equal(late.Add(ManualLead)) {
		t.Errorf("after a long pause: %v", r.Epochs())
	}
}

// Case 52: all nodes change over together, and the command typed at each node is one rotation.
func TestCase52ManualRotation(t *testing.T) {
	s := newScene(t)
	a, b := s.node(), s.node()
	old := s.ring(a.Open(t.Context()))
	s.ring(b.Open(t.Context()))
	planned := s.ring(a.Rotate(t.Context(), false)) // the ring is new, and yet this is no second rotation
	start := s.Now().Add(ManualLead)
	if next, ok := planned.Next(s.Now()); !ok || !next.Equal(start) || ManualLead < 2*RefreshEvery {
		t.Fatalf("it starts at %v, want %v", next, start)
	}
	s.set(s.Now().Add(RefreshEvery))
	seen := s.ring(b.Load(t.Context()))
	for _, at := range []time.Time{s.Now(), start.Add(-time.Millisecond), start} {
		x, y := planned.Active(at, 1), seen.Active(at, 1)
		if !slices.Equal(ids(x), ids(y)) || (x[0].ID() == old.epochs[0].ID()) != at.Before(start) {
			t.Errorf("at %v the nodes use %v and %v", at, x, y)
		}
		if len(seen.Readable(at, 1)) != 2 {
			t.Errorf("at %v a look-up knows %v", at, seen.Readable(at, 1))
		}
	}
	for _, after := range []time.Duration{0, ManualLead, ManualLead + rotateOnce - 2*time.Second - RefreshEvery} {
		s.set(day0.Add(RefreshEvery + after))
		for _, n := range []*Keeper{a, b} {
			if _, err := n.Rotate(t.Context(), false); !errors.Is(err, ErrRotated) {
				t.Errorf("%v later: %v", after, err)
			}
		}
	}
	if r := s.ring(b.Rotate(t.Context(), true)); len(r.epochs) != 3 {
		t.Errorf("forced: %v", r.epochs)
	}
	s.set(s.Now().Add(ManualLead + rotateOnce))
	if r := s.ring(a.Rotate(t.Context(), false)); len(r.epochs) != 4 {
		t.Errorf("a minute later: %v", r.epochs)
	}
}

// A rotation by command takes the epoch that is planned already: no secret is thrown away.
func TestRotateTakesThePlannedEpoch(t *testing.T) {
	s := newScene(t)
	k := s.node()
	s.ring(k.Open(t.Context()))
	s.set(day0.Add(day - rotationLead))
	planned := s.ring(k.Tend(t.Context(), Policy{Every: day, Keep: 1, Grace: day}))
	r := s.ring(k.Rotate(t.Context(), false))
	if !slices.Equal(ids(r.epochs), ids(planned.epochs)) || !r.epochs[0].Start().Equal(s.Now().Add(ManualLead)) {
		t.Errorf("got %v, want those of %v", r.epochs, planned.epochs)
	}
}

// Case 43: an epoch that a clock four years ahead planned doesn't start, doesn't stop rotations, and can be
// removed, or kept as an old one.
func TestCase43EpochOfAWrongClock(t *testing.T) {
	s := newScene(t)
	k := s.node()
	first := s.ring(k.Open(t.Context())).epochs[0]
	s.set(day0.Add(4 * 365 * day))
	future := s.rotate(k).epochs[0]
	s.set(day0.Add(day))
	policy := Policy{Every: 24 * time.Hour, Keep: 1, Grace: 7 * day}
	r := s.ring(k.Tend(t.Context(), policy))
	if !slices.ContainsFunc(r.epochs, func(e Epoch) bool {
		return e.ID() == future.ID() && e.Removed() && e.Ahead(s.Now()) && e.Destroy().IsZero()
	}) {
		t.Fatalf("the epoch isn't set aside: %+v", r.epochs)
	}
	s.set(s.Now().Add(2 * rotateOnce)) // the rotation that was due took place
	if cur := r.Active(s.Now(), 0)[0]; cur.ID() == future.ID() || cur.ID() == first.ID() {
		t.Fatalf("no rotation since: %v is in use", cur)
	}
	r = s.rotate(k)
	if cur := r.Active(s.Now(), 0)[0]; cur.ID() == future.ID() || cur.ID() == first.ID() {
		t.Fatalf("no rotation since: %v is in use", cur)
	}
	if active := r.Active(day0.Add(5*365*day), 9); slices.Contains(ids(active), future.ID()) {
		t.Error("years later it starts")
	}
	r = s.ring(k.Hold(t.Context(), future.ID()))
	if active := r.Active(s.Now(), 0); len(active) != 2 || active[1].ID() != future.ID() {
		t.Errorf("kept, it is not an old one: %v", active)
	}
	s.ring(k.Remove(t.Context(), future.ID(), 0))
	if in, copied := s.has(future); in || copied {
		t.Error("it can't be removed")
	}
}

// Case 43: nothing is destroyed before the time has passed for sure.
func TestCase43DestroyingWaitsForTheClock(t *testing.T) {
	s := newScene(t)
	k := s.node()
	policy := Policy{Keep: 0, Grace: day}
	s.ring(k.Open(t.Context()))
	s.rotate(k)
	s.ring(k.Tend(t.Context(), policy))
	s.passed = s.Now()
	s.set(s.Now().Add(4 * 365 * day))
	if r := s.ring(k.Tend(t.Context(), policy)); len(r.epochs) != 2 {
		t.Error("destroyed by a clock that nobody confirmed")
	}
}

// Case 42: a ring that is gone, or is another, or an older copy, changes nothing.
func TestCase42AnotherRingIsRefused(t *testing.T) {
	s := newScene(t)
	k := s.node()
	policy := Policy{Every: day, Keep: 0, Grace: day}
	s.ring(k.Open(t.Context()))
	older := s.file()
	want := s.rotate(k)
	newer := s.file()
	file := filepath.Join(s.dir, RingKey)
	other := newScene(t)
	other.ring(other.node().Open(t.Context()))

	for name, c := range map[string]struct {
		change func()
		want   error
	}{
		"an older copy": {func() { os.WriteFile(file, []byte(older), 0o600) }, ErrOldRing},
		"another ring":  {func() { os.WriteFile(file, []byte(other.file()), 0o600) }, ErrOldRing},
		"damaged":       {func() { os.WriteFile(file, []byte(newer[:99]), 0o600) }, ErrBadRing},
		"an empty volume": {func() {
			os.Rename(s.dir, s.dir+"-away")
			os.Mkdir(s.dir, 0o700)
		}, shareddoc.ErrVanished},
		"no volume": {func() { os.Rename(s.dir, s.dir+"-away") }, shareddoc.ErrVanished},
	} {
		t.Run(name, func(t *testing.T) {
			c.change()
			entries, _ := os.ReadDir(s.dir)
			s.set(s.Now().Add(3 * day))
			for what, call := range map[string]func() (*Ring, error){
				"open":   func() (*Ring, error) { return k.Open(t.Context()) },
				"tend":   func() (*Ring, error) { return k.Tend(t.Context(), policy) },
				"rotate": func() (*Ring, error) { return k.Rotate(t.Context(), true) },
				"remove": func() (*Ring, error) { return k.Remove(t.Context(), want.epochs[1].ID(), 0) },
			} {
				if _, err := call(); !errors.Is(err, c.want) {
					t.Errorf("%s: %v, want %v", what, err, c.want)
				}
			}
			for _, e := range entries {
				if _, err := os.Stat(filepath.Join(s.dir, e.Name())); err != nil {
					t.Error(err)
				}
			}
			if now, _ := os.ReadDir(s.dir); len(now) != len(entries) {
				t.Errorf("something was written: %v", now)
			}
			if _, err := os.Stat(s.dir + "-away"); err == nil {
				os.RemoveAll(s.dir)
				if err := os.Rename(s.dir+"-away", s.dir); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(file, []byte(newer), 0o600); err != nil {
				t.Fatal(err)
			}
			if r := s.ring(k.Load(t.Context())); !slices.Equal(ids(r.epochs), ids(want.epochs)) {
				t.Errorf("after it's back: %v", r.epochs)
			}
		})
	}
	// What another node destroys on purpose is no loss.
	if _, err := s.node().Remove(t.Context(), want.epochs[1].ID(), 0); err != nil {
		t.Fatal(err)
	}
	if r := s.ring(k.Load(t.Context())); len(r.epochs) != 1 {
		t.Errorf("got %v", r.epochs)
	}
}

// Case 42: a ring whose copy is there was not never there.
func TestCase42OnlyTheCopyIsLeft(t *testing.T) {
	s := newScene(t)
	want := s.ring(s.node().Open(t.Context()))
	if err := os.Remove(filepath.Join(s.dir, RingKey)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.node().Open(t.Context()); err == nil || !strings.Contains(err.Error(), "put "+RingCopyKey+" in its place") {
		t.Errorf("got %v", err)
	}
	if err := os.Rename(filepath.Join(s.dir, RingCopyKey), filepath.Join(s.dir, RingKey)); err != nil {
		t.Fatal(err)
	}
	if r := s.ring(s.node().Open(t.Context())); !slices.Equal(ids(r.epochs), ids(want.epochs)) {
		t.Errorf("the copy has %v, want %v", r.epochs, want.epochs)
	}
}

// Case 44: whatever byte of the file changes, the ring is another's or refused, and never overwritten.
func TestCase44FlippedDigits(t *testing.T) {
	s := newScene(t)
	k := s.node()
	s.ring(k.Open(t.Context()))
	s.rotate(k)
	want := s.ring(k.Load(t.Context()))
	good := s.file()
	for i := range good {
		for _, b := range []byte{'0', '1', 'f', ' '} {
			if good[i] == b {
				continue
			}
			bad := good[:i] + string(b) + good[i+1:]
			r, err := decodeRing([]byte(bad))
			if err == nil && !reflect.DeepEqual(r, want) {
				t.Fatalf("byte %d as %q gives %v", i, b, r.epochs)
			}
			if err != nil && !errors.Is(err, ErrBadRing) {
				t.Fatalf("byte %d as %q: %v", i, b, err)
			}
		}
	}
	digit := strings.Index(good, hex.EncodeToString(want.epochs[0].secret))
	bad := good[:digit] + "g" + good[digit+1:]
	if good[digit] != '7' {
		bad = good[:digit] + "7" + good[digit+1:]
	}
	file := filepath.Join(s.dir, RingKey)
	if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*Keeper{s.node(), k} {
		if _, err := n.Open(t.Context()); !errors.Is(err, ErrBadRing) || !strings.Contains(err.Error(), RingKey) || !strings.Contains(err.Error(), RingCopyKey) {
			t.Errorf("got %v", err)
		}
	}
	if s.file() != bad {
		t.Error("the damaged file was overwritten")
	}
}

// ringText is the stored form of a ring's JSON.
func ringText(ring string) string {
	sum := sha256.Sum256([]byte(ring))
	return `{"version":1,"sha256":"` + hex.EncodeToString(sum[:]) + `"}` + "\n" + ring
}

func TestDamagedRingIsNeverOverwritten(t *testing.T) {
	secret := strings.Repeat("ab", 32)
	for name, c := range map[string]struct{ content, want string }{
		"empty":        {"", "first line is not of its form"},
		"cut":          {`{"version":1,"sha2`, "first line is not of its form"},
		"no epochs":    {ringText(`{"revision":1}`), "no secret"},
		"version 3":    {`{"version":3}` + "\n{}", "unknown version"},
		"checksum":     {`{"version":1,"sha256":""}` + "\n" + `{"revision":1}`, "wrong checksum"},
		"not JSON":     {ringText(`{"epochs":[{"sta`), "not of its form"},
		"short secret": {ringText(`{"epochs":[{"start":"2026-01-01T00:00:00Z","secret":"abcd"}]}`), "shorter than 32 bytes"},
		"not hex":      {ringText(`{"epochs":[{"start":"2026-01-01T00:00:00Z","secret":"zz"}]}`), "not in hex"},
		"twice": {ringText(`{"epochs":[{"start":"2026-01-01T00:00:00Z","secret":"` + secret +
			`"},{"start":"2026-01-02T00:00:00Z","secret":"` + secret + `"}]}`), "same secret twice"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			storage := &certmagic.FileStorage{Path: s.dir}
			if err := storage.Store(t.Context(), RingKey, []byte(c.content)); err != nil {
				t.Fatal(err)
			}
			k := s.node()
			for _, call := range []func() (*Ring, error){
				func() (*Ring, error) { return k.Open(t.Context()) },
				func() (*Ring, error) { return k.Rotate(t.Context(), true) },
				func() (*Ring, error) { return k.Tend(t.Context(), Policy{}) },
			} {
				_, err := call()
				if !errors.Is(err, ErrBadRing) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got error %v, want %q", err, c.want)
				}
				if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "delete it")) {
					t.Errorf("the error holds a secret, or has the secrets deleted: %v", err)
				}
			}
			if data, err := storage.Load(t.Context(), RingKey); err != nil || string(data) != c.content {
				t.Errorf("the file changed to %q, %v", data, err)
			}
		})
	}
}

func TestConfiguredRing(t *testing.T) {
	a, b := []byte(strings.Repeat("a", 32)), []byte(strings.Repeat("b", 32))
	r, err := ConfiguredRing(a, b)
	if err != nil {
		t.Fatal(err)
	}
	active := r.Active(time.Now(), 1)
	if string(active[0].secret) != string(a) || string(active[1].secret) != string(b) {
		t.Error("the first secret is not the current one")
	}
	for name, c := range map[string]struct {
		secrets [][]byte
		want    error
	}{
		"none":  {nil, ErrNoSecret},
		"twice": {[][]byte{a, a}, ErrSameSecret},
		"short": {[][]byte{a, b[:31]}, ErrShortSecret},
	} {
		if _, err := ConfiguredRing(c.secrets...); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestEpochsPrintNoSecret(t *testing.T) {
	r, err := ConfiguredRing([]byte(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if out := fmt.Sprintf(verb, r.Epochs()); strings.Contains(out, "sss") || strings.Contains(out, "0x73") || strings.Contains(out, "115 115") {
			t.Errorf("%s prints the secret: %s", verb, out)
		}
	}
}

func FuzzDecodeRing(f *testing.F) {
	ring := `{"revision":7,"epochs":[{"start":"2026-01-01T00:00:00Z","secret":"` + strings.Repeat("ab", 32) + `"}]}`
	f.Add([]byte(ringText(ring)))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeRing(data)
		if err != nil {
			return
		}
		again, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		if r2, err := decodeRing(again); err != nil || !slices.Equal(ids(r.Epochs()), ids(r2.Epochs())) {
			t.Fatalf("does not read back: %v", err)
		}
	})
}
