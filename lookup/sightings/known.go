package sightings

import (
	"net/netip"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
)

// clients remembers the clients that were seen lately.
type clients struct {
	lru *lru.Cache[netip.Addr, *client]
}

func newClients(size int, evicted func(*client)) (*clients, error) {
	cache, err := lru.NewWithEvict(size, func(_ netip.Addr, c *client) { evicted(c) })
	return &clients{cache}, err
}

func (cs *clients) get(mask netip.Addr) *client {
	if c, ok := cs.lru.Get(mask); ok {
		return c
	}
	c := &client{mask: mask}
	if there, ok, _ := cs.lru.PeekOrAdd(mask, c); ok {
		return there
	}
	return c
}

// A client is absent from its part of the store, on its way there, or durable.
type state byte

const (
	absent state = iota
	queued
	stored
)

type client struct {
	mask netip.Addr

	mu          sync.Mutex
	part        Part
	state       state
	incarnation uint64 // of the store, when the client's record was on its way there: it is known to be in no later one
	published   bool   // where stored: so are its networks' entries that it sent what can publish
	vault       *vault // where stored
	seen        note   // seen again since it was last written down
}

// again is that a client was seen again, on its way to the store.
type again struct {
	note
	client *client
	vault  *vault
}

// arrive counts a sighting of a known client, or says that it is the first. What
// was counted for another part comes back to be written.
func (c *client) arrive(part Part, at int64, incarnation uint64) (before again, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.part == part && (c.state == queued || c.state == stored && c.incarnation == incarnation) {
		c.count(at)
		return again{}, false
	}
	before = c.takeLocked()
	c.part, c.state, c.vault, c.published = part, queued, nil, false
	return before, true
}

// durable tells whether the client's record is known to be in the store, and whether that it published is, too.
func (c *client) durable(part Part, incarnation uint64) (known, published bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known = c.part == part && c.state == stored && c.incarnation == incarnation
	return known, known && c.published
}

// seeAgain counts a sighting of a client whose record is stored.
func (c *client) seeAgain(part Part, at int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.part == part && c.state == stored {
		c.count(at)
	}
}

func (c *client) count(at int64) { c.seen = c.seen.plus(note{first: at, last: at, count: 1}) }

// plus adds up what was seen.
func (n note) plus(o note) note {
	if n.count == 0 {
		return o
	}
	n.first, n.last, n.count = min(n.first, o.first), max(n.last, o.last), n.count+o.count
	return n
}

// stored notes that the client's record is durable in v's part, and whether that it published is, too.
func (c *client) stored(v *vault, incarnation uint64, published bool) (before again) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.part != v.part {
		before = c.takeLocked()
	}
	same := c.part == v.part && c.state == stored && c.incarnation == incarnation
	c.published = published || same && c.published
	c.part, c.state, c.vault, c.incarnation = v.part, stored, v, incarnation
	return before
}

// didPublish notes that it is stored, too, that a client published whose record is.
func (c *client) didPublish(part Part, incarnation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.published = c.published || c.part == part && c.state == stored && c.incarnation == incarnation
}

// reset notes that the client's record did not get into the store.
func (c *client) reset(part Part) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.part == part && c.state == queued {
		c.state = absent
	}
}

// take takes what was counted.
func (c *client) take() again {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.takeLocked()
}

// takeLocked takes nothing where the client itself is not stored: there would be nothing it
// was seen again of.
func (c *client) takeLocked() again {
	if c.vault == nil || c.seen.count == 0 {
		return again{}
	}
	a := again{note: c.seen, client: c, vault: c.vault}
	c.seen = note{}
	return a
}

// pending returns what was counted and not yet written, for look-ups.
func (c *client) pending(part Part) (note, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen, c.part == part && c.seen.count > 0
}

// job writes down that a client was seen again; if that fails it is counted on.
func (a again) job() job {
	return job{
		entries: []Entry{a.vault.lock(a.vault.ref(a.client.mask), a.note)},
		settle: func(err error) {
			if err == nil {
				return
			}
			a.client.mu.Lock()
			defer a.client.mu.Unlock()
			if a.client.vault == a.vault {
				a.client.seen = a.client.seen.plus(a.note)
			}
		},
	}
}
