package cache

import "sync/atomic"

// budget bounds the bytes of all bodies: stored, arriving, and evicted ones that
// slow readers still hold.
type budget struct {
	max   int64
	used  atomic.Int64
	evict func() bool // takes one answer out of the store, if there is one
}

// reserve takes n bytes, for which it evicts what it must.
func (b *budget) reserve(n int64) bool {
	for {
		used := b.used.Load()
		switch {
		case used+n <= b.max:
			if b.used.CompareAndSwap(used, used+n) {
				return true
			}
		case n > b.max || !b.evict():
			return false
		}
	}
}

func (b *budget) release(n int64) { b.used.Add(-n) }
