package reports

import (
	"slices"
	"strings"
)

// A Report is all that is kept of a violation report. It names no reader: no
// address, user agent, query, fragment, user name of a URL, cookie or sample.
// Equal reports are counted together, so it is also the key of a [Group].
type Report struct {
	// Directive is the effective directive, such as "img-src".
	Directive string `json:"directive"`
	// Blocked is an origin, such as "https://cdn.example", or one of the
	// Blocked constants.
	Blocked string `json:"blocked"`
	// Gadget says which code caused it, where the browser told. It is one of
	//
	//	MediaWiki:Gadget-HotCat.js        a wiki page of code, with its namespace
	//	ext.gadget.A|ext.gadget.B         gadgets that load.php sent together
	//	user, site                        load.php's modules of these names
	//	/w/load.php, /w/skins/x.js        another file of the page's own origin
	//	https://cdn.example/lib.js        a file of another origin
	//
	// Pages of code on another origin have it before them: "https://meta.example MediaWiki:X.js".
	Gadget string `json:"gadget,omitempty"`
	// Page is the path of the page, in clear where it is printable, kept only
	// where Gadget is empty.
	Page string `json:"page,omitempty"`
	// Disposition says whether the policy was enforced.
	Disposition Disposition `json:"disposition"`
}

// Disposition is whether a policy was enforced or only tried.
type Disposition string

// Dispositions. Browsers of before CSP Level 3 send none.
const (
	Enforced   Disposition = "enforce"
	ReportOnly Disposition = "report"
	NotSaid    Disposition = "unknown"
)

// What [Report.Blocked] is where nothing of an origin was blocked.
const (
	BlockedInline      = "inline"
	BlockedEval        = "eval"
	BlockedUnspecified = "unspecified" // the browser sent an empty text
	BlockedOther       = "other"       // a scheme or word that is none of the known ones
)

// blockedWords are the resources of CSP Level 3, section 2.4, and schemes that
// browsers send without the rest of the URL.
var blockedWords = []string{
	BlockedInline, BlockedEval, "wasm-eval", "self", "trusted-types-policy", "trusted-types-sink",
	"data", "blob", "filesystem", "mediastream", "file",
}

// directives are all that a report may name, so that forged names make no groups:
// those of CSP Level 3 and those that browsers have or had besides.
var directives = []string{
	"base-uri", "block-all-mixed-content", "child-src", "connect-src", "default-src", "fenced-frame-src",
	"font-src", "form-action", "frame-ancestors", "frame-src", "img-src", "manifest-src", "media-src",
	"navigate-to", "object-src", "plugin-types", "prefetch-src", "require-sri-for",
	"require-trusted-types-for", "sandbox", "script-src", "script-src-attr", "script-src-elem",
	"style-src", "style-src-attr", "style-src-elem", "trusted-types", "upgrade-insecure-requests",
	"webrtc", "worker-src",
}

// knownDirective returns the directive's own name: older browsers send its values
// after it.
func knownDirective(text string) (string, bool) {
	name, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	i, ok := slices.BinarySearch(directives, strings.ToLower(name))
	if !ok {
		return "", false
	}
	return directives[i], true
}

func disposition(text string) Disposition {
	switch d := Disposition(strings.ToLower(text)); d {
	case Enforced, ReportOnly:
		return d
	}
	return NotSaid
}

// blocked returns what [Report.Blocked] says of a blocked URL.
func blocked(text, directive string) (string, bool) {
	if text == "" {
		// CSP Level 2 has an empty text where the page's own code was blocked.
		if strings.HasPrefix(directive, "script-src") || strings.HasPrefix(directive, "style-src") {
			return BlockedInline, true
		}
		return BlockedUnspecified, true
	}
	scheme, _, hasRest := strings.Cut(text, ":")
	scheme = strings.ToLower(scheme)
	if hasRest && isFetched(scheme) {
		u, ok := parseURL(text)
		return u.origin, ok
	}
	if slices.Contains(blockedWords, scheme) {
		return scheme, true
	}
	return BlockedOther, true
}
