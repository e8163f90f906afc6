package sightings

import (
	"context"
	"net/netip"
	"slices"
)

// How many masks can be compared.
const (
	MinCompare = 2
	MaxCompare = 20
)

// A Relation says whether several clients have something in common.
type Relation int

// The relations.
const (
	Unknown Relation = iota // not known of all, and those known are the same
	Same
	NotSame
)

// String returns "Unknown", "Same" or "Not Same".
func (r Relation) String() string {
	switch r {
	case Same:
		return "Same"
	case NotSame:
		return "Not Same"
	}
	return "Unknown"
}

// A Comparison says what clients have in common, without saying what that is.
type Comparison struct {
	Organization, Country, Region, City Relation
	// Network is the narrowest network that all are in, of those that are on record:
	// their standard ranges and allocations. It is zero where there is none, or where the
	// masks are of different epochs or sites, whose network masks have nothing in common.
	Network Network
}

// Compare compares two to twenty masks. Errors are ErrCount and those of Look; a [MaskError]
// says which mask can't be looked up.
func (b *Book) Compare(ctx context.Context, masks ...netip.Addr) (Comparison, error) {
	if len(masks) < MinCompare || len(masks) > MaxCompare {
		return Comparison{}, ErrCount
	}
	for i, m := range masks {
		if slices.Contains(masks[:i], m) {
			return Comparison{}, ErrCount
		}
	}
	records, err := b.look(ctx, masks...)
	if err != nil {
		return Comparison{}, err
	}
	return CompareRecords(records), nil
}

// CompareRecords compares records that were looked up before.
func CompareRecords(records []Record) Comparison {
	return Comparison{
		Organization: relate(records, func(r Record) uint32 { return r.ASN }),
		Country:      relate(records, func(r Record) uint32 { return r.Country }),
		Region:       relate(records, func(r Record) uint32 { return r.Region }),
		City:         relate(records, func(r Record) uint32 { return r.City }),
		Network:      narrowest(records),
	}
}

// relate compares one number of all records; zero is unknown.
func relate(records []Record, number func(Record) uint32) Relation {
	var seen uint32
	complete := true
	for _, r := range records {
		switch n := number(r); {
		case n == 0:
			complete = false
		case seen == 0:
			seen = n
		case n != seen:
			return NotSame
		}
	}
	if complete && seen != 0 {
		return Same
	}
	return Unknown
}

func (r Record) networks() []Network {
	all := slices.Clone(r.Ranges)
	if r.Allocation.IsValid() {
		all = append(all, r.Allocation)
	}
	return all
}

func narrowest(records []Record) Network {
	if len(records) == 0 {
		return Network{}
	}
	common := records[0].networks()
	for _, r := range records[1:] {
		has := r.networks()
		common = slices.DeleteFunc(common, func(n Network) bool { return !slices.Contains(has, n) })
	}
	var best Network
	for _, n := range common {
		if n.Bits > best.Bits {
			best = n
		}
	}
	return best
}
