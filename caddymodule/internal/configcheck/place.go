package configcheck

import (
	"encoding/json"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// WithErrorRoute gives a site a handler as a route and, if it has error routes, as the first of
// them: Caddy starts those with the request as it was, and on the server's own response
// writer. A site without them gets none, since Caddy logs errors that a route handles at debug level. Where
// the site isn't known (see CheckPlace), it may have some.
func WithErrorRoute(h httpcaddyfile.Helper, site *Site, handler caddyhttp.MiddlewareHandler, name string) []httpcaddyfile.ConfigValue {
	values := h.NewRoute(nil, handler)
	if site != nil && len(site.Find("handle_errors")) == 0 {
		return values
	}
	route := caddyhttp.Route{
		// Matches all paths. Error routes with a matcher are sorted before those without.
		MatcherSetsRaw: []caddy.ModuleMap{{"path": h.JSON(caddyhttp.MatchPath{"*"})}},
		HandlersRaw:    []json.RawMessage{caddyconfig.JSONModuleObject(handler, "handler", name, nil)},
	}
	return append(values, httpcaddyfile.ConfigValue{
		Class: "error_route",
		Value: &caddyhttp.Subroute{Routes: caddyhttp.RouteList{route}},
	})
}

// CheckPlace refuses places of a directive that is to cover a whole site, once, its error
// pages too, where it would leave something out. Site is nil where the Caddyfile isn't at hand; then
// Servers alone finds what is unsafe, without a line.
func CheckPlace(h httpcaddyfile.Helper, site *Site, directive string) error {
	h.Reset()
	h.Next() // so that an error names the directive's line
	if !isSiteDirective(h) {
		return h.Errf("%s belongs at the top of a site block, in no other block: it covers the whole site", directive)
	}
	if site == nil {
		return nil
	}
	found := false
	for _, d := range site.Directives {
		switch name := d.Words[0]; {
		case name.Text == directive && found:
			return fmt.Errorf("%s is given twice in one site, at %s:%d", directive, name.File, name.Line)
		case name.Text == directive:
			found = true
		case name.Text == "handle_errors" && !found && len(d.Words) > 1:
			// Caddy runs error routes that have conditions in the order of the file.
			return fmt.Errorf("handle_errors with status codes stands before %s, which would not cover its pages; "+
				"move %s to the top of the site, at %s:%d", directive, directive, name.File, name.Line)
		}
	}
	return nil
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
