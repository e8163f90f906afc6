package lookup

import (
	"errors"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
)

// parseMaskReveal parses the directive.
func parseMaskReveal(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(MaskReveal)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return handler, handler.checkAdapted(h, "mask_reveal")
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens.
func (h *MaskReveal) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if err := h.options().Parse(d); err != nil {
		return err
	}
	if h.Reveal == nil {
		return d.WrapErr(errNoRevealOrigin)
	}
	return nil
}

func init() { options.Document(new(MaskReveal).options()) }

func (h *MaskReveal) options() options.Block {
	return options.Block{
		Name: "mask_reveal",
		Args: func(d *caddyfile.Dispenser) error {
			if d.NextArg() {
				return d.Errf("mask_reveal takes no argument (%q): it has an origin of its own, and nothing else is there", d.Val())
			}
			return nil
		},
		Check: func() error { return errors.Join(h.MaskAccess.validate(true), (&MaskInfo{Path: h.Path}).validate()) },
		Options: append(h.accessOptions(),
			options.Option{Name: "path", Args: "<path>", Set: options.Text(&h.Path), Doc: "The path of the wiki's `mask_info`."}),
	}
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*MaskReveal)(nil)
)
