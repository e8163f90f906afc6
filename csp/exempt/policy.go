package exempt

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/internal/i18n"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// cachedSets is how many sets of tools are kept compiled, 4 KB each at most.
const cachedSets = 1024

// Policies are a site's policies, widened for readers. They are safe for
// concurrent use.
type Policies struct {
	base      []csp.Policy
	templates []csp.Template
	overhead  int
	cache     *lru.Cache[[sha256.Size]byte, widened]
}

type widened struct {
	templates []csp.Template
	err       error
}

// NewPolicies takes the policies that go out with one response: the enforced one, the
// one that only reports, or both. Empty ones stay empty. The overhead is how many bytes
// besides them count towards [csp.Budget], such as the headers' names.
func NewPolicies(overhead int, base ...csp.Policy) (*Policies, error) {
	cache, err := lru.New[[sha256.Size]byte, widened](cachedSets)
	if err != nil {
		return nil, err
	}
	p := &Policies{base: slices.Clone(base), overhead: overhead, cache: cache}
	for _, policy := range base {
		p.templates = append(p.templates, policy.Compile())
	}
	if p.size(p.templates) > csp.Budget {
		return nil, fmt.Errorf("making policies: %w", csp.ErrTooLarge)
	}
	return p, nil
}

// For returns the policies for a reader who let the tools through, in the order of
// NewPolicies. They are shared: don't change the slice. With an error they are the site's own,
// without any tool:
//
//   - [errTooLarge], if they would take more than the budget: nothing is ever cut.
//   - [errScriptPolicy], if a tool has a script and the policy allows inline scripts.
func (p *Policies) For(tools []*Tool) ([]csp.Template, error) {
	if len(tools) == 0 {
		return p.templates, nil
	}
	if !slices.IsSortedFunc(tools, byName) {
		tools = slices.SortedFunc(slices.Values(tools), byName)
	}
	key := keyOf(tools)
	if known, ok := p.cache.Get(key); ok {
		return known.templates, known.err
	}
	templates, err := p.widen(tools)
	if err != nil {
		templates = p.templates
	}
	p.cache.Add(key, widened{templates, err})
	return templates, err
}

// Fits returns an error if the tools can't be let through together; see [Policies.For].
func (p *Policies) Fits(tools []*Tool) error {
	_, err := p.For(tools)
	return err
}

func byName(a, b *Tool) int { return cmp.Compare(a.Name, b.Name) }

// keyOf identifies a set by the tools' states, which have all that matters here.
func keyOf(tools []*Tool) [sha256.Size]byte {
	if len(tools) == 1 {
		return tools[0].state
	}
	var room [maxGrants * sha256.Size]byte
	all := room[:0]
	for _, t := range tools {
		all = append(all, t.state[:]...)
	}
	return sha256.Sum256(all)
}

func (p *Policies) widen(tools []*Tool) ([]csp.Template, error) {
	templates := make([]csp.Template, 0, len(p.base))
	for _, policy := range p.base {
		for _, t := range tools {
			var err error
			if policy, err = t.widen(policy); errors.Is(err, csp.ErrTooLarge) {
				return nil, tooLarge(tools)
			} else if err != nil {
				return nil, err
			}
		}
		templates = append(templates, policy.Compile())
	}
	if p.size(templates) > csp.Budget {
		return nil, tooLarge(tools)
	}
	return templates, nil
}

func (p *Policies) size(templates []csp.Template) int {
	total := p.overhead
	for _, t := range templates {
		total += t.Size()
	}
	return total
}

// tooLarge is an [errTooLarge] that names the tools.
func tooLarge(tools []*Tool) error {
	names := make([]string, len(tools))
	for i, t := range tools {
		names[i] = t.Name
	}
	named := *errTooLarge
	named.Text = i18n.Message{Key: "refusal-too-large-policy-of", Args: []any{csp.Budget, i18n.ListOf(names)}}
	named.Cause = errors.Join(errTooLarge, csp.ErrTooLarge)
	return &named
}

// widen returns policy with the tool's kinds from its origins.
func (t *Tool) widen(policy csp.Policy) (csp.Policy, error) {
	for _, kind := range t.Kinds {
		if kind == noticeboard.Frame {
			continue // in pages of the edge's own alone: see Site.serveFrame
		}
		name, values := governing(policy, kind)
		if name == "" {
			continue // nothing forbids it
		}
		// Beside a hash 'unsafe-inline' counts as absent (CSP Level 3, section 6.7.3.2).
		if kind == noticeboard.Script && !t.Local() && allowsInline(values) {
			return policy, errScriptPolicy
		}
		sources, err := t.sources(kind)
		if err != nil {
			return policy, err
		}
		if kind == noticeboard.Script && slices.Contains(values, "'strict-dynamic'") {
			origins, err := parseSources(t.Tool.Origins()) // for the policy's fence: beside 'strict-dynamic' they let nothing through
			if err != nil {
				return policy, err
			}
			sources = append(sources, origins...)
		}
		if policy, err = policy.With(name, sources...); err != nil {
			return policy, err
		}
	}
	return policy, nil
}

// governing returns the directive to widen for a kind and the values that hold for
// it now. A name of "" is that none holds: adding one would forbid what was allowed.
func governing(policy csp.Policy, kind noticeboard.Kind) (name string, values []string) {
	name = kind.Directive()
	elements := name
	if kind == noticeboard.Script || kind == noticeboard.Style {
		elements += "-elem" // where there is one, the general one holds for attributes only
	}
	switch holds, values, ok := policy.Governing(elements); {
	case !ok:
		return "", nil
	case holds == elements:
		return elements, values
	default:
		return name, values
	}
}

func allowsInline(values []string) bool {
	return slices.Contains(values, "'unsafe-inline'") && !slices.ContainsFunc(values, func(v string) bool {
		return strings.HasPrefix(v, "'nonce-") || strings.HasPrefix(v, "'sha") || v == "'strict-dynamic'"
	})
}
