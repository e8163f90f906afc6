package sightings_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
	"github.com/wikiveil/wikiveil/lookup/seal"
	"github.com/wikiveil/wikiveil/lookup/sightings"
)

func benchWorld(b *testing.B, store sightings.Store) *world {
	b.Helper()
	id, err := seal.GenerateIdentity()
	if err != nil {
		b.Fatal(err)
	}
	sealer, err := seal.NewSealer(seal.Any, id.Recipient())
	if err != nil {
		b.Fatal(err)
	}
	geo := testGeo(b)
	return newWorld(b, store, func(c *sightings.Config) {
		c.Geo, c.Sealer = geo, sealer
		c.Limits = sightings.Limits{V6Site: sightings.MaxLimit, V6Provider: sightings.MaxLimit} // all clients are of one network
	})
}

// nth is the n-th client of the ASN database's IPv6 network: each has a /64 of its own.
func (w *world) nth(n uint64) sightings.Sighting {
	raw := [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 1}
	binary.BigEndian.PutUint32(raw[4:], uint32(n))
	addr := netip.AddrFrom16(raw)
	mask, err := w.masker.Client(addr)
	if err != nil {
		w.t.Fatal(err)
	}
	return sightings.Sighting{Mask: mask, Addr: addr, Time: w.now(), Site: w.site}
}

// BenchmarkRecordDurably is new clients' POSTs, one after the other and many at once, on the whole way: networks masked, looked
// up and sealed, the record encrypted and synced to disk. One alone waits for the disk. 256 clients share a /48.
//
//	go test -run '^$' -bench RecordDurably/bolt -benchtime 20000x ./lookup/sightings
func BenchmarkRecordDurably(b *testing.B) {
	run := func(b *testing.B, callers uint64, store sightings.Store) {
		w := benchWorld(b, store)
		var begun atomic.Uint64
		var all sync.WaitGroup
		b.ReportAllocs()
		b.ResetTimer()
		for range callers {
			all.Go(func() {
				for n := begun.Add(1); n <= uint64(b.N); n = begun.Add(1) {
					if err := w.RecordDurably(context.Background(), w.nth(n<<8)); err != nil {
						b.Error(err)
					}
				}
			})
		}
		all.Wait()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sightings/s")
	}
	for _, callers := range []uint64{1, 64, 2000} {
		b.Run(fmt.Sprintf("bolt, %d at once", callers), func(b *testing.B) { run(b, callers, openBolt(b, filepath.Join(b.TempDir(), "sightings"))) })
		b.Run(fmt.Sprintf("redis, synced, %d at once", callers), func(b *testing.B) { run(b, callers, openRedis(b, redistest.Start(b, redistest.Durable...))) })
	}
}

// BenchmarkFirstPublished is the first POST of the day of clients that only read before: as most editors' first one. Every
// client is of another /48, so that each is filed anew.
//
//	go test -run '^$' -bench FirstPublished/bolt -benchtime 5000x ./lookup/sightings
func BenchmarkFirstPublished(b *testing.B) {
	run := func(b *testing.B, store sightings.Store) {
		w := benchWorld(b, store)
		clients := make([]sightings.Sighting, b.N)
		for n := range clients {
			clients[n] = w.nth(uint64(n) << 16)
			w.Record(clients[n])
			for w.Stats().Queued > sightings.FreshQueue/2 {
				time.Sleep(100 * time.Microsecond)
			}
		}
		testutil.Eventually(b, "all is stored", func() bool { return w.Stats().Written >= uint64(b.N) })
		b.ReportAllocs()
		b.ResetTimer()
		for _, s := range clients {
			if err := w.RecordDurably(context.Background(), s); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("bolt", func(b *testing.B) { run(b, openBolt(b, filepath.Join(b.TempDir(), "sightings"))) })
	b.Run("redis, synced", func(b *testing.B) { run(b, openRedis(b, redistest.Start(b, redistest.Durable...))) })
}

// BenchmarkKnown is what a known client's request pays.
//
//	go test -run '^$' -bench Known -cpu 1,2 ./lookup/sightings
func BenchmarkKnown(b *testing.B) {
	w := benchWorld(b, openBolt(b, b.TempDir()))
	clients := make([]sightings.Sighting, 1000)
	for i := range clients {
		clients[i] = w.nth(uint64(i))
		if err := w.RecordDurably(context.Background(), clients[i]); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("Record", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				w.Record(clients[i%len(clients)])
			}
		})
	})
	b.Run("RecordDurably", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				if err := w.RecordDurably(context.Background(), clients[i%len(clients)]); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkLook looks masks up among a million records, of one day or of ninety, and compares twenty. The 99th
// percentile is what must stay under 5 ms.
//
//	go test -run '^$' -bench Look ./lookup/sightings
func BenchmarkLook(b *testing.B) {
	const records = 1_000_000
	run := func(b *testing.B, store sightings.Store, days int) {
		w := benchWorld(b, store)
		for day := range days {
			w.setClock(noon.Add(time.Duration(day-days+1) * 24 * time.Hour))
			for i := range records / days {
				w.Record(w.nth(uint64(day*(records/days) + i)))
				for w.Stats().Queued > sightings.FreshQueue/2 {
					time.Sleep(100 * time.Microsecond)
				}
			}
		}
		testutil.Eventually(b, "all is stored", func() bool { return w.Stats().Written >= uint64(records/days*days) })
		w.setClock(noon)
		var took []time.Duration
		look := func(b *testing.B, what func(n uint64) error) {
			took = took[:0]
			b.ReportAllocs()
			n := uint64(0)
			for b.Loop() {
				n = (n*2862933555777941757 + 3037000493) % uint64(records/days*days)
				start := time.Now()
				if err := what(n); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
		}
		b.Run("look", func(b *testing.B) {
			look(b, func(n uint64) error {
				_, err := w.Look(context.Background(), w.nth(n).Mask)
				return err
			})
		})
		b.Run("compare twenty", func(b *testing.B) {
			look(b, func(n uint64) error {
				var masks []netip.Addr
				for i := range uint64(sightings.MaxCompare) {
					masks = append(masks, w.nth((n+i*49999)%uint64(records/days*days)).Mask)
				}
				_, err := w.Compare(context.Background(), masks...)
				return err
			})
		})
	}
	b.Run("bolt, one day", func(b *testing.B) { run(b, openBolt(b, b.TempDir()), 1) })
	b.Run("bolt, ninety days", func(b *testing.B) { run(b, openBolt(b, b.TempDir()), 90) })
	b.Run("redis, ninety days", func(b *testing.B) {
		run(b, openRedis(b, redistest.Start(b, redistest.Durable...)), 90)
	})
}
