package anonproxy

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/wikiveil/wikiveil/masking/spelling"
)

// OutcomeLeak is the outcome of a request that said who asks. Nothing was sent.
const OutcomeLeak = "leak"

// Bounds of the guard's work on one request.
const (
	maxLeakDepth   = 4         // encodings in one another
	leakWorkFactor = 4         // bytes looked at, for each byte of the request
	leakWorkBase   = 256 << 10 // and for any request
	maxGuesses     = 4096      // texts that look like an address
	maxNeedles     = 512       // values that are looked for
	maxPieceNeedle = 256       // of which pieces of values, at most
	compareCost    = 4         // bytes compared that cost as much as one looked at
	passCost       = 16        // values passed over that do
	keptGuardRoom  = 1 << 20   // bytes that a guard keeps for the next request
)

var errUncheckable = &refusal{http.StatusForbidden, OutcomeLeak, "the request can't be checked for what is yours: it is encoded too often, has too many cookies, or holds thousands of numbers"}

// leaks tells why a text must not be sent to a tool since it says who asks. Nothing of the
// secret is in the reason.
func (r *Reader) leaks(text []byte, to *toolNames) *refusal {
	if len(r.Secrets) == 0 {
		return nil
	}
	g := guards.Get().(*guard)
	defer g.release()
	g.names = to
	g.named = to != nil && to.declared && slices.Contains(r.Named, to.tool)
	if !g.prepare(r.Secrets) {
		return errUncheckable
	}
	g.work = leakWorkFactor*len(text) + leakWorkBase
	if found := g.check(text, 0); found != nil {
		return &refusal{http.StatusForbidden, OutcomeLeak, "the request carries your " + found.label() + ", which no tool may get"}
	}
	if g.work < 0 {
		return errUncheckable
	}
	return nil
}

// leaksURL is leaks for the path and the query.
func (r *Reader) leaksURL(t *target, to *toolNames) *refusal {
	if len(r.Secrets) == 0 {
		return nil
	}
	var room [512]byte // what is longer is allocated
	url := append(room[:0], t.escaped...)
	return r.leaks(append(append(url, '?'), t.rawQuery...), to)
}

// label says what a secret is, for the reader.
func (s *Secret) label() string {
	if s.Name == "" {
		return s.Field
	}
	return s.Field + " " + s.Name
}

// needle is a text that is looked for.
type needle struct {
	first  uint32 // its first three bytes, folded
	text   []byte
	piece  bool // of a longer value
	secret *Secret
}

// guard looks for a reader's secrets. It undoes encodings of the request, rather than
// encode the secrets in all the ways there are.
type guard struct {
	secrets   []Secret
	needles   []needle
	filter    [64]uint64 // has a bit for the first three bytes of each needle
	wide      bool       // a secret isn't ASCII
	addresses []address
	parsed    bool       // addresses is filled in
	found     *Secret    // by scanAddresses
	texts     []byte     // of needles
	room      []byte     // for what is decoded, used as a stack
	peak      int        // the most that was in it
	work      int        // bytes that may still be looked at
	guesses   int        // of addresses
	names     *toolNames // of the tool, nil if nothing is known of it
	named     bool       // it may have the name
	outer     []byte     // the text whose escapes were undone, nil where others were
	hidden    bool       // see isHidden
	veiled    int        // how often base64 and hex were undone
}

// address is one of a reader's, or a mask.
type address struct {
	netip.Addr
	secret *Secret
}

var guards = sync.Pool{New: func() any { return new(guard) }}

// release hands the guard on to the next request, with nothing of this one in it.
func (g *guard) release() {
	if cap(g.room)+cap(g.texts) > keptGuardRoom {
		return
	}
	clear(g.room[:min(g.peak, cap(g.room))])
	clear(g.texts)
	clear(g.needles)
	clear(g.addresses)
	*g = guard{needles: g.needles[:0], addresses: g.addresses[:0], texts: g.texts[:0], room: g.room[:0]}
	guards.Put(g)
}

// prepare takes in what is looked for, and tells whether it could.
func (g *guard) prepare(secrets []Secret) bool {
	g.secrets = secrets
	for i := range secrets {
		s := &secrets[i]
		if s.isAddress() || s.Field == FieldUser && g.named {
			continue
		}
		g.addValue(s)
	}
	for _, n := range g.needles { // as many as there are by now
		if n.secret.Field == FieldCookie && len(n.text) > minPiece {
			g.addPieces(n)
		}
	}
	return len(g.needles) <= maxNeedles
}

// addValue adds a value as it is, and without its escapes, as a request is looked at both ways.
func (g *guard) addValue(s *Secret) {
	from := len(g.texts)
	g.texts = append(g.texts, s.Value...)
	value := g.texts[from:]
	g.add(s, value, false)
	escaped, wide := false, false
	for _, c := range value {
		escaped = escaped || c == '%' || c == '\\' || c == '&' || c == 0
		wide = wide || c >= utf8.RuneSelf
	}
	if escaped {
		from = len(g.texts)
		g.texts, _ = spelling.Unescape(g.texts, value)
		g.add(s, g.texts[from:], false)
	}
	if wide {
		g.wide = true
		g.addCases(s)
	}
}

