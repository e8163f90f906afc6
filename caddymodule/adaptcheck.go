package caddymodule

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// token is what is looked at of a Caddyfile's token.
type token struct {
	text, file string
	line       int
}

// checkSite looks at the whole site block that a client_mask stands in. It warns
// of matchers that see the mask where the operator may mean the address, and
// refuses error routes that Caddy would run before ours.
func checkSite(h httpcaddyfile.Helper) error {
	masked := false
	for _, segment := range siteTokens(h) {
		switch segment[0].text {
		case "client_mask":
			masked = true
		case "handle_errors":
			if !masked && len(segment) > 1 && segment[1].text != "{" {
				return fmt.Errorf("%s:%d: handle_errors with status codes stands before client_mask, so it would run unmasked;"+
					" move client_mask to the top of the site", segment[0].file, segment[0].line)
			}
		}
		for _, t := range segment {
			if name := addressMatcher(t.text); name != "" {
				warn(h, fmt.Sprintf("%s:%d: in a site with client_mask, the matcher %s sees masks, not addresses; to match addresses, use original_client_ip",
					t.file, t.line, name))
			}
		}
	}
	return nil
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
