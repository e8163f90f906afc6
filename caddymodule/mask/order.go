package mask

import (
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
)

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
