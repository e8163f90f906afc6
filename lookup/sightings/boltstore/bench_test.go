package boltstore_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/wikiveil/wikiveil/lookup/sightings"
)

const (
	batchSize = 1000 // what the baselines were measured with
	bookBatch = 4096 // what a recorder gathers under load
	valueSize = 285  // a whole record of a client with an organisation, sealed to one recipient
)

func randomKey(r *rand.Rand) (key sightings.Key) {
	binary.BigEndian.PutUint64(key[:], r.Uint64())
	binary.BigEndian.PutUint64(key[8:], r.Uint64())
	return key
}

// BenchmarkAppend writes new sightings durably beside what bbolt does with plain keys of 16 bytes and values as
// short, a thousand in a transaction. A million or more each:
//
//	go test -run '^$' -bench Append -benchtime 1000x ./lookup/sightings/boltstore
//
// It waits for the disk most of the time: only the ratio of one run's numbers says much.
func BenchmarkAppend(b *testing.B) {
	b.Run("records by 1000", func(b *testing.B) { records(b, batchSize) })
	b.Run("records by 4096", func(b *testing.B) { records(b, bookBatch) })
	b.Run("plain keys at random", func(b *testing.B) {
		r := rand.New(rand.NewPCG(1, 2))
		plainKeys(b, func(int) sightings.Key { return randomKey(r) })
	})
	b.Run("plain keys in order", func(b *testing.B) {
		plainKeys(b, func(n int) (key sightings.Key) {
			binary.BigEndian.PutUint64(key[:], uint64(n))
			return key
		})
	})
}

func records(b *testing.B, batch int) {
	b.ReportAllocs()
	r := rand.New(rand.NewPCG(1, 2))
	s := open(b, filepath.Join(b.TempDir(), "sightings"))
	entries := make([]sightings.Entry, batch)
	value := make([]byte, valueSize)
	for b.Loop() {
		for i := range entries {
			entries[i] = sightings.Entry{Ref: sightings.Ref{Part: newer, Key: randomKey(r)}, Value: value}
		}
		if err := s.Append(context.Background(), entries); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "sightings/s")
}

func plainKeys(b *testing.B, key func(int) sightings.Key) {
	db, err := bolt.Open(filepath.Join(b.TempDir(), "plain"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	keys := make([]sightings.Key, batchSize)
	n := 0
	for b.Loop() {
		for i := range keys {
			keys[i] = key(n)
			n++
		}
		slices.SortFunc(keys, func(a, b sightings.Key) int { return bytes.Compare(a[:], b[:]) })
		err := db.Update(func(tx *bolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("plain"))
			for i := 0; err == nil && i < len(keys); i++ {
				err = bucket.Put(keys[i][:], keys[i][:])
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "keys/s")
}
