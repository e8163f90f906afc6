package sightings

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Default bounds of [Limits], and the most there may be.
const (
	DefaultV6Site     = 1 << 14
	DefaultV6Provider = 1 << 17
	MaxLimit          = 1 << 30
)

// Limits bound how many records the clients of one IPv6 network make a day, so that whoever holds a
// network fills no disk: each of its /64s is a client. Reading alone makes half of them at most, so that it
// keeps nobody from publishing. They hold for each recorder by itself, from its start on. IPv4 networks are
// bound by themselves: a /16 has 65,536 clients at most.
type Limits struct {
	// V6Site is for a /48, as one site has; 0 means [DefaultV6Site].
	V6Site int
	// V6Provider is for a /32, as a provider has; 0 means [DefaultV6Provider].
	V6Provider int
}

// Validate reports what is wrong with the limits, if anything.
func (l Limits) Validate() error {
	for _, n := range []int{l.V6Site, l.V6Provider} {
		if n < 0 || n == 1 || n > MaxLimit {
			return fmt.Errorf("limit %d of a network is not from 2 to %d", n, MaxLimit)
		}
	}
	return nil
}

// ErrNetworkFull: the client's network has made as many records today as one may.
var ErrNetworkFull = errors.New("the client's network has made as many records today as one network may")

// tally counts the records of networks on a day. It forgets the networks that were not seen for longest; a
// network that goes on to make records is never one of them.
type tally struct {
	mu     sync.Mutex
	bounds []bound
}

type bound struct {
	bits, limit int
	made        *lru.Cache[dayNetwork, int]
}

type dayNetwork struct {
	day     Day
	network netip.Prefix
}

// talliedNetworks is how many networks of a length are remembered, some 8 MB.
const talliedNetworks = 1 << 16

func newTally(l Limits) (*tally, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	t := new(tally)
	for _, b := range []bound{{bits: 48, limit: cmp.Or(l.V6Site, DefaultV6Site)}, {bits: 32, limit: cmp.Or(l.V6Provider, DefaultV6Provider)}} {
		var err error
		if b.made, err = lru.New[dayNetwork, int](talliedNetworks); err != nil {
			return nil, err
		}
		t.bounds = append(t.bounds, b)
	}
	return t, nil
}

// take counts a record of a client, unless that would be more than its networks may make. Reading may
// make half of them.
func (t *tally) take(day Day, addr netip.Addr, reading bool) error {
	addr = addr.Unmap()
	if !addr.Is6() {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range t.bounds {
		limit := b.limit
		if reading {
			limit /= 2
		}
		if n, _ := b.made.Get(b.network(day, addr)); n >= limit {
			return ErrNetworkFull
		}
	}
	t.add(day, addr, 1)
	return nil
}

// giveBack takes back a record that was not stored.
func (t *tally) giveBack(day Day, addr netip.Addr) {
	if addr = addr.Unmap(); addr.Is6() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.add(day, addr, -1)
	}
}

func (t *tally) add(day Day, addr netip.Addr, n int) {
	for _, b := range t.bounds {
		network := b.network(day, addr)
		made, _ := b.made.Get(network)
		b.made.Add(network, max(0, made+n))
	}
}

func (b bound) network(day Day, addr netip.Addr) dayNetwork {
	network, _ := addr.WithZone("").Prefix(b.bits) // of an IPv6 address it can't fail
	return dayNetwork{day, network}
}
