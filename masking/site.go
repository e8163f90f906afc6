package masking

import (
	"fmt"
	"net/netip"
	"slices"
)

// SiteConfig says how one site's masks are made.
type SiteConfig struct {
	// Label keeps two sites' masks unrelated; sites with one label share their masks.
	Label string
	// V6Prefix is how many bits of an IPv6 client address count; 0 means [DefaultV6Prefix].
	V6Prefix int
	// V4Ranges and V6Ranges are the lengths of the ranges a client is given network masks
	// for, in this order.
	V4Ranges, V6Ranges []int
	// Networks are the named networks, in the order their masks are given. They may change, by another SiteConfig.
	Networks *Networks
	// Lookup tells of more networks that an address is in, such as a database knows; nil knows none.
	// It is called each time that masks are made, by several goroutines at once.
	Lookup func(netip.Addr) Surroundings
}

// Surroundings are networks around one address that only a look-up tells.
type Surroundings struct {
	// Allocation is the network that the address was given out of; zero if unknown.
	Allocation netip.Prefix
	// Networks are names, such as "vpn", that are masked like those of named networks.
	Networks []string
}

// DefaultV4Ranges and DefaultV6Ranges are the ranges that wikis usually block.
var (
	DefaultV4Ranges = []int{16, 24}
	DefaultV6Ranges = []int{32, 48}
)

// Validate reports what is wrong with the configuration, if anything.
func (c SiteConfig) Validate() error {
	if _, err := NewMasker(make([]byte, MinSecretSize), c.Label, c.V6Prefix); err != nil {
		return err
	}
	for _, r := range []struct {
		family string
		bits   []int
		most   int
	}{{"IPv4", c.V4Ranges, 32}, {"IPv6", c.V6Ranges, 128}} {
		for i, n := range r.bits {
			if n < 1 || n > r.most {
				return fmt.Errorf("%s range length %d is not from 1 to %d", r.family, n, r.most)
			}
			if slices.Contains(r.bits[:i], n) {
				return fmt.Errorf("%s range length %d is given twice", r.family, n)
			}
		}
	}
	return nil
}

// RangesOf returns the lengths of the ranges that an address has masks for. A circuit is in none.
func (c SiteConfig) RangesOf(addr netip.Addr) []int {
	switch {
	case addr.Is4():
		return c.V4Ranges
	case IsCircuit(addr):
		return nil
	}
	return c.V6Ranges
}

// around is what has to be looked up about an address, beside the configured networks.
func (c SiteConfig) around(addr netip.Addr) (around Surroundings) {
	switch {
	case IsCircuit(addr):
		around.Networks = CircuitNetworks
	case c.Lookup != nil:
		around = c.Lookup(addr)
	}
	return around
}

// NetworksOf returns the names of all networks that an address is in.
func (c SiteConfig) NetworksOf(addr netip.Addr) (names []string) {
	for _, name := range c.Networks.Of(addr) {
		names = append(names, name)
	}
	return append(names, c.around(addr).Networks...)
}

// A Site makes all masks of one site's clients: under the epoch in use, and for
// blocks made before a rotation under the older epochs that are kept.
// It is safe for concurrent use.
type Site struct {
	config SiteConfig
	epochs []*epochMasks
}

type epochMasks struct {
	*Masker
	named []netip.Addr // as config.Networks
}

// NewSite makes a site's masks from the active epochs of a ring, the one in use first.
func NewSite(epochs []Epoch, config SiteConfig) (*Site, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if len(epochs) == 0 {
		return nil, ErrNoSecret
	}
	s := &Site{config: config}
	for _, e := range epochs {
		m, err := e.Masker(config.Label, config.V6Prefix)
		if err != nil {
			return nil, err
		}
		em := &epochMasks{Masker: m}
		for _, name := range config.Networks.Names() {
			mask, err := m.Network(name)
			if err != nil {
				return nil, err
			}
			em.named = append(em.named, mask)
		}
		s.epochs = append(s.epochs, em)
	}
	return s, nil
}

// Masker returns the masker of the epoch in use.
func (s *Site) Masker() *Masker { return s.epochs[0].Masker }

