package salts

import (
	"errors"
	"net/netip"
	"sync"
	"time"
)

// A network of IPv6 has more clients than any disk has room for: so many of one /48, and of one /32, have new salts kept a day by a node.
// They are the bounds that records of sightings have by default.
const (
	ofV6Site     = 1 << 14
	ofV6Provider = 1 << 17
)

// ErrTooMany says that a network's clients have too many salts today.
var ErrTooMany = errors.New("the network's clients have as many salts as one network may have a day")

// bound counts the salts that networks had put into the store today.
type bound struct {
	mu   sync.Mutex
	day  int64
	made map[netip.Prefix]int
}

func (b *bound) take(now time.Time, addr netip.Addr) error {
	if addr.Is4() {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if today := day(now); b.made == nil || today != b.day {
		b.day, b.made = today, make(map[netip.Prefix]int)
	}
	site, provider := netip.PrefixFrom(addr, 48).Masked(), netip.PrefixFrom(addr, 32).Masked()
	if b.made[site] >= ofV6Site || b.made[provider] >= ofV6Provider {
		return ErrTooMany
	}
	b.made[site]++
	b.made[provider]++
	return nil
}
