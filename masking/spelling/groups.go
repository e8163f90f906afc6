package spelling

import "encoding/binary"

// groups finds IPv6 addresses in any spelling of RFC 4291, also with another separator
// for the colons as in host names, and four groups of one. Other words may stand before and after:
// "User:2001:db8::1:443".
func (s *scanner) groups(text string) {
	for i := 0; i < len(text); i++ {
		separator := text[i]
		if separator != ':' && separator != '-' && separator != '_' && (separator != '.' || s.whole && !s.anyone) {
			continue
		}
		start := i
		for start > 0 && i-start < 4 && isHex(text[start-1]) {
			start--
		}
		end, separators, short := i, 0, false
		for ; end < len(text) && (isHex(text[end]) || text[end] == separator); end++ {
			if text[end] == separator {
				separators++
				short = short || end > i && text[end-1] == separator
			}
		}
		i = end - 1
		if short && separator != '.' || separators >= 3 {
			s.groupsIn(text, start, end, separator)
		}
	}
}

// groupsIn takes the addresses of a run of groups.
func (s *scanner) groupsIn(text string, from, end int, separator byte) {
	for from < end {
		high, low, n, size := groupsAt(text[from:end], separator)
		found := false
		switch {
		case n == 8:
			found = s.v6(high, low, from, from+size)
		case n >= 4:
			found = high != 0 && s.to.V6(high, 0, 64) && s.hit(from, from+size)
		}
		if found && size > 0 {
			from += size
			continue
		}
		from += nextGroup(text[from:end])
	}
}

// nextGroup returns where the next group, or the next pair of separators, may start.
func nextGroup(run string) int {
	digits := 0
	for digits < len(run) && isHex(run[digits]) {
		digits++
	}
	switch {
	case digits > 4:
		return digits - 4 // those before are of something else
	case digits == 0 || digits+1 < len(run) && run[digits+1] != run[digits]:
		return digits + 1
	}
	return digits
}

// groupsAt reads the groups at the start of a text and returns how many they are, 8 with those
// that "::" stands for, and their size.
func groupsAt(text string, separator byte) (high, low uint64, n, size int) {
	var groups [8]uint16
	short, at := -1, 0
	if len(text) > 1 && text[0] == separator && text[1] == separator {
		short, at = 0, 2
		size = at
	}
	for n < 8 {
		v, digits := uint16(0), 0
		for at+digits < len(text) && digits < 4 && isHex(text[at+digits]) {
			v = v<<4 | uint16(hexDigits[text[at+digits]])
			digits++
		}
		if digits == 0 {
			break
		}
		groups[n] = v
		n++
		at += digits
		if size = at; at == len(text) || text[at] != separator {
			break
		}
		at++
		if at < len(text) && text[at] == separator {
			if short >= 0 {
				break
			}
			at++
			short, size = n, at
		}
	}
	var all [16]byte
	for i, group := range groups[:n] {
		if short >= 0 && i >= short {
			i += 8 - n
		}
		binary.BigEndian.PutUint16(all[2*i:], group)
	}
	if short >= 0 && n > 0 {
		n = 8
	}
	return binary.BigEndian.Uint64(all[:]), binary.BigEndian.Uint64(all[8:]), n, size
}
