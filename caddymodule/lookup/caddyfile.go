package lookup

import (
	"encoding/json"
	"errors"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
)

// accessOptions are of all directives that look masks up.
func (c *MaskAccess) accessOptions() []options.Option {
	return []options.Option{
		{Name: "wiki", Args: "<api-url>", Doc: "The wiki that says who may look up.",
			Block: func() options.Block {
				c.Wiki = new(WikiAccess)
				return c.Wiki.options()
			}},
		{Name: "user", Args: "<id> info|reveal|audit...", Set: c.parseUser, Repeats: true,
			Doc: "What a user may whom Caddy itself has authenticated."},
		{Name: "site", Args: "<label>", Set: options.Optional(&c.Site, options.Text[string]),
			Doc: "The label of the masks that are looked up. Default: the app's."},
		{Name: "reveal", Args: "<wiki's origin> <origin of reveals>", Doc: "Where reveals are confirmed.",
			Set: func(d *caddyfile.Dispenser) error {
				c.Reveal = new(RevealOrigins)
				return options.Texts(&c.Reveal.Wiki, &c.Reveal.Origin)(d)
			}},
	}
}

func (c *MaskAccess) parseUser(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 {
		return d.ArgErr()
	}
	if _, twice := c.Users[args[0]]; twice {
		return d.Errf("user %s is given twice", args[0])
	}
	if c.Users == nil {
		c.Users = make(map[string][]string)
	}
	c.Users[args[0]] = args[1:]
	return nil
}

// checkAdapted refuses a label that no masks of the Caddyfile have.
func (c *MaskAccess) checkAdapted(h httpcaddyfile.Helper, directive string) error {
	var app edge.App
	if option, ok := h.Option("wikiveil").(httpcaddyfile.App); ok {
		if err := json.Unmarshal(option.Value, &app); err != nil {
			return err
		}
	}
	h.Reset()
	h.Next() // so that an error names the directive's line
	if err := c.checkLabel(app.Site, configcheck.MaskLabels(h, app.Site)); err != nil {
		return h.Errf("%s: %v", directive, err)
	}
	return nil
}

func (c *WikiAccess) options() options.Block {
	return options.Block{Name: "wiki", Args: options.Text(&c.API), Options: []options.Option{
		{Name: "host", Args: "<host>", Set: options.Text(&c.Host), Doc: "The wiki's host, where the URL has another."},
		{Name: "right", Args: "info|reveal|audit <right of the wiki>", Repeats: true, Doc: "Which right of the wiki lets its users do what.",
			Set: options.Keyed(options.Option{Name: "info", Set: options.Text(&c.InfoRight)},
				options.Option{Name: "reveal", Set: options.Text(&c.RevealRight)}, options.Option{Name: "audit", Set: options.Text(&c.AuditRight)})},
		{Name: "cookies", Args: "<pattern>...", Set: options.List(&c.Cookies), Doc: "The cookies that the wiki is asked with."},
		{Name: "timeout", Args: "<duration>", Set: options.Duration(&c.Timeout), Doc: "How long to wait for the wiki."},
		{Name: "cache", Args: "<duration>", Set: options.Duration(&c.Cache), Doc: "How long its word holds."},
	}}
}

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
			own := MaskInfo{Path: h.Path, BlockLink: h.BlockLink, ContributionsLink: h.ContributionsLink, LoginLink: h.LoginLink}
			return errors.Join(h.MaskAccess.validate(true), own.validate())
		},
		Options: append(h.accessOptions(), []options.Option{
			{Name: "path", Args: "<path>", Set: options.Text(&h.Path), Doc: "Where the form is. Default: `" + edge.DefaultMasksPath + "`."},
			{Name: "block_link", Args: "<url with {mask}>", Set: options.Text(&h.BlockLink), Doc: "Where the wiki blocks a mask."},
			{Name: "contributions_link", Args: "<url with {mask}>", Set: options.Text(&h.ContributionsLink), Doc: "Where the wiki lists a mask's contributions."},
			{Name: "login_link", Args: "<url>", Set: options.Text(&h.LoginLink), Doc: "Where users log in."},
		}...),
	}
}

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
	_ caddyfile.Unmarshaler = (*MaskInfo)(nil)
	_ caddyfile.Unmarshaler = (*MaskReveal)(nil)
)
