package sightings_test

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/lookup/sightings/boltstore"
)

// in64 is an address in the nth /64 of a /32, with as many /64s in each of its /48s.
func in64(t testing.TB, provider string, n, each int) string {
	t.Helper()
	a := netip.MustParseAddr(provider).As16()
	binary.BigEndian.PutUint16(a[4:], uint16(n/each))
	binary.BigEndian.PutUint16(a[6:], uint16(n%each))
	a[15] = 9
	return netip.AddrFrom16(a).String()
}

// Case 35: whoever holds a network makes as many records as it may, and no disk is filled by it; other networks, and
// clients that are known, go on.
func TestCase35RecordsOfANetworkAreBounded(t *testing.T) {
	const site, provider = 20, 100
	dir := t.TempDir()
	store, err := boltstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	w := newWorld(t, store, func(c *sightings.Config) {
		c.Limits = sightings.Limits{V6Site: site, V6Provider: provider}
	})
	publish := func(addr string) error { return w.RecordDurably(t.Context(), w.sighting(addr)) }
	full := func(err error) bool {
		return errors.Is(err, sightings.ErrNotDurable) && errors.Is(err, sightings.ErrNetworkFull)
	}

	// Readers make half of them.
	for n := range 1000 {
		w.Record(w.sighting(in64(t, "2001:db8::", n, 1000)))
	}
	testutil.Eventually(t, "what was read to be stored", func() bool { return w.Stats().Written == site/2 })
	// Who publishes has the rest of a /48, and then the rest of the /32.
	made := 0
	for n := 40; n < 1000; n++ { // other /48s
		if err := publish(in64(t, "2001:db8::", n, 40)); err == nil {
			made++
		} else if !full(err) {
			t.Fatal(err)
		}
	}
	w.Close()
	if stats := w.Stats(); made > provider || stats.Written > provider || stats.Written < provider-site || made+site/2 != provider || stats.Over < 1800 {
		t.Errorf("%d published, %+v", made, stats)
	}
	var size int64
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if info, infoErr := os.Stat(path); infoErr == nil && !d.IsDir() {
			size += info.Size()
		}
		return err
	})
	if err != nil || size > 4<<20 {
		t.Errorf("%d bytes on disk, %v", size, err)
	}
}

func TestLimitsOfNetworks(t *testing.T) {
	store, err := boltstore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	w := newWorld(t, store, func(c *sightings.Config) { c.Limits = sightings.Limits{V6Site: 4, V6Provider: 6} })
	defer w.Close()
	publish := func(addr string) bool {
		t.Helper()
		err := w.RecordDurably(t.Context(), w.sighting(addr))
		if err != nil && !errors.Is(err, sightings.ErrNetworkFull) {
			t.Fatal(err)
		}
		return err == nil
	}
	for _, step := range []struct {
		addr string
		ok   bool
	}{
		{"2001:db8:1:1::1", true}, {"2001:db8:1:2::1", true}, {"2001:db8:1:3::1", true}, {"2001:db8:1:4::1", true},
		{"2001:db8:1:5::1", false},                           // the /48 is full
		{"2001:db8:1:1::77", true},                           // a client that is known
		{"2001:db8:2:1::1", true}, {"2001:db8:2:2::1", true}, // another /48
		{"2001:db8:3:1::1", false},                          // the /32 is full
		{"2001:db9:3:1::1", true},                           // another /32
		{"203.0.113.1", true}, {"::ffff:203.0.113.2", true}, // IPv4
		{"203.0.113.3", true}, {"203.0.113.4", true}, {"203.0.113.5", true},
	} {
		if got := publish(step.addr); got != step.ok {
			t.Errorf("%s: %v", step.addr, got)
		}
	}
	w.setClock(noon.AddDate(0, 0, 1)) // another day
	if !publish("2001:db8:3:1::1") {
		t.Error("the next day")
	}
	for _, bad := range []sightings.Limits{{V6Site: -1}, {V6Provider: 1}, {V6Site: sightings.MaxLimit + 1}} {
		if bad.Validate() == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// What the store did not take counts for nothing: an outage must not use a network's records up.
func TestFailuresDoNotCount(t *testing.T) {
	store, err := boltstore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	f := &faulty{Store: store}
	w := newWorld(t, f, func(c *sightings.Config) { c.Limits = sightings.Limits{V6Site: 2, V6Provider: 2} })
	defer w.Close()
	const addr = "2001:db8:1:1::1"
	f.fail(errors.New("disk is full"))
	for range 5 {
		if err := w.RecordDurably(t.Context(), w.sighting(addr)); !errors.Is(err, sightings.ErrNotDurable) || errors.Is(err, sightings.ErrNetworkFull) {
			t.Errorf("while the store fails: %v", err)
		}
	}
	f.fail(nil)
	if err := w.RecordDurably(t.Context(), w.sighting(addr)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
