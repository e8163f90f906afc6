package sightings_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/masking"
)

// leadsTo reports whether the index of a network leads to a client that published.
func (w *world) leadsTo(network netip.Addr, addr string) bool {
	w.t.Helper()
	return w.walk(network)[w.mask(addr)]
}

func (w *world) walk(network netip.Addr) map[netip.Addr]bool {
	w.t.Helper()
	led, err := w.WalkFrom(context.Background(), (*w.kept.Load())[0], network)
	if err != nil {
		w.t.Fatal(err)
	}
	return led
}

func (w *world) rangeMask(prefix string) netip.Addr {
	w.t.Helper()
	mask, err := w.masker.Range(netip.MustParsePrefix(prefix))
	if err != nil {
		w.t.Fatal(err)
	}
	return mask
}

// network is what a look-up of a range's mask gives.
func (w *world) network(prefix string) sightings.NetworkRecord {
	w.t.Helper()
	p, family := netip.MustParsePrefix(prefix), 4
	if p.Addr().Is6() {
		family = 6
	}
	mask := w.rangeMask(prefix)
	return sightings.NetworkRecord{Mask: mask, Epoch: (*w.kept.Load())[0].ID(), Site: "wiki",
		Network: sightings.Network{Mask: mask, Family: family, Bits: p.Bits()}}
}

func (w *world) members(prefix string) sightings.Population {
	w.t.Helper()
	p, err := w.Members(context.Background(), w.network(prefix))
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) read(addrs ...string) {
	w.t.Helper()
	for _, a := range addrs {
		w.Record(w.sighting(a))
	}
	testutil.Eventually(w.t, "what was read is stored", func() bool {
		for _, a := range addrs {
			if _, err := w.Look(context.Background(), w.mask(a)); err != nil {
				return false
			}
		}
		return true
	})
}

func hosts(prefix string, from, to int) (all []string) {
	for n := from; n <= to; n++ {
		all = append(all, fmt.Sprintf("%s%d", prefix, n))
	}
	return all
}

// Each network that a client's look-up shows leads to the client: its ranges, its allocation, and its named networks; after a
// restart, too. No other network does.
func TestNetworksLeadToTheirClients(t *testing.T) {
	eachStore(t, func(t *testing.T, open func() sightings.Store) {
		store := open()
		w := newWorld(t, store, func(c *sightings.Config) { c.Geo = testGeo(t) })
		published := []string{"71.80.213.119", "71.80.213.7", "71.81.4.4", "198.51.100.7", "2001:db8:f00d:4711::5", "2001:db8:f00d:12::5"}
		for _, a := range published {
			w.mustSee(a)
		}
		w.read("71.80.213.20", "71.80.1.1")
		check := func() {
			t.Helper()
			for network, want := range map[string][]string{
				"71.80.213.0/24":     {"71.80.213.119 published", "71.80.213.7 published", "71.80.213.20"},
				"71.80.0.0/16":       {"71.80.213.119 published", "71.80.213.7 published", "71.80.213.20", "71.80.1.1"},
				"71.80.0.0/15":       {"71.80.213.119 published", "71.80.213.7 published", "71.80.213.20", "71.80.1.1", "71.81.4.4 published"},
				"71.81.4.0/24":       {"71.81.4.4 published"},
				"2001:db8:f00d::/48": {"2001:db8:f00d:4711::5 published", "2001:db8:f00d:12::5 published"},
				"2001:db8::/32":      {"2001:db8:f00d:4711::5 published", "2001:db8:f00d:12::5 published"},
				"71.80.214.0/24":     {},
			} {
				w.wantWalk(network, w.rangeMask(network), want)
			}
			for _, name := range []string{"tor", "hosting"} {
				mask, err := w.masker.Network(name)
				if err != nil {
					t.Fatal(err)
				}
				w.wantWalk(name, mask, []string{"198.51.100.7 published"})
			}
		}
		check()
		w.mustSee("71.80.213.20") // who read before publishes now
		led := w.walk(w.rangeMask("71.80.213.0/24"))
		if len(led) != 3 || !led[w.mask("71.80.213.20")] {
			t.Errorf("who published after reading is filed as %v", led)
		}
		w.Close()
		store.Close()
		w.config.Store = open()
		w.open()
		if led := w.walk(w.rangeMask("71.80.0.0/15")); len(led) != 5 || !led[w.mask("71.80.213.20")] {
			t.Errorf("after a restart the allocation leads to %v", led)
		}
		w.mustSee("71.80.213.44") // numbers begin anew, and hide nobody
		if led := w.walk(w.rangeMask("71.80.213.0/24")); len(led) != 4 {
			t.Errorf("after a restart the /24 leads to %v", led)
		}
	})
}

