package find

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/spelling"
)

// Finder finds all addresses of texts, one after the other.
type Finder struct {
	// Possible takes also what only may be an address: numbers, ids in hex, base64 of four bytes. These have no Net.
	Possible bool

	spans []spelling.Span
	found []Found
}

// All returns what it finds in a text, in order, none inside of another, until the next call. It returns false where the text
// takes too much work to look through.
func (f *Finder) All(text []byte) ([]Found, bool) {
	f.found = f.found[:0]
	for at := 0; ; {
		plain, ok := Plain(text, at)
		if !ok {
			break
		}
		if n := len(f.found); n == 0 || plain.From >= f.found[n-1].End {
			f.found = append(f.found, plain)
		}
		at = plain.End
	}
	var ok bool
	if f.spans, ok = spelling.Every(f.spans[:0], string(text)); !ok {
		return nil, false
	}
	plain := len(f.found)
	f.undoEntities(text)
	for _, span := range f.spans {
		if overlaps(f.found[:plain], span) || isDotted(text[span.From:span.End]) || isMask(text, span) {
			continue
		}
		if other, ok := Decode(text, span); ok {
			f.found = append(f.found, other)
		} else if f.Possible {
			f.found = append(f.found, Found{From: span.From, End: span.End})
		}
	}
	if len(f.found) > plain {
		slices.SortFunc(f.found, func(a, b Found) int { return cmp.Compare(a.From, b.From) })
		f.dropInner()
	}
	return f.found, true
}

// dropInner leaves out what begins inside of the one before.
func (f *Finder) dropInner() {
	end := 0
	f.found = slices.DeleteFunc(f.found, func(at Found) bool {
		inner := at.From < end
		end = max(end, at.End)
		return inner
	})
}

// Surely reports whether it's an address, and which, not only what may be one.
func (f Found) Surely() bool { return f.Net != netip.Prefix{} }

// undoEntities has addresses begin where HTML's characters do that belong to them: "&#50;03.0.113.77" isn't 3.0.113.77.
func (f *Finder) undoEntities(text []byte) {
	for i, at := range f.found {
		if at.From == 0 || text[at.From-1] != ';' {
			continue
		}
		for _, span := range f.spans {
			if span.From < at.From && at.End <= span.End && text[span.From] == '&' {
				if net, ok := decoded(spelling.Unescape(spelling.Unescape(string(text[span.From:span.End]))), depth); ok {
					f.found[i].From, f.found[i].Net = span.From, net
				}
			}
		}
	}
}

// isDotted reports whether Plain has passed a span over already: a part of a longer number, or what no host has.
func isDotted(span []byte) bool {
	if len(span) > len("255.255.255.255") {
		return false
	}
	addr, err := netip.ParseAddr(string(span))
	return err == nil && addr.Is4()
}

func overlaps(found []Found, span spelling.Span) bool {
	i, _ := slices.BinarySearchFunc(found, span.From, func(f Found, from int) int { return cmp.Compare(f.End-1, from) })
	return i < len(found) && found[i].From < span.End
}

// isMask reports whether a span is a mask or a part of one.
func isMask(text []byte, span spelling.Span) bool {
	const longest = 39
	from := max(0, span.From-longest)
	near := text[from:min(len(text), span.End+longest)]
	for at := 0; ; {
		next, ok := spelling.Next(near, at)
		if !ok || from+next.At >= span.End {
			return false
		}
		if from+next.End > span.From && masking.Is(next.Addr) {
			return true
		}
		at = next.At + 1
		if masking.Is(next.Addr) {
			at = next.End
		}
	}
}