func (g *guard) add(s *Secret, text []byte, piece bool) {
	if len(text) < minNeedle || len(g.needles) > maxNeedles {
		return
	}
	first := uint32(fold[text[0]])<<16 | uint32(fold[text[1]])<<8 | uint32(fold[text[2]])
	slot := slotOf(first)
	g.filter[slot>>6] |= 1 << (slot & 63)
	g.needles = append(g.needles, needle{first, text, piece, s})
}

// addCases adds the spellings of a text beyond ASCII, where fold doesn't reach.
func (g *guard) addCases(s *Secret) {
	first, size := utf8.DecodeRuneInString(s.Value)
	for _, text := range []string{
		strings.ToLower(s.Value), strings.ToUpper(s.Value),
		strings.ToLower(string(first)) + s.Value[size:], strings.ToUpper(string(first)) + s.Value[size:],
	} {
		if text != s.Value {
			g.add(s, []byte(text), false)
		}
	}
}

// addPieces adds the tokens within a longer value, such as {"id":"5f1…"}.
func (g *guard) addPieces(n needle) {
	start := 0
	for i := 0; i <= len(n.text); i++ {
		if i < len(n.text) && isAlnum(n.text[i]) {
			continue
		}
		if size := i - start; size >= minPiece && size < len(n.text) && len(g.needles) < maxPieceNeedle {
			g.add(n.secret, n.text[start:i], true)
		}
		start = i + 1
	}
}

// check looks for the secrets in a text and in what it decodes to. The text must
// not lie in the part of the room that is still free.
func (g *guard) check(text []byte, depth int) *Secret {
	if g.work -= len(text); g.work < 0 {
		return nil // the caller sees that
	}
	if len(text) < minNeedle {
		return nil
	}
	if s := g.scan(text); s != nil {
		return s
	}
	if s := g.scanAddresses(text); s != nil || depth == maxLeakDepth {
		return s
	}
	if s := g.scanEscapes(text, depth); s != nil {
		return s
	}
	if s := g.scanHex(text, depth); s != nil {
		return s
	}
	return g.scanBase64(text, depth)
}

// scan looks for the needles as they are.
func (g *guard) scan(text []byte) *Secret {
	var gram uint32
	for i, c := range text {
		gram = (gram<<8 | uint32(fold[c])) & 0xffffff
		if slot := slotOf(gram); g.filter[slot>>6]>>(slot&63)&1 == 0 || i < 2 {
			continue
		}
		if g.work -= len(g.needles) / passCost; g.work < 0 { // hundreds of cookies, and a text like one of them
			return nil
		}
		for n := range g.needles {
			n := &g.needles[n]
			if n.first != gram {
				continue
			}
			same := n.sameAt(text, i-2)
			if g.work -= 1 + same/compareCost; g.work < 0 { // a cookie of a thousand times the same
				return nil
			}
			if same == len(n.text) && n.stands(text, i-2) && g.means(n, text, i-2) {
				return n.secret
			}
		}
	}
	return nil
}

// sameAt returns how much of the needle is at a place.
func (n *needle) sameAt(text []byte, i int) int {
	same := 0
	for same < len(n.text) && i+same < len(text) && fold[text[i+same]] == fold[n.text[same]] {
		same++
	}
	return same
}

// stands tells whether a needle that is at a place stands there by no accident.
func (n *needle) stands(text []byte, i int) bool {
	end := i + len(n.text)
	if n.piece {
		return randomness(string(n.text)) >= minPieceRandomness
	}
	switch n.secret.search(string(n.text)) {
	case searchNever:
		return false
	case searchWhole:
		return (i == 0 || !isWordByte(text[i-1])) && (end == len(text) || !isWordByte(text[end]))
	}
	return true
}

// means tells whether a needle that stands at a place means the reader.
func (g *guard) means(n *needle, text []byte, i int) bool {
	if n.secret.Field != FieldUser || !mayBeWord(n.secret.Value) {
		return true
	}
	g.work -= len(n.text)
	if g.hidden = false; g.outer != nil && len(g.outer) <= g.work {
		g.work -= len(g.outer) / compareCost
		g.hidden = isHidden(g.outer, n.secret.Value)
	}
	return g.namesReader(text, i, i+len(n.text), n.secret.Value)
}

// slotOf is a gram's bit in the filter.
func slotOf(gram uint32) uint32 { return gram * 0x9e3779b1 >> 20 }

// recurse checks what was decoded to the end of the room, and gives that back.
func (g *guard) recurse(from, depth int) *Secret {
	g.peak = max(g.peak, len(g.room))
	s := g.check(g.room[from:], depth+1)
	g.room = g.room[:from]
	return s
}