func (w *world) wantWalk(name string, network netip.Addr, want []string) {
	w.t.Helper()
	led := w.walk(network)
	good := len(led) == len(want)
	for _, who := range want {
		addr, published := strings.CutSuffix(who, " published")
		is, there := led[w.mask(addr)]
		good = good && there && is == published
	}
	if !good {
		w.t.Errorf("%s leads to %v, want %v", name, led, want)
	}
}

// A known client's POST writes nothing; its first after reading writes once, and waits for it.
func TestFirstPublishedIsDurable(t *testing.T) {
	store := &faulty{Store: openBolt(t, t.TempDir())}
	w := newWorld(t, store)
	w.read("10.0.0.1")
	before := store.appends.Load()
	store.fail(errors.New("disk full"))
	if err := w.RecordDurably(t.Context(), w.sighting("10.0.0.1")); !errors.Is(err, sightings.ErrNotDurable) {
		t.Fatalf("the index can't be stored: %v", err)
	}
	store.fail(nil)
	for range 3 {
		w.mustSee("10.0.0.1")
	}
	if n := store.appends.Load() - before; n != 2 { // the one that failed, and one
		t.Errorf("%d transactions, want 2", n)
	}
	if !w.leadsTo(w.rangeMask("10.0.0.0/24"), "10.0.0.1") {
		t.Error("the network does not lead to who published")
	}
}

// A client that was known, and publishes for the first time, is recorded anew where the store lost what it had while the request waited;
// so are networks that were known to lead to each other.
func TestLostWhilePublishing(t *testing.T) {
	for _, first := range []bool{false, true} {
		store := &faulty{Store: openBolt(t, t.TempDir())}
		w := newWorld(t, store)
		w.read("10.0.0.1")
		published := "10.0.0.1"
		if first {
			published = "10.0.0.2" // unknown yet, in a /24 of which is known that the /16 leads to it
		}
		release := store.hold()
		before := store.appends.Load()
		other, done := make(chan error, 1), make(chan error, 1)
		go func() { other <- w.RecordDurably(t.Context(), w.sighting("10.7.0.1")) }()
		testutil.Eventually(t, "the store is busy", func() bool { return store.appends.Load() > before })
		go func() { done <- w.RecordDurably(t.Context(), w.sighting(published)) }()
		testutil.Eventually(t, "the request waits", func() bool { return w.Waiting() == 1 })
		store.Store = openBolt(t, t.TempDir())
		store.incarnation.Add(1)
		release()
		if err := <-other; err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.mustLook(published)
		if !w.leadsTo(w.rangeMask("10.0.0.0/24"), published) || !w.leadsTo(w.rangeMask("10.0.0.0/16"), published) {
			t.Errorf("not all networks lead to %s", published)
		}
	}
}

// Who sends many requests at once takes no room of others.
func TestManyRequestsOfOneClientAreFiledOnce(t *testing.T) {
	store := &faulty{Store: openBolt(t, t.TempDir())}
	w := newWorld(t, store)
	release := store.hold()
	var all sync.WaitGroup
	all.Go(func() { w.mustSee("10.9.0.1") })
	testutil.Eventually(t, "the store is busy", func() bool { return store.appends.Load() == 1 })
	for range sightings.MaxMembers + 100 {
		all.Go(func() { w.mustSee("10.0.0.1") })
	}
	testutil.Eventually(t, "they wait", func() bool { return w.Waiting() > sightings.MaxMembers })
	release()
	all.Wait()
	w.mustSee("10.0.0.2")
	if led := w.walk(w.rangeMask("10.0.0.0/24")); len(led) != 2 || w.Stats().Full != 0 {
		t.Errorf("leads to %v; %d had no room", led, w.Stats().Full)
	}
}

