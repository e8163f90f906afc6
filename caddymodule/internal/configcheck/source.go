package configcheck

import (
	"os"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// source is the Caddyfile that is being adapted, read anew: a Helper doesn't show what stands around its
// directive. It serves for warnings and for errors that name a line. What is safe is decided
// without it (see Servers), since a config that comes through the admin API has no file.
type source struct {
	blocks []caddyfile.ServerBlock
	asked  map[place]int // how often a directive has asked for its site
}

// place is where a directive stands. A snippet's directive stands there for each site that imports it.
type place struct {
	file string
	line int
	name string
}

// Site is the site block around a directive.
type Site struct {
	source *source
	Keys   []caddyfile.Token
	// Directives are those directly in the block.
	Directives []Statement
}

// Statement is a directive, an option or a matcher with what belongs to it.
type Statement struct {
	Words []caddyfile.Token // its name and arguments
	Inner []Statement       // its block
}

// Name is the statement's first word.
func (s Statement) Name() string { return s.Words[0].Text }

// Args are the words after the first.
func (s Statement) Args() []string {
	args := make([]string, 0, len(s.Words))
	for _, word := range s.Words[1:] {
		args = append(args, word.Text)
	}
	return args
}

const sourceKey = "wikiveil.source"

// readSource returns the Caddyfile, or nil where it can't be read.
func readSource(h httpcaddyfile.Helper) *source {
	if known, ok := h.State[sourceKey].(*source); ok {
		return known
	}
	var read *source
	if name, _ := h.Option("filename").(string); name != "" {
		if data, err := os.ReadFile(name); err == nil {
			if blocks, err := caddyfile.Parse(name, data); err == nil {
				read = &source{blocks: blocks, asked: make(map[place]int)}
			}
		}
	}
	h.State[sourceKey] = read
	return read
}

// SiteOf returns the site block that the directive at hand stands directly in, and whether it could be
// found. A directive may ask once: Caddy evaluates them in the order of the file, which is how those of an imported
// snippet are told apart.
func SiteOf(h httpcaddyfile.Helper) (*Site, bool) {
	src := readSource(h)
	h.Reset()
	if src == nil || !h.Next() {
		return nil, false
	}
	at := place{h.File(), h.Line(), h.Val()}
	words := tokensOf(h)
	nth := src.asked[at]
	src.asked[at]++
	for _, block := range src.blocks {
		for _, segment := range block.Segments {
			if len(segment) == 0 || (place{segment[0].File, segment[0].Line, segment[0].Text}) != at {
				continue
			}
			if nth--; nth >= 0 {
				continue
			}
			if !slices.EqualFunc(segment, words, func(t caddyfile.Token, text string) bool { return longForm(t.Text) == text }) {
				return nil, false // the file has changed since
			}
			return src.site(block), true
		}
	}
	return nil, false
}

// tokensOf returns the words of the directive at hand, and leaves the helper at the first.
func tokensOf(h httpcaddyfile.Helper) (words []string) {
	for h.Reset(); h.Next(); {
		words = append(words, h.Val())
	}
	h.Reset()
	h.Next()
	return words
}

func (s *source) site(block caddyfile.ServerBlock) *Site {
	return &Site{source: s, Keys: block.Keys, Directives: statements(block.Segments)}
}

func statements(segments []caddyfile.Segment) (all []Statement) {
	for _, segment := range segments {
		d := caddyfile.NewDispenser(segment)
		if d.Next() {
			all = append(all, readStatement(d))
		}
	}
	return all
}

func readStatement(d *caddyfile.Dispenser) Statement {
	s := Statement{Words: []caddyfile.Token{d.Token()}}
	for d.NextArg() {
		s.Words = append(s.Words, d.Token())
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		s.Inner = append(s.Inner, readStatement(d))
	}
	return s
}

// Find returns the directives of a name that stand directly in the site.
func (s *Site) Find(name string) (found []Statement) {
	for _, d := range s.Directives {
		if d.Name() == name {
			found = append(found, d)
		}
	}
	return found
}

// Others returns the other sites of the Caddyfile, but named routes and snippets.
func (s *Site) Others() (others []*Site) {
	for _, block := range s.source.blocks {
		if len(block.Keys) == 0 || block.IsNamedRoute {
			continue
		}
		if first, own := block.Keys[0], s.Keys[0]; first.File != own.File || first.Line != own.Line || first.Text != own.Text {
			others = append(others, s.source.site(block))
		}
	}
	return others
}

// Global returns the global options.
func (s *Site) Global() []Statement { return s.source.global() }

func (s *source) global() []Statement {
	if len(s.blocks) > 0 && len(s.blocks[0].Keys) == 0 {
		return statements(s.blocks[0].Segments)
	}
	return nil
}

// Option returns the first option of a name, if there is one.
func (s Statement) Option(name string) (Statement, bool) {
	for _, option := range s.Inner {
		if option.Name() == name {
			return option, true
		}
	}
	return Statement{}, false
}

// inSites calls do for each directive of a name directly in a site block.
func (s *source) inSites(name string, do func(Statement)) {
	for _, block := range s.blocks {
		if len(block.Keys) == 0 {
			continue
		}
		for _, d := range statements(block.Segments) {
			if d.Name() == name {
				do(d)
			}
		}
	}
}
