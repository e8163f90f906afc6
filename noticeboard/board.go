package noticeboard

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxTools is how many tools a board holds at most, listed ones included.
const maxTools = 2000

// Board holds validated tools. It never changes, so it needs no lock.
type Board struct {
	tools   []*Tool
	pending []*Tool // listed in a file without saying how they are used, so that nobody can reach them
	byName  map[string]*Tool
}

// declaration is a tool and where it stands.
type declaration struct {
	tool   *Tool
	place  string // for errors
	listed bool   // only listed, see File
}

// New validates the tools and returns a board of normalised copies in the
// order given. The error names the tool and says what to do about it.
func New(tools []*Tool) (*Board, error) { return newBoard(configured(tools)) }

// configured are the declarations of a configuration.
func configured(tools []*Tool) []declaration {
	var list []declaration
	for i, tool := range tools {
		list = append(list, declaration{tool: tool, place: fmt.Sprintf("the configuration (tool %d)", i+1)})
	}
	return list
}

func newBoard(list []declaration) (*Board, error) {
	if len(list) > maxTools {
		return nil, fmt.Errorf("%d tools are declared: the most is %d", len(list), maxTools)
	}
	b := &Board{byName: make(map[string]*Tool, len(list))}
	places, led := make(map[string]string, len(list)), make(ledAddresses)
	for i, d := range list {
		if d.tool == nil {
			return nil, fmt.Errorf("tool %d is null: declare a name and an origin or remove the entry", i+1)
		}
		name := d.tool.Name
		if first, dup := places[name]; dup {
			return nil, fmt.Errorf("tool %q is declared twice, in %s and in %s: rename or remove one", name, first, d.place)
		}
		places[name] = d.place
		if d.listed {
			b.pending = append(b.pending, d.tool)
			continue
		}
		own, err := d.tool.normalised()
		if err != nil {
			return nil, err
		}
		if err := led.add(own); err != nil {
			return nil, err
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

// isListed finds a pending tool.
func (b *Board) isListed(name string) bool {
	return slices.ContainsFunc(b.pending, func(t *Tool) bool { return t.Name == name })
}

// printable reports whether a text of at most so many bytes can be shown.
func printable(s string, most int) bool {
	return len(s) <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, unprintable)
}