// Numbers of entries that were not stored are used again, however many they were: nobody behind them is lost.
func TestFailedEntriesLeaveNoGap(t *testing.T) {
	eachStore(t, func(t *testing.T, open func() sightings.Store) {
		store := &faulty{Store: open()}
		w := newWorld(t, store)
		store.fail(errors.New("disk full"))
		for _, a := range hosts("10.0.0.", 1, 200) {
			if w.RecordDurably(t.Context(), w.sighting(a)) == nil {
				t.Fatal("stored")
			}
		}
		store.fail(nil)
		w.mustSee("10.0.0.250")
		w.mustSee("10.0.0.251")
		w.wantWalk("the /24", w.rangeMask("10.0.0.0/24"), []string{"10.0.0.250 published", "10.0.0.251 published"})
	})
}

// What is stored behind a gap is found: what came before it was stored too late for that, or never.
func TestFailedBatchHidesNobody(t *testing.T) {
	store := &faulty{Store: openBolt(t, t.TempDir())}
	w := newWorld(t, store)
	var all sync.WaitGroup
	see := func(want bool, addrs ...string) {
		for _, a := range addrs {
			all.Go(func() {
				if err := w.RecordDurably(t.Context(), w.sighting(a)); (err == nil) != want {
					t.Errorf("%s: %v", a, err)
				}
			})
		}
	}
	release := store.hold()
	see(true, "10.9.0.1")
	testutil.Eventually(t, "the store is busy", func() bool { return store.appends.Load() == 1 })
	see(false, hosts("10.0.0.", 1, 40)...)
	testutil.Eventually(t, "a batch waits", func() bool { return w.Waiting() == 40 })
	store.fail(errors.New("disk full"))
	fail := store.hold()
	release()
	testutil.Eventually(t, "it is on its way", func() bool { return store.appends.Load() == 2 })
	see(true, hosts("10.0.0.", 101, 120)...)
	testutil.Eventually(t, "the next waits", func() bool { return w.Waiting() == 20 })
	store.fail(nil)
	fail()
	all.Wait()
	if led := w.walk(w.rangeMask("10.0.0.0/24")); len(led) != 20 {
		t.Errorf("of 20 clients that are durable the network leads to %d", len(led))
	}
}

// A store that lost what it had, as Redis may, gets its index anew from the first number on.
func TestIndexBeginsAnewInALostStore(t *testing.T) {
	store := &faulty{Store: openBolt(t, t.TempDir())}
	w := newWorld(t, store)
	for _, a := range hosts("10.0.0.", 1, 40) {
		w.mustSee(a)
	}
	store.Store = openBolt(t, t.TempDir())
	store.incarnation.Add(1)
	for _, a := range hosts("10.0.0.", 201, 220) {
		w.mustSee(a)
	}
	w.mustSee("10.0.0.1")
	if led := w.walk(w.rangeMask("10.0.0.0/16")); len(led) != 21 || !led[w.mask("10.0.0.1")] {
		t.Errorf("of 21 clients that are durable the network leads to %d", len(led))
	}
}

// In a network that is full, a client's further requests neither do the work again nor count again as having no room.
func TestNoRoomIsCountedOnce(t *testing.T) {
	w := newWorld(t, openBolt(t, t.TempDir()))
	var all sync.WaitGroup
	for part := range 16 {
		all.Go(func() {
			for n := part; n < sightings.MaxMembers; n += 16 {
				w.mustSee(fmt.Sprintf("2001:db8:0:%x::1", n+1))
			}
		})
	}
	all.Wait()
	w.read("2001:db8:0:ffff::1")
	read := w.Stats().Full
	for range 20 {
		w.mustSee("2001:db8:0:ffff::1")
	}
	if grew := w.Stats().Full - read; grew != 1 {
		t.Errorf("one client had no room %d times", grew)
	}
}

