package redisstore

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/wikiveil/wikiveil/lookup/sightings"
)

func ref(day, n int) sightings.Ref {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
	return sightings.Ref{Part: sightings.Part{Day: sightings.Day(day), Epoch: "ab"}, Key: sightings.Key(sum[:])}
}

// A key that was added must never be told to be new: its values would be overwritten.
func TestWrittenForgetsNothing(t *testing.T) {
	var w written
	const keys, days = 2000, 12 // more days than filters
	for day := range days {
		asked := 0
		for n := range keys {
			if w.add(ref(day, n)) {
				asked++
			}
		}
		if asked > 0 {
			t.Errorf("day %d: %d new keys of %d are asked for", day, asked, keys)
		}
		for before := range day + 1 {
			for n := 0; n < keys; n += 37 {
				if !w.add(ref(before, n)) {
					t.Fatalf("day %d: key %d of day %d is taken for new", day, n, before)
				}
			}
		}
	}
	if len(w.filters) > filterParts || len(w.order) != len(w.filters) {
		t.Errorf("%d filters", len(w.filters))
	}
}

func FuzzUnpackValues(f *testing.F) {
	f.Add(string(appendValue(appendValue(nil, []byte("one")), nil)))
	f.Add("\x00")
	f.Fuzz(func(t *testing.T, packed string) {
		entries, err := unpackValues(nil, ref(1, 1), packed)
		if err != nil {
			return
		}
		var again []byte
		for _, e := range entries {
			again = appendValue(again, e.Value)
		}
		if string(again) != packed {
			t.Fatalf("%q packs as %q", packed, again)
		}
	})
}
