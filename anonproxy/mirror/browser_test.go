package mirror

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// loadedBy returns all that a browser could ask for because of a style sheet. It reads
// tokens as CSS Syntax Level 3 says, apart from the lexer that the rewriter uses.
func loadedBy(sheet string) (addresses []string) {
	b := &browserLexer{text: []rune(strings.NewReplacer("\r\n", "\n", "\r", "\n", "\f", "\n", "\x00", "\ufffd").Replace(sheet))}
	var functions, ends []string // what is open, and what closes it
	rule, first := "", false
	for {
		kind, value := b.next()
		inside := ""
		if len(functions) > 0 {
			inside = functions[len(functions)-1]
		}
		start := first
		if kind != "space" {
			first = false
		}
		switch kind {
		case "end":
			return addresses
		case "url":
			addresses = append(addresses, value)
		case "string":
			takes := map[string]bool{"url": true, "src": true, "image": true, "image-set": true, "-webkit-image-set": true, "cross-fade": true, "-webkit-cross-fade": true}
			if takes[inside] || rule == "import" && start {
				addresses = append(addresses, value)
			}
		case "function":
			functions, ends = append(functions, strings.ToLower(value)), append(ends, ")")
			if outer := inside; strings.HasSuffix(outer, "image-set") || outer == "src" || outer == "url" || outer == "image" {
				switch strings.ToLower(value) {
				case "var", "env", "attr", "if", "inherit":
					addresses = append(addresses, "from elsewhere: "+value)
				}
			}
		case "@":
			rule, first = strings.ToLower(value), true
		case "(", "[", "{":
			functions, ends = append(functions, inside), append(ends, map[string]string{"(": ")", "[": "]", "{": "}"}[kind])
			if kind == "{" {
				rule = ""
			}
		case ")", "]", "}": // of another kind than what is open it closes nothing
			if n := len(ends); n > 0 && ends[n-1] == kind {
				functions, ends = functions[:n-1], ends[:n-1]
			}
		case ";":
			rule = ""
		}
	}
}

type browserLexer struct {
	text []rune
	at   int
}

func (b *browserLexer) peek(n int) rune {
	if b.at+n < len(b.text) {
		return b.text[b.at+n]
	}
	return -1
}

func nameStart(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r >= 0x80
}
func nameRune(r rune) bool { return nameStart(r) || r >= '0' && r <= '9' || r == '-' }
func blank(r rune) bool    { return r == ' ' || r == '\t' || r == '\n' }
func digit(r rune) bool    { return r >= '0' && r <= '9' }
func hexDigit(r rune) bool {
	return digit(r) || r >= 'a' && r <= 'f' || r >= 'A' && r <= 'F'
}

func (b *browserLexer) validEscape(n int) bool { return b.peek(n) == '\\' && b.peek(n+1) != '\n' }

func (b *browserLexer) startsIdent(n int) bool {
	switch r := b.peek(n); {
	case r == '-':
		return nameStart(b.peek(n+1)) || b.peek(n+1) == '-' || b.validEscape(n+1)
	case r == '\\':
		return b.validEscape(n)
	default:
		return nameStart(r)
	}
}

func (b *browserLexer) startsNumber() bool {
	r, n := b.peek(0), 0
	if r == '+' || r == '-' {
		n = 1
	}
	return digit(b.peek(n)) || b.peek(n) == '.' && digit(b.peek(n+1))
}

func (b *browserLexer) escaped() rune {
	b.at++ // the backslash
	if b.at >= len(b.text) {
		return utf8.RuneError
	}
	if !hexDigit(b.peek(0)) {
		b.at++
		return b.text[b.at-1]
	}
	digits := ""
	for len(digits) < 6 && hexDigit(b.peek(0)) {
		digits += string(b.peek(0))
		b.at++
	}
	if blank(b.peek(0)) {
		b.at++
	}
	n, _ := strconv.ParseInt(digits, 16, 32)
	if n == 0 || n > 0x10ffff || n >= 0xd800 && n <= 0xdfff {
		return utf8.RuneError
	}
	return rune(n)
}

