package csp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Budget is the most bytes that a policy may take, and that the policy headers
// of one response should take together: intermediaries drop longer ones.
const Budget = 4096

// ErrTooLarge is why a policy over the [Budget] is refused.
var ErrTooLarge = fmt.Errorf("the policy takes more than %d bytes", Budget)

// Policy is an ordered set of directives. It never changes: its methods return
// new policies. The zero Policy has no directives.
type Policy struct {
	directives []directive
	// ignored is what Parse met and a browser ignores.
	ignored []error
}

type directive struct {
	name   string
	values []string
}

// Parse reads one serialised policy as a browser does: the first of duplicate
// directives wins, and unknown directives and values outside the grammar count
// as absent. [Policy.Validate] then returns an error if there were any.
//
// Only what can't be one policy in one header line is an error: a comma, which
// separates policies, and control characters.
func Parse(header string) (Policy, error) {
	for i := range len(header) {
		switch c := header[i]; {
		case c == ',':
			return Policy{}, errors.New("parsing policy: a comma separates policies, parse each alone")
		case c < ' ' && c != '\t' && c != '\f', c == 0x7f:
			return Policy{}, fmt.Errorf("parsing policy: it holds %q", header[i:i+1])
		}
	}
	var p Policy
	seen := make(map[string]bool)
	for text := range strings.SplitSeq(header, ";") {
		p.read(text, seen)
	}
	return p, nil
}

// read appends the directive in text, unless a browser ignores it.
func (p *Policy) read(text string, seen map[string]bool) {
	if !all(text, func(c byte) bool { return c < 0x80 }) {
		p.ignored = append(p.ignored, fmt.Errorf("directive %q: it is not ASCII", text))
		return
	}
	words := strings.Fields(text)
	if len(words) == 0 {
		return
	}
	name := strings.ToLower(words[0])
	g, err := grammarOf(name)
	if err == nil && seen[name] {
		err = fmt.Errorf("directive %s: it stands there twice", name)
	}
	if err != nil {
		p.ignored = append(p.ignored, err)
		return
	}
	seen[name] = true
	values, ignored, ok := g.read(words[1:])
	for _, err := range ignored {
		p.ignored = append(p.ignored, fmt.Errorf("directive %s: %w", name, err))
	}
	if ok {
		p.directives = append(p.directives, directive{name, values})
	}
}

// Validate returns an error if p is empty, over the [Budget] (ErrTooLarge), or
// comes from a text of which a browser would ignore a part: a duplicate or
// unknown directive, or a value outside its directive's grammar.
func (p Policy) Validate() error {
	if len(p.ignored) > 0 {
		return fmt.Errorf("validating policy: %w", errors.Join(p.ignored...))
	}
	if len(p.directives) == 0 {
		return errors.New("validating policy: it has no directives")
	}
	if p.Compile().Size() > Budget {
		return fmt.Errorf("validating policy: %w", ErrTooLarge)
	}
	return nil
}

// String serialises p. [NonceSlot] stays what it is: send [Template.Header].
func (p Policy) String() string {
	var b strings.Builder
	for i, d := range p.directives {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(d.name)
		for _, v := range d.values {
			b.WriteByte(' ')
			b.WriteString(v)
		}
	}
	return b.String()
}

// With returns p with sources added to directive name, where they replace
// 'none'. A fetch directive that p lacks starts from the one that stands in for
// it, so where there is a default-src, adding takes nothing away.
//
// Refused are [None], which adds nothing, and nonces other than [NonceSlot]: a
// policy is sent many times, and a nonce guards only while nobody knows it.
func (p Policy) With(name string, sources ...Source) (Policy, error) {
	name = strings.ToLower(name)
	g, err := grammarOf(name)
	if err != nil {
		return p, err
	}
	if !g.sources {
		return p, fmt.Errorf("directive %s: it takes no sources", name)
	}
	values := slices.DeleteFunc(slices.Clone(p.effective(name)), func(v string) bool { return v == None.text })
	for _, src := range sources {
		if err := addable(name, g, src); err != nil {
			return p, fmt.Errorf("directive %s: %w", name, err)
		}
		if !slices.Contains(values, src.text) {
			values = append(values, src.text)
		}
	}
	if len(values) == 0 {
		values = []string{None.text}
	}
	return p.put(directive{name, values})
}

func addable(name string, g grammar, src Source) error {
	_, isFetch := fallback[name]
	switch {
	case src.kind == noSource:
		return errors.New("a source is empty")
	case src == None:
		return errors.New("'none' adds nothing")
	case src == NonceSlot && isFetch:
		return nil
	case src.kind == nonceSource:
		return fmt.Errorf("%s: a nonce must be new in each response", src)
	}
	_, err := g.value(src.text)
	return err
}

// WithFirstParty returns p with origins added to each fetch directive that has
// 'self': hosts that belong to the site itself. See [Source.IsOrigin].
func (p Policy) WithFirstParty(origins ...Source) (Policy, error) {
	for _, origin := range origins {
		if !origin.IsOrigin() {
			return p, fmt.Errorf("%q is not an origin", origin)
		}
	}
	var err error
	for _, d := range p.directives {
		if _, isFetch := fallback[d.name]; !isFetch || !slices.Contains(d.values, Self.text) {
			continue
		}
		if p, err = p.With(d.name, origins...); err != nil {
			return p, err
		}
	}
	return p, nil
}

// Set returns p with values, and no others, in directive name. It serves the
// directives that take no sources as well: `sandbox`, `report-uri` and so on.
func (p Policy) Set(name string, values ...string) (Policy, error) {
	name = strings.ToLower(name)
	g, err := grammarOf(name)
	if err != nil {
		return p, err
	}
	values, ignored, _ := g.read(values)
	if len(ignored) > 0 {
		return p, fmt.Errorf("directive %s: %w", name, errors.Join(ignored...))
	}
	return p.put(directive{name, values})
}

// put returns a copy of p that has d, in the place of d's namesake.
func (p Policy) put(d directive) (Policy, error) {
	changed := Policy{directives: slices.Clone(p.directives), ignored: p.ignored}
	if i := changed.index(d.name); i >= 0 {
		changed.directives[i] = d
	} else {
		changed.directives = append(changed.directives, d)
	}
	if changed.Compile().Size() > Budget {
		return p, fmt.Errorf("directive %s: %w", d.name, ErrTooLarge)
	}
	return changed, nil
}

// effective returns the values that govern what name governs.
func (p Policy) effective(name string) []string {
	_, values, _ := p.governing(name)
	return values
}

func (p Policy) index(name string) int {
	return slices.IndexFunc(p.directives, func(d directive) bool { return d.name == name })
}

func grammarOf(name string) (grammar, error) {
	g, known := grammars[name]
	if !known {
		return g, fmt.Errorf("directive %q: no such directive", name)
	}
	return g, nil
}
