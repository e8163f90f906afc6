package sightings

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/wikiveil/wikiveil/internal/text"
)

// A note's encoding, version 1 (the version stands in the value, see vault.go).
// Numbers are varints (encoding/binary), strings are length and bytes:
//
//	kind (1 byte): 1 observation, 2 seen again
//	first seen (signed, Unix seconds) | seconds until last seen | count
//	observation only:
//	  site string | ASN | organisation string | country | region | city
//	  n (1 byte) | n × network          standard ranges
//	  0 or 1 (1 byte) | network         allocation
//	  n (1 byte) | n × { name string | 0 or 1 (1 byte) | mask (16) if 1 }   named networks
//	  sealed box string
//	zeros up to a multiple of 128 bytes (observation) or to 32 (seen again)
//
//	network: family (1 byte) | prefix length (1 byte) | mask (16)
//
// The padding hides how long an organisation's name is.
const (
	kindWhole = 1
	kindAgain = 2

	wholePad = 128
	againPad = 32

	maxString   = 255     // organisation, site and network names; longer ones are cut
	maxNetworks = 16      // ranges, and named networks
	maxBox      = 4 << 10 // sixteen recipients make 1.5 KB
)

var errEncoding = errors.New("note is malformed")

func (n note) encode() []byte {
	kind, pad := byte(kindAgain), againPad
	if n.whole != nil {
		kind, pad = kindWhole, wholePad
	}
	b := append(make([]byte, 0, 2*wholePad), kind)
	b = binary.AppendVarint(b, n.first)
	b = binary.AppendUvarint(b, uint64(max(n.last-n.first, 0)))
	b = binary.AppendUvarint(b, n.count)
	if n.whole != nil {
		b = n.whole.append(b)
	}
	return append(b, make([]byte, (pad-len(b)%pad)%pad)...)
}

func (o *observation) append(b []byte) []byte {
	b = appendString(b, text.Cut(o.site, maxString))
	b = binary.AppendUvarint(b, uint64(o.asn))
	b = appendString(b, text.Cut(o.org, maxString))
	for _, id := range []uint32{o.country, o.region, o.city} {
		b = binary.AppendUvarint(b, uint64(id))
	}
	ranges := o.ranges[:min(len(o.ranges), maxNetworks)]
	b = append(b, byte(len(ranges)))
	for _, n := range ranges {
		b = appendNetwork(b, n)
	}
	if b = append(b, flag(o.allocation.IsValid())); o.allocation.IsValid() {
		b = appendNetwork(b, o.allocation)
	}
	named := o.named[:min(len(o.named), maxNetworks)]
	b = append(b, byte(len(named)))
	for _, n := range named {
		b = appendString(b, text.Cut(n.Name, maxString))
		if b = append(b, flag(n.Mask.IsValid())); n.Mask.IsValid() {
			b = appendMask(b, n.Mask)
		}
	}
	return appendString(b, string(o.box))
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendNetwork(b []byte, n Network) []byte {
	return appendMask(append(b, byte(n.Family), byte(n.Bits)), n.Mask)
}

func appendMask(b []byte, mask netip.Addr) []byte {
	m := mask.As16()
	return append(b, m[:]...)
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// decoder reads a note; after the first fault it reads zeros.
type decoder struct {
	rest []byte
	bad  bool
}

func decodeNote(data []byte) (note, error) {
	d := &decoder{rest: data}
	kind := d.byte()
	var n note
	n.first = d.varint()
	n.last = n.first + int64(d.uvarint(1<<40))
	n.count = d.uvarint(1 << 62)
	switch kind {
	case kindWhole:
		n.whole = d.observation()
	case kindAgain:
	default:
		d.bad = true
	}
	for _, b := range d.rest {
		d.bad = d.bad || b != 0
	}
	if d.bad {
		return note{}, errEncoding
	}
	return n, nil
}

func (d *decoder) observation() *observation {
	o := &observation{site: d.string(maxString), asn: d.uint32(), org: d.string(maxString)}
	o.country, o.region, o.city = d.uint32(), d.uint32(), d.uint32()
	for range d.count() {
		o.ranges = append(o.ranges, d.network())
	}
	if d.flag() {
		o.allocation = d.network()
	}
	for range d.count() {
		n := NamedNetwork{Name: d.string(maxString)}
		if d.flag() {
			n.Mask = d.mask()
		}
		o.named = append(o.named, n)
	}
	if box := d.string(maxBox); box != "" {
		o.box = []byte(box)
	}
	return o
}

func (d *decoder) take(n int) []byte {
	if d.bad || n > len(d.rest) {
		d.bad, d.rest = true, nil
		return nil
	}
	taken := d.rest[:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 || v < -1<<40 || v > 1<<40 {
		n, v, d.bad = 0, 0, true
	}
	d.take(n)
	return v
}

func (d *decoder) uvarint(most uint64) uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || v > most {
		n, v, d.bad = 0, 0, true
	}
	d.take(n)
	return v
}

func (d *decoder) uint32() uint32 { return uint32(d.uvarint(1<<32 - 1)) }

func (d *decoder) string(most uint64) string { return string(d.take(int(d.uvarint(most)))) }

func (d *decoder) flag() bool {
	b := d.byte()
	d.bad = d.bad || b > 1
	return b == 1
}

func (d *decoder) count() int {
	n := d.byte()
	if n > maxNetworks {
		d.bad = true
		return 0
	}
	return int(n)
}

func (d *decoder) mask() netip.Addr {
	if b := d.take(16); b != nil {
		return netip.AddrFrom16([16]byte(b))
	}
	return netip.Addr{}
}

func (d *decoder) network() Network {
	n := Network{Family: int(d.byte()), Bits: int(d.byte())}
	n.Mask = d.mask()
	if n.Family != 4 && n.Family != 6 || n.Bits > 32 && n.Family == 4 || n.Bits > 128 {
		d.bad = true
	}
	return n
}