// Who is a client as its masks are made from.
type Who struct {
	Addr netip.Addr
	// Session, if not empty, is what the client is known by rather than the address.
	Session []byte
	// Salts, if not nil, are the address's under each epoch. Under an older one that has none it never had a mask.
	Salts [][]byte
}

// salt returns the one under an epoch, and whether there is a mask of the address at all.
func (w Who) salt(epoch int) (salt []byte, masked bool) {
	if w.Salts == nil {
		return nil, true
	}
	return w.Salts[epoch], len(w.Salts[epoch]) > 0
}

// Masks are all masks of one client.
type Masks struct {
	// Client is the client's mask under the epoch in use.
	Client netip.Addr
	// Networks are, in this order, the masks of the named networks the client is in, of its ranges and of its allocation, and for
	// a session the mask of its address; then, for each older epoch that is kept, the client's own mask and all these under that epoch.
	Networks []netip.Addr
	// Names are the named networks the client is in, those that were looked up last.
	Names []string
}

// Masks returns all masks of a client. The network masks are appended to buf, which may be nil.
func (s *Site) Masks(who Who, buf []netip.Addr) (Masks, error) {
	who.Addr = who.Addr.Unmap().WithZone("")
	in := s.networksOf(who.Addr)
	masks := Masks{Networks: buf, Names: in.names}
	if who.Salts != nil && len(who.Salts) != len(s.epochs) {
		return Masks{}, ErrSalts
	}
	for i, em := range s.epochs {
		salt, masked := who.salt(i)
		var address netip.Addr
		var err error
		if masked {
			if address, err = em.Salted(salt, who.Addr); err != nil {
				return Masks{}, err
			}
		}
		client := address
		if len(who.Session) > 0 {
			if client, err = em.Session(who.Session); err != nil {
				return Masks{}, err
			}
		}
		switch {
		case i == 0 && !client.IsValid():
			return Masks{}, ErrSalts
		case i == 0:
			masks.Client = client
		case client.IsValid():
			masks.Networks = append(masks.Networks, client)
		}
		if masks.Networks, err = in.appendMasks(masks.Networks, em); err != nil {
			return Masks{}, err
		}
		// A block of the address holds for whoever is behind it: a cookie is no way out of it.
		if client != address && masked {
			masks.Networks = append(masks.Networks, address)
		}
	}
	return masks, nil
}

// networks are those that one client is in.
type networks struct {
	named  []int    // indexes of the configured ones
	names  []string // of all named ones
	looked []string // names of those that are not configured
	// The ranges of the address, then the allocation unless it is one of them.
	addr       netip.Addr
	lengths    []int
	allocation netip.Prefix
}

func (s *Site) networksOf(addr netip.Addr) networks {
	in := networks{addr: addr, lengths: s.config.RangesOf(addr)}
	for i, name := range s.config.Networks.Of(addr) {
		in.named, in.names = append(in.named, i), append(in.names, name)
	}
	around := s.config.around(addr)
	for _, name := range around.Networks {
		if !slices.Contains(in.names, name) {
			in.looked, in.names = append(in.looked, name), append(in.names, name)
		}
	}
	if p := around.Allocation; p.IsValid() && p.Contains(addr) && !slices.Contains(in.lengths, p.Bits()) {
		in.allocation = p
	}
	return in
}

func (in *networks) appendMasks(to []netip.Addr, em *epochMasks) ([]netip.Addr, error) {
	for _, i := range in.named {
		to = append(to, em.named[i])
	}
	for _, name := range in.looked {
		mask, err := em.Network(name)
		if err != nil {
			return nil, err
		}
		to = append(to, mask)
	}
	for _, bits := range in.lengths {
		mask, err := em.Range(netip.PrefixFrom(in.addr, bits))
		if err != nil {
			return nil, err
		}
		to = append(to, mask)
	}
	if !in.allocation.IsValid() {
		return to, nil
	}
	mask, err := em.Range(in.allocation)
	if err != nil {
		return nil, err
	}
	return append(to, mask), nil
}
