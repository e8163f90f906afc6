package mirror

import (
	"bytes"
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/css"
)

// Bounds of style sheets, in bytes.
const (
	MaxSheet     = 1 << 20 // as they come
	maxRewritten = 8 << 20
)

// Nowhere is the address in the place of those that aren't mirrored. Browsers ask
// nobody for the empty one (CSS Values and Units, 4.5), nor report it as a violation of
// a policy, as they do with about:invalid; old ones ask for the sheet itself.
const Nowhere = ""

// Errors of a style sheet that isn't served.
var (
	ErrSheetSize = errors.New("the style sheet is too large to be rewritten")
	ErrSheetText = errors.New("the style sheet isn't UTF-8")
	errSheetForm = errors.New("the style sheet can't be rewritten safely")
)

// Sheet rewrites a style sheet, so that a browser that uses it asks for nothing but
// mirrored files.
//
// Each token is written anew in its plainest spelling, without escapes where possible,
// so that no two programs read it differently; and what was written is parsed again to be
// sure. Comments stay, but for those that name
// a source map. Every address becomes that of a mirrored file or [Nowhere]; images and
// fonts that stand in the sheet itself (data:) stay.
type Sheet struct {
	// Base is where the sheet is from, to which its addresses are relative.
	Base *url.URL
	// Address returns where the wiki serves what an absolute address leads to, if
	// it is mirrored. The address has no fragment.
	Address func(*url.URL) (string, bool)
	// Own tells the mirror's own addresses, which stay.
	Own func(string) bool
}

// Rewrite returns the sheet as it may be served, in UTF-8.
func (s Sheet) Rewrite(sheet []byte) ([]byte, error) {
	if len(sheet) > MaxSheet {
		return nil, ErrSheetSize
	}
	if !utf8.Valid(sheet) { // UTF-16 among others, which a browser would see by its first bytes
		return nil, ErrSheetText
	}
	w := &sheetWriter{Sheet: s}
	w.lex(preprocess(sheet))
	if len(w.out) > maxRewritten {
		return nil, ErrSheetSize
	}
	if !w.readsTheSame() {
		return nil, errSheetForm
	}
	return w.out, nil
}

// preprocess does as browsers before they look for tokens (CSS Syntax, 3.3).
func preprocess(sheet []byte) []byte {
	sheet = bytes.TrimPrefix(sheet, []byte("\ufeff"))
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n", "\f", "\n", "\x00", "\ufffd").Replace(string(sheet))
	return append(make([]byte, 0, len(text)+1), text...) // with room for the lexer's mark
}

// opened is a bracket that is open.
type opened struct {
	end  css.TokenType // that closes it
	name string        // of a function, in lower case
}

type written struct {
	token css.TokenType
	end   int // in the output
}

type sheetWriter struct {
	Sheet
	out    []byte
	tokens []written
	open   []opened

	rule  string // the at-rule whose prelude this is, in lower case
	first bool   // nothing of the prelude has come yet
}

// lex goes through the sheet's tokens.
func (w *sheetWriter) lex(text []byte) {
	lexer := css.NewLexer(parse.NewInputBytes(text))
	for at := 0; len(w.out) <= maxRewritten; {
		token, raw := lexer.Next()
		if token == css.ErrorToken {
			return
		}
		at += len(raw)
		if token == css.FunctionToken && strings.EqualFold(unescape(raw[:len(raw)-1]), "url") {
			// An escape hides an address from the lexer. Written plainly it sees it.
			at -= copy(text[at-len("url("):], "url(")
			lexer = css.NewLexer(parse.NewInputBytes(text[at:]))
			continue
		}
		w.write(token, raw)
	}
}

func (w *sheetWriter) emit(token css.TokenType, text string) {
	w.out = append(w.out, text...)
	w.tokens = append(w.tokens, written{token, len(w.out)})
}

// gap stands for what is left out, so that its neighbours stay apart.
func (w *sheetWriter) gap() { w.emit(css.CommentToken, "/**/") }

// write writes a token anew.
func (w *sheetWriter) write(token css.TokenType, raw []byte) {
	first := w.first
	if token != css.WhitespaceToken && token != css.CommentToken {
		w.first = false
	}
	switch token {
	case css.URLToken:
		w.address(urlOf(raw))
	case css.BadURLToken:
		w.emit(css.URLToken, "url("+quote(Nowhere)+")")
	case css.StringToken:
		w.text(unquote(raw), first)
	case css.BadStringToken:
		w.emit(css.StringToken, `""`)
		w.gap()
	case css.FunctionToken:
		w.function(unescape(raw[:len(raw)-1]))
	case css.AtKeywordToken:
		name := unescape(raw[1:])
		w.rule, w.first = strings.ToLower(name), true
		w.emit(token, "@"+ident(name))
	case css.IdentToken, css.CustomPropertyNameToken:
		w.emit(token, ident(unescape(raw)))
	case css.HashToken:
		w.emit(token, "#"+hashName(raw[1:]))
	case css.DimensionToken:
		w.emit(token, dimension(raw))
	case css.CommentToken:
		w.comment(raw)
	default:
		w.plain(token, raw)
	}
}

