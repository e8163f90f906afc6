// Package options reads the blocks of a Caddyfile by tables, one line for each option. What is refused as unknown or given twice, and the
// tables of the documentation, come from the same lines.
package options

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Setter reads the arguments of the option that d stands at.
type Setter func(d *caddyfile.Dispenser) error

// Option is one line of a block.
type Option struct {
	Name    string
	Args    string // as the documentation shows them; empty: none
	Doc     string // a sentence
	Set     Setter
	Repeats bool // it may stand several times

	// Block makes what the option opens, in place of Set.
	Block func() Block
}

// Block is a directive's or an option's block.
type Block struct {
	Name    string
	Args    Setter // nil: there are none
	Options []Option

	// Check looks at what was read after each option, so that an error names its line. It may be nil.
	Check func() error

	// Places, if it's made, gets where each option stands.
	Places map[string]caddyfile.Dispenser
}

// Documented are the blocks whose tables docs/options.md has, by their names.
var Documented = make(map[string]Block)

// Document has the block's table stand in docs/options.md.
func Document(b Block) { Documented[b.Name] = b }

// Parse reads the arguments and the block of what d stands at.
func (b Block) Parse(d *caddyfile.Dispenser) error {
	args := b.Args
	if args == nil {
		args = None
	}
	if err := args(d); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		option := find(b.Options, name)
		switch {
		case option == nil:
			return d.Errf("unknown %s option %q (known: %s)", b.Name, name, strings.Join(names(b.Options), ", "))
		case seen[name] && !option.Repeats:
			return twice(d, name)
		}
		seen[name] = true
		if b.Places != nil {
			b.Places[name] = *d
		}
		if err := option.parse(d); err != nil {
			return err
		}
		if b.Check == nil {
			continue
		}
		if err := b.Check(); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

func (o *Option) parse(d *caddyfile.Dispenser) error {
	if o.Block != nil {
		return o.Block().Parse(d)
	}
	return o.Set(d)
}

func find(options []Option, name string) *Option {
	i := slices.IndexFunc(options, func(o Option) bool { return o.Name == name })
	if i < 0 {
		return nil
	}
	return &options[i]
}

func names(options []Option) (list []string) {
	for _, o := range options {
		list = append(list, o.Name)
	}
	return list
}

func twice(d *caddyfile.Dispenser, option string) error { return d.Errf("%s is given twice", option) }

// Table is the documentation of the block and of those in it, in Markdown.
func (b Block) Table() string {
	var text, inner strings.Builder
	fmt.Fprintf(&text, "### %s\n\nOption | What it sets\n--- | ---\n", b.Name)
	for _, o := range b.Options {
		usage := strings.TrimSpace(o.Name + " " + o.Args)
		if o.Repeats {
			usage += " …"
		}
		if o.Block != nil {
			usage += " { … }"
			inner.WriteString("\n" + o.Block().Table())
		}
		fmt.Fprintf(&text, "`%s` | %s\n", strings.ReplaceAll(usage, "|", `\|`), o.Doc)
	}
	return text.String() + inner.String()
}
