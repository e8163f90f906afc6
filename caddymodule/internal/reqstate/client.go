package reqstate

import (
	"iter"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/salts"
	"github.com/wikiveil/wikiveil/masking/spelling"
)

// Client is all that's ready-made for one client of one site. It does not change.
type Client struct {
	Addr     netip.Addr // never to be printed
	Mask     string
	Peer     string          // "[mask]:0", as RemoteAddr wants it
	Networks string          // the network masks, as a header's list
	Names    string          // the named networks, likewise
	Boxed    any             // Mask
	Finder   spelling.Finder // of the address

	// Session is the cookie that the client is known by, sealed and never to be printed; empty: it's known by its address.
	Session string

	made   time.Time                    // zero: its masks have no salts
	site   *sightings.Site              // nil: sightings are not recorded
	parsed atomic.Pointer[[]netip.Addr] // see AllMasks
}

const listSeparator = ", "

// Init makes a client, whose sightings are of a site.
func (c *Client) Init(who masking.Who, v6Prefix int, site *masking.Site, seen *sightings.Site) error {
	var room [8]netip.Addr
	masks, err := site.Masks(who, room[:0])
	if err != nil {
		return err
	}
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
	c.Addr, c.site = who.Addr, seen
	if who.Salts != nil {
		c.made = time.Now()
	}
	c.Peer, c.Networks, c.Names = text[:peer], text[peer:networks], text[networks:]
	c.Mask = text[1 : peer-len("]:0")]
	c.Boxed = c.Mask
	c.Finder = spelling.NewFinder(Prefix(who.Addr, v6Prefix))
	return nil
}

// IsFresh reports whether its salts are known to be the ones in use, as far as one who only reads is concerned.
func (c *Client) IsFresh() bool { return time.Since(c.made) < salts.Fresh }

// Prefix is the range of addresses that one mask stands for.
func Prefix(addr netip.Addr, v6Prefix int) netip.Prefix {
	if addr.Is4() {
		return netip.PrefixFrom(addr, 32)
	}
	return netip.PrefixFrom(addr, v6Prefix).Masked()
}

// NetworkMasks are the texts of the masks of the client's networks.
func (c *Client) NetworkMasks() iter.Seq[string] {
	if c.Networks == "" {
		return func(func(string) bool) {}
	}
	return strings.SplitSeq(c.Networks, listSeparator)
}

// AllMasks returns the client's mask, then those of its networks.
func (c *Client) AllMasks() []netip.Addr {
	if known := c.parsed.Load(); known != nil {
		return *known
	}
	masks := []netip.Addr{netip.MustParseAddr(c.Mask)} // it's a text of ours
	for network := range c.NetworkMasks() {
		masks = append(masks, netip.MustParseAddr(network))
	}
	c.parsed.Store(&masks)
	return masks
}

// Sighting is one request of the client.
func (c *Client) Sighting() sightings.Sighting {
	return sightings.Sighting{Mask: c.AllMasks()[0], Addr: c.Addr, Time: time.Now(), Site: c.site}
}

// String keeps the address out of whatever prints a client, such as a placeholder of variables.
func (c *Client) String() string { return c.Mask }
