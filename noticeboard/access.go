package noticeboard

import (
	"encoding/base64"
	"slices"
	"strings"
)

// Access is how readers reach a tool.
type Access string

// The ways to a tool.
const (
	ByProxy   Access = "proxy"   // through the wiki's own origin, learning nothing
	ByConsent Access = "consent" // from the browser of a reader who has agreed
	ByBoth    Access = "both"
)

// Personal says whether what a tool gets tells anything about the reader.
type Personal string

// What a declaration may say; the empty one says nothing.
const (
	NothingPersonal   Personal = "none"
	SomethingPersonal Personal = "some"
)

const maxIntegrity = 64 // hashes of a tool

// Proxied reports whether the proxy may serve the tool. Call it on a board's tool.
func (t *Tool) Proxied() bool { return t.Access == ByProxy || t.Access == ByBoth }

// Consentable reports whether readers may consent to reach the tool by themselves.
// Call it on a board's tool.
func (t *Tool) Consentable() bool { return t.Access == ByConsent || t.Access == ByBoth }

// checkAccess checks the ways to the tool, and that a script comes by none but
// consent and is one of those that the operator knows.
func (t *Tool) checkAccess() *Error {
	if !t.Proxied() && !t.Consentable() {
		return wrong("access", "access %q is unknown: use proxy, consent or both", t.Access)
	}
	if t.Personal != "" && t.Personal != NothingPersonal && t.Personal != SomethingPersonal {
		return wrong("personal", "personal %q is unknown: use none or some", t.Personal)
	}
	if len(t.Integrity) > maxIntegrity {
		return wrong("integrity", "integrity has more than %d hashes: declare tools of their own", maxIntegrity)
	}
	for _, hash := range t.Integrity {
		if !isIntegrity(hash) {
			return wrong("integrity", "integrity %q isn't a hash such as sha384-… in base64", hash)
		}
	}
	slices.Sort(t.Integrity)
	t.Integrity = slices.Compact(t.Integrity)
	return t.checkScript()
}

func (t *Tool) checkScript() *Error {
	script := t.Has(Script)
	switch {
	case script && t.IsMirror() && t.Executable && len(t.Integrity) == 0:
		// The operator knows each file by its hash, and the edge serves no other.
	case script && t.Access == ByProxy:
		return wrong("kinds", `kind "script" isn't allowed: nothing that the proxy brings may run on the wiki (a mirror's files may, with executable)`)
	case script && t.Access == ByBoth:
		return wrong("kinds", `kind "script" isn't allowed with access both: declare the script as a tool of its own, with access consent`)
	case script && !t.Executable:
		return wrong("kinds", `kind "script" isn't allowed without executable: a script can do all that the reader can`)
	case script && len(t.Integrity) == 0:
		return wrong("kinds", `kind "script" isn't allowed without integrity: give the hash of each script that may run`)
	case !script && t.Executable:
		return wrong("executable", `executable is for the kind "script", which isn't among the kinds`)
	case !script && len(t.Integrity) > 0:
		return wrong("integrity", `integrity is for the kind "script", which isn't among the kinds`)
	}
	return nil
}

// isIntegrity reports whether s is one hash of the integrity attribute (W3C
// Subresource Integrity), without options.
func isIntegrity(s string) bool {
	algorithm, digest, _ := strings.Cut(s, "-")
	size, known := map[string]int{"sha256": 32, "sha384": 48, "sha512": 64}[algorithm]
	raw, err := base64.StdEncoding.Strict().DecodeString(digest)
	// The decoder leaves out line breaks.
	return known && err == nil && len(raw) == size && len(digest) == base64.StdEncoding.EncodedLen(size)
}
