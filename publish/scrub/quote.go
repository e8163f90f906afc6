package scrub

import "bytes"

// escapes are those of strings in MySQL's dumps: https://dev.mysql.com/doc/refman/8.4/en/string-literals.html
var escapes = map[byte]byte{'0': 0, 'b': '\b', 'n': '\n', 'r': '\r', 't': '\t', 'Z': 26}

// unquote returns what a string of SQL stands for.
func (w *worker) unquote(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\'' && i+1 < len(text):
			i++
		case c == '\\' && !w.sqlite && i+1 < len(text):
			i++
			c = text[i]
			if of, ok := escapes[c]; ok {
				c = of
			}
		}
		out = append(out, c)
	}
	return out
}

// quote appends a text as a string of SQL stands for it, without the quotes around it.
func (w *worker) quote(dst, text []byte) []byte {
	if w.sqlite {
		return append(dst, bytes.ReplaceAll(text, []byte{'\''}, []byte("''"))...)
	}
	for _, c := range text {
		switch c {
		case 0:
			dst = append(dst, `\0`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case 26:
			dst = append(dst, `\Z`...)
		case '\\', '\'', '"':
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
