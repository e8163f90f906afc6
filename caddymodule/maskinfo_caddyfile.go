package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// parseMaskInfo parses the directive. Syntax, with the options of access (see accessOptions):
//
//	mask_info {
//	    wiki ...
//	    user ...
//	    site ...
//	    reveal ...
//	    path       <path>
//	    block_link <url with {mask}>
//	    login_link <url>
//	}
func parseMaskInfo(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(MaskInfo)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return handler, handler.checkAdapted(h, "mask_info")
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens; see parseMaskInfo.
func (h *MaskInfo) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.Errf("mask_info takes no argument but a matcher (%q); set its path by the option path", d.Val())
	}
	for d.NextBlock(0) {
		known, err := h.unmarshalOption(d)
		if err != nil {
			return err
		}
		if known {
			continue
		}
		switch option := d.Val(); option {
		case "path":
			h.Path, err = oneArg(d)
		case "block_link":
			h.BlockLink, err = oneArg(d)
		case "login_link":
			h.LoginLink, err = oneArg(d)
		default:
			return d.Errf("unknown mask_info option %q (known: %s, path, block_link, login_link)", option, accessOptions)
		}
		if err != nil {
			return err
		}
		check := MaskInfo{Path: h.Path, BlockLink: h.BlockLink, LoginLink: h.LoginLink}
		if err := check.validate(); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*MaskInfo)(nil)
)
