package sightings_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/lookup/seal"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/masking"
)

func TestSeenAndLookedUp(t *testing.T) {
	eachStore(t, func(t *testing.T, open func() sightings.Store) {
		w := newWorld(t, open(), func(c *sightings.Config) { c.Geo = testGeo(t) })
		network := func(cidr string) sightings.Network {
			prefix := netip.MustParsePrefix(cidr)
			mask, err := w.masker.Range(prefix)
			if err != nil {
				t.Fatal(err)
			}
			family := 4
			if prefix.Addr().Is6() {
				family = 6
			}
			return sightings.Network{Mask: mask, Family: family, Bits: prefix.Bits()}
		}
		tor, err := w.masker.Network("tor")
		if err != nil {
			t.Fatal(err)
		}
		hosting, err := w.masker.Network("hosting")
		if err != nil {
			t.Fatal(err)
		}
		tests := []struct {
			addr string
			want sightings.Record
		}{
			{"71.80.3.4", sightings.Record{
				ASN: 20115, Org: "Charter Communications, Inc", Country: 6252001, Region: 5128638, City: 5128581,
				Ranges: []sightings.Network{network("71.80.0.0/16"), network("71.80.3.0/24")}, Allocation: network("71.80.0.0/15"),
			}},
			{"2001:db8:7:8:9::1", sightings.Record{
				ASN: 64501, Org: "Example Six",
				Ranges: []sightings.Network{network("2001:db8::/32"), network("2001:db8:7::/48")}, Allocation: network("2001:db8::/32"),
			}},
			{"198.51.100.3", sightings.Record{ // in the site's own tor and in the database's tor and hosting
				ASN: 64500, Org: "Example Hosting", Country: 2921044, Region: 2950157, City: 2950159,
				Ranges: []sightings.Network{network("198.51.0.0/16"), network("198.51.100.0/24")}, Allocation: network("198.51.100.0/24"),
				Named: []sightings.NamedNetwork{{Name: "tor", Mask: tor}, {Name: "hosting", Mask: hosting}},
			}},
			{"203.0.113.9", sightings.Record{Ranges: []sightings.Network{network("203.0.0.0/16"), network("203.0.113.0/24")}}},
		}
		for _, tt := range tests {
			w.wantError(tt.addr, sightings.ErrUnknown)
			w.mustSee(tt.addr)
			got := w.mustLook(tt.addr)
			address, err := seal.OpenLocal(got.Box, (*w.kept.Load())[0])
			if err != nil || address.String() != tt.addr {
				t.Errorf("%s: the box holds %v, %v", tt.addr, address, err)
			}
			if got.Box.Mask != got.Mask || got.Box.Epoch != got.Epoch {
				t.Errorf("%s: the box is of %v, %s", tt.addr, got.Box.Mask, got.Box.Epoch)
			}
			got.Box = seal.Box{}
			want := tt.want
			want.Mask, want.Epoch, want.Site = w.mask(tt.addr), (*w.kept.Load())[0].ID(), "wiki"
			want.First, want.Last, want.Count = noon, noon, 1
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v\nwant %+v", tt.addr, got, want)
			}
		}
	})
}

func TestSealedToRecipients(t *testing.T) {
	id, err := seal.GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := seal.NewSealer(seal.Any, id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, openBolt(t, t.TempDir()), func(c *sightings.Config) { c.Sealer = sealer })
	w.mustSee("203.0.113.9")
	box, err := seal.ParseBox(w.mustLook("203.0.113.9").Box.String()) // as it travels to whoever reveals
	if err != nil {
		t.Fatal(err)
	}
	if got, err := seal.Open(box, id); err != nil || got.String() != "203.0.113.9" {
		t.Errorf("Open = %v, %v", got, err)
	}
	if _, err := seal.OpenLocal(box, (*w.kept.Load())[0]); !errors.Is(err, seal.ErrMode) {
		t.Errorf("the edge opens it: %v", err)
	}
}

func TestNoSealer(t *testing.T) {
	w := newWorld(t, openBolt(t, t.TempDir()), func(c *sightings.Config) { c.Sealer = nil })
	w.mustSee("203.0.113.9")
	if box := w.mustLook("203.0.113.9").Box; box.Body != nil || box.Mask.IsValid() {
		t.Errorf("a box without a sealer: %+v", box)
	}
}