func (b *browserLexer) name() string {
	var s strings.Builder
	for {
		switch {
		case nameRune(b.peek(0)):
			s.WriteRune(b.peek(0))
			b.at++
		case b.validEscape(0):
			s.WriteRune(b.escaped())
		default:
			return s.String()
		}
	}
}

func (b *browserLexer) number() {
	if b.peek(0) == '+' || b.peek(0) == '-' {
		b.at++
	}
	for digit(b.peek(0)) {
		b.at++
	}
	if b.peek(0) == '.' && digit(b.peek(1)) {
		for b.at++; digit(b.peek(0)); b.at++ {
		}
	}
	if e := b.peek(0); e == 'e' || e == 'E' {
		n := 1
		if b.peek(1) == '+' || b.peek(1) == '-' {
			n = 2
		}
		if digit(b.peek(n)) {
			for b.at += n; digit(b.peek(0)); b.at++ {
			}
		}
	}
}

func (b *browserLexer) next() (kind, value string) {
	for b.peek(0) == '/' && b.peek(1) == '*' {
		for b.at += 2; b.at < len(b.text) && !(b.peek(0) == '*' && b.peek(1) == '/'); b.at++ {
		}
		b.at += 2
	}
	r := b.peek(0)
	switch {
	case r == -1:
		return "end", ""
	case blank(r):
		for blank(b.peek(0)) {
			b.at++
		}
		return "space", ""
	case r == '"' || r == '\'':
		return b.quoted(r)
	case r == '#' && (nameRune(b.peek(1)) || b.validEscape(1)):
		b.at++
		return "hash", b.name()
	case b.startsNumber():
		b.number()
		if b.startsIdent(0) {
			b.name()
		}
		return "number", ""
	case r == '-' && b.peek(1) == '-' && b.peek(2) == '>':
		b.at += 3
		return "cdc", ""
	case r == '@' && b.startsIdent(1):
		b.at++
		return "@", b.name()
	case b.startsIdent(0):
		return b.identLike()
	}
	b.at++
	return string(r), ""
}

func (b *browserLexer) quoted(end rune) (kind, value string) {
	var s strings.Builder
	for b.at++; ; {
		switch r := b.peek(0); {
		case r == -1:
			return "string", s.String()
		case r == end:
			b.at++
			return "string", s.String()
		case r == '\n':
			return "bad", ""
		case r == '\\' && b.peek(1) == -1:
			b.at++
		case r == '\\' && b.peek(1) == '\n':
			b.at += 2
		case r == '\\':
			s.WriteRune(b.escaped())
		default:
			s.WriteRune(r)
			b.at++
		}
	}
}

func (b *browserLexer) identLike() (kind, value string) {
	name := b.name()
	if b.peek(0) != '(' {
		return "ident", name
	}
	b.at++
	if !strings.EqualFold(name, "url") {
		return "function", name
	}
	n := 0
	for blank(b.peek(n)) {
		n++
	}
	if b.peek(n) == '"' || b.peek(n) == '\'' {
		return "function", name
	}
	b.at += n
	var s strings.Builder
	for {
		switch r := b.peek(0); {
		case r == -1:
			return "url", s.String()
		case r == ')':
			b.at++
			return "url", s.String()
		case blank(r):
			for blank(b.peek(0)) {
				b.at++
			}
			if b.peek(0) == ')' || b.peek(0) == -1 {
				b.at++
				return "url", s.String()
			}
			return b.badURL()
		case r == '"' || r == '\'' || r == '(' || r < ' ' || r == 0x7f:
			return b.badURL()
		case r == '\\':
			if !b.validEscape(0) {
				return b.badURL()
			}
			s.WriteRune(b.escaped())
		default:
			s.WriteRune(r)
			b.at++
		}
	}
}

func (b *browserLexer) badURL() (kind, value string) {
	for {
		switch r := b.peek(0); {
		case r == ')' || r == -1:
			b.at++
			return "bad", ""
		case b.validEscape(0):
			b.escaped()
		default:
			b.at++
		}
	}
}
