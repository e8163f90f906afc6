package configcheck

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

// HTTPApp returns the app that the module being provisioned is in, or nil.
func HTTPApp(ctx caddy.Context) *caddyhttp.App {
	for _, module := range ctx.Modules() {
		if app, ok := module.(*caddyhttp.App); ok {
			return app
		}
	}
	return nil
}

// Found is what Servers warns of.
type Found struct {
	Undone []Warning // what undoes masks
	Trust  []Warning // of proxies
}

// Servers refuses a config in which a request comes to an app past client_mask, or an error page out past csp, in a site that
// has them, and warns of what undoes them and of whom the servers trust. It is to be asked while one of their handlers is being
// provisioned: handlers that are made have let go of some of their JSON, and servers that are made of whom they trust. Raw is the app's.
func Servers(app *caddyhttp.App, raw json.RawMessage, logger *zap.Logger, covers ...Cover) (Found, error) {
	var errs []error
	found := Found{Trust: trustIn(raw)}
	for _, s := range readServers(app) {
		for _, c := range covers {
			w := s.follow(c)
			for _, g := range w.gaps {
				errs = append(errs, c.refusal(g))
			}
			found.Undone = append(found.Undone, w.warnings()...)
		}
	}
	if len(errs) == 0 {
		logPlaced(logger, slices.Concat(found.Undone, found.Trust))
	}
	return found, errors.Join(errs...)
}

func (w *walker) warnings() []Warning {
	if w.cover.Handler != "client_mask" {
		return nil
	}
	return append(w.undone, w.unmasked()...)
}

func (c Cover) refusal(g gap) error {
	if g.kept != "" {
		return fmt.Errorf("%s, at %s, comes before client_mask and keeps the client's address from %s, which could come to the app later: "+
			"take out the `order` that puts it there, or, if it may see addresses, name it: client_mask { before %[1]s }", g.handler.name, g.handler.place, g.kept)
	}
	if c.ErrorsOnly {
		return fmt.Errorf("%s answers errors of a site with %s before it: move %[2]s to the top of the site, before handle_errors; in JSON, "+
			"put it first into the server's error routes", g.Error(), c.Handler)
	}
	return fmt.Errorf("%s comes before %s, and would get clients' addresses: %[2]s belongs at the top of the site, "+
		"no `order` may put it after what hands requests on, and error routes need it too (in a Caddyfile it adds itself). "+
		"If the handler may see addresses, name it: client_mask { before %s }", g.Error(), c.Handler, g.handler.name)
}

// unmasked warns of sites beside masked ones whose app gets addresses.
func (w *walker) unmasked() (warnings []Warning) {
	s := w.server
	if !slices.ContainsFunc(s.routes, func(r route) bool { return s.contains(r, "client_mask", 0) }) {
		return nil
	}
	for _, r := range w.beside {
		observed := slices.ContainsFunc(s.routes, func(other route) bool {
			return s.contains(other, observing, 0) && overlap(r.hosts(), other.hosts())
		})
		if !observed && s.contains(r, "reverse_proxy", 0) {
			warnings = append(warnings, Warning{File: r.place, Message: unmaskedSite})
		}
	}
	return warnings
}

const unmaskedSite = "this site has no client_mask, as others beside it have: its app gets clients' addresses"

// Handlers returns the configs of all handlers of a name.
func Handlers(app *caddyhttp.App, name string) (configs []json.RawMessage) {
	var look func([]route)
	look = func(routes []route) {
		for _, r := range routes {
			for _, h := range r.handlers {
				if h.name == name || name == "client_mask" && h.name == observing {
					configs = append(configs, h.config)
				}
				look(h.routes)
			}
		}
	}
	if app != nil {
		for _, s := range readServers(app) {
			look(s.routes)
		}
	}
	return configs
}

// Around returns the configs of the handlers of a name in the routes around the module that is being provisioned.
func Around(ctx caddy.Context, name string) (configs []json.RawMessage) {
	look := func(list caddyhttp.RouteList) {
		for _, r := range readRoutes(list, "") {
			for _, h := range r.handlers {
				if h.name == name || name == "client_mask" && h.name == observing {
					configs = append(configs, h.config)
				}
			}
		}
	}
	for _, module := range ctx.Modules() {
		switch around := module.(type) {
		case *caddyhttp.Subroute:
			look(around.Routes)
		case *caddyhttp.App:
			for _, server := range around.Servers {
				look(server.Routes)
				if server.Errors != nil {
					look(server.Errors.Routes)
				}
			}
		}
	}
	return configs
}
