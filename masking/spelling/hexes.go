package spelling

// chain is hex digits in groups of one or two with the same between them: 7f:0b:16:21, \x7f\x0b\x16\x21,
// 1.2.6.1.b.0.f.7.
type chain struct {
	ring      [32]byte // the last groups
	from      [32]int
	width     int // of a group
	count     int
	end       int
	separator string
	whole     rest
}

// hex finds addresses in hex digits.
func (s *scanner) hex(text string) {
	var c chain
	for i := 0; i < len(text); i++ {
		if !isHex(text[i]) {
			continue
		}
		from, letters := i, false
		for i < len(text) && isHex(text[i]) {
			letters = letters || text[i] > '9'
			i++
		}
		if i-from >= 8 && !(s.anyone && !letters && isDateOrFraction(text, from, i)) {
			s.hexRun(text, from, i, letters)
			if i-from == 8 && !s.anyone { // anyone's UUIDs are no addresses
				s.uuid(text, from)
			}
		}
		s.chain(text, &c, from, i)
	}
}

// hexRun takes the addresses in a run of at least eight digits. One without a letter is rather a decimal number, and
// no address inside of it.
func (s *scanner) hexRun(text string, from, end int, letters bool) {
	var high, low uint64
	size := end - from
	if s.whole && size != 8 && size != 12 && size != 16 && size != 32 {
		return
	}
	inside := letters && !s.whole
	for i := from; i < end; i++ {
		high, low = high<<4|low>>60, low<<4|uint64(hexDigits[text[i]])
		digits := i + 1 - from
		switch last := digits == size; {
		case digits >= 8 && (inside || size == 8) && s.v4(uint32(low), i-7, i+1):
			s.hexPort(text, from, end)
		case last && size == 8:
			if s.v4(swap(uint32(low)), from, end) {
				s.hexPort(text, from, end)
			}
		case last && size == 12 && s.anyone:
			if letters && (from == 0 || text[from-1] != '-') { // else it ends a UUID
				s.hit(from, end) // an address and a port
			}
		case last && size == 12:
			if s.to.V6(low<<16, 0, 48) {
				s.hit(from, end)
			}
		case last && size == 32:
			s.v6(high, low, from, end)
		case digits >= 16 && low != 0 && (inside || last && size == 16):
			if s.to.V6(low, 0, 64) {
				s.hit(i-15, min(i+17, end))
			}
		}
	}
}

// uuid takes an IPv6 address that is written as a UUID is: 20010db8-0001-0002-aaaa-bbbbccccdddd.
func (s *scanner) uuid(text string, from int) {
	const network, whole = len("20010db8-0001-0002"), len("20010db8-0001-0002-aaaa-bbbbccccdddd")
	if len(text) < from+network {
		return
	}
	var high uint64
	for i, c := range []byte(text[from : from+network]) {
		switch dash := i == 8 || i == 13; {
		case dash && c == '-':
		case !dash && isHex(c):
			high = high<<4 | uint64(hexDigits[c])
		default:
			return
		}
	}
	if high != 0 && s.to.V6(high, 0, 64) {
		s.hit(from, min(from+whole, len(text)))
	}
}

// hexPort adds the port after an address in hex to the last hit: 7F0B1621:DA28, 7F0B1621DA28.
func (s *scanner) hexPort(text string, from, end int) {
	last := &s.hits[len(s.hits)-1]
	if rest := end - last.end; rest > 0 {
		if end-from == 12 && rest == 4 {
			last.end, last.port = end, true
		}
		return
	}
	if end == len(text) {
		return
	}
	at := end + 1
	for at < len(text) && isHex(text[at]) {
		at++
	}
	digits := at - end - 1
	if width := colonAt(text, end); width == 1 && digits >= 1 && digits <= 4 || !isAlnum(text[end]) && digits == 4 {
		last.end, last.port = at, true
	}
}

// chain adds a run of hex digits to the groups before it, and takes the addresses they make.
func (s *scanner) chain(text string, c *chain, from, end int) {
	size := end - from
	if gap := text[c.end:from]; c.count > 0 && size >= c.width && isHexSeparator(gap) {
		if gap != c.separator { // only the last group may belong to this one
			c.whole = rest{}
			last := (c.count - 1) & 31
			c.ring[0], c.from[0], c.count, c.separator = c.ring[last], c.from[last], 1, gap
		}
		c.push(text, from)
		c.whole.grow(s, c.end)
		s.chainAddrs(text, c)
		if size == c.width {
			return
		}
	}
	// The last digits may be the first group of others.
	c.count, c.width, c.separator, c.whole = 0, min(size, 2), "", rest{}
	c.push(text, end-c.width)
}

func isHexSeparator(gap string) bool {
	switch len(gap) {
	case 1:
		return !isAlnum(gap[0])
	case 2:
		return !isAlnum(gap[0]) && (!isAlnum(gap[1]) || gap[1]|0x20 == 'x')
	}
	return false
}

func (c *chain) push(text string, from int) {
	v := hexDigits[text[from]]
	if c.width == 2 {
		v = v<<4 | hexDigits[text[from+1]]
	}
	c.ring[c.count&31], c.from[c.count&31] = v, from
	c.count++
	c.end = from + c.width
}

func (s *scanner) chainAddrs(text string, c *chain) {
	if escape := c.separator; s.anyone && c.width == 2 && (escape == "%" || escape == `\x`) && c.count >= 4 && s.readsAsText(text, c.from[(c.count-1)&31], escape) {
		return
	}
	if c.width == 2 {
		if c.count >= 4 {
			addr, from := uint32(c.number(4)), c.from[(c.count-4)&31]
			if s.v4(addr, from, c.end) || s.v4(swap(addr), from, c.end) {
				return
			}
		}
		if c.count >= 8 {
			if network := c.number(8); network != 0 && c.whole.groups == 0 && s.to.V6(network, 0, 64) && s.hit(c.from[(c.count-8)&31], c.end) {
				c.whole = rest{len(s.hits) - 1, 8}
			}
		}
		return
	}
	if c.count >= 32 { // nibbles, of what may carry an IPv4 address too
		var back [2]uint64
		for i := range 32 {
			back[i/16] = back[i/16]<<4 | uint64(c.ring[(c.count-1-i)&31])
		}
		from := c.from[c.count&31]
		if s.v6(back[0], back[1], from, c.end) || s.v6(c.nibbles(32), c.number(16), from, c.end) {
			return
		}
	}
	if c.count >= 12 {
		known := min(c.count, 16)
		from := c.from[(c.count-known)&31]
		var reversed uint64
		for i := range known {
			reversed = reversed<<4 | uint64(c.ring[(c.count-1-i)&31])
		}
		shift := 64 - 4*known
		if s.to.V6(reversed<<shift, 0, 4*known) || s.to.V6(c.number(known)<<shift, 0, 4*known) {
			if c.count >= 32 {
				from = c.from[c.count&31]
			}
			s.hit(from, c.end)
		}
	}
}

// nibbles returns the first sixteen of so many last ones.
func (c *chain) nibbles(last int) (v uint64) {
	for i := last; i > last-16; i-- {
		v = v<<4 | uint64(c.ring[(c.count-i)&31])
	}
	return v
}

// number returns the last groups as one.
func (c *chain) number(groups int) (v uint64) {
	for i := groups; i > 0; i-- {
		v = v<<(4*c.width) | uint64(c.ring[(c.count-i)&31])
	}
	return v
}
