package spelling

import (
	"math/bits"
	"slices"
	"unicode"
	"unicode/utf8"
)

// Hide puts a text in the place of whatever may spell an address, anybody's, with the port that follows. It doesn't ask
// whose the address is, so what it leaves tells nothing of the text's sender. Only what stands by itself counts, not
// what might be read inside of longer words and numbers; some numbers, names and ids that are no addresses go too.
func Hide(text, with string) (string, bool) {
	if len(text) < minSpelling {
		return text, false
	}
	if len(text) > maxRemembered {
		return hide(text, with)
	}
	out, hidden, _ := hiddenTexts.hide(text, with, false)
	return out, hidden
}

// HideUnlessNext is Hide for a text in which Next finds nothing; ok is false if it does.
func HideUnlessNext(text, with string) (out string, hidden, ok bool) {
	if minSpelling <= len(text) && len(text) <= maxRemembered {
		return hiddenTexts.hide(text, with, true)
	}
	if _, next := Next(text, 0); next {
		return text, false, false
	}
	out, hidden = Hide(text, with)
	return out, hidden, true
}

func hide(text, with string) (string, bool) {
	s := scanners.Get().(*scanner)
	defer s.release()
	s.to, s.whole, s.anyone = anyone{}, true, true
	if !s.all(text) {
		return with, true
	}
	if len(s.hits) == 0 {
		return text, false
	}
	slices.SortFunc(s.hits, func(a, b span) int { return a.from - b.from })
	var dst []byte
	start := 0
	for _, at := range s.hits {
		if at.end <= start {
			continue
		}
		from, end := Around(text, at.from, at.end)
		if from > start || start == 0 {
			dst = append(append(dst, text[start:max(start, from)]...), with...)
		}
		start = end
	}
	return string(append(dst, text[start:]...)), true
}

// Around widens text[from:end], an address, to the digits beside it that belong to it by an escape or a dot, as in
// "100%127.0.0.1", "::ffff%253A7f00%253A1" or the rest of an ip6.arpa name.
func Around[T string | []byte](text T, from, end int) (int, int) {
	for from > 0 && (isDigit(text[from-1]) || text[from-1] == '%') {
		from--
	}
	for at := end; at < len(text) && (text[at] == '%' || text[at] == '.' || text[at] == ':'); {
		for at < len(text) && (text[at] == '%' || text[at] == '.' || text[at] == ':') {
			at++
		}
		digits := at
		for at < len(text) && isHex(text[at]) {
			at++
		}
		if at == digits || at < len(text) && isAlnum(text[at]) {
			break
		}
		end = at
	}
	return from, end
}

// anyone is a Sink that looks for everybody.
type anyone struct{}

// V4 implements Sink.
func (anyone) V4(addr uint32) bool { return addr>>24 != 0 }

// V6 implements Sink. It takes what hosts can have, which few random numbers are: the allocated part of 2000::/3, NAT64,
// local and unique local addresses.
func (anyone) V6(high, _ uint64, known int) bool {
	switch first := uint16(high >> 48); {
	case first>>9 == 0xfc>>1, first>>6 == 0xfe80>>6, first>>2 == 0x2000>>2:
		return true
	case first == 0x64:
		return uint16(high>>32) == 0xff9b
	case first>>12 == 2:
		switch first >> 4 & 0xff {
		case 0x40, 0x41, 0x60, 0x61, 0x62, 0x63, 0x80, 0xa0, 0xa1, 0xc0:
			return true
		}
	}
	return false
}

// isDate reports whether eight digits are a date, such as Gecko/20100101.
func isDate(n uint64) bool {
	year, month, day := n/10000, n/100%100, n%100
	return 1970 <= year && year < 2100 && 1 <= month && month <= 12 && 1 <= day && day <= 31
}

// isPart reports whether a number is a part of an id in hexadecimal, or a fraction.
func isPart(text string, n number) bool {
	i := n.from
	if n.end < len(text) && isHex(text[n.end]) || i > 0 && isHex(text[i-1]) {
		return true
	}
	return i > 1 && text[i-1] == '.' && isDigit(text[i-2])
}

// isDateOrFraction reports whether digits are no address: 20261129, and those of 11:59:00.88494245.
func isDateOrFraction(text string, from, end int) bool {
	n := numberAt(text, from)
	return isPart(text, n) || end-from == 8 && isDate(n.value)
}

// endsTime reports whether the number at i is the seconds of a time: 11:59:00.884942.
func endsTime(text string, i int) bool { return i > 1 && text[i-1] == ':' && isDigit(text[i-2]) }

// isWordlike reports whether a word of six letters is more likely one of a language than an address in base64.
func isWordlike(word string) bool {
	for i := range len(word) {
		if c := word[i]; i > 0 && c < 'a' || c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return true
}

// readsAsText reports whether the bytes that are escaped around i, as %D0%97 or \xd0\x97, are a text in UTF-8.
func (s *scanner) readsAsText(text string, i int, escape string) bool {
	if s.escaped.from <= i && i < s.escaped.end {
		return s.escaped.port
	}
	size := len(escape) + 2
	from, end := i, i+2
	for at := i - len(escape); at >= 0 && isEscaped(text[at:], escape); at -= size {
		from = at
	}
	for isEscaped(text[end:], escape) {
		end += size
	}
	decoded := make([]byte, 0, (end-from)/size+1)
	for at := from; at < end; at += size {
		v, _ := hexNumber(text[at+len(escape):], 2)
		decoded = append(decoded, byte(v))
	}
	reads := utf8.Valid(decoded)
	for _, r := range string(decoded) {
		reads = reads && (unicode.IsPrint(r) || unicode.IsSpace(r))
	}
	s.escaped = span{from, end, reads}
	return reads
}

func isEscaped(text, escape string) bool {
	size := len(escape) + 2
	return len(text) >= size && text[:len(escape)] == escape && isHex(text[size-2]) && isHex(text[size-1])
}

// carriesV4 reports whether an IPv6 address that is nobody's may stand for an IPv4 address: mapped or compatible.
func carriesV4(high, low uint64) bool {
	return high == 0 && (low>>32 == 0 || low>>32 == 0xffff) && bits.Len64(low) > 24
}
