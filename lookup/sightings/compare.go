package sightings

import (
	"slices"
)

// MaxCompare is how many masks can be compared.
const MaxCompare = 20

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

// CompareRecords compares records, two at least, that [Recorder.LookAll] returned.
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
