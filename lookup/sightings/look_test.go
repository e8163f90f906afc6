package sightings_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/trustedclock"
	"github.com/wikiveil/wikiveil/lookup/seal"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/masking"
)

func TestRetention(t *testing.T) {
	eachStore(t, func(t *testing.T, open func() sightings.Store) {
		ctx := context.Background()
		store := open()
		w := newWorld(t, store)
		w.mustSee(addr(1)) // on the first day only
		w.mustSee(addr(2)) // on the first day and later
		w.setClock(noon.Add(30 * 24 * time.Hour))
		w.mustSee(addr(2))
		sweep := func(at time.Time, parts int) {
			t.Helper()
			w.setClock(at)
			if err := w.Sweep(ctx); err != nil {
				t.Fatal(err)
			}
			if left, err := store.Parts(ctx); err != nil || len(left) != parts {
				t.Fatalf("at %v: %v, %v; want %d parts", at, left, err, parts)
			}
		}
		ends := sightings.DayOf(noon).Start().Add(91 * 24 * time.Hour) // 90 days after the day's last moment
		sweep(ends.Add(-time.Second), 2)
		w.mustLook(addr(1))

		w.setClock(ends) // not swept yet, and yet not told
		w.wantError(addr(1), sightings.ErrUnknown)
		sweep(ends, 1)
		w.wantError(addr(1), sightings.ErrUnknown)
		if r := w.mustLook(addr(2)); !r.First.Equal(noon.Add(30*24*time.Hour)) || r.Count != 1 {
			t.Errorf("what is kept of the other: %+v", r)
		}
		sweep(ends.Add(31*24*time.Hour), 0)
		w.wantError(addr(2), sightings.ErrUnknown)
	})
}

func TestRetentionByItself(t *testing.T) {
	store := openBolt(t, t.TempDir())
	w := newWorld(t, store)
	w.mustSee(addr(1))
	w.Close()
	w.setClock(noon.Add(92 * 24 * time.Hour))
	w.open() // what does not last deletes nothing
	w.Close()
	if parts, err := store.Parts(context.Background()); err != nil || len(parts) != 1 {
		t.Fatalf("a recorder that ended at once has left %v, %v", parts, err)
	}
	w.config.Settle = time.Millisecond
	w.open()
	testutil.Eventually(t, "the old part is deleted", func() bool {
		parts, err := store.Parts(context.Background())
		return err == nil && len(parts) == 0
	})
}

// A destroyed epoch's records open nowhere: not in the store, not in a copy made while the
// epoch was alive, not from the recorder's own memory.
func TestDestroyedEpoch(t *testing.T) {
	dir := t.TempDir()
	store := openBolt(t, dir)
	w := newWorld(t, store)
	old := epochs(t, secret(1))
	w.mustSee(addr(1))
	box := w.mustLook(addr(1)).Box
	backup := t.TempDir()
	if err := os.CopyFS(backup, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}

	both := epochs(t, secret(2), secret(1)) // a rotation that keeps one
	w.kept.Store(&both)
	if r := w.mustLook(addr(1)); r.Epoch != old[0].ID() {
		t.Fatalf("a kept epoch's record: %+v", r)
	}
	w.wantError(addr(2), sightings.ErrUnknown)

	fresh := epochs(t, secret(2)) // and one that doesn't
	w.kept.Store(&fresh)
	w.wantError(addr(1), sightings.ErrEpochDestroyed)
	w.ForgetKeys()
	w.wantError(addr(1), sightings.ErrEpochDestroyed)
	if _, err := seal.OpenLocal(box, fresh[0]); !errors.Is(err, seal.ErrDamaged) {
		t.Errorf("the box opens with another epoch: %v", err)
	}

	copied := newWorld(t, openBolt(t, backup))
	copied.mustLook(addr(1)) // the copy itself is good
	copied.kept.Store(&fresh)
	copied.wantError(addr(1), sightings.ErrEpochDestroyed)
	if _, err := copied.Compare(context.Background(), copied.mask(addr(1)), copied.mask(addr(2))); !errors.Is(err, sightings.ErrEpochDestroyed) {
		t.Errorf("Compare: %v", err)
	}
}

