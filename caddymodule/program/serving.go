package program

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
)

// serving says in the log where a config that is now in use serves.
type serving struct{ ctx caddy.Context }

var _ = edge.NewPart[serving]()

// Provision implements what [edge.Part] calls.
func (s *serving) Provision(ctx caddy.Context, _ *edge.App) error {
	s.ctx = ctx
	return nil
}

// InUse implements what [edge.Part] calls.
func (s *serving) InUse() {
	app := configcheck.HTTPApp(s.ctx)
	if app == nil {
		return
	}
	var addresses []string
	for _, server := range app.Servers {
		for _, listen := range server.Listen {
			addresses = append(addresses, reachedAt(app, server, listen)...)
		}
	}
	// Beside https, http only redirects there.
	addresses = slices.DeleteFunc(addresses, func(address string) bool {
		host, isPlain := strings.CutPrefix(address, "http://")
		return isPlain && slices.Contains(addresses, "https://"+host)
	})
	slices.Sort(addresses)
	edge.Log().Info("serving " + strings.Join(slices.Compact(addresses), ", "))
}

// reachedAt returns what to open in a browser for a server's sites at one of its addresses.
func reachedAt(app *caddyhttp.App, server *caddyhttp.Server, listen string) []string {
	address, err := caddy.ParseNetworkAddress(listen)
	if err != nil || address.IsUnixNetwork() {
		return []string{listen}
	}
	scheme, port, usual := "https", int(address.StartPort), caddyhttp.DefaultHTTPSPort
	if len(server.TLSConnPolicies) == 0 || port == cmp.Or(app.HTTPPort, caddyhttp.DefaultHTTPPort) {
		scheme, usual = "http", caddyhttp.DefaultHTTPPort
	}
	hosts := hostsOf(server)
	if len(hosts) == 0 {
		hosts = []string{cmp.Or(address.Host, "localhost")}
	}
	for i, host := range hosts {
		if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
			host = "[" + host + "]"
		}
		if port != usual {
			host += ":" + strconv.Itoa(port)
		}
		hosts[i] = scheme + "://" + host
	}
	return hosts
}

func hostsOf(server *caddyhttp.Server) (hosts []string) {
	for _, route := range server.Routes {
		for _, set := range route.MatcherSets {
			for _, matcher := range set {
				if match, ok := matcher.(*caddyhttp.MatchHost); ok {
					hosts = append(hosts, *match...)
				}
			}
		}
	}
	return hosts
}
