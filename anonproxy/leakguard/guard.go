// Package leakguard keeps a request to a tool from saying who asks: it looks for what belongs to the reader (their
// addresses and masks, name, session, cookies) in what would be sent, in whatever way it is encoded.
//
// Make a [Tool] by [ToolOf] once for each tool. For each request fill in a [Reader], and call [Reader.Check] with all
// that the tool would get of the reader's making: path and query together, a body, each message. What it refuses must
// not be sent. A secret's field says how it is looked for; [IsKey] helps to tell which field a cookie's value has.
package leakguard

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/masking/spelling"
)

// Reader is what the guard knows of a request's sender.
type Reader struct {
	// Secrets are what a request must not say.
	Secrets []Secret

	// Named are the tools that may get the reader's user name, where they are declared
	// to: those that the reader has agreed to.
	Named []string
}

// Secret is something that belongs to the reader and that no tool may get.
type Secret struct {
	// Field says what it is, in words that the reader is shown: FieldAddress and
	// the like. It also says how the leak guard looks for the value.
	Field string
	// Name tells secrets of one field apart, for the reader: a cookie's name.
	// Default: none.
	Name string
	// Value is the secret itself.
	Value string
}

// Bounds of the guard's work on one request, beside those of spelling.Read.
const (
	leakWorkFactor = 4         // bytes compared, for each byte of the request
	leakWorkBase   = 256 << 10 // and for any request
	maxGuesses     = 4096      // texts that look like an address
	maxNeedles     = 512       // values that are looked for
	maxPieceNeedle = 256       // of which pieces of values, at most
	compareCost    = 4         // bytes compared that cost as much as one looked at
	passCost       = 16        // values passed over that do
)

var errUncheckable = refusal.Literal(http.StatusForbidden, outcomes.Leak, "the request can't be checked for what is yours: it is encoded too often, has too many cookies, or holds thousands of numbers")

// Check tells why a text must not be sent to a tool since it says who asks, nil where it may. Nothing of the secret is in
// the refusal. A tool of which nothing is known is nil.
func (r *Reader) Check(text []byte, to *Tool) *refusal.Refusal {
	if len(r.Secrets) == 0 {
		return nil
	}
	g := guards.Get().(*guard)
	defer g.release()
	return r.check(g, text, to)
}

// CheckURL is Check for a path and a query, as they are sent.
func (r *Reader) CheckURL(path, query string, to *Tool) *refusal.Refusal {
	if len(r.Secrets) == 0 {
		return nil
	}
	g := guards.Get().(*guard)
	defer g.release()
	g.url = append(append(append(g.url, path...), '?'), query...)
	return r.check(g, g.url, to)
}

func (r *Reader) check(g *guard, text []byte, to *Tool) *refusal.Refusal {
	g.names = to
	g.named = to != nil && to.declared && slices.Contains(r.Named, to.tool)
	if g.prepare(r.Secrets); len(g.needles) > maxNeedles {
		return errUncheckable
	}
	g.work = leakWorkFactor*len(text) + leakWorkBase
	switch whole := spelling.Read(text, g, g.wide); {
	case g.found != nil:
		return refusal.Literal(http.StatusForbidden, outcomes.Leak, "the request carries your "+g.found.label()+", which no tool may get")
	case !whole || g.work < 0 || g.guesses > maxGuesses:
		return errUncheckable
	}
	return nil
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
	text   string
	piece  bool // of a longer value
	secret *Secret
}

// guard looks for a reader's secrets in a request and, as it is a spelling.Reader, in all that the request decodes to.
type guard struct {
	secrets   []Secret
	needles   []needle
	filter    [64]uint64 // has a bit for the first three bytes of each needle
	wide      bool       // a secret isn't ASCII
	addresses []address  // see mayGuess
	parsed    bool       // they are filled in
	found     *Secret
	work      int   // bytes that may still be compared
	guesses   int   // of addresses
	names     *Tool // of the tool, nil if nothing is known of it
	named     bool  // it may have the name
	url       []byte
}

var guards = sync.Pool{New: func() any { return new(guard) }}

// release hands the guard on to the next request, with nothing of this one in it.
func (g *guard) release() {
	clear(g.needles)
	clear(g.addresses)
	clear(g.url)
	*g = guard{needles: g.needles[:0], addresses: g.addresses[:0], url: g.url[:0]}
	guards.Put(g)
}

