package lookup

import (
	"errors"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
)

// parseMaskInfo parses the directive.
func parseMaskInfo(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(MaskInfo)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return handler, handler.checkAdapted(h, "mask_info")
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens.
func (h *MaskInfo) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	return h.options().Parse(d)
}

func init() { options.Document(new(MaskInfo).options()) }

func (h *MaskInfo) options() options.Block {
	return options.Block{
		Name: "mask_info",
		Args: func(d *caddyfile.Dispenser) error {
			if d.NextArg() {
				return d.Errf("mask_info takes no argument but a matcher (%q); set its path by the option path", d.Val())
			}
			return nil
		},
		Check: func() error {
			own := MaskInfo{Path: h.Path, BlockLink: h.BlockLink, LoginLink: h.LoginLink}
			return errors.Join(h.MaskAccess.validate(true), own.validate())
		},
		Options: append(h.accessOptions(), []options.Option{
			{Name: "path", Args: "<path>", Set: options.Text(&h.Path), Doc: "Where the form is. Default: `" + edge.DefaultMasksPath + "`."},
			{Name: "block_link", Args: "<url with {mask}>", Set: options.Text(&h.BlockLink), Doc: "Where the wiki blocks a mask."},
			{Name: "login_link", Args: "<url>", Set: options.Text(&h.LoginLink), Doc: "Where users log in."},
		}...),
	}
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*MaskInfo)(nil)
)
