package spelling

import "math/bits"

// maxSeparator is the longest of what may stand between the numbers of one address, as in ["127", "0", "0", "1"].
const maxSeparator = 4

// number is one of a text: decimal, octal (or padded) after a 0, hexadecimal after 0x.
type number struct {
	from, end int
	value     uint64 // at most 1<<40
	octal     uint64 // the same, read as C does
}

// quad is the last numbers of a text that stand side by side with the same between them.
type quad struct {
	parts     [4]number
	count     int
	separator string
	from      [8]int // of the last eight,
	octets    uint64 // which are these
	whole     rest
}

// rest is what may follow the network of an IPv6 address: so many more groups of it.
type rest struct{ hit, groups int }

// grow adds a group that follows to the address that was found.
func (r *rest) grow(s *scanner, end int) {
	if r.groups > 0 {
		r.groups--
		s.hits[r.hit].end = end
	}
}

// numbers finds addresses of numbers: 127.0.0.1 with any separator, padded or octal or 0x7f, from behind, in fewer
// parts than four, and as one number.
func (s *scanner) numbers(text string) {
	var q quad
	for i := 0; i < len(text); {
		if !isDigit(text[i]) {
			i++
			continue
		}
		n := numberAt(text, i)
		i = n.end
		if n.end-n.from >= 8 && !(s.anyone && isDateOrFraction(text, n.from, n.end)) {
			s.lone(text, n)
		}
		s.portOf(text, &q, n)
		q.push(text, n)
		s.quad(text, &q)
		s.octets(&q, n)
	}
}

func numberAt(text string, i int) number {
	n := number{from: i}
	if hex := i + 2; text[i] == '0' && hex < len(text) && text[i+1]|0x20 == 'x' && isHex(text[hex]) {
		for ; hex < len(text) && isHex(text[hex]); hex++ {
			n.value = min(n.value<<4|uint64(hexDigits[text[hex]]), 1<<40)
		}
		n.octal, n.end = n.value, hex
		return n
	}
	octal := text[i] == '0'
	for ; i < len(text) && isDigit(text[i]); i++ {
		digit := uint64(text[i] - '0')
		n.value = min(n.value*10+digit, 1<<40)
		n.octal = min(n.octal<<3|digit, 1<<40)
		octal = octal && digit < 8
	}
	if n.end = i; !octal {
		n.octal = n.value
	}
	return n
}

// push adds the next number of a text.
func (q *quad) push(text string, n number) {
	if q.count > 0 {
		before := q.parts[(q.count-1)&3].end
		gap := text[before:n.from]
		switch {
		case q.count > 1 && gap == q.separator:
		case isSeparator(gap):
			q.parts[0], q.count, q.separator = q.parts[(q.count-1)&3], 1, gap
			q.from[0] = q.parts[0].from
		default:
			q.count = 0
		}
		if q.count < 2 {
			q.whole = rest{}
		}
	}
	q.parts[q.count&3], q.from[q.count&7] = n, n.from
	q.count++
	if n.value > 255 && n.octal > 255 && q.count != 2 && q.count != 3 {
		q.count = 0
	}
}

func isSeparator(gap string) bool {
	if len(gap) == 0 || len(gap) > maxSeparator {
		return false
	}
	for i := range len(gap) {
		if isAlnum(gap[i]) {
			return false
		}
	}
	return true
}

// quad takes the addresses that the last numbers make.
func (s *scanner) quad(text string, q *quad) {
	if q.count == 0 {
		return
	}
	last := q.parts[(q.count-1)&3]
	if last.value > 255 && last.octal > 255 {
		// C's inet_aton takes two or three parts, of which the last fills up the rest.
		if q.separator == "." && q.parts[0].value <= 255 && !(s.anyone && endsTime(text, q.parts[0].from)) {
			switch {
			case q.count == 2 && last.value < 1<<24:
				s.v4(uint32(q.parts[0].value<<24|last.value), q.parts[0].from, last.end)
			case q.count == 3 && last.value < 1<<16 && q.parts[1].value <= 255:
				s.v4(uint32(q.parts[0].value<<24|q.parts[1].value<<16|last.value), q.parts[0].from, last.end)
			}
		}
		q.count = 0
		return
	}
	if q.count < 4 {
		return
	}
	var decimal, octal uint32
	fits, fitsOctal := true, true
	for i := range 4 {
		part := &q.parts[(q.count+i)&3]
		fits, fitsOctal = fits && part.value <= 255, fitsOctal && part.octal <= 255
		decimal, octal = decimal<<8|uint32(part.value&255), octal<<8|uint32(part.octal&255)
	}
	from := q.parts[q.count&3].from
	if fits && (s.v4(decimal, from, last.end) || s.v4(swap(decimal), from, last.end)) {
		return
	}
	if fitsOctal && octal != decimal && !s.v4(octal, from, last.end) {
		s.v4(swap(octal), from, last.end)
	}
}

// octets takes the IPv6 address whose octets the last numbers are, as [32, 1, 13, 184, …].
func (s *scanner) octets(q *quad, n number) {
	q.octets = q.octets<<8 | n.value&0xff
	if q.whole.grow(s, n.end); n.value > 255 || q.count < 8 || q.whole.groups > 0 || q.octets == 0 {
		return
	}
	if s.to.V6(q.octets, 0, 64) && s.hit(q.from[q.count&7], n.end) {
		q.whole = rest{len(s.hits) - 1, 8}
	}
}

// portOf adds a number to the address right before it, if it's that one's port: 127-0-0-1-50123.
func (s *scanner) portOf(text string, q *quad, n number) {
	if q.count < 4 || n.value < 256 || n.value > 65535 || len(s.hits) == 0 {
		return
	}
	last := &s.hits[len(s.hits)-1]
	if before := q.parts[(q.count-1)&3].end; last.end == before && text[before:n.from] == q.separator {
		last.end, last.port = n.end, true
	}
}

// padded takes an address of four numbers of three digits with nothing between them, as in dsl127000000001.isp.example.
func (s *scanner) padded(n number) bool {
	var addr uint32
	for rest, shift := n.value, 0; shift < 32; rest, shift = rest/1000, shift+8 {
		if rest%1000 > 255 {
			return false
		}
		addr |= uint32(rest%1000) << shift
	}
	return s.v4(addr, n.from, n.end)
}

// lone takes an address that is one number.
func (s *scanner) lone(text string, n number) {
	switch digits := n.end - n.from; {
	case digits <= 10:
		if addr := uint32(n.value); n.value < 1<<32 && !s.v4(addr, n.from, n.end) {
			s.v4(swap(addr), n.from, n.end)
		}
		if n.from > 0 && text[n.from-1] == '-' && n.value <= 1<<31 { // signed, as Java has it
			s.v4(-uint32(n.value), n.from-1, n.end)
		}
	case digits == 12 && s.padded(n):
	case digits <= 12 && n.octal < 1<<32:
		s.v4(uint32(n.octal), n.from, n.end)
	case digits >= 30 && digits <= 39:
		var high, low uint64
		for _, c := range []byte(text[n.from:n.end]) {
			if !isDigit(c) {
				return
			}
			over, carry := uint64(0), uint64(0)
			over, low = bits.Mul64(low, 10)
			low, carry = bits.Add64(low, uint64(c-'0'), 0)
			high = high*10 + over + carry
		}
		s.v6(high, low, n.from, n.end)
	}
}
