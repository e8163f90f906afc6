package scrub

import (
	"bytes"
	"strconv"

	"github.com/wikiveil/wikiveil/publish/find"
)

// serialized appends a value that PHP's serialize made, with masks in its strings and their lengths mended; of another text,
// with masks where a line is an address.
func (w *worker) serialized(dst, text []byte) ([]byte, error) {
	if !isSerialized(text) {
		return w.replace(dst, text, func(text []byte, f find.Found) bool {
			return wholeCell(text, f) || w.leadsToUser(text[:f.From])
		})
	}
	var err error
	for len(text) > 0 {
		start, size := phpString(text)
		if start == 0 {
			dst, text = append(dst, text[0]), text[1:]
			continue
		}
		from := len(dst)
		if dst, err = w.replace(dst, text[start:start+size], w.isValue); err != nil {
			return dst, err
		}
		content := append([]byte(nil), dst[from:]...)
		dst = strconv.AppendInt(append(dst[:from], "s:"...), int64(len(content)), 10)
		dst = append(append(append(dst, `:"`...), content...), `";`...)
		text = text[start+size+len(`";`):]
	}
	return dst, nil
}

// isValue reports whether an address is a whole value or the start of a subpage's title, or a link leads to it.
func (w *worker) isValue(text []byte, f find.Found) bool {
	return f.From == 0 && (f.End == len(text) || text[f.End] == '/') || w.isLinked(text, f)
}

func isSerialized(text []byte) bool {
	return len(text) > 4 && bytes.IndexByte([]byte("asO"), text[0]) >= 0 && text[1] == ':' && '0' <= text[2] && text[2] <= '9'
}

// phpString reads where the string begins that stands at the start of a serialized text, and how long it is; 0 if none does.
func phpString(text []byte) (start, size int) {
	if !bytes.HasPrefix(text, []byte("s:")) {
		return 0, 0
	}
	digits, _, ok := bytes.Cut(text[2:min(len(text), 14)], []byte(`:"`))
	size, err := strconv.Atoi(string(digits))
	start = 2 + len(digits) + len(`:"`)
	if !ok || err != nil || size < 0 || size > len(text)-start || !bytes.HasPrefix(text[start+size:], []byte(`";`)) {
		return 0, 0
	}
	return start, size
}
