package masklog

import "github.com/wikiveil/wikiveil/masking/spelling"

// copier copies a text with parts of it replaced, as late as it can: most have none.
type copier struct {
	text string
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

// hider replaces what may be an address in a part of a text.
type hider func(c *copier, from, end int)

func leave(*copier, int, int) {}

func (c *copier) hide(from, end int) {
	if text, hidden := spelling.Hide(c.text[from:end], Masked); hidden {
		c.replace(from, end, text)
	}
}
