package csp

import (
	"slices"
	"strings"
)

// fence returns the second policy that goes out with one that has a nonce or 'strict-dynamic', "" for others. A nonce can be
// read by whatever runs, and lets scripts and style sheets come from anywhere, as 'strict-dynamic' does scripts. Of two
// policies browsers heed both: this one lets them come only from the site and from the origins that the first one names.
func (p Policy) fence() string {
	var fences []string
	for _, of := range []struct{ elements, fence string }{
		{"script-src-elem", "script-src 'self' 'unsafe-inline' 'unsafe-eval'"}, // of inline ones the first policy decides
		{"style-src-elem", "style-src 'self' 'unsafe-inline'"},
	} {
		_, values, _ := p.governing(of.elements)
		if !slices.ContainsFunc(values, func(value string) bool {
			return value == "'strict-dynamic'" || strings.HasPrefix(value, "'nonce-")
		}) {
			continue
		}
		words := []string{of.fence}
		for _, value := range values {
			if src, problem := parseSource(value); problem == "" && src.kind == hostSource {
				words = append(words, value)
			}
		}
		fences = append(fences, strings.Join(words, " "))
	}
	if len(fences) == 0 {
		return ""
	}
	for _, name := range []string{"report-uri", "report-to"} {
		if i := p.index(name); i >= 0 {
			fences = append(fences, name+" "+strings.Join(p.directives[i].values, " "))
		}
	}
	return strings.Join(fences, "; ")
}
