package caddymodule

import (
	"net/netip"

	"github.com/wikiveil/wikiveil/masking"
)

// client is all that's ready-made for one client of one site. It does not change.
type client struct {
	addr     netip.Addr // the client address: never to be printed
	masks    masking.Masks
	mask     string
	peer     string // "[mask]:0", as RemoteAddr wants it
	networks string // the network masks, as a header's list
	names    string // the named networks, likewise
	boxed    any    // mask
	needle   needle
	buf      [4]netip.Addr // of masks.Networks, where they are no more
}

// makeClient fills in to, which must not be copied then.
func makeClient(site *masking.Site, addr netip.Addr, v6Prefix int, to *client) (err error) {
	to.addr = addr
	if to.masks, err = site.Masks(addr, to.buf[:0]); err != nil {
		return err
	}
	// All texts are cut out of one string: one allocation.
	var space [384]byte
	buf := append(space[:0], '[')
	buf = to.masks.Client.AppendTo(buf)
	buf = append(buf, "]:0"...)
	peer := len(buf)
	for i, m := range to.masks.Networks {
		if i > 0 {
			buf = append(buf, ", "...)
		}
		buf = m.AppendTo(buf)
	}
	networks := len(buf)
	for i, name := range to.masks.Names {
		if i > 0 {
			buf = append(buf, ", "...)
		}
		buf = append(buf, name...)
	}
	names := len(buf)
	if addr.Is4() {
		buf = addr.AppendTo(buf)
	}
	text := string(buf)
	to.peer, to.networks, to.names = text[:peer], text[peer:networks], text[networks:names]
	to.mask = text[1 : peer-len("]:0")]
	to.boxed = to.mask
	to.needle = needle{client: clientPrefix(addr, v6Prefix), dotted: text[names:], mask: to.mask}
	return nil
}

// clientPrefix is the range of addresses that one mask stands for.
func clientPrefix(addr netip.Addr, v6Prefix int) netip.Prefix {
	if addr.Is4() {
		return netip.PrefixFrom(addr, 32)
	}
	return netip.PrefixFrom(addr, v6Prefix).Masked()
}

// String keeps the address out of whatever prints a client, such as a placeholder of variables.
func (c *client) String() string { return c.mask }

// networkList is a client's network masks as a placeholder's value.
type networkList client

func (l *networkList) String() string { return l.networks }
