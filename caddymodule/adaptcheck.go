package caddymodule

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// token is what is looked at of a Caddyfile's token.
type token struct {
	text, file string
	line       int
}

// checkPlace refuses places of a directive that is to cover a whole site, once, its error
// pages too, where it would leave something out.
func checkPlace(h httpcaddyfile.Helper, directive string) error {
	h.Reset()
	h.Next() // so that an error names the directive's line
	if !isSiteDirective(h) {
		return h.Errf("%s belongs at the top of a site block, in no other block: it covers the whole site", directive)
	}
	found := false
	for _, segment := range siteTokens(h) {
		switch name := segment[0]; {
		case name.text == directive && found:
			return fmt.Errorf("%s stands twice in one site, at %s:%d", directive, name.file, name.line)
		case name.text == directive:
			found = true
		case name.text == "handle_errors" && !found && len(segment) > 1 && segment[1].text != "{":
			// Caddy runs error routes that have conditions in the order of the file.
			return fmt.Errorf("handle_errors with status codes stands before %s, which would not cover its pages; "+
				"move %s to the top of the site, at %s:%d", directive, directive, name.file, name.line)
		}
	}
	return nil
}

// hasErrorRoutes reports whether the site has error routes of its own.
func hasErrorRoutes(h httpcaddyfile.Helper) bool {
	return slices.ContainsFunc(siteTokens(h), func(segment []token) bool { return segment[0].text == "handle_errors" })
}

// isSiteDirective reports whether the directive stands directly in a site block.
// Only there BlockState is State itself; nested blocks get copies of it.
func isSiteDirective(h httpcaddyfile.Helper) bool {
	const probe = "wikiveil.nesting"
	if h.IsNamedRoute() {
		return false
	}
	h.State[probe] = true
	defer delete(h.State, probe)
	_, same := h.BlockState[probe]
	return same
}

// warnOfMatchers warns of matchers that see the mask where the operator may mean the address.
func warnOfMatchers(h httpcaddyfile.Helper) {
	for _, segment := range siteTokens(h) {
		for _, t := range segment {
			if name := addressMatcher(t.text); name != "" {
				warn(h, fmt.Sprintf("%s:%d: in a site with client_mask, the matcher %s sees masks, not addresses; to match addresses, use original_client_ip",
					t.file, t.line, name))
			}
		}
	}
}

// addressMatcher returns the matcher that a token names, alone or in an expression.
func addressMatcher(text string) string {
	for _, name := range []string{"remote_ip", "client_ip"} {
		if text == name || strings.HasPrefix(text, name+"(") || strings.Contains(text, " "+name+"(") ||
			strings.Contains(text, "!"+name+"(") || strings.Contains(text, "("+name+"(") {
			return name
		}
	}
	return ""
}

// siteTokens reads the segments of the site block. A Helper does not export them, and the files they came
// from need not be there (a config can come through the admin API), so this reads
// them by reflection; a test notices when a new Caddy calls them otherwise.
func siteTokens(h httpcaddyfile.Helper) [][]token {
	var all [][]token
	block := reflect.ValueOf(h).FieldByName("parentBlock")
	if block.Kind() != reflect.Struct || block.FieldByName("Segments").Kind() != reflect.Slice {
		return nil
	}
	segments := block.FieldByName("Segments")
	for i := range segments.Len() {
		var segment []token
		for j := range segments.Index(i).Len() {
			t := segments.Index(i).Index(j)
			segment = append(segment, token{
				text: t.FieldByName("Text").String(),
				file: t.FieldByName("File").String(),
				line: int(t.FieldByName("Line").Int()),
			})
		}
		if len(segment) > 0 {
			all = append(all, segment)
		}
	}
	return all
}

// warn adds a warning to the adaption's. A Helper takes them only as what went wrong in encoding a value.
func warn(h httpcaddyfile.Helper, text string) { h.JSON(warning(text)) }

type warning string

// MarshalJSON implements json.Marshaler.
func (w warning) MarshalJSON() ([]byte, error) { return nil, fmt.Errorf("%s", string(w)) }
