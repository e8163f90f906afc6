package spelling

import (
	"encoding/binary"
	"math/bits"
	"sync"
	"unsafe"
)

// Bounds of the work on one text.
const (
	minSpelling = 6        // bytes: 4 raw ones in base64
	minWord     = 3        // bytes that a Reader looks at
	maxDepth    = 3        // encodings in one another
	workFactor  = 16       // bytes looked at, for each byte of the text,
	readFactor  = 8        // of one that is read,
	workBase    = 64 << 10 // and for any text
	keptRoom    = 64 << 10 // bytes that a scanner keeps for the next text
)

// Sink is told of each address that a text may spell, and says whether it's one that is looked for.
type Sink interface {
	// V4 takes an IPv4 address.
	V4(addr uint32) bool
	// V6 takes an IPv6 address, or its first bits if there are fewer than 128.
	V6(high, low uint64, bits int) bool
}

// span is where an address stands in a text, with a port after it or not.
type span struct {
	from, end int
	port      bool
}

// scanner goes through a text and what it decodes to. It reads each text once for
// each family of spellings, so its time is linear.
type scanner struct {
	to     Sink
	whole  bool // only what stands by itself, not what is inside of longer numbers
	anyone bool // everybody's address is looked for, see Hide
	reader Reader
	wide   byte // 1: characters beyond ASCII are text too, see Read
	view   View // how the text at hand was got
	budget int  // bytes that may still be looked at
	hits   []span
	room   []byte  // for what is decoded, used as a stack
	peak   int     // the most that was in it
	spots  []int32 // where each byte decoded begins in its text, likewise

	escaped span // the last run of escapes that was read, and whether it's a text
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

// release hands the scanner on to the next text, with nothing of this one in it.
func (s *scanner) release() {
	if cap(s.room) > keptRoom || cap(s.hits) > keptRoom/32 {
		return
	}
	clear(s.room[:min(s.peak, cap(s.room))])
	*s = scanner{hits: s.hits[:0], room: s.room[:0], spots: s.spots[:0]}
	scanners.Put(s)
}

// A Reader is told of a text, of all that it decodes to, and of the addresses that these spell by themselves.
type Reader interface {
	Sink
	// Text takes a text. It reports whether that is as much as the Reader wants to know of it.
	Text(View) bool
}

// View is a text, or what a part of one decodes to. It's gone when the call that gets it returns.
type View struct {
	Text    string
	Escaped string // the same with the escapes that were undone last, empty if there were none
	Encoded bool   // it was in base64 or in hex
}

// Read goes through a text for a Reader. A wide one also wants what decodes to characters beyond ASCII. It reports
// whether the text could be looked at to its end.
func Read(text []byte, to Reader, wide bool) bool {
	s := scanners.Get().(*scanner)
	defer s.release()
	s.to, s.reader, s.whole = to, to, true
	if wide {
		s.wide = 1
	}
	s.budget = readFactor*len(text) + workBase
	s.scan(viewOf(text), 0)
	return s.budget >= 0
}

// all fills in hits, in any order. It reports whether the text could be looked at to its end.
func (s *scanner) all(text string) bool {
	s.budget = workFactor*len(text) + workBase
	s.scan(text, 0)
	return s.budget >= 0
}

func (s *scanner) scan(text string, depth int) {
	s.escaped = span{}
	if s.budget -= len(text); s.budget < 0 {
		return
	}
	if s.reader != nil && len(text) >= minWord {
		view := s.view
		if view.Text = text; s.reader.Text(view) {
			s.hit(0, len(text))
			return
		}
	}
	if len(text) >= minSpelling {
		s.plain(text)
		s.rawBase64(text)
	}
	if depth < maxDepth {
		s.escapes(text, depth)
		s.hexText(text, depth)
		s.base64(text, depth)
	}
}

func (s *scanner) plain(text string) {
	before := len(s.hits)
	s.numbers(text)
	s.hex(text)
	s.groups(text)
	if len(s.hits) > before {
		s.widen(text)
	}
}

// widen takes all of an address of which a part was found: the ::ffff: before, the zone after.
func (s *scanner) widen(text string) {
	for i, sep := skip(text, 0, -1); i < len(text); i, sep = skip(text, i+1, sep) {
		addr, end := scanAddr(text, i)
		if end == 0 || addr.Is4() {
			continue
		}
		all := addr.As16()
		if s.v6(binary.BigEndian.Uint64(all[:]), binary.BigEndian.Uint64(all[8:]), i, end) {
			i = end - 1
		}
	}
}

// v4 takes a number that may be an address, most significant byte first.
func (s *scanner) v4(addr uint32, from, end int) bool {
	return addr != 0 && s.to.V4(addr) && s.hit(from, end)
}

// v6 takes an IPv6 address, and the IPv4 addresses that it may carry.
func (s *scanner) v6(high, low uint64, from, end int) bool {
	if s.to.V6(high, low, 128) {
		return s.hit(from, end)
	}
	if s.anyone {
		return carriesV4(high, low) && s.v4(uint32(low), from, end)
	}
	carried := [...]uint32{
		uint32(low),                            // mapped, compatible, ISATAP, NAT64
		uint32(high >> 16),                     // 6to4
		^uint32(low),                           // Teredo
		uint32(high),                           // NAT64 by RFC 6052 behind 32 bits,
		uint32(high)<<8 | uint32(low>>48)&0xff, // 40,
		uint32(high)<<16 | uint32(low>>40)&0xffff,   // 48,
		uint32(high)<<24 | uint32(low>>32)&0xffffff, // 56,
		uint32(low >> 24),                           // and 64
	}
	likely := carried[:]
	if s.whole && high>>32 != 0x0064ff9b { // what is looked up is counted there
		likely = carried[:3]
	}
	for _, addr := range likely {
		if s.v4(addr, from, end) {
			return true
		}
	}
	return false
}

func (s *scanner) hit(from, end int) bool {
	s.hits = append(s.hits, span{from, end, false})
	return true
}

// decoded scans what a part of a text decodes to, which is the room from there on, and gives that back. A hit
// stands for the whole part.
func (s *scanner) decoded(base, depth, from, end int) bool {
	before, view := len(s.hits), s.view
	s.peak = max(s.peak, len(s.room))
	s.view = View{Encoded: true}
	s.scan(viewOf(s.room[base:]), depth+1)
	s.room, s.view = s.room[:base], view
	found := len(s.hits) > before
	s.hits = s.hits[:before]
	return found && s.hit(from, end)
}

// viewOf looks at bytes as a string. Nothing keeps it, and nobody writes to them meanwhile.
func viewOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func swap(addr uint32) uint32 { return bits.ReverseBytes32(addr) }

func isAlnum(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' }

// none is what isn't a digit.
const none = 0xff

var hexDigits, base64Digits = digitsOf("0123456789abcdef", "0123456789ABCDEF"),
	digitsOf(alphabet+"+/", alphabet+"-_")

// base64Signs is the first digit of base64 that is neither a letter nor a decimal digit.
const base64Signs = byte(len(alphabet))

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func digitsOf(alphabets ...string) (table [256]byte) {
	for i := range table {
		table[i] = none
	}
	for _, digits := range alphabets {
		for i := range len(digits) {
			table[digits[i]] = byte(i)
		}
	}
	return table
}
