package mask

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"

	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
)

// clientSlots is how many clients a site remembers: 16,384 slots of a pointer, and
// about 400 bytes for each client in use.
const clientSlots = 1 << 14

// clientCache remembers what is ready-made for recent clients. Each address has one
// slot, and a newer client takes it: nothing is locked, nothing grows. A benchmark
// beside this file compares it with an LRU.
//
// A client is remembered from its second request on, so that a network that
// sends one request from each of its many addresses costs no memory and pushes nobody out.
type clientCache struct {
	seed  maphash.Seed // so that nobody outside can choose addresses that share a slot
	slots [clientSlots]atomic.Pointer[reqstate.Client]
	seen  [clientSlots]atomic.Uint32
}

func newClientCache() *clientCache { return &clientCache{seed: maphash.MakeSeed()} }

// hash is that of an address, or of a session behind it.
func (c *clientCache) hash(addr netip.Addr, session string) uint64 {
	hash := maphash.Comparable(c.seed, addr)
	if session != "" {
		hash ^= maphash.String(c.seed, session)
	}
	return hash
}

// get returns the client of addr, or of the session with that cookie behind it, or nil; and whether it should be remembered
// (given to put) once it's made.
func (c *clientCache) get(addr netip.Addr, session string) (_ *reqstate.Client, remember bool) {
	hash := c.hash(addr, session)
	slot := hash % clientSlots
	if known := c.slots[slot].Load(); known != nil && known.Addr == addr && known.Session == session {
		return known, false
	}
	mark := uint32(hash >> 32)
	return nil, c.seen[slot].Swap(mark) == mark
}

func (c *clientCache) put(known *reqstate.Client) {
	c.slots[c.hash(known.Addr, known.Session)%clientSlots].Store(known)
}

// drop forgets a client, and its address.
func (c *clientCache) drop(known *reqstate.Client) {
	for _, session := range []string{"", known.Session} {
		c.slots[c.hash(known.Addr, session)%clientSlots].Store(nil)
	}
}