func TestReadsAreCounted(t *testing.T) {
	eachStore(t, func(t *testing.T, open func() sightings.Store) {
		store := open()
		w := newWorld(t, store)
		for i := range 10 {
			w.setClock(noon.Add(time.Duration(i) * time.Minute))
			w.Record(w.sighting("203.0.113.9"))
		}
		testutil.Eventually(t, "the first sighting is stored", func() bool { return w.Stats().Written > 0 })
		check := func(what string) {
			t.Helper()
			r := w.mustLook("203.0.113.9")
			if r.Count != 10 || !r.First.Equal(noon) || !r.Last.Equal(noon.Add(9*time.Minute)) {
				t.Fatalf("%s: %d from %v to %v", what, r.Count, r.First, r.Last)
			}
		}
		check("partly in memory")
		w.WriteAgain()
		testutil.Eventually(t, "the rest is stored", func() bool { return w.Stats().Written == 2 })
		check("all stored")
		if err := errors.Join(w.Close(), store.Close()); err != nil {
			t.Fatal(err)
		}
		w.config.Store = open()
		w.open()
		check("after a restart")
		w.mustSee("203.0.113.9")
		if r := w.mustLook("203.0.113.9"); r.Count != 11 || !r.First.Equal(noon) {
			t.Fatalf("seen again after a restart: %+v", r)
		}
	})
}

