package noticeboard

import (
	"slices"
	"strings"
)

// FramePath is where the wiki's pages frame what a tool with the kind [Frame] shows: FramePath, the tool's name, and path and query of its page.
const FramePath = "/.privacy/frame/"

// sandboxTokens are those of the sandbox attribute (HTML, "iframe-sandboxing") that a page in a frame may have. The others lead the reader's tab away, as
// a popup that escapes the sandbox can (by its opener's top), or give the page what a reader gave the tool elsewhere.
var sandboxTokens = []string{
	"allow-downloads", "allow-forms", "allow-modals", "allow-orientation-lock", "allow-pointer-lock", "allow-popups",
	"allow-presentation", "allow-same-origin", "allow-scripts",
}

// frameFeatures are the features (W3C Permissions Policy, and its registry) that such a page may have. For the others a browser asks the reader in the wiki's name.
var frameFeatures = []string{
	"accelerometer", "autoplay", "clipboard-write", "encrypted-media", "fullscreen", "gyroscope", "picture-in-picture", "screen-wake-lock", "web-share",
}

// checkFrame checks how pages are framed, and that they come to those alone who agreed.
func (t *Tool) checkFrame() *Error {
	frame := t.Has(Frame)
	switch {
	case frame && t.Access == ByProxy:
		return wrong("kinds", `kind "frame" isn't allowed by the proxy: a page that came through the wiki's own origin would act there; make access %q`, ByConsent)
	case frame && t.Access == ByBoth && len(t.Kinds) == 1:
		return wrong("access", `the proxy serves no frames: make access %q, or add the kinds that it is to serve`, ByConsent)
	case !frame && len(t.Sandbox) > 0:
		return wrong("sandbox", `sandbox is for the kind "frame", which isn't among the kinds`)
	case !frame && len(t.Allow) > 0:
		return wrong("allow", `allow is for the kind "frame", which isn't among the kinds`)
	}
	if err := checkWords("sandbox", t.Sandbox, sandboxTokens); err != nil {
		return err
	}
	if err := checkWords("allow", t.Allow, frameFeatures); err != nil {
		return err
	}
	slices.Sort(t.Sandbox)
	slices.Sort(t.Allow)
	t.Sandbox, t.Allow = slices.Compact(t.Sandbox), slices.Compact(t.Allow)
	return nil
}

func checkWords(field string, words, known []string) *Error {
	for _, word := range words {
		if !slices.Contains(known, word) {
			return wrong(field, "%s %q isn't one that a page in a frame may have: use some of %s", field, word, strings.Join(known, ", "))
		}
	}
	return nil
}

// AllowAttribute is the allow attribute of a frame that has the features of Allow, whatever origin is in it: a page without allow-same-origin is of none that could
// be named, and which origins there are the policy says.
func (t *Tool) AllowAttribute() string {
	var words []string
	for _, feature := range t.Allow {
		words = append(words, feature+" *")
	}
	return strings.Join(words, "; ")
}
