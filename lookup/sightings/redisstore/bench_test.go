package redisstore_test

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/wikiveil/wikiveil/internal/redisclient"
	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/lookup/sightings/redisstore"
)

const (
	batchSize = 1000
	valueSize = 285 // a whole record of a client with an organisation, sealed to one recipient
)

func randomKey(r *rand.Rand) (key sightings.Key) {
	binary.BigEndian.PutUint64(key[:], r.Uint64())
	binary.BigEndian.PutUint64(key[8:], r.Uint64())
	return key
}

// BenchmarkAppend writes new sightings, a thousand in a batch, with and without a file that is synced for
// each batch, beside plain SETs of 16 bytes and of as many as a record has, pipelined a hundred deep. A million each:
//
//	go test -run '^$' -bench Append -benchtime 1000x ./lookup/sightings/redisstore
//
// Redis and the benchmark share the processors: only the ratio of one run's numbers says much.
func BenchmarkAppend(b *testing.B) {
	b.Run("records", func(b *testing.B) { records(b, redistest.Start(b)) })
	b.Run("records, synced", func(b *testing.B) { records(b, redistest.Start(b, redistest.Durable...)) })
	b.Run("SETs of 16 bytes", func(b *testing.B) { plainSets(b, redistest.Start(b), 16) })
	b.Run("SETs of a record's size", func(b *testing.B) { plainSets(b, redistest.Start(b), valueSize) })
	b.Run("SETs of a record's size, synced", func(b *testing.B) {
		plainSets(b, redistest.Start(b, redistest.Durable...), valueSize)
	})
}

func records(b *testing.B, server *redistest.Server) {
	s := open(b, redisstore.Config{Redis: redisclient.Config{URLs: []string{server.URL}, Trust: true}})
	value := make([]byte, valueSize)
	var seed atomic.Uint64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		r := rand.New(rand.NewPCG(1, seed.Add(1)))
		entries := make([]sightings.Entry, batchSize)
		for pb.Next() {
			for i := range entries {
				entries[i] = sightings.Entry{Ref: sightings.Ref{Part: part, Key: randomKey(r)}, Value: value}
			}
			if err := s.Append(context.Background(), entries); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N*batchSize)/b.Elapsed().Seconds(), "sightings/s")
}

func plainSets(b *testing.B, server *redistest.Server, size int) {
	options, err := redis.ParseURL(server.URL)
	if err != nil {
		b.Fatal(err)
	}
	client := redis.NewClient(options)
	defer client.Close()
	ctx, value := context.Background(), make([]byte, size)
	var seed atomic.Uint64
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		r := rand.New(rand.NewPCG(1, seed.Add(1)))
		for pb.Next() {
			for range batchSize / 100 {
				pipe := client.Pipeline()
				for range 100 {
					key := randomKey(r)
					pipe.Set(ctx, string(key[:]), value, 0)
				}
				if _, err := pipe.Exec(ctx); err != nil {
					b.Error(err)
				}
			}
		}
	})
	b.ReportMetric(float64(b.N*batchSize)/b.Elapsed().Seconds(), "keys/s")
}
