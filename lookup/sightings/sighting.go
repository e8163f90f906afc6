package sightings

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/wikiveil/wikiveil/lookup/geo"
	"github.com/wikiveil/wikiveil/lookup/seal"
	"github.com/wikiveil/wikiveil/masking"
)

// A Sighting is one request of a client.
type Sighting struct {
	// Mask is the client's mask, made under the site's epoch.
	Mask netip.Addr
	// Addr is the client's address. It leaves the recorder only sealed.
	Addr netip.Addr
	// Time is when the request came.
	Time time.Time
	// Site tells how the masks of the client's networks are made.
	Site *Site
}

// A Site makes the masks of networks for records, as the edge does for the app: give it
// the same configuration. It never changes; after a rotation make another one.
type Site struct {
	epoch  masking.Epoch
	masker *masking.Masker
	config masking.SiteConfig
	named  []netip.Addr // as config.Networks
}

// NewSite prepares a site for sightings under the epoch in use.
func NewSite(epoch masking.Epoch, config masking.SiteConfig) (*Site, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	masker, err := epoch.Masker(config.Label, config.V6Prefix)
	if err != nil {
		return nil, err
	}
	s := &Site{epoch: epoch, masker: masker, config: config}
	for _, name := range config.Networks.Names() {
		mask, err := masker.Network(name)
		if err != nil {
			return nil, err
		}
		s.named = append(s.named, mask)
	}
	return s, nil
}

// day is the part a sighting belongs to. A clock that stands before the epoch's start
// is wrong; records must not be deleted early for it.
func (s *Site) day(t time.Time) Day {
	day := DayOf(t)
	if start := s.epoch.Start(); !start.IsZero() {
		day = max(day, DayOf(start))
	}
	return day
}

// observer makes observations of sightings.
type observer struct {
	geo    *geo.DB
	sealer *seal.Sealer
}

// observe tells of all but the address.
func (o observer) observe(s Sighting) (*observation, error) {
	addr := s.Addr.Unmap().WithZone("")
	info := o.geo.Lookup(addr)
	ob := &observation{
		site: s.Site.config.Label, asn: info.ASN, org: info.Org,
		country: info.Country, region: info.Region, city: info.City,
	}
	return ob, s.Site.networks(ob, addr, info)
}

// note makes a whole note of an observation, with the address sealed.
func (o observer) note(s Sighting, ob *observation) (note, error) {
	if o.sealer != nil {
		box, err := o.sealer.Seal(s.Addr.Unmap().WithZone(""), s.Mask, s.Site.epoch)
		if err != nil {
			return note{}, err
		}
		ob.box = box.Body
	}
	return note{first: clock(s.Time), last: clock(s.Time), count: 1, whole: ob}, nil
}

func (s *Site) networks(ob *observation, addr netip.Addr, info geo.Info) error {
	family := 4
	if addr.Is6() {
		family = 6
	}
	for _, bits := range s.config.RangesOf(addr) {
		mask, err := s.masker.Range(netip.PrefixFrom(addr, bits))
		if err != nil {
			return fmt.Errorf("masking a range: %w", err)
		}
		ob.ranges = append(ob.ranges, Network{Mask: mask, Family: family, Bits: bits})
	}
	if info.Allocation.IsValid() {
		mask, err := s.masker.Range(info.Allocation)
		if err != nil {
			return fmt.Errorf("masking the allocation: %w", err)
		}
		ob.allocation = Network{Mask: mask, Family: family, Bits: info.Allocation.Bits()}
	}
	for i, name := range s.config.Networks.Of(addr) {
		ob.named = append(ob.named, NamedNetwork{Name: name, Mask: s.named[i]})
	}
	looked := info.Networks
	if masking.IsCircuit(addr) {
		looked = masking.CircuitNetworks
	}
	for _, name := range looked {
		if slices.ContainsFunc(ob.named, func(n NamedNetwork) bool { return n.Name == name }) {
			continue
		}
		mask, err := s.masker.Network(name)
		if err != nil {
			return fmt.Errorf("masking a network's name: %w", err)
		}
		ob.named = append(ob.named, NamedNetwork{Name: name, Mask: mask})
	}
	return nil
}

// clock returns a time as it is stored: seconds, within what can be encoded.
func clock(t time.Time) int64 { return min(max(t.Unix(), -1<<40), 1<<40) }