// Who has a /48 fills its index only: the provider's leads to others in it, and what reads leaves room for what publishes.
func TestOneHolderFillsOneNetwork(t *testing.T) {
	w := newWorld(t, openBolt(t, t.TempDir()))
	const many = 3 * sightings.MaxMembers
	var all sync.WaitGroup
	for part := range 16 {
		all.Go(func() {
			for n := part; n < many; n += 16 {
				w.Record(w.sighting(in64(t, "2001:db8::", n, many)))
			}
		})
	}
	all.Wait()
	testutil.Eventually(t, "what was read is stored", func() bool { return w.Stats().Written == many })
	if led := w.walk(w.rangeMask("2001:db8::/48")); len(led) != sightings.MaxMembers/2 {
		t.Errorf("%d readers are filed", len(led))
	}
	for part := range 16 {
		all.Go(func() {
			for n := part; n < many; n += 16 {
				w.mustSee(in64(t, "2001:db8::", n, many))
			}
		})
	}
	all.Wait()
	w.mustSee("2001:db8:7::1")
	published := 0
	for _, yes := range w.walk(w.rangeMask("2001:db8::/48")) {
		if yes {
			published++
		}
	}
	if published != sightings.MaxMembers/2 || w.Stats().Full == 0 {
		t.Errorf("%d who published are filed, %d had no room", published, w.Stats().Full)
	}
	if !w.leadsTo(w.rangeMask("2001:db8::/32"), "2001:db8:7::1") {
		t.Error("the provider's network does not lead to another's client")
	}
	// Nor do they make a network of one holder look like one of many: the mask of the other would be told.
	w.setClock(noon.Add(24 * time.Hour))
	w.mustSee("2001:db8:7::1")
	if p := w.members("2001:db8::/32"); !p.Small || p.Candidates != nil || p.More {
		t.Errorf("a provider with two holders: %+v", p)
	}
}

// The small-network rule, for networks of any size: until there are twenty holders, give or take a quarter, nobody is named;
// who only read never is; counts are told in ranges, today's clients are told of in nothing, and the same question has the same answer.
func TestSmallNetworkRule(t *testing.T) {
	w := newWorld(t, openBolt(t, t.TempDir()))
	random := rand.New(rand.NewPCG(12, 2026))
	named, small := 0, 0
	for network := range 60 {
		prefix := fmt.Sprintf("10.9.%d.", network)
		size := random.IntN(41)
		readers := random.IntN(size + 1)
		w.setClock(noon)
		clients := hosts(prefix, 1, size)
		for _, a := range clients[readers:] {
			w.mustSee(a)
		}
		w.read(clients[:readers]...)
		w.setClock(noon.Add(24 * time.Hour))
		p := w.members(prefix + "0/24")
		for _, a := range hosts(prefix, 100, 100+random.IntN(60)) {
			w.mustSee(a)
		}
		if again := w.members(prefix + "0/24"); fmt.Sprint(again) != fmt.Sprint(p) {
			t.Errorf("asked again: %+v, then %+v", p, again)
		}
		if p.Small {
			small++
		} else {
			named++
		}
		if p.Small && (p.Candidates != nil || size > 26) || !p.Small && size < 16 {
			t.Errorf("%d clients before today: %+v", size, p)
		}
		for _, a := range clients[:readers] {
			if slices.Contains(p.Candidates, w.mask(a)) {
				t.Errorf("who only read is named among %d", size)
			}
		}
		if !p.Small && len(p.Candidates) != size-readers {
			t.Errorf("%d published, %d are named", size-readers, len(p.Candidates))
		}
		for what, told := range map[int]string{size: p.Clients, size - readers: p.Published} {
			if !within(told, what-what/4, what+what/4) {
				t.Errorf("%d clients are told as %q", what, told)
			}
		}
		if p.Until != sightings.DayOf(noon) {
			t.Errorf("until %v", p.Until)
		}
	}
	if named < 5 || small < 5 {
		t.Errorf("%d networks named, %d small: the test shows little", named, small)
	}
}

// within reports whether a range could be of a number from low to high.
func within(told string, low, high int) bool {
	for n := low; n <= high; n++ {
		if sightings.ClientRange(n) == told {
			return true
		}
	}
	return false
}