// After a rotation the same client has another mask and another record.
func TestRotation(t *testing.T) {
	w := newWorld(t, openBolt(t, t.TempDir()))
	w.mustSee(addr(1))
	before := w.mask(addr(1))
	both := epochs(t, secret(2), secret(1))
	w.kept.Store(&both)
	var err error
	if w.site, err = sightings.NewSite(both[0], siteConfig(t, "wiki")); err != nil {
		t.Fatal(err)
	}
	if w.masker, err = both[0].Masker("wiki", 0); err != nil {
		t.Fatal(err)
	}
	w.mustSee(addr(1))
	now := w.mustLook(addr(1))
	old, err := w.Look(context.Background(), before)
	if err != nil || old.Mask == now.Mask || old.Epoch == now.Epoch {
		t.Fatalf("%+v and %+v, %v", old, now, err)
	}
	c, err := w.Compare(context.Background(), before, now.Mask)
	if err != nil || c.Network.IsValid() {
		t.Errorf("masks of two epochs have the network %v in common, %v", c.Network, err)
	}
}

func TestClockGoesBackwards(t *testing.T) {
	eachStore(t, func(t *testing.T, open func() sightings.Store) {
		w := newWorld(t, open())
		w.mustSee(addr(1))
		for i, back := range []time.Duration{time.Second, time.Hour, 24 * time.Hour, 40 * 24 * time.Hour} {
			w.setClock(noon.Add(-back))
			w.mustSee(addr(1))
			w.mustSee(addr(10 + i))
		}
		r := w.mustLook(addr(1)) // the clock is still 40 days behind
		if r.Count != 5 || !r.Last.Equal(noon) || !r.First.Equal(noon.Add(-40*24*time.Hour)) {
			t.Errorf("%d from %v to %v", r.Count, r.First, r.Last)
		}
		w.setClock(noon)
		for i := range 4 {
			if r := w.mustLook(addr(10 + i)); r.Count != 1 {
				t.Errorf("%s: %+v", addr(10+i), r)
			}
		}
	})
}

// A machine without a battery starts in 1970. Its records must not be deleted as fifty years old
// once the clock is right: the epoch's start shows that the clock is wrong.
func TestClockBeforeTheEpoch(t *testing.T) {
	keeper := masking.NewKeeper(masking.KeeperConfig{
		Storage: &certmagic.FileStorage{Path: t.TempDir()},
		Clock:   trustedclock.NewFrom(func() (time.Time, time.Duration) { return noon, 0 }),
	})
	ring, err := keeper.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, openBolt(t, t.TempDir()))
	kept := ring.Epochs()
	w.kept.Store(&kept)
	if w.site, err = sightings.NewSite(kept[0], siteConfig(t, "wiki")); err != nil {
		t.Fatal(err)
	}
	w.setClock(time.Unix(100, 0))
	w.mustSee(addr(1))
	w.setClock(noon.Add(24 * time.Hour))
	if err := w.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.mustLook(addr(1))
}

func TestCompare(t *testing.T) {
	eachStore(t, func(t *testing.T, open func() sightings.Store) {
		w := newWorld(t, open(), func(c *sightings.Config) { c.Geo = testGeo(t) })
		network := func(cidr string) sightings.Network {
			prefix := netip.MustParsePrefix(cidr)
			mask, err := w.masker.Range(prefix)
			if err != nil {
				t.Fatal(err)
			}
			return sightings.Network{Mask: mask, Family: 4, Bits: prefix.Bits()}
		}
		const same, not, unknown = sightings.Same, sightings.NotSame, sightings.Unknown
		tests := []struct {
			name  string
			addrs []string
			want  sightings.Comparison
		}{
			{"one /24", []string{"71.80.3.4", "71.80.3.5"}, sightings.Comparison{
				Organization: same, Country: same, Region: same, City: same, Network: network("71.80.3.0/24")}},
			{"one /16", []string{"71.80.3.4", "71.80.9.9"}, sightings.Comparison{
				Organization: same, Country: same, Region: same, City: same, Network: network("71.80.0.0/16")}},
			{"one allocation, two cities", []string{"71.80.3.4", "71.81.3.4"}, sightings.Comparison{
				Organization: same, Country: same, Region: same, City: not, Network: network("71.80.0.0/15")}},
			{"strangers", []string{"71.80.3.4", "198.51.100.77"}, sightings.Comparison{
				Organization: not, Country: not, Region: not, City: not}},
			{"nothing known of one", []string{"71.80.3.4", "203.0.113.9"}, sightings.Comparison{
				Organization: unknown, Country: unknown, Region: unknown, City: unknown}},
			{"twenty", slices.Collect(func(yield func(string) bool) {
				for i := range sightings.MaxCompare {
					yield(fmt.Sprintf("71.80.7.%d", i))
				}
			}), sightings.Comparison{Organization: same, Country: same, Region: same, City: same, Network: network("71.80.7.0/24")}},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				var masks []netip.Addr
				for _, a := range tt.addrs {
					w.mustSee(a)
					masks = append(masks, w.mask(a))
				}
				got, err := w.Compare(context.Background(), masks...)
				if err != nil || got != tt.want {
					t.Fatalf("Compare = %+v, %v\nwant %+v", got, err, tt.want)
				}
			})
		}
	})
}

