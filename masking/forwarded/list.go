package forwarded

import (
	"net/netip"
	"strings"
)

// List is what a header says of a request's way here, from the client to the proxy before us. An
// address that isn't valid stands for an element that can't be read.
type List []netip.Addr

// Read reads the lines of a header of this name; no addresses where all of them are blank. Empty
// elements are left out, as RFC 9110 section 5.6.1 asks of lists.
func Read(name string, lines []string) List {
	var list List
	for _, line := range lines {
		if strings.EqualFold(name, "Forwarded") {
			list = appendForwarded(list, line)
			continue
		}
		for element := range strings.SplitSeq(line, ",") {
			if strings.Trim(element, " \t") == "" {
				continue
			}
			addr, _ := Parse(element)
			list = append(list, addr)
		}
	}
	return list
}

// First returns the list's first address; not a valid one where that can't be read.
func (l List) First() netip.Addr {
	if len(l) == 0 {
		return netip.Addr{}
	}
	return l[0]
}

// Readable returns the end of the list after the last element that can't be read, and whether
// that is the whole list.
func (l List) Readable() (List, bool) {
	for i := len(l) - 1; i >= 0; i-- {
		if !l[i].IsValid() {
			return l[i+1:], false
		}
	}
	return l, true
}

// String writes the list the one way that all read alike.
func (l List) String() string {
	var b []byte
	for i, addr := range l {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = addr.AppendTo(b)
	}
	return string(b)
}

// appendForwarded reads a line of RFC 7239's header.
func appendForwarded(list List, line string) List {
	for element := range fields(line, ',') {
		if strings.Trim(element, " \t") == "" {
			continue
		}
		list = append(list, forwardedFor(element))
	}
	return list
}

// forwardedFor reads the parameter for of an element; there must be exactly one. A quote that stands open, or where none may, can be
// a client's, put there to swallow what the proxy writes behind it.
func forwardedFor(element string) (addr netip.Addr) {
	found := false
	for pair := range fields(element, ';') {
		name, value, _ := strings.Cut(pair, "=")
		if strings.Contains(name, `"`) || !wellQuoted(strings.Trim(value, " \t")) {
			return netip.Addr{}
		}
		if !strings.EqualFold(strings.Trim(name, " \t"), "for") {
			continue
		}
		if found {
			return netip.Addr{}
		}
		found = true
		addr, _ = Parse(value)
	}
	return addr
}

// wellQuoted reports whether a value is all of it in quotes, or has none.
func wellQuoted(value string) bool {
	if !strings.Contains(value, `"`) {
		return true
	}
	if value[0] != '"' {
		return false
	}
	for i := 1; i < len(value); i++ {
		switch value[i] {
		case '\\':
			i++
		case '"':
			return i == len(value)-1
		}
	}
	return false
}

// fields cuts text at a separator outside of quotes.
func fields(text string, separator byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start, quoted := 0, false
		for i := 0; i < len(text); i++ {
			switch {
			case quoted && text[i] == '\\':
				i++
			case text[i] == '"':
				quoted = !quoted
			case text[i] == separator && !quoted:
				if !yield(text[start:i]) {
					return
				}
				start = i + 1
			}
		}
		yield(text[start:])
	}
}