// What comes today changes nothing that is told, at no bound: neither that of candidates nor that of a network's entries. Who
// asks again and again would see a visit as it happens.
func TestTodayShowsInNothing(t *testing.T) {
	w := newWorld(t, openBolt(t, t.TempDir()))
	for _, a := range hosts("10.1.0.", 1, sightings.MaxCandidates) {
		w.mustSee(a)
	}
	full := make([]string, sightings.MaxMembers/2)
	for n := range full {
		full[n] = in64(t, "2001:db8::", n, len(full))
	}
	w.setClock(noon.Add(24 * time.Hour))
	for _, a := range full[1:] {
		w.mustSee(a)
	}
	for network, visitor := range map[string]string{"10.1.0.0/24": "10.1.0.250", "2001:db8::/48": full[0]} {
		before := w.members(network)
		w.mustSee(visitor)
		if after := w.members(network); fmt.Sprint(after) != fmt.Sprint(before) || before.More {
			t.Errorf("%s: a visit of today shows: %+v, then %+v", network, before, after)
		}
	}
	// Tomorrow it is told that there are more.
	w.setClock(noon.Add(48 * time.Hour))
	if p := w.members("10.1.0.0/24"); !p.More || len(p.Candidates) != sightings.MaxCandidates {
		t.Errorf("of %d only %d are candidates, more: %v", sightings.MaxCandidates+1, len(p.Candidates), p.More)
	}
}

// One customer's /56 has 256 clients: of an IPv6 /48 or narrower nobody is named, and a wider one counts its /48s.
func TestOneHoldersNetworkNamesNobody(t *testing.T) {
	w := newWorld(t, openBolt(t, t.TempDir()))
	for n := range 256 {
		w.mustSee(fmt.Sprintf("2001:db8:7:%x::1", n))
	}
	for n := range 40 {
		w.mustSee(fmt.Sprintf("2001:db9:%x::1", n+1))
	}
	w.setClock(noon.Add(24 * time.Hour))
	for _, network := range []string{"2001:db8:7::/64", "2001:db8:7::/48", "2001:db8::/32"} {
		if p := w.members(network); !p.Small || p.Candidates != nil {
			t.Errorf("%s, of one holder: small %v, %d candidates", network, p.Small, len(p.Candidates))
		}
	}
	if p := w.members("2001:db8:7::/48"); !within(p.Clients, 192, 320) {
		t.Errorf("its clients are told as %q", p.Clients)
	}
	if p := w.members("2001:db9::/32"); p.Small || len(p.Candidates) != 40 {
		t.Errorf("of forty holders: small %v, %d candidates", p.Small, len(p.Candidates))
	}
}

// A wide network's last days are gone through down to the clients before older ones; where there is more than one look-up goes
// through, the counts say so.
func TestWideNetworksAreCounted(t *testing.T) {
	w := newWorld(t, openBolt(t, t.TempDir()), func(c *sightings.Config) { c.Geo = testGeo(t) })
	for day := range 30 {
		w.setClock(noon.Add(time.Duration(day) * 24 * time.Hour))
		var all sync.WaitGroup
		for part := range 16 {
			all.Go(func() {
				for n := part; n < 400; n += 16 {
					w.mustSee(fmt.Sprintf("71.%d.%d.%d", 80+n/200, n%200, 1+day))
				}
			})
		}
		all.Wait()
	}
	w.setClock(noon.Add(30 * 24 * time.Hour))
	p := w.members("71.80.0.0/15")
	if !within(p.Clients, 2100, 3500) || !within(p.Published, 2100, 3500) || p.Small || !p.More {
		t.Errorf("2800 clients are told as %q, %q sent something, more: %v", p.Clients, p.Published, p.More)
	}
	for n := range 600 {
		w.mustSee(fmt.Sprintf("2001:db8:6:%x::1", n))
	}
	w.setClock(noon.Add(31 * 24 * time.Hour))
	if p := w.members("2001:db8:6::/48"); !strings.HasPrefix(p.Clients, "at least ") || p.More || !p.Small {
		t.Errorf("of a network whose readers may have had no room: %+v", p)
	}
}

