package sightings

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/wikiveil/wikiveil/lookup/seal"
)

// A Record is what is known of one mask. It never holds the address but sealed.
type Record struct {
	Mask  netip.Addr
	Epoch string // id of the epoch that made the mask
	Site  string // label of the site; see masking.SiteConfig

	// First and Last are when the client was seen within the retention, in whole seconds, UTC.
	First, Last time.Time
	// Count is how many of its requests were seen between. Show it by [CountRange].
	Count uint64

	// ASN and Org are the organisation; Country, Region and City are GeoNames ids. Zero is unknown.
	ASN                   uint32
	Org                   string
	Country, Region, City uint32

	// Ranges are the masks of the client's standard ranges, widest first.
	Ranges []Network
	// Allocation is the mask of the network that the ASN database gives; zero if unknown.
	Allocation Network
	// Named are the named networks the client is in.
	Named []NamedNetwork

	// Box is the sealed address; its body is empty where nothing is sealed.
	Box seal.Box
}

// A Network is a network's mask with its width.
type Network struct {
	Mask   netip.Addr
	Family int // 4 or 6
	Bits   int // prefix length
}

// IsValid reports whether n is a network at all.
func (n Network) IsValid() bool { return n.Mask.IsValid() }

// String returns the mask with its width in words, such as "2001:2e:… (an IPv4 /15)". With a slash
// length the mask would read as a far too wide IPv6 range.
func (n Network) String() string {
	if !n.IsValid() {
		return "unknown"
	}
	return fmt.Sprintf("%v (an IPv%d /%d)", n.Mask, n.Family, n.Bits)
}

// A NamedNetwork is a network such as tor.
type NamedNetwork struct {
	Name string
	// Mask is the network's mask, which travels with each of its clients' requests, so
	// that it can be blocked.
	Mask netip.Addr
}

// Organization returns the organisation as "Name (AS1234)", or "unknown".
func (r Record) Organization() string { return organization(r.ASN, r.Org) }

func organization(asn uint32, name string) string {
	switch {
	case asn == 0 && name == "":
		return "unknown"
	case asn == 0:
		return name
	case name == "":
		return fmt.Sprintf("AS%d", asn)
	}
	return fmt.Sprintf("%s (AS%d)", name, asn)
}

// CountRange puts a number of sightings in a bucket, so that nobody can follow a client by its counter.
func CountRange(n uint64) string {
	switch {
	case n < 2:
		return "1"
	case n < 10:
		return "2 to 9"
	case n < 100:
		return "10 to 99"
	case n < 1000:
		return "100 to 999"
	}
	return "1000 or more"
}

// note is what one value of a store says of a client: a whole observation, or
// only that it was seen again.
type note struct {
	first, last int64 // Unix seconds
	count       uint64
	whole       *observation // nil: seen again
}

// observation is the part of a record that is told once a day.
type observation struct {
	site                  string
	asn                   uint32
	org                   string
	country, region, city uint32
	ranges                []Network
	allocation            Network
	named                 []NamedNetwork
	box                   []byte
}

// merge makes a record of all notes of a mask. Order does not matter, nor which clock
// was wrong: the latest observation counts, and the outermost times.
func merge(mask netip.Addr, epoch string, notes []note) (Record, bool) {
	r := Record{Mask: mask, Epoch: epoch}
	var latest *note
	var first, last int64
	for i := range notes {
		n := &notes[i]
		if i == 0 {
			first, last = n.first, n.last
		}
		first, last = min(first, n.first), max(last, n.last)
		r.Count += n.count
		if n.whole != nil && (latest == nil || n.last > latest.last) {
			latest = n
		}
	}
	if latest == nil { // seen again, but what was seen is not stored (any more)
		return Record{}, false
	}
	o := latest.whole
	r.First, r.Last = time.Unix(first, 0).UTC(), time.Unix(last, 0).UTC()
	r.Site, r.ASN, r.Org = o.site, o.asn, o.org
	r.Country, r.Region, r.City = o.country, o.region, o.city
	r.Ranges, r.Allocation, r.Named = o.ranges, o.allocation, o.named
	slices.SortStableFunc(r.Ranges, func(a, b Network) int { return cmp.Compare(a.Bits, b.Bits) })
	if len(o.box) > 0 {
		r.Box = seal.Box{Mask: mask, Epoch: epoch, Body: o.box}
	}
	return r, true
}
