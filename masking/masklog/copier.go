package masklog

import "github.com/wikiveil/wikiveil/masking/spelling"

// copier copies a text with parts of it replaced, as late as it can: most have none.
type copier struct {
	text string
	kind kind
	out  []byte // what text[:done] becomes
	done int
	any  bool // part is replaced
}

func (c *copier) replace(from, end int, with string) {
	if c.out == nil {
		c.out = make([]byte, 0, len(c.text)+len(with))
	}
	c.out = append(append(c.out, c.text[c.done:from]...), with...)
	c.done, c.any = end, true
}

// all returns the text, and whether it's another than before.
func (c *copier) all() (string, bool) {
	if !c.any {
		return c.text, false
	}
	return string(append(c.out, c.text[c.done:]...)), true
}

// kind is what a text is.
type kind int

const (
	anyText kind = iota
	userAgent
	finishedText // of which the parts were looked at before
)

// hide replaces what may be an address in a part of the text.
func (c *copier) hide(from, end int) {
	switch c.kind {
	case anyText:
		c.hidePart(from, end)
	case userAgent:
		c.hideInAgent(from, end)
	}
}

func (c *copier) hidePart(from, end int) {
	if text, hidden := spelling.Hide(c.text[from:end], Masked); hidden {
		c.replace(from, end, text)
	}
}
