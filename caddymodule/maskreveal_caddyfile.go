package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// parseMaskReveal parses the directive. Syntax, with the options of access (see accessOptions):
//
//	mask_reveal {
//	    reveal <wiki's origin> <this origin>
//	    wiki ...
//	    user ...
//	    site ...
//	    path <path of the wiki's mask_info>
//	}
func parseMaskReveal(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(MaskReveal)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return handler, handler.checkAdapted(h, "mask_reveal")
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens; see parseMaskReveal.
func (h *MaskReveal) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.Errf("mask_reveal takes no argument (%q): it has an origin of its own, and nothing else is there", d.Val())
	}
	for d.NextBlock(0) {
		known, err := h.unmarshalOption(d)
		if err != nil {
			return err
		}
		if known {
			continue
		}
		if d.Val() != "path" {
			return d.Errf("unknown mask_reveal option %q (known: %s, path)", d.Val(), accessOptions)
		}
		if h.Path, err = oneArg(d); err != nil {
			return err
		}
		if err := (&MaskInfo{Path: h.Path}).validate(); err != nil {
			return d.WrapErr(err)
		}
	}
	if h.Reveal == nil {
		return d.WrapErr(errNoRevealOrigin)
	}
	return nil
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*MaskReveal)(nil)
)
