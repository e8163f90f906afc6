package mask

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/wikiveil/wikiveil/publish/find"
)

const (
	// maxLookedAt is how much of a body is looked at, in bytes: what stands behind passes. Forms that ask for an address are far shorter.
	maxLookedAt = 256 << 10
	// maxInput is the longest field that is taken for an address or a list of them, in bytes.
	maxInput = 1 << 10
	// maxWork is how much text of a request is taken apart, in bytes. Fields without digits don't count, nor do long ones.
	maxWork = 16 << 10
	// maxTitle is the longest title of a page in MediaWiki, in bytes.
	maxTitle = 255
)

// inputs looks for addresses in what a request gives the app. They say true where there is one.
type inputs struct {
	except []string
	finder find.Finder
	work   int // bytes that were taken apart
}

// path looks at the parts of a path.
func (l *inputs) path(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if l.isAddress(part) {
			return true
		}
	}
	return false
}

// urlencoded looks at the fields of a query or a form, which it reads as PHP does: only & divides them, and broken escapes stay.
func (l *inputs) urlencoded(form string) bool {
	for field := range strings.SplitSeq(form, "&") {
		name, value, ok := strings.Cut(field, "=")
		if !ok {
			name, value = "", field
		}
		if len(value) <= 3*maxInput && l.field(unescaped(name), unescaped(value)) {
			return true
		}
	}
	return false
}

func unescaped(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

// body looks at the fields of a form or of JSON, and puts back what it read.
func (l *inputs) body(r *http.Request) bool {
	if r.Body == nil || r.Body == http.NoBody {
		return false
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" && kind != "multipart/form-data" && kind != "application/json" {
		return false
	}
	// After an error the body gives it again, to the app's handler.
	head, _ := io.ReadAll(io.LimitReader(r.Body, maxLookedAt))
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), r.Body), r.Body}
	switch kind {
	case "multipart/form-data":
		return l.multipart(head, params["boundary"])
	case "application/json":
		return l.json(head)
	}
	if len(head) == maxLookedAt { // half a field may look like an address
		head = head[:max(0, bytes.LastIndexByte(head, '&'))]
	}
	return l.urlencoded(string(head))
}

func (l *inputs) multipart(body []byte, boundary string) bool {
	if boundary == "" {
		return false
	}
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := parts.NextRawPart()
		if err != nil {
			return false
		}
		if part.FileName() != "" {
			continue
		}
		value, err := io.ReadAll(io.LimitReader(part, maxInput+1))
		if err != nil {
			return false
		}
		if l.field(part.FormName(), string(value)) {
			return true
		}
	}
}

// json looks at all strings. Those in a list have the list's name.
func (l *inputs) json(body []byte) bool {
	type level struct {
		name    string
		object  bool
		isValue bool // the next string of an object is a value
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	levels := []level{{}}
	for {
		token, err := decoder.Token()
		if err != nil {
			return false
		}
		at := &levels[len(levels)-1]
		text, isText := token.(string)
		switch {
		case isText && at.object && !at.isValue:
			at.name, at.isValue = text, true
			continue
		case isText && l.field(at.name, text):
			return true
		}
		at.isValue = false
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{object: true})
		case json.Delim('['):
			levels = append(levels, level{name: at.name})
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:len(levels)-1]
		}
	}
}

// field looks at a field's value as a whole, and at the parts of a page's title: Special:Block/192.0.2.1. Passwords are no addresses.
func (l *inputs) field(name, value string) bool {
	name, _, _ = strings.Cut(name, "[") // PHP's lists
	lower := strings.ToLower(name)
	if len(value) > maxInput || strings.Contains(lower, "password") || strings.Contains(lower, "retype") || slices.Contains(l.except, name) {
		return false
	}
	return l.isAddress(value) || len(value) <= maxTitle && !strings.Contains(value, "://") && strings.Contains(value, "/") && l.path(value)
}

// isAddress reports whether a text is an address, a range or a list of these, in whatever spelling that surely is one, behind the name of a
// namespace or not. A mask is none.
func (l *inputs) isAddress(text string) bool {
	if len(text) < 2 || len(text) > maxInput || !strings.ContainsFunc(text, func(c rune) bool { return c == ':' || '0' <= c && c <= '9' || c >= 0x80 }) {
		return false
	}
	if space, rest, ok := strings.Cut(text, ":"); ok && strings.ContainsFunc(space, func(c rune) bool {
		return 'g' <= c|0x20 && c|0x20 <= 'z' || c >= 0x80
	}) {
		text = rest
	}
	// What begins with something else is no list of addresses: most fields are done with here.
	text = strings.Trim(text, separators)
	if first := strings.IndexAny(text, " \t\r\n,;|\x1f"); first > 0 && !l.finds(text[:first]) {
		return false
	}
	return l.finds(text)
}

// finds reports whether a text is nothing but addresses.
func (l *inputs) finds(text string) bool {
	if len(text) > maxWork-l.work {
		l.work = maxWork // the rest passes
		return false
	}
	l.work += len(text)
	found, ok := l.finder.All([]byte(text))
	if !ok || len(found) == 0 {
		return false
	}
	end := 0
	for _, f := range found {
		if !f.Surely() || !isBetween(text[end:f.From]) {
			return false
		}
		end = f.End
	}
	return isBetween(text[end:])
}

// separators are what may stand between addresses, or around them.
const separators = " \t\r\n_,;|-–\x1f"

func isBetween(text string) bool { return strings.Trim(text, separators) == "" }
