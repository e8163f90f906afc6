package redisstore

import (
	"encoding/binary"

	"github.com/wikiveil/wikiveil/lookup/sightings"
)

// written tells of keys that this process has surely not written to yet, so that nothing
// need be read before the write: nearly all keys of a day come once. It is a Bloom filter for
// each of the latest parts: with a million keys one in thousands is asked for in vain.
type written struct {
	filters map[sightings.Part]*filter
	order   []sightings.Part
	gone    map[sightings.Part]bool // parts whose filter was let go
}

const (
	filterBits  = 1 << 25 // 4 MB
	filterParts = 4
)

// filter is in blocks of a cache line.
type filter [filterBits / 512][8]uint64

// add adds a key, and reports whether it may have been there before.
func (w *written) add(ref sightings.Ref) bool {
	f := w.filters[ref.Part]
	if f == nil {
		f = w.start(ref.Part)
	}
	// Keys look random: their bytes are hashes enough.
	block := &f[binary.BigEndian.Uint32(ref.Key[:])%uint32(len(f))]
	there := true
	for at := 4; at < 12; at += 2 {
		n := binary.BigEndian.Uint16(ref.Key[at:]) % 512
		bit := uint64(1) << (n % 64)
		there = there && block[n/64]&bit != 0
		block[n/64] |= bit
	}
	return there
}

// start makes a part's filter. Of a part that comes back after its filter was let go, nothing is sure.
func (w *written) start(part sightings.Part) *filter {
	f := new(filter)
	if w.filters == nil {
		w.filters, w.gone = make(map[sightings.Part]*filter), make(map[sightings.Part]bool)
	}
	if w.gone[part] {
		for i := range f {
			for j := range f[i] {
				f[i][j] = ^uint64(0)
			}
		}
	}
	if len(w.order) == filterParts {
		oldest := w.order[0]
		w.order, w.gone[oldest] = w.order[1:], true
		delete(w.filters, oldest)
	}
	w.filters[part] = f
	w.order = append(w.order, part)
	return f
}
