package caddymodule

import (
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/spelling"
)

// client is all that's ready-made for one client of one site. It does not change.
type client struct {
	addr     netip.Addr // the client address: never to be printed
	mask     string
	peer     string // "[mask]:0", as RemoteAddr wants it
	networks string // the network masks, as a header's list
	names    string // the named networks, likewise
	boxed    any    // mask
	needle   needle
	site     *sightings.Site              // nil: sightings are not recorded
	parsed   atomic.Pointer[[]netip.Addr] // see allMasks
}

const listSeparator = ", "

func makeClient(site *masking.Site, addr netip.Addr, v6Prefix int, to *client) error {
	var room [8]netip.Addr
	masks, err := site.Masks(addr, room[:0])
	if err != nil {
		return err
	}
	to.addr = addr
	// All texts are cut out of one string: one allocation.
	var space [384]byte
	buf := append(space[:0], '[')
	buf = masks.Client.AppendTo(buf)
	buf = append(buf, "]:0"...)
	peer := len(buf)
	for i, m := range masks.Networks {
		if i > 0 {
			buf = append(buf, listSeparator...)
		}
		buf = m.AppendTo(buf)
	}
	networks := len(buf)
	for i, name := range masks.Names {
		if i > 0 {
			buf = append(buf, listSeparator...)
		}
		buf = append(buf, name...)
	}
	text := string(buf)
	to.peer, to.networks, to.names = text[:peer], text[peer:networks], text[networks:]
	to.mask = text[1 : peer-len("]:0")]
	to.boxed = to.mask
	to.needle = needle{spelling.NewFinder(clientPrefix(addr, v6Prefix)), to.mask}
	return nil
}

// clientPrefix is the range of addresses that one mask stands for.
func clientPrefix(addr netip.Addr, v6Prefix int) netip.Prefix {
	if addr.Is4() {
		return netip.PrefixFrom(addr, 32)
	}
	return netip.PrefixFrom(addr, v6Prefix).Masked()
}

// allMasks returns the client's mask, then those of its networks.
func (c *client) allMasks() []netip.Addr {
	if known := c.parsed.Load(); known != nil {
		return *known
	}
	masks := []netip.Addr{netip.MustParseAddr(c.mask)} // it's a text of ours
	if c.networks != "" {
		for network := range strings.SplitSeq(c.networks, listSeparator) {
			masks = append(masks, netip.MustParseAddr(network))
		}
	}
	c.parsed.Store(&masks)
	return masks
}

// String keeps the address out of whatever prints a client, such as a placeholder of variables.
func (c *client) String() string { return c.mask }
