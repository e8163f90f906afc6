package spelling

import (
	"hash/maphash"
	"math/bits"
	"sync/atomic"
)

// Sizes of the memo. It has at most memoSlots entries of 2*maxRemembered bytes.
const (
	memoSlots     = 2048
	maxRemembered = 1024 // bytes of a text
)

// memo remembers which addresses texts may spell, whoever the client is: most header values are the same
// from request to request. It keeps a hash of the text, and a Bloom filter of the addresses.
type memo struct {
	seed  maphash.Seed
	slots [memoSlots]atomic.Pointer[remembered]
	seen  [4 * memoSlots]atomic.Uint32 // of texts that came once, which are not worth an entry
}

type remembered struct {
	hash   uint64
	filter filter
}

var texts = &memo{seed: maphash.MakeSeed()}

// hides remembers what Hide makes of texts, with a hash of the text.
type hides struct {
	seed  maphash.Seed
	slots [memoSlots]atomic.Pointer[hidden]
	seen  [4 * memoSlots]atomic.Uint32
}

type hidden struct {
	hash       uint64
	with, text string
	changed    bool
	next       bool // Next finds something
}

var hiddenTexts = &hides{seed: maphash.MakeSeed()}

// hide is Hide. If ok says that Next finds something, and nobody wants to know the rest, it does nothing.
func (m *hides) hide(text, with string, unlessNext bool) (out string, changed, ok bool) {
	hash := maphash.String(m.seed, text)
	slot := &m.slots[hash%memoSlots]
	if known := slot.Load(); known != nil && known.hash == hash && known.with == with {
		if known.changed {
			text = known.text
		}
		return text, known.changed, !(unlessNext && known.next)
	}
	if unlessNext {
		if _, next := Next(text, 0); next {
			return text, false, false
		}
	}
	out, changed = hide(text, with)
	seen := &m.seen[hash>>32%uint64(len(m.seen))]
	if mark := uint32(hash) | 1; seen.Load() != mark {
		seen.Store(mark)
		return out, changed, true
	}
	entry := &hidden{hash: hash, with: with, changed: changed}
	if !unlessNext { // else it found nothing
		_, entry.next = Next(text, 0)
	}
	if changed {
		entry.text = out
	}
	slot.Store(entry)
	return out, changed, true
}

// mayHold reports whether a text may spell what a key stands for.
func (m *memo) mayHold(text string, key uint64) bool {
	hash := maphash.String(m.seed, text)
	slot := &m.slots[hash%memoSlots]
	if known := slot.Load(); known != nil && known.hash == hash {
		return known.filter.has(key)
	}
	seen := &m.seen[hash>>32%uint64(len(m.seen))]
	if mark := uint32(hash) | 1; seen.Load() != mark {
		seen.Store(mark)
		return true
	}
	entry := &remembered{hash, filterOf(text)}
	slot.Store(entry)
	return entry.filter.has(key)
}

// filter is a Bloom filter, with a power of two of words.
type filter []uint64

func filterOf(text string) filter {
	f := make(filter, 1<<bits.Len(uint(len(text)/4))) // some 16 bits for each byte
	s := scanners.Get().(*scanner)
	defer s.release()
	s.to = f
	if !s.all(text) {
		for i := range f {
			f[i] = ^uint64(0)
		}
	}
	return f
}

// V4 implements Sink.
func (f filter) V4(addr uint32) bool {
	f.add(keyV4(addr))
	return false
}

// V6 implements Sink.
func (f filter) V6(high, low uint64, known int) bool {
	f.add(keyV6(high))
	return false
}

// keyV4 and keyV6 are well-mixed numbers (by Steele, Lea and Flood's SplitMix64) for an address, and for
// the 48 bits that all addresses of a client share.
func keyV4(addr uint32) uint64 { return mix(uint64(addr)) }

func keyV6(high uint64) uint64 { return mix(high>>16 | 1<<63) }

func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (f filter) add(key uint64) {
	for range 3 {
		bit := key % uint64(64*len(f))
		f[bit>>6] |= 1 << (bit & 63)
		key = key>>21 | key<<43
	}
}

func (f filter) has(key uint64) bool {
	bitMask := uint64(64*len(f) - 1)
	for range 3 {
		bit := key & bitMask
		if f[bit>>6]>>(bit&63)&1 == 0 {
			return false
		}
		key = key>>21 | key<<43
	}
	return true
}
