package mask

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
)

// parseClientMask parses the directive. It covers the site's error routes too.
func parseClientMask(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	handler := new(ClientMask)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	site, found := configcheck.SiteOf(h)
	if err := configcheck.CheckPlace(h, site, "client_mask"); err != nil {
		return nil, err
	}
	if err := checkOrder(h, site, handler); err != nil {
		return nil, err
	}
	if address := site.InClear(); handler.MaskBy != nil && address != "" {
		return nil, h.Errf("mask_by session needs https, and the site %s is reached without: browsers keep its cookie for https alone."+
			" Serve https, or name the proxies that end TLS in trusted_proxies", address)
	}
	if found && handler.Mode != modeObserve {
		configcheck.Masked(h, site, string(handler.Networks))
	}
	return configcheck.WithErrorRoute(h, site, handler, "client_mask"), nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens.
func (h *ClientMask) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	return h.options().Parse(d)
}

func init() { options.Document(new(ClientMask).options()) }

func (h *ClientMask) options() options.Block {
	return options.Block{
		Name: "client_mask",
		Args: func(d *caddyfile.Dispenser) error {
			if d.NextArg() {
				return d.Errf("client_mask takes no matcher or argument (%q): a site is masked whole", d.Val())
			}
			return nil
		},
		Check: func() error {
			check := ClientMask{Mode: h.Mode, Networks: h.Networks, V6Prefix: h.V6Prefix, BlockPage: h.BlockPage, Language: h.Language, MaskBy: h.MaskBy, NetworkPages: h.NetworkPages, RejectIPInput: h.RejectIPInput}
			return check.validate()
		},
		Options: []options.Option{
			{Name: "mode", Args: "mask|observe", Set: options.Text(&h.Mode),
				Doc: "`observe` only adds the headers that name the mask, for a staged start. Default: `mask`."},
			{Name: "networks", Args: "header|xff|off", Set: options.Text(&h.Networks),
				Doc: "Where the masks of the client's networks go; MediaWiki wants `xff`. Default: `header`."},
			{Name: "site", Args: "<label>", Set: options.Optional(&h.Site, options.Text[string]),
				Doc: "Sites of one label share masks. Default: the app's."},
			{Name: "v6_prefix", Args: "48|56|64|128", Set: options.Int(&h.V6Prefix),
				Doc: "How many bits of an IPv6 address make its mask. Default: the app's."},
			{Name: "language", Args: "<code>", Set: options.Filled(&h.Language),
				Doc: "The language of the edge's pages and messages where a browser asks for none that there is. Default: the app's."},
			{Name: "mask_by", Args: "session [<network>...]", Doc: "Masks of browsers that keep a cookie, in place of their addresses'.",
				Block: func() options.Block {
					h.MaskBy = new(MaskBy)
					return h.MaskBy.options()
				}},
			{Name: "block_page", Args: "<file>", Set: options.Text(&h.BlockPage),
				Doc: "A template of the page for clients whom the edge itself blocks."},
			{Name: "network_page", Args: "<network> [<file>]", Set: h.parseNetworkPage, Repeats: true,
				Doc: "The page for clients of a named network whose changes are refused. Without a file: the edge's own."},
			{Name: "onion_location", Args: "<address>", Set: options.Text(&h.OnionLocation),
				Doc: "The site's [onion service](tor.md#an-onion-service)."},
			{Name: "reject_ip_input", Args: "[<field or path>...]", Set: h.parseRejectIPInput,
				Doc: "[Refuses addresses](phases.md) in paths, queries and forms, but for these fields and paths."},
			{Name: "before", Args: "<handler>...", Set: options.List(&h.Before), Repeats: true,
				Doc: "Handlers that may run before it, and so get addresses."},
		},
	}
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*ClientMask)(nil)
)
