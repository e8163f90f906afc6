package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wikiveil/wikiveil/csp"
)

const cspDefaultPreset = "mediawiki"

// CSPPolicy says what one policy allows.
type CSPPolicy struct {
	// The policy to start from. Default: `mediawiki`.
	//
	// - `mediawiki`: everything from the site itself, inline scripts and styles and
	//   eval too, as MediaWiki needs them; no frames, no workers.
	// - `strict`: only scripts that carry the response's nonce, and those that they
	//   load, from the site and the origins that the policy names; Trusted Types.
	// - `static`: styles, scripts, images and fonts from the site itself, nothing inline.
	Preset string `json:"preset,omitempty"`

	// Origins that belong to the site, as `https://upload.wiki.example`. They are
	// added to all fetch directives that have `'self'`. `https://` does not cover
	// `wss://`: name both where needed. Default: none.
	FirstParty []string `json:"first_party,omitempty"`

	// Sources to add, by directive; the first one replaces `'none'`. A directive that
	// the preset lacks starts from the one that stands in for it, `form-action` from `'self'`, unless it is `'none'` alone. Default: none.
	Allow map[string][]string `json:"allow,omitempty"`
}

// build makes the policy that p describes.
func (p CSPPolicy) build() (csp.Policy, error) {
	policy, err := csp.Preset(cmp.Or(p.Preset, cspDefaultPreset))
	if err != nil {
		return policy, err
	}
	// Sorted, so that equal configs give equal headers.
	for _, directive := range slices.Sorted(maps.Keys(p.Allow)) {
		if policy, err = allowSources(policy, directive, p.Allow[directive]); err != nil {
			return policy, err
		}
	}
	return addFirstParty(policy, p.FirstParty)
}

func allowSources(policy csp.Policy, directive string, texts []string) (csp.Policy, error) {
	sources, err := parseSources(texts)
	if err != nil {
		return policy, fmt.Errorf("allow %s: %w", directive, err)
	}
	if len(sources) == 0 {
		return policy, fmt.Errorf("allow %s: a source is missing", directive)
	}
	if strings.EqualFold(directive, "form-action") && slices.Equal(sources, []csp.Source{csp.None}) {
		return policy.Set(directive, csp.None.String())
	}
	// No preset has one, and one that names other sites alone would stop the wiki's own forms.
	if strings.EqualFold(directive, "form-action") {
		sources = slices.Insert(sources, 0, csp.Self)
	}
	if policy, err = policy.With(directive, sources...); err != nil {
		return policy, fmt.Errorf("allow: %w", err)
	}
	return policy, nil
}

func addFirstParty(policy csp.Policy, texts []string) (csp.Policy, error) {
	origins, err := parseSources(texts)
	if err == nil {
		policy, err = policy.WithFirstParty(origins...)
	}
	if err != nil {
		return policy, fmt.Errorf("first_party: %w", err)
	}
	return policy, nil
}

func parseSources(texts []string) ([]csp.Source, error) {
	sources := make([]csp.Source, len(texts))
	for i, text := range texts {
		var err error
		if sources[i], err = csp.ParseSource(text); err != nil {
			return nil, err
		}
	}
	return sources, nil
}

// lastingWorkers is the warning of workers beside what gives one reader different policies.
const lastingWorkers = "allow worker-src beside consent or rollout: a shared worker keeps the policy of the page that started it, so a hostile gadget can load on " +
	"after a consent is withdrawn, a tool is switched off or the rollout has reached the reader, until all tabs of the wiki are closed; leave one of the two out"

// keepsWorkers reports whether pages may start workers, and a reader's pages can have different policies.
func (c *CSP) keepsWorkers() bool {
	policy, err := c.CSPPolicy.build()
	if err != nil || c.Consent == nil && c.Rollout == "" {
		return false
	}
	_, values, governed := policy.Governing("worker-src")
	return !governed || !slices.Equal(values, []string{csp.None.String()})
}
