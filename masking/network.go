package masking

import (
	"fmt"
	"iter"
	"math/bits"
	"net/netip"
	"regexp"
	"slices"

	"github.com/gaissmai/bart"
)

// MaxNetworks is how many named networks there can be.
const MaxNetworks = 64

// Networks are named sets of ranges, such as the exits of Tor, each of which has one mask wherever a client in it comes
// from. They never change. A nil Networks has none.
type Networks struct {
	names []string
	table bart.Table[uint64] // of each range, a bit for each network that all of it is in
}

// A name stands in a header's list and in public pages, so it is kept plain.
var networkName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// IsNetworkName reports whether a network can have a name.
func IsNetworkName(name string) bool { return networkName.MatchString(name) }

// NetworksBuilder gathers the ranges of [Networks].
type NetworksBuilder struct {
	names []string
	table bart.Table[uint64]
}

// BuildNetworks begins with networks of these names, which have no ranges yet.
func BuildNetworks(names ...string) (*NetworksBuilder, error) {
	if len(names) > MaxNetworks {
		return nil, fmt.Errorf("there are %d networks, and %d at most are told apart", len(names), MaxNetworks)
	}
	for i, name := range names {
		if !IsNetworkName(name) {
			return nil, fmt.Errorf("network name %q is not of the form a-z, 0-9, '.', '_', '-' (64 at most)", name)
		}
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("network %q is given twice", name)
		}
	}
	return &NetworksBuilder{names: slices.Clone(names)}, nil
}

// Add adds a range, as [ParseRange] gives it, to the network of an index in the list of names.
func (b *NetworksBuilder) Add(network int, prefix netip.Prefix) {
	b.table.Modify(prefix, func(set uint64, _ bool) (uint64, bool) { return set | 1<<network, false })
}

// Networks returns what was gathered. The longest range that an address is in then says all: it has the bits of the wider
// ones around it, too.
func (b *NetworksBuilder) Networks() *Networks {
	n := &Networks{names: b.names}
	type around struct {
		prefix netip.Prefix
		set    uint64
	}
	var open []around // the ranges around the one that is looked at, the widest first
	for prefix, set := range b.table.AllSorted() {
		for len(open) > 0 && !open[len(open)-1].prefix.Contains(prefix.Addr()) {
			open = open[:len(open)-1]
		}
		if len(open) > 0 {
			wider := open[len(open)-1].set
			if set |= wider; set == wider {
				continue // it says nothing new
			}
		}
		open = append(open, around{prefix, set})
		n.table.Insert(prefix, set)
	}
	return n
}

// Names returns the names of all networks. Nobody may change them.
func (n *Networks) Names() []string {
	if n == nil {
		return nil
	}
	return n.names
}

// Ranges is how many ranges tell networks apart, those left out that say nothing new.
func (n *Networks) Ranges() int { return n.table.Size() }

// Of gives the index and the name of each network that a client address is in, in the order of the names.
func (n *Networks) Of(addr netip.Addr) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		if n == nil {
			return
		}
		set, _ := n.table.Lookup(addr.Unmap().WithZone(""))
		for ; set != 0; set &= set - 1 {
			if i := bits.TrailingZeros64(set); !yield(i, n.names[i]) {
				return
			}
		}
	}
}

// ParseRange reads an address or a CIDR range. Host bits are cut off, and
// IPv4-mapped forms give IPv4.
func ParseRange(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		addr, addrErr := netip.ParseAddr(text)
		if addrErr != nil {
			return netip.Prefix{}, fmt.Errorf("%q is neither an IP address nor a CIDR range", text)
		}
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if addr := prefix.Addr(); addr.Is4In6() {
		if prefix.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("%q is wider than the IPv4-mapped addresses", text)
		}
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), nil
}
