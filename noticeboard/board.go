// Package noticeboard is the register of the third-party tools that a wiki's
// readers may reach: what each is, where it lives, what it gets and why.
//
// Make a [Board] with [New]; it refuses declarations that are unsafe, unclear
// or given twice. [NewPage] shows a board to readers and programs.
package noticeboard

import (
	"fmt"
	"iter"
	"slices"
)

// Board holds validated tools. It never changes, so it needs no lock.
type Board struct {
	tools  []*Tool
	byName map[string]*Tool
}

// New validates the tools and returns a board of normalised copies in the
// order given. The error names the tool and says what to do about it.
func New(tools []*Tool) (*Board, error) {
	b := &Board{byName: make(map[string]*Tool, len(tools))}
	for i, tool := range tools {
		if tool == nil {
			return nil, fmt.Errorf("tool %d is null: declare a name and an origin or remove the entry", i+1)
		}
		own, err := tool.normalised()
		if err != nil {
			return nil, err
		}
		if _, dup := b.byName[own.Name]; dup {
			return nil, fmt.Errorf("tool %q is declared twice: rename or remove one", own.Name)
		}
		b.tools = append(b.tools, own)
		b.byName[own.Name] = own
	}
	return b, nil
}

// Lookup returns the tool of that name. The tool is shared: don't change it.
func (b *Board) Lookup(name string) (*Tool, bool) {
	t, ok := b.byName[name]
	return t, ok
}

// All yields the tools in the order of their declaration. They are shared:
// don't change them.
func (b *Board) All() iter.Seq[*Tool] { return slices.Values(b.tools) }