// plain writes tokens of which there is one spelling, and follows brackets and rules.
func (w *sheetWriter) plain(token css.TokenType, raw []byte) {
	switch token {
	case css.DelimToken:
		if raw[0] == '\\' { // before the end of a line, where it is an error
			w.gap()
			return
		}
	case css.LeftParenthesisToken:
		w.open = append(w.open, opened{css.RightParenthesisToken, w.inside()})
	case css.LeftBracketToken:
		w.open = append(w.open, opened{css.RightBracketToken, w.inside()})
	case css.LeftBraceToken:
		w.open = append(w.open, opened{css.RightBraceToken, w.inside()})
		w.rule = ""
	case css.RightParenthesisToken, css.RightBracketToken, css.RightBraceToken:
		if n := len(w.open); n > 0 && w.open[n-1].end == token { // another is an error, and closes nothing
			w.open = w.open[:n-1]
		}
	case css.SemicolonToken:
		w.rule = ""
	}
	w.emit(token, string(raw))
}

// inside is the innermost function that is open, with other brackets seen through.
func (w *sheetWriter) inside() string {
	if n := len(w.open); n > 0 {
		return w.open[n-1].name
	}
	return ""
}

// addressFunctions take texts for addresses.
var addressFunctions = map[string]bool{
	"url": true, "src": true, "image": true, "image-set": true, "-webkit-image-set": true, "cross-fade": true, "-webkit-cross-fade": true,
}

// harmless are functions in which no text is an address, although they stand in one
// of those that take addresses.
var harmless = map[string]bool{
	"type": true, "format": true, "tech": true, "calc": true, "min": true, "max": true, "clamp": true, "rgb": true, "rgba": true, "hsl": true, "hsla": true,
	"linear-gradient": true, "radial-gradient": true, "conic-gradient": true,
	"repeating-linear-gradient": true, "repeating-radial-gradient": true, "repeating-conic-gradient": true,
}

// function writes a function's name. In one that takes addresses it takes the place
// of what could bring an address from elsewhere, such as var().
func (w *sheetWriter) function(name string) {
	lower := strings.ToLower(name)
	if addressFunctions[w.inside()] && !addressFunctions[lower] && !harmless[lower] {
		name = "not-mirrored"
		lower = w.inside() // texts in it are addresses still
	}
	w.open = append(w.open, opened{css.RightParenthesisToken, lower})
	w.emit(css.FunctionToken, ident(name)+"(")
}

// text writes a string, which may be an address.
func (w *sheetWriter) text(value string, first bool) {
	if w.rule == "import" && first || addressFunctions[w.inside()] {
		value = w.resolve(value)
	}
	w.emit(css.StringToken, quote(value))
}

// address writes what stood in url(). A namespace is a name, and nobody is asked for it.
func (w *sheetWriter) address(value string) {
	if w.rule == "namespace" {
		w.emit(css.StringToken, quote(value))
		return
	}
	w.emit(css.URLToken, "url("+quote(w.resolve(value))+")")
}

// resolve returns what to write for an address.
func (w *sheetWriter) resolve(value string) string {
	value = strings.Trim(value, " \t\n")
	switch {
	case strings.HasPrefix(value, "#") || w.Own != nil && w.Own(value):
		return value
	case w.rule != "import" && isInline(value):
		return value
	}
	u, err := w.Base.Parse(value)
	if err != nil || u.User != nil || u.Opaque != "" || value == "" {
		return Nowhere
	}
	fragment := ""
	if u.Fragment != "" {
		fragment = "#" + u.EscapedFragment()
	}
	bare := *u
	bare.Fragment, bare.RawFragment = "", ""
	if address, ok := w.Address(&bare); ok {
		return address + fragment
	}
	return Nowhere
}

// isInline tells images and fonts that stand in the sheet. A style sheet that does
// would have addresses of its own.
func isInline(value string) bool {
	for _, start := range []string{"data:image/", "data:font/", "data:application/font", "data:application/x-font"} {
		if len(value) >= len(start) && strings.EqualFold(value[:len(start)], start) {
			return true
		}
	}
	return false
}

// comment writes a comment, but for those by which developers' tools load more.
func (w *sheetWriter) comment(raw []byte) {
	text := string(raw)
	if lower := strings.ToLower(text); len(text) < 4 || !strings.HasSuffix(text[2:], "*/") || strings.Contains(lower, "sourcemap") || strings.Contains(lower, "sourceurl") {
		w.gap()
		return
	}
	w.emit(css.CommentToken, text)
}

// readsTheSame reports whether the output's tokens are those that were written.
func (w *sheetWriter) readsTheSame() bool {
	lexer := css.NewLexer(parse.NewInputBytes(append(make([]byte, 0, len(w.out)+1), w.out...)))
	at := 0
	for _, want := range w.tokens {
		token, raw := lexer.Next()
		if at += len(raw); token != want.token || at != want.end {
			return false
		}
	}
	token, _ := lexer.Next()
	return token == css.ErrorToken
}