// prepare takes in what is looked for.
func (g *guard) prepare(secrets []Secret) {
	g.secrets = secrets
	for i := range secrets {
		if s := &secrets[i]; !s.isAddress() && !(s.Field == FieldUser && g.named) {
			g.addValue(s)
		}
	}
	for _, n := range g.needles { // as many as there are by now
		if n.secret.Field == FieldCookie && len(n.text) > minPiece {
			g.addPieces(n)
		}
	}
}

// addValue adds a value as it is, and without its escapes, as a request is looked at both ways. Beyond ASCII, where
// fold doesn't reach, it adds its other cases.
func (g *guard) addValue(s *Secret) {
	g.add(s, s.Value, false)
	if plain := spelling.Unescape(s.Value); plain != s.Value {
		g.add(s, plain, false)
	}
	if isASCII(s.Value) {
		return
	}
	g.wide = true
	first, size := utf8.DecodeRuneInString(s.Value)
	for _, text := range []string{
		strings.ToLower(s.Value), strings.ToUpper(s.Value),
		strings.ToLower(string(first)) + s.Value[size:], strings.ToUpper(string(first)) + s.Value[size:],
	} {
		if text != s.Value {
			g.add(s, text, false)
		}
	}
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func (g *guard) add(s *Secret, text string, piece bool) {
	if len(text) < minNeedle || len(g.needles) > maxNeedles {
		return
	}
	first := uint32(fold[text[0]])<<16 | uint32(fold[text[1]])<<8 | uint32(fold[text[2]])
	slot := slotOf(first)
	g.filter[slot>>6] |= 1 << (slot & 63)
	g.needles = append(g.needles, needle{first, text, piece, s})
}

// addPieces adds the tokens within a longer value, such as {"id":"5f1…"}.
func (g *guard) addPieces(n needle) {
	for i := 0; i < len(n.text); i++ {
		from := i
		for i < len(n.text) && isAlnum(n.text[i]) {
			i++
		}
		if size := i - from; size >= minPiece && size < len(n.text) && len(g.needles) < maxPieceNeedle {
			g.add(n.secret, n.text[from:i], true)
		}
	}
}

// Text implements spelling.Reader: it looks for the needles as they are.
func (g *guard) Text(view spelling.View) bool {
	if g.found != nil || g.work < 0 {
		return true
	}
	text := view.Text
	var gram uint32
	for i := range len(text) {
		gram = (gram<<8 | uint32(fold[text[i]])) & 0xffffff
		if slot := slotOf(gram); g.filter[slot>>6]>>(slot&63)&1 == 0 || i < 2 {
			continue
		}
		if g.found = g.at(view, i-2, gram); g.found != nil || g.work < 0 {
			return true
		}
	}
	return false
}

// at returns the secret that stands at a place of a text.
func (g *guard) at(view spelling.View, i int, gram uint32) *Secret {
	g.work -= len(g.needles) / passCost // hundreds of cookies, and a text like one of them
	for n := range g.needles {
		n := &g.needles[n]
		if n.first != gram {
			continue
		}
		same := n.sameAt(view.Text, i)
		if g.work -= 1 + same/compareCost; g.work < 0 { // a cookie of a thousand times the same
			return nil
		}
		if same == len(n.text) && n.stands(view.Text, i) && g.means(n, view, i) {
			return n.secret
		}
	}
	return nil
}

// sameAt returns how much of the needle is at a place.
func (n *needle) sameAt(text string, i int) int {
	same := 0
	for same < len(n.text) && i+same < len(text) && fold[text[i+same]] == fold[n.text[same]] {
		same++
	}
	return same
}

// stands reports whether a needle that is at a place stands there by no accident.
func (n *needle) stands(text string, i int) bool {
	end := i + len(n.text)
	if n.piece {
		return randomness(n.text) >= minPieceRandomness
	}
	switch n.secret.search(n.text) {
	case searchNever:
		return false
	case searchWhole:
		return (i == 0 || !isWordByte(text[i-1])) && (end == len(text) || !isWordByte(text[end]))
	}
	return true
}

// slotOf is a gram's bit in the filter.
func slotOf(gram uint32) uint32 { return gram * 0x9e3779b1 >> 20 }
