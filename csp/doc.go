// Package csp builds Content-Security-Policy headers (W3C CSP Level 3) that
// nothing can inject into.
//
// Start from a [Preset], widen it with [Policy.With] and
// [Policy.WithFirstParty], replace a whole directive with [Policy.Set], then
// [Policy.Compile] it once and send [Template.Header] with each response:
//
//	policy, err := csp.Preset("mediawiki")
//	upload, err := csp.ParseSource("https://upload.wiki.example")
//	policy, err = policy.WithFirstParty(upload)
//	header := policy.Compile()
//
// A [Source] exists only if it passed the grammar, and each directive checks
// its values against its own, so no text from a config, a cookie or a header can
// bring a second directive or a second header line with it. A policy that would
// pass the [Budget] is refused, never cut.
//
// [Parse] reads somebody else's header as a browser would; for a policy that
// must be right as it stands, ask [Policy.Validate] too.
package csp
