package spelling

// minText is how many characters in a row make what is decoded a text.
const minText = minSpelling

// base64 scans what a text holds in base64 of both alphabets, padded or not (RFC 4648). It may begin at any digit, so
// all four ways to group the digits are followed.
func (s *scanner) base64(text string, depth int) {
	for i := 0; i < len(text); i++ {
		from := i
		for i < len(text) && base64Digits[text[i]] != none {
			i++
		}
		if i-from >= minText*4/3 {
			ways := s.textWays(text[from:i])
			for skip := range 4 {
				if !ways[skip] {
					s.budget -= (i - from - skip) / 4
				} else if s.base64Run(text, from+skip, i, depth, minText) {
					break
				}
			}
		}
		if s.reader != nil && i-from >= minWord {
			s.shortBase64(text, from, i, depth)
		}
	}
}

// textWays reports for each of the four ways whether a text may be in a run of digits: in most words there is none.
// It doesn't branch on the bytes, which could be any.
func (s *scanner) textWays(run string) (ways [4]bool) {
	var texts, found [4]uint32 // a bit for each of the last bytes that is text, by way
	var window uint32
	for i := range len(run) {
		window = window<<6 | uint32(base64Digits[run[i]])
		if i < 3 {
			continue
		}
		way := (i + 1) & 3
		texts[way] = texts[way]<<3 | s.textBit(window>>16)<<2 | s.textBit(window>>8)<<1 | s.textBit(window)
		found[way] |= minTextInRow(texts[way])
	}
	for way := range ways {
		last := texts[way]<<2 | 3 // with what the last digits may make
		ways[way] = found[way]|minTextInRow(last) != 0
	}
	return ways
}

// minTextInRow returns bits where so many as minText are set in a row.
func minTextInRow(bits uint32) uint32 {
	bits &= bits >> 1
	return bits & (bits >> 2) & (bits >> 4)
}

// shortBase64 scans what is base64 as a whole, of less than a text has at least. As a slash may also be a path's, so
// may the segments of a run be.
func (s *scanner) shortBase64(text string, from, end, depth int) {
	for start := from; start < end; {
		segment := start
		for start < end && text[start] != '/' {
			start++
		}
		if size := (start - segment) * 3 / 4; minWord <= size && size < minText {
			s.base64Run(text, segment, start, depth, size)
		}
		if segment == from && start == end {
			return // that was all of it
		}
		start++
	}
	if size := (end - from) * 3 / 4; minWord <= size && size < minText {
		s.base64Run(text, from, end, depth, size)
	}
}

// base64Run scans the texts of so many bytes at least in a run of digits.
func (s *scanner) base64Run(text string, from, end, depth, least int) bool {
	base := len(s.room)
	s.budget -= (end - from) / 4
	var window uint32
	bits, found := 0, false
	for i := from; i < end && !found; i++ {
		window = window<<6 | uint32(base64Digits[text[i]])
		if bits += 6; bits >= 8 {
			bits -= 8
			if c := byte(window >> bits); s.isText(c) {
				s.room = append(s.room, c)
				continue
			}
			if found = s.text(base, depth, from, end, least); (end-1-i)*6+bits < 8*least {
				return found // what follows is too short
			}
		}
	}
	return found || s.text(base, depth, from, end, least)
}

// text scans what was decoded if it is long enough, and gives the room back.
func (s *scanner) text(base, depth, from, end, least int) bool {
	if len(s.room) == base {
		return false
	}
	if len(s.room)-base >= least && s.budget >= 0 { // with nothing left, the scan sees that
		return s.decoded(base, depth, from, end)
	}
	s.peak = max(s.peak, len(s.room))
	s.room = s.room[:base]
	return false
}

func (s *scanner) isText(c byte) bool { return s.textBit(uint32(c)) != 0 }

// textBit is 1 if the lowest byte is text.
func (s *scanner) textBit(c uint32) uint32 { return uint32(plainText[byte(c)] | s.wide&(byte(c)>>7)) }

var plainText = func() (is [256]byte) {
	for c := range byte(0x7f) {
		if c >= ' ' || c == '\n' || c == '\r' || c == '\t' || c == 0 {
			is[c] = 1
		}
	}
	return is
}()

// rawBase64 finds the bytes of an address in base64: in a whole run, between what is no letter or digit, or between
// slashes.
func (s *scanner) rawBase64(text string) {
	for i := 0; i < len(text); i++ {
		from, parts := i, false
		for i < len(text) && base64Digits[text[i]] != none {
			parts = parts || base64Digits[text[i]] >= base64Signs
			i++
		}
		s.rawRun(text, from, i)
		for at := from; parts && at < i; at++ {
			part := at
			for at < i && base64Digits[text[at]] < base64Signs {
				at++
			}
			s.rawRun(text, part, at)
		}
	}
}

// rawRun takes the bytes that a run of digits stands for.
func (s *scanner) rawRun(text string, from, end int) {
	size := end - from
	if size < minSpelling || s.whole && size != 6 && size != 22 {
		return
	}
	var high, low uint64 // the last 16 bytes
	var window uint32
	bits, n := 0, 0
	for i := from; i < end; i++ {
		window = window<<6 | uint32(base64Digits[text[i]])
		if bits += 6; bits < 8 {
			continue
		}
		bits -= 8
		high, low = high<<8|low>>56, low<<8|uint64(window>>bits&0xff)
		if n++; s.whole {
			continue
		}
		found := n >= 4 && s.v4(uint32(low), from, end) || n >= 8 && s.to.V6(low, 0, 64) && s.hit(from, end)
		if found {
			return
		}
	}
	if s.anyone && size == 6 && isWordlike(text[from:end]) && !(end < len(text) && text[end] == '=') {
		return
	}
	if s.whole && window&(1<<bits-1) == 0 { // else it's a word of six letters
		if size == 6 {
			s.v4(uint32(low), from, end)
		} else {
			s.v6(high, low, from, end)
		}
	}
}

// hexText scans what a text holds in hex that is itself text.
func (s *scanner) hexText(text string, depth int) {
	for i := 0; i < len(text); i++ {
		from := i
		for i < len(text) && isHex(text[i]) {
			i++
		}
		least := minText
		if size := (i - from) / 2; size < minText {
			if least = size; s.reader == nil || size < minWord {
				continue
			}
		}
		s.budget -= i - from
		for skip := range 2 {
			if !s.hasHexText(text[from+skip:i], least) {
				continue
			}
			base := len(s.room)
			for at := from + skip; at+1 < i; at += 2 {
				if c := hexDigits[text[at]]<<4 | hexDigits[text[at+1]]; s.isText(c) {
					s.room = append(s.room, c)
				} else if s.text(base, depth, from, i, least) || (i-at)/2-1 < least {
					break // found, or what follows is too short
				}
			}
			if s.text(base, depth, from, i, least) {
				break
			}
		}
	}
}

// hasHexText reports whether so many bytes in a row, in a run of digits, are text.
func (s *scanner) hasHexText(run string, least int) bool {
	n := 0
	for i := 1; i < len(run); i += 2 {
		if n++; !s.isText(hexDigits[run[i-1]]<<4 | hexDigits[run[i]]) {
			n = 0
		}
		if n >= least {
			return true
		}
	}
	return false
}
