package trustedclock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
)

const day = 24 * time.Hour

var day0 = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// hands are a clock's, which a test moves.
type hands struct {
	wall    time.Time
	elapsed time.Duration
}

func (h *hands) read() (time.Time, time.Duration) { return h.wall, h.elapsed }

// pass lets time go by.
func (h *hands) pass(d time.Duration) { h.wall, h.elapsed = h.wall.Add(d), h.elapsed+d }

// set sets the clock, and no time goes by.
func (h *hands) set(d time.Duration) { h.wall = h.wall.Add(d) }

// Case 43: a clock that is set years ahead or back, and set right again, under a running process.
func TestCase43JumpsOfTheClock(t *testing.T) {
	for _, years := range []time.Duration{4, -4} {
		h := &hands{wall: day0}
		c := NewFrom(h.read)
		h.pass(100 * day) // months without a look: the monotonic clock carries the time on
		h.set(years * 365 * day)
		for range 17 {
			h.pass(time.Second)
			s := c.Status()
			if s.Confirmed || s.Wait != 0 || !strings.Contains(s.Err().Error(), "wikiveil clock confirm") {
				t.Fatalf("%d years off: %+v", years, s)
			}
			want := day0.Add(100*day + time.Duration(s.Now.Second())*time.Second)
			if !s.Now.Equal(want) {
				t.Fatalf("%d years off: now is %v, want %v", years, s.Now, want)
			}
			if passed := c.Passed(); passed.After(s.Now) {
				t.Fatalf("%d years off: %v has passed", years, passed)
			}
		}
		h.pass(10 * Far)
		if c.Status().Confirmed {
			t.Errorf("%d years off: believed by itself", years)
		}
		h.set(-years * 365 * day)
		if s := c.Status(); !s.Confirmed || !s.Now.Equal(h.wall) {
			t.Errorf("set right again: %+v", s)
		}
	}
}

func TestAClockSomeDaysOffIsBelievedWhenItGoesSteadily(t *testing.T) {
	for _, off := range []time.Duration{3 * day, -3 * day} {
		h := &hands{wall: day0}
		c := NewFrom(h.read)
		h.set(off)
		h.pass(time.Minute)
		if s := c.Status(); s.Confirmed || s.Wait <= 0 || s.Wait > Steady {
			t.Fatalf("off by %v: %+v", off, s)
		}
		h.pass(Steady / 2)
		h.set(2 * jump) // set again: it begins anew
		c.Status()
		h.pass(Steady - time.Second)
		if c.Status().Confirmed {
			t.Errorf("off by %v: believed though it was set meanwhile", off)
		}
		h.pass(2 * time.Second)
		if s := c.Status(); !s.Confirmed || !s.Now.Equal(h.wall) {
			t.Errorf("off by %v: %+v", off, s)
		}
	}
}

func open(t *testing.T, dir string, h *hands) *Keeper {
	t.Helper()
	k, err := OpenFrom(context.Background(), &certmagic.FileStorage{Path: dir}, NewFrom(h.read))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func tend(t *testing.T, k *Keeper) {
	t.Helper()
	if err := k.Tend(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// Case 43: a start with a clock 400 days ahead, or back, of what the storage knows.
func TestCase43StartWithAWrongClock(t *testing.T) {
	for _, off := range []time.Duration{400 * day, -400 * day} {
		dir := t.TempDir()
		h := &hands{wall: day0}
		tend(t, open(t, dir, h))
		h = &hands{wall: day0.Add(off)}
		k := open(t, dir, h)
		h.pass(2 * Steady)
		if s := k.Status(); s.Confirmed || !s.Now.Equal(day0.Add(2*Steady)) {
			t.Fatalf("off by %v: %+v", off, s)
		}
		if err := k.Tend(t.Context()); err == nil {
			t.Errorf("off by %v: nothing is said", off)
		}
		if again := open(t, dir, &hands{wall: day0}); !again.Status().Confirmed {
			t.Errorf("off by %v: the wrong time was stored", off)
		}
		// Another node whose clock agrees learns of what an operator confirms; one that doesn't goes on.
		agrees, right := open(t, dir, h), open(t, dir, &hands{wall: day0})
		if err := k.Confirm(t.Context()); err != nil {
			t.Fatal(err)
		}
		tend(t, agrees)
		if s := agrees.Status(); !s.Confirmed || !s.Now.Equal(h.wall) {
			t.Errorf("off by %v: the other node has %+v", off, s)
		}
		if err := right.Tend(t.Context()); err != nil {
			t.Errorf("off by %v: %v", off, err)
		}
		if s := right.Status(); !s.Now.Equal(day0) {
			t.Errorf("off by %v: the node whose clock disagrees has %+v", off, s)
		}
	}
}

func TestTheNewestTimeIsStoredSometimes(t *testing.T) {
	dir := t.TempDir()
	h := &hands{wall: day0}
	k := open(t, dir, h)
	if _, err := os.Stat(filepath.Join(dir, Key)); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("opening wrote it: %v", err)
	}
	tend(t, k)
	read := func() string {
		data, err := os.ReadFile(filepath.Join(dir, Key))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	first := read()
	h.pass(storeEvery - time.Second)
	tend(t, k)
	if read() != first {
		t.Error("stored too often")
	}
	h.pass(2 * time.Second)
	tend(t, k)
	if read() == first {
		t.Error("not stored anew")
	}
}

// Case 42: into a storage that has vanished nothing is written; a damaged time is not replaced.
func TestCase42TheClockWritesNothingIntoAnEmptyVolume(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "storage")
	h := &hands{wall: day0}
	k := open(t, dir, h)
	tend(t, k)
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	h.pass(day)
	if err := k.Tend(t.Context()); !errors.Is(err, shareddoc.ErrVanished) {
		t.Errorf("got %v", err)
	}
	if err := k.Confirm(t.Context()); !errors.Is(err, shareddoc.ErrVanished) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, Key)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was written: %v", err)
	}
	if s := k.Status(); !s.Confirmed || !s.Now.Equal(h.wall) {
		t.Errorf("the clock stands still: %+v", s)
	}
	os.RemoveAll(dir)
	if err := os.Rename(dir+"-away", dir); err != nil {
		t.Fatal(err)
	}
	tend(t, k)
	if err := os.WriteFile(filepath.Join(dir, Key), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.Tend(t.Context()); !errors.Is(err, shareddoc.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}
