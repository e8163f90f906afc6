package masking

import (
	"fmt"
	"net/netip"
	"regexp"

	"go4.org/netipx"
)

// A Network is a named set of ranges, such as the exits of Tor, that has one mask
// wherever a client in it comes from.
type Network struct {
	name string
	set  *netipx.IPSet
}

// A name stands in a header's list and in public pages, so it is kept plain.
var networkName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// IsNetworkName reports whether a network can have a name.
func IsNetworkName(name string) bool { return networkName.MatchString(name) }

// NewNetworkOf makes a network of the ranges in a builder.
func NewNetworkOf(name string, b *netipx.IPSetBuilder) (*Network, error) {
	if !IsNetworkName(name) {
		return nil, fmt.Errorf("network name %q is not of the form a-z, 0-9, '.', '_', '-' (64 at most)", name)
	}
	set, err := b.IPSet()
	if err != nil {
		return nil, fmt.Errorf("network %q: %w", name, err)
	}
	if len(set.Ranges()) == 0 {
		return nil, fmt.Errorf("network %q has no ranges", name)
	}
	return &Network{name: name, set: set}, nil
}

// Name returns the network's name.
func (n *Network) Name() string { return n.name }

// Contains reports whether a client address is in the network.
func (n *Network) Contains(addr netip.Addr) bool {
	return n.set.Contains(addr.Unmap().WithZone(""))
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
