package caddymodule

import (
	"fmt"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
)

// checkPlace refuses places of a directive that is to cover a whole site, once, its error
// pages too, where it would leave something out. Site is nil where the Caddyfile isn't at hand; then
// App.checkServers alone finds what is unsafe, without a line.
func checkPlace(h httpcaddyfile.Helper, site *configcheck.Site, directive string) error {
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

// checkOrder refuses the global option order where it puts directives of the site before client_mask that
// hand requests to an app, or hold directives that may.
func checkOrder(h httpcaddyfile.Helper, site *configcheck.Site, mask *ClientMask) error {
	order, _ := h.Option("order").([]string)
	for _, name := range order[:max(0, slices.Index(order, "client_mask"))] {
		if site == nil || len(site.Find(name)) == 0 || slices.Contains(mask.Before, name) {
			continue
		}
		switch name {
		case "reverse_proxy", "php_fastcgi", "forward_auth", "handle", "handle_path", "route", "invoke", "tracing":
			return h.Errf("the global option `order` puts %s before client_mask, so that it would get clients' addresses: take that `order` out", name)
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

// checkServers refuses a config that leads requests past client_mask to an app, or error pages out past csp. It looks at
// the JSON of all servers, whatever they came from, and once for a config.
func (a *App) checkServers(ctx caddy.Context) error {
	app := configcheck.HTTPApp(ctx)
	if app == nil {
		return nil
	}
	a.serversOnce.Do(func() {
		a.serversErr = configcheck.Servers(app, a.logger, configcheck.Cover{Handler: "client_mask"},
			configcheck.Cover{Handler: "csp", ErrorsOnly: true, Answers: true})
	})
	return a.serversErr
}
