package noticeboard

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxDecodings bounds how often a path is decoded: servers behind one another do it
// once each.
const maxDecodings = 4

// decodings returns a decoded path, and what it is to servers that decode it again.
func decodings(path string) []string {
	all := []string{path}
	for len(all) < maxDecodings {
		next := decodeAgain(all[len(all)-1])
		if next == all[len(all)-1] {
			break
		}
		all = append(all, next)
	}
	return all
}

// overlong are the spellings of dot, slash and backslash that aren't UTF-8, and that
// careless decoders take for it.
var overlong = strings.NewReplacer(
	"\xc0\xae", ".", "\xe0\x80\xae", ".", "\xf0\x80\x80\xae", ".",
	"\xc0\xaf", "/", "\xe0\x80\xaf", "/", "\xf0\x80\x80\xaf", "/",
	"\xc1\x9c", "/", "\xe0\x81\x9c", "/", "\xf0\x80\x81\x9c", "/",
)

// decodeAgain decodes what can be: a percent sign that begins no escape stays.
func decodeAgain(path string) string {
	if !strings.Contains(path, "%") {
		return overlong.Replace(path)
	}
	out := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && i+2 < len(path) {
			if c, err := strconv.ParseUint(path[i+1:i+3], 16, 8); err == nil {
				out = append(out, byte(c))
				i += 2
				continue
			}
		}
		out = append(out, path[i])
	}
	return overlong.Replace(string(out))
}

// segments splits a path as the most generous server does: characters that only look
// like a dot or a slash count as one, and so does a backslash; those that nobody sees don't count.
func segments(path string) []string {
	if strings.ContainsFunc(path, func(r rune) bool { return r >= utf8.RuneSelf }) {
		path = norm.NFKC.String(strings.Map(seen, path))
	}
	return strings.Split(strings.ReplaceAll(path, `\`, "/"), "/")
}

// HasDotSegment reports whether a server may find a segment of dots alone, such as `..`,
// in a decoded path: however often the server decodes, and whether or not it cuts off a
// segment's parameters (`..;a`), blanks and control bytes at its end, or what follows a
// zero byte.
func HasDotSegment(path string) bool {
	return !isPlain(path) && hasDotSegment(path)
}

// isPlain reports whether a path is one that all servers read in the same way, without a segment that begins with a dot, as
// nearly all are.
func isPlain(path string) bool {
	inSegment := false
	for i := range len(path) {
		switch c := path[i]; {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
			inSegment = true
		case c == '/':
			inSegment = false
		case c != '.' || !inSegment:
			return false
		}
	}
	return true
}

func hasDotSegment(path string) bool {
	for _, decoded := range decodings(path) {
		if slices.ContainsFunc(segments(decoded), isDots) {
			return true
		}
	}
	return false
}

// seen drops what has no form of its own, such as a soft hyphen.
func seen(r rune) rune {
	if unicode.Is(unicode.Cf, r) {
		return -1
	}
	return r
}

func isDots(segment string) bool {
	bare, _, _ := strings.Cut(segment, ";")
	bare = withoutEnd(bare)
	return bare != "" && strings.Trim(bare, ".") == ""
}

// withoutEnd cuts off what servers don't take for part of a segment: a zero byte and what follows it, and
// blanks and control bytes at its end.
func withoutEnd(segment string) string {
	segment, _, _ = strings.Cut(segment, "\x00")
	return strings.TrimRightFunc(segment, isBlank)
}

// isBlank takes a plus sign for a blank too, as forms do.
func isBlank(r rune) bool { return r == '+' || unicode.IsSpace(r) || unicode.IsControl(r) }

// reading is a decoded path in the form in which paths are compared: in one case, without
// empty segments, without blanks and dots at the end of a segment, and, if they are to be
// cut, without the parameters of segments. A slash at the end stays.
func reading(path string, cutParameters bool) string {
	var b strings.Builder
	all := segments(path)
	for _, segment := range all {
		if cutParameters {
			segment, _, _ = strings.Cut(segment, ";")
		}
		segment, _, _ = strings.Cut(segment, "\x00")
		segment = strings.TrimRightFunc(segment, func(r rune) bool { return r == '.' || isBlank(r) })
		if segment != "" {
			b.WriteByte('/')
			b.WriteString(strings.Map(folded, segment))
		}
	}
	if all[len(all)-1] == "" {
		b.WriteByte('/')
	}
	return b.String()
}

// folded returns one rune for all that differ by case alone, and for all blanks.
func folded(r rune) rune {
	if isBlank(r) {
		return ' '
	}
	first := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		first = min(first, other)
	}
	return first
}

// under reports whether a path begins with a prefix, both as readings. What ends in a
// slash begins with itself without it: most servers take the two for the same.
func under(path, prefix string) bool {
	return strings.HasPrefix(path, prefix) || path == strings.TrimSuffix(prefix, "/")
}
