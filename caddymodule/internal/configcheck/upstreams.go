package configcheck

import (
	"encoding/json"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Upstreams returns where sites with client_mask hand requests to, as Caddy dials it.
func Upstreams(app *caddyhttp.App) (dials []string) {
	for _, s := range readServers(app) {
		for _, routes := range [][]route{s.routes, s.errors} {
			masked := slices.DeleteFunc(slices.Clone(routes), func(r route) bool {
				return !s.contains(r, "client_mask", 0) && !s.contains(r, observing, 0)
			})
			own := s.upstreams(masked, 0)
			if len(masked) > 0 && len(own) == 0 { // it is a route of its own, before those of the apps
				own = s.upstreams(routes, 0)
			}
			dials = append(dials, own...)
		}
	}
	slices.Sort(dials)
	return slices.Compact(dials)
}

func (s server) upstreams(routes []route, depth int) (dials []string) {
	for _, r := range routes {
		for _, h := range r.handlers {
			if h.name == "reverse_proxy" && !h.goesOn() {
				var config struct{ Upstreams []struct{ Dial string } }
				_ = json.Unmarshal(h.config, &config) // Caddy itself says what is wrong
				for _, u := range config.Upstreams {
					dials = append(dials, u.Dial)
				}
			}
			if named, ok := s.invoked(h); ok && depth < maxDepth {
				dials = append(dials, s.upstreams([]route{named}, depth+1)...)
			}
			dials = append(dials, s.upstreams(slices.Concat(h.routes, h.errors), depth)...)
		}
	}
	return dials
}

// goesOn reports whether a proxy's responses lead to the next handler, as those of forward_auth do: its upstream is no app.
func (h handler) goesOn() bool {
	return len(h.routes) > 0 && !slices.ContainsFunc(h.routes, func(r route) bool {
		return slices.ContainsFunc(r.handlers, func(h handler) bool { return !slices.Contains(passive, h.name) })
	})
}

// Listeners returns the addresses, with ports, that the servers listen at, as the config has them.
func Listeners(app *caddyhttp.App) (addresses []string) {
	for _, server := range app.Servers {
		for _, text := range server.Listen {
			address, err := caddy.ParseNetworkAddress(text)
			if err != nil || address.IsUnixNetwork() {
				continue
			}
			for offset := range address.PortRangeSize() {
				addresses = append(addresses, address.JoinHostPort(offset))
			}
		}
	}
	return addresses
}
