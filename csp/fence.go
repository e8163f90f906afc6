package csp

import (
	"slices"
	"strings"
)

// fence returns the second policy that goes out with one that has 'strict-dynamic', "" for others. There a script that
// has the nonce may load others from anywhere, and a nonce can be read by whatever runs. Of two policies browsers heed
// both: this one lets scripts come only from the site and from the origins that the first one names, which
// 'strict-dynamic' else has them ignore.
func (p Policy) fence() string {
	_, values, _ := p.governing("script-src-elem")
	if !slices.Contains(values, "'strict-dynamic'") {
		return ""
	}
	words := []string{"script-src", Self.text, "'unsafe-inline'", "'unsafe-eval'"} // of which the first policy decides
	for _, value := range values {
		if src, problem := parseSource(value); problem == "" && src.kind == hostSource {
			words = append(words, value)
		}
	}
	text := strings.Join(words, " ")
	for _, name := range []string{"report-uri", "report-to"} {
		if i := p.index(name); i >= 0 {
			text += "; " + name + " " + strings.Join(p.directives[i].values, " ")
		}
	}
	return text
}
