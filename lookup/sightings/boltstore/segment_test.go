package boltstore

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/wikiveil/wikiveil/lookup/sightings"
)

func entry(key byte, value string) sightings.Entry {
	return sightings.Entry{Ref: sightings.Ref{Key: sightings.Key{key}}, Value: []byte(value)}
}

func TestCutSegment(t *testing.T) {
	big := string(make([]byte, sightings.MaxValue))
	tests := []struct {
		name    string
		entries []sightings.Entry
		want    int
	}{
		{"one", []sightings.Entry{entry(1, "x")}, 1},
		{"one that is larger than a segment", []sightings.Entry{entry(1, big), entry(2, "x")}, 1},
		{"a large one comes second", []sightings.Entry{entry(1, "x"), entry(2, big)}, 1},
		{"small ones", slices.Repeat([]sightings.Entry{entry(1, "x")}, 100), 100},
		{"more than fit", slices.Repeat([]sightings.Entry{entry(1, "x")}, segmentSize), (segmentSize - crcSize) / (entryHead + 1)},
	}
	for _, tt := range tests {
		segment, rest := cutSegment(tt.entries)
		if len(segment) != tt.want || len(segment)+len(rest) != len(tt.entries) {
			t.Errorf("%s: %d and %d of %d, want %d", tt.name, len(segment), len(rest), len(tt.entries), tt.want)
		}
	}
}

func FuzzSegment(f *testing.F) {
	good, _ := packSegment(7, []sightings.Entry{entry(1, "one"), entry(2, ""), entry(1, "again")}, nil)
	f.Add(good, uint32(crcSize))
	f.Add(good[:9], uint32(1<<31))
	f.Fuzz(func(t *testing.T, data []byte, offset uint32) {
		_, _, _ = entryAt(data, offset)
		rows, err := unpackSegment(7, data)
		if err != nil {
			if !errors.Is(err, sightings.ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		var entries []sightings.Entry
		for _, r := range rows {
			key, value, err := entryAt(data, r.offset)
			if err != nil || key != r.key {
				t.Fatalf("row %+v leads to %x, %v", r, key, err)
			}
			entries = append(entries, sightings.Entry{Ref: sightings.Ref{Key: key}, Value: value})
		}
		if again, _ := packSegment(7, entries, nil); !bytes.Equal(again, data) {
			t.Fatalf("%x packs as %x", data, again)
		}
	})
}

func FuzzRun(f *testing.F) {
	f.Add(packRun([]row{{key: sightings.Key{1}, seq: 2, offset: 3}, {key: sightings.Key{1}, seq: 2, offset: 9}, {key: sightings.Key{5}}}), byte(1))
	f.Add([]byte("short"), byte(0))
	f.Fuzz(func(t *testing.T, data []byte, first byte) {
		key := sightings.Key{first}
		found := searchRun(nil, data, key)
		rows, err := unpackRun(data)
		if err != nil {
			return
		}
		var want []row
		for _, r := range rows {
			if r.key == key {
				want = append(want, r)
			}
		}
		if !slices.Equal(found, want) {
			t.Fatalf("found %+v, want %+v", found, want)
		}
	})
}
