package csp

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// grammar is what one directive takes as its values.
type grammar struct {
	// value returns the canonical form of one value.
	value func(string) (string, error)
	// min and max are how many values there may be.
	min, max int
	// sources is true where the values are sources. An empty list of them
	// means 'none' and is written so.
	sources bool
	// none is true where 'none' may stand alone in the list.
	none bool
}

const anyNumber = 1 << 16

var (
	sourceList   = grammar{value: anySource, max: anyNumber, sources: true, none: true}
	ancestorList = grammar{value: ancestorSource, max: anyNumber, sources: true, none: true}
	valueless    = grammar{value: oneOf()}
)

// grammars holds every directive that a policy of this package may have: those
// of CSP Level 3, Trusted Types, Mixed Content and Upgrade Insecure Requests.
var grammars = map[string]grammar{
	"child-src":       sourceList,
	"connect-src":     sourceList,
	"default-src":     sourceList,
	"font-src":        sourceList,
	"frame-src":       sourceList,
	"img-src":         sourceList,
	"manifest-src":    sourceList,
	"media-src":       sourceList,
	"object-src":      sourceList,
	"script-src":      sourceList,
	"script-src-attr": sourceList,
	"script-src-elem": sourceList,
	"style-src":       sourceList,
	"style-src-attr":  sourceList,
	"style-src-elem":  sourceList,
	"worker-src":      sourceList,

	"base-uri":        sourceList,
	"form-action":     sourceList,
	"frame-ancestors": ancestorList,

	"sandbox":                   {value: sandboxToken, max: anyNumber},
	"report-uri":                {value: uriReference, min: 1, max: anyNumber},
	"report-to":                 {value: token, min: 1, max: 1},
	"webrtc":                    {value: oneOf("'allow'", "'block'"), min: 1, max: 1},
	"require-trusted-types-for": {value: oneOf("'script'"), min: 1, max: 1},
	"trusted-types":             {value: trustedType, max: anyNumber, none: true},
	"upgrade-insecure-requests": valueless,
	"block-all-mixed-content":   valueless,
}

// fallback names the directive that stands in for an absent fetch directive.
var fallback = map[string]string{
	"default-src":     "",
	"child-src":       "default-src",
	"connect-src":     "default-src",
	"font-src":        "default-src",
	"frame-src":       "child-src",
	"img-src":         "default-src",
	"manifest-src":    "default-src",
	"media-src":       "default-src",
	"object-src":      "default-src",
	"script-src":      "default-src",
	"script-src-attr": "script-src",
	"script-src-elem": "script-src",
	"style-src":       "default-src",
	"style-src-attr":  "style-src",
	"style-src-elem":  "style-src",
	"worker-src":      "child-src",
}

// read returns the values that a browser would heed, and what it would ignore
// in the others. ok is false where too few are left for the directive to mean
// anything.
func (g grammar) read(values []string) (kept []string, ignored []error, ok bool) {
	for _, v := range values {
		canonical, err := g.value(v)
		switch {
		case err != nil:
			ignored = append(ignored, err)
		case slices.Contains(kept, canonical):
		case len(kept) == g.max:
			ignored = append(ignored, fmt.Errorf("%q is one value too many", v))
		default:
			kept = append(kept, canonical)
		}
	}
	if g.none && len(kept) > 1 && slices.Contains(kept, None.text) {
		ignored = append(ignored, errors.New("'none' stands beside other values"))
		kept = slices.DeleteFunc(kept, func(v string) bool { return v == None.text })
	}
	if g.sources && len(kept) == 0 {
		kept = []string{None.text}
	}
	if len(kept) < g.min {
		return nil, append(ignored, errors.New("a value is missing")), false
	}
	return kept, ignored, true
}

func anySource(text string) (string, error) {
	src, err := ParseSource(text)
	return src.text, err
}

func ancestorSource(text string) (string, error) {
	src, err := ParseSource(text)
	if err != nil {
		return "", err
	}
	switch {
	case src == None, src == Self, src.kind == hostSource, src.kind == schemeSource:
		return src.text, nil
	}
	return "", fmt.Errorf("%s is no source of frame-ancestors", src)
}

// oneOf takes the words given, which are lower case, in any case.
func oneOf(words ...string) func(string) (string, error) {
	return func(v string) (string, error) {
		if lower := strings.ToLower(v); slices.Contains(words, lower) {
			return lower, nil
		}
		if len(words) == 0 {
			return "", fmt.Errorf("%q stands where no value may", v)
		}
		return "", fmt.Errorf("%q is not one of %s", v, strings.Join(words, ", "))
	}
}

// sandboxToken takes the tokens of HTML's iframe sandbox attribute.
var sandboxToken = oneOf(
	"allow-downloads", "allow-forms", "allow-modals", "allow-orientation-lock",
	"allow-pointer-lock", "allow-popups", "allow-popups-to-escape-sandbox",
	"allow-presentation", "allow-same-origin", "allow-scripts",
	"allow-storage-access-by-user-activation", "allow-top-navigation",
	"allow-top-navigation-by-user-activation", "allow-top-navigation-to-custom-protocols",
)

// uriReference takes an http(s) URL or a path, RFC 3986 section 4.1.
func uriReference(v string) (string, error) {
	if problem := foreignByte(v); problem != "" {
		return "", fmt.Errorf("%q is no URL: %s", v, problem)
	}
	u, err := url.Parse(v)
	if err != nil || strings.ContainsAny(v, "\"<>\\^`{|}") || v == "" {
		return "", fmt.Errorf("%q is no URL", v)
	}
	if u.Scheme != "" && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return "", fmt.Errorf("%q is no http URL", v)
	}
	return v, nil
}

// token is RFC 9110's, section 5.6.2.
func token(v string) (string, error) {
	if v == "" || !all(v, func(c byte) bool {
		return isAlphanumeric(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
	}) {
		return "", fmt.Errorf("%q is no token", v)
	}
	return v, nil
}

// trustedType takes a policy's name, `*`, 'none' and 'allow-duplicates'.
func trustedType(v string) (string, error) {
	if lower := strings.ToLower(v); lower == None.text || lower == "'allow-duplicates'" {
		return lower, nil
	}
	if v == "*" {
		return v, nil
	}
	if v == "" || !all(v, func(c byte) bool {
		return isAlphanumeric(c) || strings.IndexByte("-#=_/@.%", c) >= 0
	}) {
		return "", fmt.Errorf("%q is no name of a Trusted Types policy", v)
	}
	return v, nil
}
