package forecast

import (
	"slices"
	"strings"

	"github.com/wikiveil/wikiveil/csp"
)

// Changes are what a proposed policy does otherwise than today's with what was reported,
// the most reported first.
type Changes struct {
	NewlyBlocked []Change `json:"newly_blocked"`
	NewlyAllowed []Change `json:"newly_allowed"`
	// Unclear is what one of the verdicts depends on.
	Unclear   []Change `json:"unclear"`
	Unchanged []Change `json:"unchanged"`
	// Dropped are sources that today's policy has and the proposed one does not allow.
	// What they allowed is in no report.
	Dropped []Dropped `json:"dropped"`
}

// Change is one directive and origin, or word.
type Change struct {
	Use                 // with today's verdict
	Then    csp.Verdict `json:"then"`
	ThenWhy string      `json:"then_why,omitempty"`
	// Gadgets are those that ask for it, where they are known.
	Gadgets []string `json:"gadgets,omitempty"`
}

// Dropped is a source that a directive would no longer have.
type Dropped struct {
	Directive string `json:"directive"`
	Source    string `json:"source"`
}

func (m *maker) changes() *Changes {
	c := &Changes{NewlyBlocked: []Change{}, NewlyAllowed: []Change{}, Unclear: []Change{}, Unchanged: []Change{}, Dropped: m.dropped()}
	for _, use := range m.uses {
		change := Change{Use: use}
		change.Then, change.ThenWhy = judge(*m.Proposed, use.Directive, use.Blocked, m.Page)
		if isOrigin(use.Blocked) {
			gadgets, _ := m.who(use.Blocked)
			for _, who := range gadgets {
				change.Gadgets = append(change.Gadgets, who.Label())
			}
		}
		list := &c.Unchanged
		switch {
		case use.Verdict == change.Then:
		case change.Then == csp.Depends, use.Verdict == csp.Depends:
			list = &c.Unclear
		case change.Then == csp.Blocks:
			list = &c.NewlyBlocked
		default:
			list = &c.NewlyAllowed
		}
		*list = append(*list, change)
	}
	return c
}

// dropped compares directive by directive, with what stands in for it.
func (m *maker) dropped() []Dropped {
	list := []Dropped{}
	for _, directive := range append(csp.FetchDirectives(), "base-uri", "form-action", "frame-ancestors") {
		holds, today, ok := m.Policy.Governing(directive)
		if !ok || holds != directive {
			continue // told of where it stands
		}
		_, then, ok := m.Proposed.Governing(directive)
		if !ok {
			continue // nothing forbids it any more
		}
		for _, source := range today {
			if source == csp.None.String() || slices.Contains(then, source) || m.covered(directive, source) {
				continue
			}
			list = append(list, Dropped{directive, source})
		}
	}
	return list
}

// covered reports whether the proposed policy allows what one source of a directive names.
func (m *maker) covered(directive, source string) bool {
	if source == csp.Self.String() {
		source = m.Page
	}
	if !isOrigin(source) || strings.ContainsAny(strings.SplitN(source, "://", 2)[1], "*/") {
		return false
	}
	verdict, _ := m.Proposed.Judge(directive, source, m.Page)
	return verdict == csp.Allows
}
