package configcheck

import (
	"encoding/json"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Upstreams returns where sites with client_mask hand requests to, as Caddy dials it.
func Upstreams(app *caddyhttp.App) (dials []string) {
	for _, s := range readServers(app) {
		masked := slices.DeleteFunc(slices.Clone(s.routes), func(r route) bool {
			return !s.contains(r, "client_mask", 0) && !s.contains(r, observing, 0)
		})
		own := upstreamsIn(masked)
		if len(masked) > 0 && len(own) == 0 { // it is a route of its own, before those of the apps
			own = upstreamsIn(s.routes)
		}
		dials = append(dials, own...)
	}
	slices.Sort(dials)
	return slices.Compact(dials)
}

func upstreamsIn(routes []route) (dials []string) {
	for _, r := range routes {
		for _, h := range r.handlers {
			if h.name == "reverse_proxy" {
				var config struct{ Upstreams []struct{ Dial string } }
				_ = json.Unmarshal(h.config, &config) // Caddy itself says what is wrong
				for _, u := range config.Upstreams {
					dials = append(dials, u.Dial)
				}
			}
			dials = append(dials, upstreamsIn(h.routes)...)
		}
	}
	return dials
}
