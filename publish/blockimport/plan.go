// Package blockimport turns a wiki's blocks of addresses and ranges into blocks of the masks that stop the same clients.
package blockimport

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/spelling"
	"github.com/wikiveil/wikiveil/publish/wikiname"
)

// A Plan is what becomes of a wiki's blocks.
type Plan struct {
	// Blocks are those to make.
	Blocks []Block
	// Left are the entries that masks can't express, or needn't.
	Left []Left
	// Accounts counts the entries that block accounts: they hold as they are.
	Accounts int
	// V4Ranges and V6Ranges are the site's lengths and more, with which more entries could be expressed: Would of Left.
	V4Ranges, V6Ranges []int
	Would              int
}

// A Block is one to make.
type Block struct {
	Mask netip.Addr
	Entry
}

// Left is an entry that becomes no block, and why.
type Left struct {
	Entry
	Why string
	// prefix is the range whose length isn't among the site's; zero if that isn't the reason.
	prefix netip.Prefix
}

// Lengths are those of the ranges that the site gives network masks for.
type Lengths struct {
	V4, V6 []int
}

const (
	// mostParts is how many blocks an entry may become, so as to express a range by narrower ones.
	mostParts = 16
	// mostLengths is how many lengths are proposed for a family: each makes all requests longer.
	mostLengths = 6
)

// parts divides a range into those that the site has masks for; nil if there are none, or too many.
func parts(m *masking.Masker, prefix netip.Prefix, lengths Lengths) []netip.Prefix {
	all, client := lengths.V4, 32
	if prefix.Addr().Is6() {
		all, client = lengths.V6, m.V6Prefix()
	}
	if m.OneClient(prefix) {
		return []netip.Prefix{prefix}
	}
	best := client
	for _, bits := range all {
		if prefix.Bits() <= bits && bits < best {
			best = bits
		}
	}
	if more := best - prefix.Bits(); more > 8 || 1<<more > mostParts {
		return nil
	}
	found := []netip.Prefix{netip.PrefixFrom(prefix.Masked().Addr(), best)}
	for len(found) < 1<<(best-prefix.Bits()) {
		found = append(found, next(found[len(found)-1]))
	}
	return found
}

// next returns the range of the same length that follows.
func next(prefix netip.Prefix) netip.Prefix {
	b := prefix.Addr().AsSlice()
	for i := prefix.Bits() - 1; i >= 0; i-- { // add one at the last bit that counts
		b[i/8] ^= 0x80 >> (i % 8)
		if b[i/8]&(0x80>>(i%8)) != 0 {
			break
		}
	}
	addr, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(addr, prefix.Bits())
}

// Make plans the blocks at a time.
func Make(m *masking.Masker, lengths Lengths, entries []Entry, now time.Time) (*Plan, error) {
	plan := &Plan{}
	made := map[netip.Addr]bool{}
	// The one that ends last comes first, and so stands for others that have the same mask.
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b Entry) int { return cmp.Compare(b.ends(), a.ends()) })
	for _, e := range entries {
		prefix, isRange := wikiname.ParseRange(e.Target())
		if addr, ok := wikiname.Parse(e.Target()); ok {
			prefix, isRange = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), true
		}
		switch {
		case e.Automatic || strings.HasPrefix(e.Target(), "#") || e.Target() == "":
			plan.leave(e, "MediaWiki made it by itself, without showing the address; it ends within a day")
			continue
		case !isRange:
			plan.Accounts++
			continue
		case masking.Is(prefix.Addr()):
			plan.leave(e, "it blocks a mask already")
			continue
		case e.ends() <= now.UTC().Format(time.RFC3339):
			plan.leave(e, "it has ended")
			continue
		}
		found := parts(m, prefix, lengths)
		if found == nil {
			plan.Left = append(plan.Left, Left{e, fmt.Sprintf("the edge gives no masks for ranges of /%d", prefix.Bits()), prefix})
			continue
		}
		if err := plan.add(m, e, found, made); err != nil {
			return nil, err
		}
	}
	plan.propose(m, lengths)
	return plan, nil
}

func (p *Plan) leave(e Entry, why string) { p.Left = append(p.Left, Left{Entry: e, Why: why}) }

// add adds the blocks of an entry.
func (p *Plan) add(m *masking.Masker, e Entry, prefixes []netip.Prefix, made map[netip.Addr]bool) error {
	e.Reason, _ = spelling.ReplaceIn(e.Reason, func(addr netip.Addr) (string, bool) {
		if masking.Is(addr) {
			return "", false
		}
		mask, errMask := m.Client(addr)
		return mask.String(), errMask == nil
	})
	doubles := 0
	for _, prefix := range prefixes {
		mask, errMask := m.Block(prefix)
		if errMask != nil {
			return errMask
		}
		if made[mask] {
			doubles++
			continue
		}
		made[mask] = true
		p.Blocks = append(p.Blocks, Block{mask, e})
	}
	if doubles > 0 {
		p.leave(e, fmt.Sprintf("%d of its %d masks are blocked by another that ends no earlier: look whether that one's options suffice", doubles, len(prefixes)))
	}
	return nil
}

// propose finds the lengths that would express the most of what is left.
func (p *Plan) propose(m *masking.Masker, lengths Lengths) {
	var left []netip.Prefix
	for _, l := range p.Left {
		if l.prefix.IsValid() {
			left = append(left, l.prefix)
		}
	}
	for {
		var best Lengths
		most := 0
		for _, c := range candidates(left, lengths) {
			count := 0
			for _, prefix := range left {
				if parts(m, prefix, c) != nil {
					count++
				}
			}
			if count > most {
				best, most = c, count
			}
		}
		if most == 0 {
			break
		}
		lengths, p.Would = best, p.Would+most
		left = slices.DeleteFunc(left, func(prefix netip.Prefix) bool { return parts(m, prefix, best) != nil })
	}
	p.V4Ranges, p.V6Ranges = slices.Sorted(slices.Values(lengths.V4)), slices.Sorted(slices.Values(lengths.V6))
}

// candidates are the lengths with one more each, that of an entry that is left.
func candidates(left []netip.Prefix, lengths Lengths) []Lengths {
	var all []Lengths
	seen := map[[2]int]bool{}
	for _, prefix := range left {
		key := [2]int{prefix.Addr().BitLen(), prefix.Bits()}
		if seen[key] || prefix.Bits() == 0 {
			continue
		}
		seen[key] = true
		c := lengths
		switch {
		case prefix.Addr().Is4() && len(c.V4) < mostLengths:
			c.V4 = append(slices.Clone(c.V4), prefix.Bits())
		case prefix.Addr().Is6() && len(c.V6) < mostLengths:
			c.V6 = append(slices.Clone(c.V6), prefix.Bits())
		default:
			continue
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Lengths) int { // so that the proposal is the same each time
		return cmp.Or(slices.Compare(a.V4, b.V4), slices.Compare(a.V6, b.V6))
	})
	return all
}