func TestCompareRefuses(t *testing.T) {
	w := newWorld(t, openBolt(t, t.TempDir()))
	for i := range 3 {
		w.mustSee(addr(i))
	}
	masks := func(n int) (all []netip.Addr) {
		for i := range n {
			all = append(all, w.mask(addr(i)))
		}
		return all
	}
	stranger := w.mask(addr(999))
	tests := []struct {
		name  string
		masks []netip.Addr
		want  error
		about netip.Addr
	}{
		{"an unknown one", append(masks(3), stranger), sightings.ErrUnknown, stranger},
		{"an address", append(masks(3), netip.MustParseAddr("203.0.113.9")), sightings.ErrNotMask, netip.MustParseAddr("203.0.113.9")},
		{"no address", append(masks(3), netip.Addr{}), sightings.ErrNotMask, netip.Addr{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := w.Compare(context.Background(), tt.masks...)
			if !errors.Is(err, tt.want) || got != (sightings.Comparison{}) {
				t.Fatalf("Compare = %+v, %v", got, err)
			}
			if about, ok := errors.AsType[*sightings.MaskError](err); ok && about.Mask != tt.about {
				t.Errorf("the error is about %v", about.Mask)
			}
		})
	}
}

// Two sites with labels of their own have nothing in common, and each knows its own.
func TestSites(t *testing.T) {
	w := newWorld(t, openBolt(t, t.TempDir()))
	w.mustSee(addr(1))
	first := w.mask(addr(1))
	epoch := (*w.kept.Load())[0]
	var err error
	if w.site, err = sightings.NewSite(epoch, siteConfig(t, "other")); err != nil {
		t.Fatal(err)
	}
	if w.masker, err = epoch.Masker("other", 0); err != nil {
		t.Fatal(err)
	}
	w.mustSee(addr(1))
	if r := w.mustLook(addr(1)); r.Site != "other" || r.Count != 1 {
		t.Errorf("%+v", r)
	}
	c, err := w.Compare(context.Background(), first, w.mask(addr(1)))
	if err != nil || c.Network.IsValid() {
		t.Errorf("Compare = %+v, %v", c, err)
	}
}

// A store that was tampered with must not get one mask another's record.
func TestSwappedValues(t *testing.T) {
	store := &swapping{Store: openBolt(t, t.TempDir())}
	w := newWorld(t, store)
	w.mustSee(addr(1))
	w.mustSee(addr(2))
	w.mustLook(addr(1))
	w.mustLook(addr(2))
	store.on = true
	if r, err := w.Look(context.Background(), w.mask(addr(1))); !errors.Is(err, sightings.ErrDamaged) {
		t.Errorf("%+v, %v", r, err)
	}
}

// swapping remembers the last value it found and gives it for another key.
type swapping struct {
	sightings.Store
	last []byte
	on   bool
}

func (s *swapping) Find(ctx context.Context, refs []sightings.Ref) ([]sightings.Entry, error) {
	found, err := s.Store.Find(ctx, refs)
	for i := range found {
		if s.on {
			found[i].Value = s.last
		} else {
			s.last = found[i].Value
		}
	}
	return found, err
}
