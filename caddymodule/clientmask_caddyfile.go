package caddymodule

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
)

// parseClientMask parses the directive. It covers the site's error routes too. Syntax:
//
//	client_mask {
//	    mode      mask|observe
//	    networks  header|xff|off
//	    site      <label>
//	    v6_prefix 48|56|64|128
//	    block_page <file>
//	    before    <handler>...
//	}
func parseClientMask(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	handler := new(ClientMask)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	site, found := configcheck.SiteOf(h)
	if err := checkPlace(h, site, "client_mask"); err != nil {
		return nil, err
	}
	if err := checkOrder(h, site, handler); err != nil {
		return nil, err
	}
	if found && handler.Mode != modeObserve {
		configcheck.Masked(h, site, string(handler.Networks))
	}
	return withErrorRoute(h, site, handler, "client_mask"), nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens; see parseClientMask.
func (h *ClientMask) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.Errf("client_mask takes no matcher or argument (%q): a site is masked whole", d.Val())
	}
	for d.NextBlock(0) {
		if err := h.parseOption(d); err != nil {
			return err
		}
	}
	return nil
}

func (h *ClientMask) parseOption(d *caddyfile.Dispenser) (err error) {
	var text string
	switch option := d.Val(); option {
	case "mode":
		text, err = oneArg(d)
		h.Mode = maskMode(text)
	case "networks":
		text, err = oneArg(d)
		h.Networks = networksMode(text)
	case "site":
		text, err = oneArg(d)
		h.Site = &text
	case "v6_prefix":
		h.V6Prefix, err = oneInt(d)
	case "block_page":
		h.BlockPage, err = oneArg(d)
	case "before":
		var names []string
		names, err = someArgs(d)
		h.Before = append(h.Before, names...)
	default:
		return d.Errf("unknown client_mask option %q (known: mode, networks, site, v6_prefix, block_page, before)", option)
	}
	if err != nil {
		return err
	}
	check := ClientMask{Mode: h.Mode, Networks: h.Networks, V6Prefix: h.V6Prefix, BlockPage: h.BlockPage}
	if err := check.validate(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// withErrorRoute gives a site a handler as a route and, if it has error routes, as the first of
// them: Caddy starts those with the request as it was, and on the server's own response
// writer. A site without them gets none, since Caddy logs errors that a route handles at debug level. Where
// the site isn't known (see checkPlace), it may have some.
func withErrorRoute(h httpcaddyfile.Helper, site *configcheck.Site, handler caddyhttp.MiddlewareHandler, name string) []httpcaddyfile.ConfigValue {
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

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*ClientMask)(nil)
)
