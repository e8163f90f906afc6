package csp

import (
	"fmt"
	"slices"
	"strings"
)

type preset struct {
	name string
	text string
	// nonced are the directives that take [NonceSlot] as well.
	nonced []string
}

// None has a form-action. Browsers hold it against redirects after a form too, so it stops OAuth, single sign-on and searches elsewhere
// when the form has done its work; and it stops no script that sends the reader's tab to another site.
var presets = []preset{
	// What MediaWiki 1.39 with Vector loads on view, search, login, edit,
	// preview, upload, preferences and diff, and nothing from anybody else. No workers: one from an address has the policy of the file, which
	// a browser may keep from before there was any; a shared one from a blob keeps its page's after a consent or a rollout has ended.
	{
		name: "mediawiki",
		text: "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; script-src-attr 'none'; " +
			"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; " +
			"media-src 'self' blob:; object-src 'none'; base-uri 'self'; frame-ancestors 'self'; " +
			"frame-src 'none'; worker-src 'none'; manifest-src 'self'",
	},
	// For an app that writes the nonce into its script and style tags. A fence keeps third parties out. Without
	// 'strict-dynamic': beside that word WebKit lets import() load from anywhere, whatever the fence says.
	{
		name: "strict",
		text: "default-src 'none'; script-src 'self'; script-src-attr 'none'; " +
			"style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; media-src 'self'; " +
			"object-src 'none'; base-uri 'none'; frame-ancestors 'self'; frame-src 'none'; " +
			"worker-src 'none'; manifest-src 'self'; require-trusted-types-for 'script'",
		nonced: []string{"script-src", "style-src"},
	},
	// For files without an app. worker-src is written out because script-src,
	// not default-src, would stand in for it.
	{
		name: "static",
		text: "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; " +
			"object-src 'none'; base-uri 'none'; frame-ancestors 'none'; worker-src 'none'",
	},
}

// Preset returns the ready-made policy of that name: "mediawiki", "strict" or
// "static".
func Preset(name string) (Policy, error) {
	i := slices.IndexFunc(presets, func(p preset) bool { return p.name == name })
	if i < 0 {
		return Policy{}, fmt.Errorf("no preset %q, there is %s", name, strings.Join(PresetNames(), ", "))
	}
	policy, err := Parse(presets[i].text)
	if err != nil {
		return Policy{}, err
	}
	for _, directive := range presets[i].nonced {
		if policy, err = policy.With(directive, NonceSlot); err != nil {
			return Policy{}, err
		}
	}
	return policy, policy.Validate()
}

// PresetNames returns the names of all presets.
func PresetNames() []string {
	names := make([]string, len(presets))
	for i, p := range presets {
		names[i] = p.name
	}
	return names
}
