package sightings_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/redisclient"
	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
	"github.com/wikiveil/wikiveil/lookup/geo"
	"github.com/wikiveil/wikiveil/lookup/geo/geotest"
	"github.com/wikiveil/wikiveil/lookup/seal"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/lookup/sightings/boltstore"
	"github.com/wikiveil/wikiveil/lookup/sightings/redisstore"
	"github.com/wikiveil/wikiveil/masking"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func secret(fill byte) []byte { return bytes.Repeat([]byte{fill}, 32) }

func epochs(t testing.TB, secrets ...[]byte) []masking.Epoch {
	t.Helper()
	ring, err := masking.ConfiguredRing(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return ring.Epochs()
}

// world is a recorder with what is around it.
type world struct {
	*sightings.Recorder
	t      testing.TB
	config sightings.Config
	site   *sightings.Site
	masker *masking.Masker
	kept   atomic.Pointer[[]masking.Epoch]
	clock  atomic.Pointer[time.Time]
}

type option func(*sightings.Config)

// siteConfig is the sites' in these tests: one named network, the default ranges.
func siteConfig(t testing.TB, label string) masking.SiteConfig {
	t.Helper()
	exits, err := masking.BuildNetworks("tor")
	if err != nil {
		t.Fatal(err)
	}
	exits.Add(0, netip.MustParsePrefix("198.51.100.0/28"))
	return masking.SiteConfig{
		Label: label, V4Ranges: masking.DefaultV4Ranges, V6Ranges: masking.DefaultV6Ranges, Networks: exits.Networks(),
	}
}

func newWorld(t testing.TB, store sightings.Store, options ...option) *world {
	t.Helper()
	w := &world{t: t}
	kept := epochs(t, secret(1))
	w.kept.Store(&kept)
	w.setClock(noon)
	var err error
	if w.site, err = sightings.NewSite(kept[0], siteConfig(t, "wiki")); err != nil {
		t.Fatal(err)
	}
	if w.masker, err = kept[0].Masker("wiki", 0); err != nil {
		t.Fatal(err)
	}
	w.config = sightings.Config{
		Store:  store,
		Epochs: func() []masking.Epoch { return *w.kept.Load() },
		Sealer: seal.NewLocal(),
	}
	for _, o := range options {
		o(&w.config)
	}
	w.open()
	return w
}

func (w *world) open() {
	w.t.Helper()
	var err error
	if w.Recorder, err = sightings.NewAt(w.config, func() time.Time { return *w.clock.Load() }); err != nil {
		w.t.Fatal(err)
	}
	recorder := w.Recorder
	w.t.Cleanup(func() { recorder.Close() })
}

func (w *world) setClock(t time.Time) { w.clock.Store(&t) }

func (w *world) now() time.Time { return *w.clock.Load() }

func (w *world) mask(addr string) netip.Addr {
	w.t.Helper()
	mask, err := w.masker.Client(netip.MustParseAddr(addr))
	if err != nil {
		w.t.Fatal(err)
	}
	return mask
}

func (w *world) sighting(addr string) sightings.Sighting {
	w.t.Helper()
	return sightings.Sighting{Mask: w.mask(addr), Addr: netip.MustParseAddr(addr), Time: w.now(), Site: w.site}
}

func (w *world) mustSee(addr string) {
	w.t.Helper()
	if err := w.RecordDurably(context.Background(), w.sighting(addr)); err != nil {
		w.t.Fatal(err)
	}
}

// Look is LookAll of one mask.
func (w *world) Look(ctx context.Context, mask netip.Addr) (sightings.Record, error) {
	records, err := w.LookAll(ctx, mask)
	if err != nil {
		return sightings.Record{}, err
	}
	return records[0], nil
}

// Compare compares what is known of several masks.
func (w *world) Compare(ctx context.Context, masks ...netip.Addr) (sightings.Comparison, error) {
	records, err := w.LookAll(ctx, masks...)
	if err != nil {
		return sightings.Comparison{}, err
	}
	return sightings.CompareRecords(records), nil
}

func (w *world) mustLook(addr string) sightings.Record {
	w.t.Helper()
	r, err := w.Look(context.Background(), w.mask(addr))
	if err != nil {
		w.t.Fatalf("looking up %s: %v", addr, err)
	}
	return r
}

func (w *world) wantError(addr string, want error) {
	w.t.Helper()
	if r, err := w.Look(context.Background(), w.mask(addr)); !errors.Is(err, want) {
		w.t.Fatalf("looking up %s: %+v, %v; want %v", addr, r, err, want)
	}
}

// addr returns the n-th of a row of IPv4 addresses.
func addr(n int) string { return fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255) }

// eachStore runs a test against both stores. Open opens the test's one store (again).
func eachStore(t *testing.T, test func(t *testing.T, open func() sightings.Store)) {
	t.Run("bolt", func(t *testing.T) {
		dir := t.TempDir()
		test(t, func() sightings.Store { return openBolt(t, dir) })
	})
	t.Run("redis", func(t *testing.T) {
		server := redistest.Start(t, redistest.Durable...)
		test(t, func() sightings.Store { return openRedis(t, server) })
	})
}

func openBolt(t testing.TB, dir string) sightings.Store {
	t.Helper()
	s, err := boltstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func openRedis(t testing.TB, server *redistest.Server) sightings.Store {
	t.Helper()
	s, err := redisstore.Open(context.Background(), redisstore.Config{Redis: redisclient.Config{URLs: []string{server.URL}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// A faulty store does to Append what a test wants; the rest is real.
type faulty struct {
	sightings.Store
	appends     atomic.Int64
	incarnation atomic.Uint64

	mu   sync.Mutex
	gate chan struct{} // not nil: Append waits until it is closed
	err  error
}

func (f *faulty) Append(ctx context.Context, entries []sightings.Entry) error {
	f.appends.Add(1)
	f.mu.Lock()
	gate, err := f.gate, f.err
	f.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if err != nil {
		return err
	}
	return f.Store.Append(ctx, entries)
}

func (f *faulty) Incarnation() uint64 { return f.incarnation.Load() }

func (f *faulty) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// hold makes Append wait; what is returned lets it go on.
func (f *faulty) hold() (release func()) {
	gate := make(chan struct{})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gate = gate
	return sync.OnceFunc(func() {
		f.mu.Lock()
		if f.gate == gate {
			f.gate = nil
		}
		f.mu.Unlock()
		close(gate)
	})
}

// testGeo opens databases about a few networks.
func testGeo(t testing.TB) *geo.DB {
	t.Helper()
	dir := t.TempDir()
	db, err := geo.Open(geo.Config{
		ASN: geotest.Write(t, filepath.Join(dir, "asn"), geotest.ASN, geotest.Networks{
			"71.80.0.0/15":    geotest.Organization(20115, "Charter Communications, Inc"),
			"198.51.100.0/24": geotest.Organization(64500, "Example Hosting"),
			"2001:db8::/32":   geotest.Organization(64501, "Example Six"),
		}),
		City: geotest.Write(t, filepath.Join(dir, "city"), geotest.City, geotest.Networks{
			"71.80.0.0/16":    geotest.Place(6252001, 5128638, 5128581),
			"71.81.0.0/16":    geotest.Place(6252001, 5128638, 5110302),
			"198.51.100.0/24": geotest.Place(2921044, 2950157, 2950159),
		}),
		Anonymous: geotest.Write(t, filepath.Join(dir, "anonymous"), geotest.Anonymous, geotest.Networks{
			"198.51.100.0/24": geotest.Anonymity("is_anonymous", "is_hosting_provider", "is_tor_exit_node"),
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