func TestClientRange(t *testing.T) {
	for n, want := range map[int]string{0: "fewer than 10", 9: "fewer than 10", 10: "10 to 19", 19: "10 to 19", 20: "20 to 39", 79: "40 to 79", 80: "80 to 159"} {
		if got := sightings.ClientRange(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// Clients are counted of whole days, the last seven; members come of the whole retention.
func TestMembersOverDays(t *testing.T) {
	eachStore(t, func(t *testing.T, open func() sightings.Store) {
		w := newWorld(t, open())
		days := func(n int) { w.setClock(noon.Add(time.Duration(n) * 24 * time.Hour)) }
		for _, a := range hosts("10.0.0.", 1, 40) {
			w.mustSee(a)
		}
		days(5)
		w.read(hosts("10.0.0.", 31, 70)...)
		days(10)
		w.mustSee("10.0.0.200")
		days(11)
		p := w.members("10.0.0.0/24")
		if !within(p.Clients, 30, 50) || p.Published != "fewer than 10" || p.Small || len(p.Candidates) != 41 || p.Candidates[0] != w.mask("10.0.0.200") {
			t.Errorf("%+v", p)
		}
		days(91)
		if err := w.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p := w.members("10.0.0.0/24"); len(p.Candidates) != 1 && !p.Small {
			t.Errorf("after the retention: %+v", p)
		}
		if led := w.walk(w.rangeMask("10.0.0.0/24")); len(led) != 41 { // those of day 5 and day 10
			t.Errorf("after the retention the network leads to %d", len(led))
		}
	})
}

// When the secret of an epoch is destroyed, nothing leads from a network to anybody any more.
func TestMembersGoWithTheirEpoch(t *testing.T) {
	eachStore(t, func(t *testing.T, open func() sightings.Store) {
		w := newWorld(t, open())
		for _, a := range hosts("10.0.0.", 1, 50) {
			w.mustSee(a)
		}
		w.setClock(noon.Add(24 * time.Hour))
		old := w.network("10.0.0.0/24")
		if p := w.members("10.0.0.0/24"); len(p.Candidates) != 50 || w.Indexed() == 0 {
			t.Fatalf("%+v", p)
		}
		both := epochs(t, secret(2), secret(1)) // rotated, the old one kept
		w.kept.Store(&both)
		if p, err := w.Members(t.Context(), old); err != nil || len(p.Candidates) != 50 {
			t.Fatalf("after the rotation: %+v, %v", p, err)
		}
		only := epochs(t, secret(2))
		w.kept.Store(&only)
		w.ForgetKeys()
		if p, err := w.Members(t.Context(), old); !errors.Is(err, sightings.ErrEpochDestroyed) || p.Candidates != nil || w.Indexed() != 0 {
			t.Errorf("%+v, %v; %d remembered", p, err, w.Indexed())
		}
		// Nor under the new one's keys.
		old.Epoch = only[0].ID()
		if p, err := w.Members(t.Context(), old); err != nil || p.Candidates != nil || p.Clients != "fewer than 10" {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

// A store that was tampered with makes nobody a member of another network.
func TestSwappedMembers(t *testing.T) {
	store := &swapping{Store: openBolt(t, t.TempDir())}
	w := newWorld(t, store)
	w.mustSee("10.0.0.1")
	w.mustSee("10.9.0.1")
	w.setClock(noon.Add(24 * time.Hour))
	w.members("10.9.0.0/24")
	store.on = true
	if p, err := w.Members(t.Context(), w.network("10.0.0.0/24")); !errors.Is(err, sightings.ErrDamaged) {
		t.Errorf("%+v, %v", p, err)
	}
}

// A site without ranges, and without databases, has no index to wait for.
func TestNoNetworks(t *testing.T) {
	store := &faulty{Store: openBolt(t, t.TempDir())}
	w := newWorld(t, store)
	var err error
	if w.site, err = sightings.NewSite((*w.kept.Load())[0], masking.SiteConfig{Label: "wiki"}); err != nil {
		t.Fatal(err)
	}
	w.read("10.0.0.1")
	before := store.appends.Load()
	w.mustSee("10.0.0.1")
	if n := store.appends.Load() - before; n != 0 {
		t.Errorf("%d transactions", n)
	}
}
