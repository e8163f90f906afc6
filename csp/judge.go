package csp

import (
	"maps"
	"slices"
	"strings"
)

// Verdict is what a policy says of a request that a violation report describes.
type Verdict string

// The verdicts.
const (
	Blocks Verdict = "blocks"
	Allows Verdict = "allows"
	// Depends is for what a report doesn't tell, such as the path or a nonce, and for
	// what browsers do in different ways.
	Depends Verdict = "depends"
)

// Judge tells what p would do about what was reported: the report's effective
// directive, and what was blocked, by its origin ("https://cdn.example") or by one of the
// words of CSP Level 3, section 2.4 ("inline", "eval"), or a scheme ("data"). The page is
// the origin of the page that asked, which `'self'` and sources without a scheme are
// compared with. The text says what a [Depends] depends on.
func (p Policy) Judge(directive, blocked, page string) (Verdict, string) {
	directive = strings.ToLower(directive)
	switch {
	case directive == "default-src":
		return p.judgeAnything(blocked, page)
	case blocked == "inline" && (directive == "script-src" || directive == "style-src"):
		// Browsers of before CSP Level 3 don't tell elements from attributes.
		return both(p.judge(directive+"-elem", blocked, page))(p.judge(directive+"-attr", blocked, page))
	case directive == "script-src" && !slices.Contains(codeWords, blocked), directive == "style-src":
		directive += "-elem" // what was loaded, not evaluated
	}
	v := p.judge(directive, blocked, page)
	return v.verdict, v.why
}

// judgeAnything judges reports of default-src: of a prefetch, or of anything by a
// browser that names the directive which stood in for the one that was meant.
func (p Policy) judgeAnything(blocked, page string) (Verdict, string) {
	var seen opinion
	for _, name := range slices.Sorted(maps.Keys(fallback)) {
		switch v := p.judge(name, blocked, page); {
		case name == "default-src":
		case seen.verdict == "":
			seen = v
		case seen.verdict != v.verdict:
			return Depends, "the report does not tell what was loaded"
		}
	}
	return seen.verdict, seen.why
}

// opinion is a verdict with its reason.
type opinion struct {
	verdict Verdict
	why     string
}

func depends(why string) opinion { return opinion{Depends, why} }

// both returns the verdict that holds for one or the other.
func both(a opinion) func(opinion) (Verdict, string) {
	return func(b opinion) (Verdict, string) {
		if a.verdict != b.verdict {
			return Depends, "the report does not tell an element from an attribute"
		}
		return a.verdict, a.why
	}
}

// codeWords stand for code that was not loaded.
var codeWords = []string{"inline", "eval", "wasm-eval"}

func (p Policy) judge(directive, blocked, page string) opinion {
	name, values, ok := p.governing(directive)
	switch {
	case !ok:
		return opinion{verdict: Allows}
	case !grammars[name].sources:
		if directive == "require-trusted-types-for" {
			return opinion{verdict: Blocks}
		}
		return depends("a report of " + directive + " tells too little")
	case slices.Equal(values, []string{None.text}):
		return opinion{verdict: Blocks}
	case directive == "frame-ancestors":
		return depends("the report does not name the page around")
	case slices.Contains(codeWords, blocked):
		return judgeCode(directive, blocked, values)
	}
	target, ok := parseTarget(blocked)
	if !ok {
		return depends("the report does not tell what was blocked")
	}
	own, _ := parseTarget(page)
	return judgeLoad(directive, values, target, own)
}

// judgeLoad follows CSP Level 3, sections 6.7.1.1 and 6.7.2.5.
func judgeLoad(directive string, values []string, target, page target) opinion {
	script := strings.HasPrefix(directive, "script-src") || directive == "worker-src"
	if script && slices.Contains(values, "'strict-dynamic'") {
		return depends("'strict-dynamic' looks at nonces and at who loads a script, which no report tells")
	}
	verdict := opinion{verdict: Blocks}
	for _, value := range values {
		src, _ := parseSource(value)
		switch {
		case (src.kind == nonceSource || src.kind == hashSource) && script,
			src.kind == nonceSource && directive == "style-src-elem":
			verdict = depends("a nonce or hash may allow it, and no report tells")
		default:
			switch m := src.matches(target, page); m.verdict {
			case Allows:
				return m
			case Depends:
				verdict = m
			}
		}
	}
	return verdict
}

// judgeCode follows sections 4.2.3 (inline), 4.3 (eval) and 6.7.3.2.
func judgeCode(directive, word string, values []string) opinion {
	has := func(value string) bool { return slices.Contains(values, value) }
	hasAny := func(prefix string) bool {
		return slices.ContainsFunc(values, func(v string) bool { return strings.HasPrefix(v, prefix) })
	}
	switch {
	case word != "inline":
		if has("'unsafe-eval'") || word == "wasm-eval" && has("'wasm-unsafe-eval'") {
			return opinion{verdict: Allows}
		}
		if word == "eval" && has("'trusted-types-eval'") {
			return depends("'trusted-types-eval' allows what a Trusted Types policy made")
		}
		return opinion{verdict: Blocks}
	case hasAny("'nonce-") && strings.HasSuffix(directive, "-elem"),
		hasAny("'sha") && (strings.HasSuffix(directive, "-elem") || has("'unsafe-hashes'")):
		return depends("a nonce or hash may allow it, and no report tells")
	case hasAny("'nonce-"), hasAny("'sha"), has("'strict-dynamic'") && strings.HasPrefix(directive, "script-"):
		return opinion{verdict: Blocks} // beside these, 'unsafe-inline' counts as absent
	case has("'unsafe-inline'"):
		return opinion{verdict: Allows}
	}
	return opinion{verdict: Blocks}
}

// governing returns the directive that decides what name is about.
func (p Policy) governing(name string) (string, []string, bool) {
	for _, name := range standIns(name) {
		if i := p.index(name); i >= 0 {
			return name, p.directives[i].values, true
		}
	}
	return "", nil, false
}

// standIns returns a directive and those that stand in for it, the nearest first
// (section 6.8.3).
func standIns(name string) []string {
	switch name {
	case "worker-src":
		return []string{name, "child-src", "script-src", "default-src"}
	case "fenced-frame-src":
		return []string{name, "frame-src", "child-src", "default-src"}
	case "prefetch-src":
		return []string{name, "default-src"}
	}
	var names []string
	for ; name != ""; name = fallback[name] {
		names = append(names, name)
	}
	return names
}

// Governing returns the directive of p that decides what another one is about, which is
// itself or what stands in for it, with its values; ok is false if p leaves it free.
func (p Policy) Governing(name string) (directive string, values []string, ok bool) {
	directive, values, ok = p.governing(strings.ToLower(name))
	return directive, slices.Clone(values), ok
}

// FetchDirectives returns the names of the directives about what a page loads.
func FetchDirectives() []string { return slices.Sorted(maps.Keys(fallback)) }