func TestCloseWritesWhatIsQueued(t *testing.T) {
	store := openBolt(t, t.TempDir())
	w := newWorld(t, store)
	const n = 5000
	for i := range n {
		w.Record(w.sighting(addr(i)))
		w.Record(w.sighting(addr(i)))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if s := w.Stats(); s.Dropped != 0 || s.Queued != 0 {
		t.Fatalf("Stats = %+v", s)
	}
	w.open()
	for i := range n {
		if r := w.mustLook(addr(i)); r.Count != 2 {
			t.Fatalf("%s: %d sightings", addr(i), r.Count)
		}
	}
}

func TestUseAfterClose(t *testing.T) {
	w := newWorld(t, openBolt(t, t.TempDir()))
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	w.Record(w.sighting("203.0.113.9"))
	err := w.RecordDurably(context.Background(), w.sighting("203.0.113.9"))
	if !errors.Is(err, sightings.ErrNotDurable) || !errors.Is(err, sightings.ErrClosed) {
		t.Errorf("RecordDurably: %v", err)
	}
}

// A known client's POST must cost no write, but only as long as its record truly is in the store.
func TestKnownClientCostsNothing(t *testing.T) {
	store := &faulty{Store: openBolt(t, t.TempDir())}
	w := newWorld(t, store)
	appends := func(want int64, what string) {
		t.Helper()
		if got := store.appends.Load(); got != want {
			t.Fatalf("%s: %d appends, want %d", what, got, want)
		}
	}
	w.mustSee("203.0.113.9")
	appends(1, "first")
	for range 100 {
		w.mustSee("203.0.113.9")
	}
	appends(1, "known")
	store.fail(errors.New("full"))
	w.mustSee("203.0.113.9")
	appends(1, "known, with a failing store")
	store.fail(nil)

	store.incarnation.Add(1) // Redis was restarted, who knows with what
	w.mustSee("203.0.113.9")
	appends(2, "after the store may have lost it")

	w.setClock(noon.Add(24 * time.Hour)) // yesterday's record goes a day earlier than today's should
	w.mustSee("203.0.113.9")
	testutil.Eventually(t, "today's record and yesterday's count are stored", func() bool { return store.appends.Load() >= 3 })
	before := store.appends.Load()
	w.mustSee("203.0.113.9")
	testutil.Eventually(t, "all is counted", func() bool { return w.mustLook("203.0.113.9").Count == 105 })
	if store.appends.Load() > before+1 {
		t.Error("a known client costs writes on the second day")
	}
}

func TestForgottenClientIsStoredAgain(t *testing.T) {
	w := newWorld(t, openBolt(t, t.TempDir()), func(c *sightings.Config) { c.Known = 2 })
	for range 3 {
		for i := range 6 {
			w.mustSee(addr(i))
			w.Record(w.sighting(addr(i)))
		}
	}
	for i := range 6 {
		testutil.Eventually(t, "counts of clients that are no longer remembered are stored", func() bool { return w.mustLook(addr(i)).Count == 6 })
	}
}

// Many requests at once must share transactions, or each would wait for its own sync to disk.
func TestGroupCommit(t *testing.T) {
	const n = 500
	store := &faulty{Store: openBolt(t, t.TempDir())}
	w := newWorld(t, store)
	release := store.hold()
	defer release()
	var wg sync.WaitGroup
	record := func(i int) {
		s := w.sighting(addr(i))
		wg.Go(func() {
			if err := w.RecordDurably(context.Background(), s); err != nil {
				t.Error(err)
			}
		})
	}
	record(0)
	testutil.Eventually(t, "the first append", func() bool { return store.appends.Load() == 1 })
	for i := range n - 1 {
		record(1 + i)
	}
	testutil.Eventually(t, "all others wait", func() bool { return w.Waiting() == n-1 })
	release()
	wg.Wait()
	if got := store.appends.Load(); got != 2 {
		t.Errorf("%d appends for one sighting and %d that came meanwhile", got, n-1)
	}
	if got := w.Stats().Written; got != n {
		t.Errorf("%d written", got)
	}
}

func TestFailingStore(t *testing.T) {
	full := errors.New("no space left on device")
	store := &faulty{Store: openBolt(t, t.TempDir())}
	w := newWorld(t, store)
	w.mustSee(addr(1))
	store.fail(full)
	err := w.RecordDurably(context.Background(), w.sighting(addr(2)))
	if !errors.Is(err, sightings.ErrNotDurable) || !errors.Is(err, full) {
		t.Fatalf("RecordDurably: %v", err)
	}
	if strings.Contains(err.Error(), addr(2)) {
		t.Errorf("the error holds the address: %v", err)
	}
	w.Record(w.sighting(addr(3)))
	testutil.Eventually(t, "the read is dropped", func() bool { return w.Stats().Dropped == 1 })
	w.wantError(addr(2), sightings.ErrUnknown)
	w.mustLook(addr(1))

	store.fail(nil) // and all is well again, without a restart
	w.mustSee(addr(2))
	w.Record(w.sighting(addr(3)))
	testutil.Eventually(t, "the read is recorded", func() bool { return w.Stats().Written == 3 })
	for i := 1; i <= 3; i++ {
		if r := w.mustLook(addr(i)); r.Count != 1 {
			t.Errorf("%s: %+v", addr(i), r)
		}
	}
}

// What was counted is not lost when it can't be written down at once.
func TestCountsSurviveAFailure(t *testing.T) {
	store := &faulty{Store: openBolt(t, t.TempDir())}
	w := newWorld(t, store)
	w.mustSee(addr(1))
	for range 5 {
		w.mustSee(addr(1))
	}
	store.fail(errors.New("full"))
	w.WriteAgain()
	testutil.Eventually(t, "the count could not be written", func() bool { return w.Stats().Failed == 1 })
	store.fail(nil)
	testutil.Eventually(t, "it is counted on", func() bool { return w.mustLook(addr(1)).Count == 6 })
	w.mustSee(addr(2)) // the store works again
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w.open()
	if r := w.mustLook(addr(1)); r.Count != 6 {
		t.Errorf("%d sightings", r.Count)
	}
}

func TestHangingStore(t *testing.T) {
	store := &faulty{Store: openBolt(t, t.TempDir())}
	w := newWorld(t, store, func(c *sightings.Config) { c.Timeout = 50 * time.Millisecond })
	release := store.hold()
	defer release()
	err := w.RecordDurably(context.Background(), w.sighting(addr(1)))
	if !errors.Is(err, sightings.ErrNotDurable) || !strings.Contains(err.Error(), "too slow") {
		t.Fatalf("RecordDurably: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.RecordDurably(ctx, w.sighting(addr(2))); !errors.Is(err, sightings.ErrNotDurable) || !errors.Is(err, context.Canceled) {
		t.Fatalf("RecordDurably of a client that is gone: %v", err)
	}
	release()
	// A slow disk may need longer than this timeout for the first commit after it.
	testutil.Eventually(t, "the store works again", func() bool {
		return w.RecordDurably(context.Background(), w.sighting(addr(3))) == nil
	})
	w.mustLook(addr(3))
}

// A flood of new clients must not fill the memory while the store hangs, nor hold requests up.
func TestFullQueue(t *testing.T) {
	store := &faulty{Store: openBolt(t, t.TempDir())}
	w := newWorld(t, store)
	release := store.hold()
	defer release()
	const n = sightings.FreshQueue + 20_000 // the queue's, those on their way, and some more
	for i := range n {
		w.Record(w.sighting(addr(i)))
	}
	dropped := w.Stats().Dropped
	if dropped == 0 {
		t.Fatal("nothing was dropped")
	}
	release()
	testutil.Eventually(t, "the rest is stored", func() bool { return w.Stats().Written == n-dropped })
	for i := range n { // the next request of each tries again
		w.Record(w.sighting(addr(i)))
		for w.Stats().Queued > sightings.FreshQueue/2 {
			time.Sleep(time.Millisecond)
		}
	}
	testutil.Eventually(t, "all clients are stored", func() bool { return w.Stats().Written >= n })
	for i := 0; i < n; i += 97 {
		w.mustLook(addr(i))
	}
}

func TestRefusedSightings(t *testing.T) {
	w := newWorld(t, openBolt(t, t.TempDir()))
	good := w.sighting("203.0.113.9")
	network, err := w.masker.Range(netip.MustParsePrefix("203.0.113.0/24"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		change func(*sightings.Sighting)
		want   error
	}{
		"no mask":             {func(s *sightings.Sighting) { s.Mask = netip.Addr{} }, sightings.ErrNotMask},
		"the address as mask": {func(s *sightings.Sighting) { s.Mask = s.Addr }, sightings.ErrNotMask},
		"a network's mask":    {func(s *sightings.Sighting) { s.Mask = network }, sightings.ErrNotMask},
		"no address":          {func(s *sightings.Sighting) { s.Addr = netip.Addr{} }, masking.ErrInvalidAddress},
		"no site":             {func(s *sightings.Sighting) { s.Site = nil }, sightings.ErrNotMask},
	}
	for name, tt := range tests {
		s := good
		tt.change(&s)
		w.Record(s)
		if err := w.RecordDurably(context.Background(), s); !errors.Is(err, sightings.ErrNotDurable) || !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s := w.Stats(); s.Written != 0 {
		t.Errorf("something was written: %+v", s)
	}
}

func TestBadConfig(t *testing.T) {
	store := openBolt(t, t.TempDir())
	kept := func() []masking.Epoch { return nil }
	for name, config := range map[string]sightings.Config{
		"nothing":           {},
		"no epochs":         {Store: store},
		"retention too low": {Store: store, Epochs: kept, Retention: time.Hour},
		"negative":          {Store: store, Epochs: kept, Timeout: -1},
	} {
		if b, err := sightings.New(config); err == nil {
			b.Close()
			t.Errorf("%s: it is taken", name)
		}
	}
	bad := siteConfig(t, "wiki")
	bad.V4Ranges = []int{99}
	if _, err := sightings.NewSite(epochs(t, secret(1))[0], bad); err == nil || !strings.Contains(err.Error(), "99") {
		t.Errorf("NewSite: %v", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	eachStore(t, func(t *testing.T, open func() sightings.Store) {
		w := newWorld(t, open(), func(c *sightings.Config) { c.Known, c.Again = 64, time.Millisecond })
		const workers, rounds, clients = 8, 200, 100
		all := make([]sightings.Sighting, clients)
		for i := range all {
			all[i] = w.sighting(addr(i))
		}
		var wg sync.WaitGroup
		for worker := range workers {
			wg.Go(func() {
				for i := range rounds {
					s := all[(worker*31+i*7)%clients]
					if i%2 == 0 {
						w.Record(s)
						continue
					}
					if err := w.RecordDurably(context.Background(), s); err != nil {
						t.Error(err)
					}
					if _, err := w.Look(context.Background(), s.Mask); err != nil {
						t.Errorf("not found right after it was durable: %v", err)
					}
				}
			})
		}
		wg.Wait()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if s := w.Stats(); s.Dropped != 0 || s.Failed != 0 {
			t.Fatalf("Stats = %+v", s)
		}
		w.open()
		var total uint64
		for i := range clients {
			total += w.mustLook(addr(i)).Count
		}
		if total != workers*rounds {
			t.Errorf("%d sightings counted of %d", total, workers*rounds)
		}
	})
}

func ExampleNetwork_String() {
	n := sightings.Network{Mask: netip.MustParseAddr("2001:2e:c0de::1"), Family: 4, Bits: 15}
	fmt.Println("Network:", n)
	// Output: Network: 2001:2e:c0de::1 (an IPv4 /15)
}
