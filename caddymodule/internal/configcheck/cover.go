package configcheck

import (
	"fmt"
	"slices"
	"strings"
)

// Cover is a handler that must come before all that its site hands requests to.
type Cover struct {
	Handler string
	// ErrorsOnly leaves a site's ordinary routes alone.
	ErrorsOnly bool
	// Answers counts a handler too that answers by itself.
	Answers bool
}

// passive are Caddy's own handlers that answer nothing and hand a request to nobody but the next handler.
var passive = []string{"authentication", "copy_response_headers", "encode", "headers", "log_append", "map", "push", "request_body",
	"rewrite", "templates", "timeouts", "vars", "client_mask", observing, "csp"}

// answering are those that answer by themselves, and tell nobody else of the client.
var answering = []string{"acme_server", "copy_response", "error", "file_server", "mask_info", "mask_reveal", "metrics", "static_response", "third_party_consent"}

// addressReaders are handlers of others that want clients' addresses, and so belong before client_mask.
var addressReaders = []string{"appsec", "crowdsec", "defender", "geocity", "geofence", "geoip2", "ip2region", "ipgeolocation"}

// carrying are the passive ones that can keep an address where handlers after client_mask find it again.
var carrying = []string{"error", "rewrite", "vars"}

// gap is a handler that a request can come to without the one that must come before.
type gap struct {
	handler handler
	kept    string // what the handler, or matcher, keeps of the address; "" if the handler hands the request on by itself
}

// walker follows the ways of requests through a server's routes.
type walker struct {
	server server
	cover  Cover
	before []string // handlers that the config lets come before it
	gaps   []gap
	depth  int
	beside []route // sites without the covering handler beside those that have it

	captures []capture // of addresses, before the covering handler

	// What is undone after client_mask, see undone.go.
	undone    []Warning
	xff       bool // client_mask gives the networks' masks in X-Forwarded-For
	responses bool // in routes that run for an upstream's response
}

// list follows a list of routes, and returns whether a request that passed all of them is covered.
func (w *walker) list(routes []route, covered bool) bool {
	for _, r := range routes {
		after := w.route(r, covered)
		if r.always() {
			covered = after
		}
	}
	return covered
}

func (w *walker) route(r route, covered bool) bool {
	if covered {
		w.lookAtMatchers(r)
	} else {
		w.lookForCaptures(r)
	}
	for _, h := range r.handlers {
		covered = w.handler(h, covered)
	}
	return covered
}

func (w *walker) handler(h handler, covered bool) bool {
	if h.name == w.cover.Handler {
		w.xff = h.option("networks") == "xff"
		return true
	}
	if covered {
		w.lookAtHandler(h)
	}
	if covered || slices.Contains(carrying, h.name) {
		w.lookForCaptured(h)
	}
	switch {
	case h.name == "subroute":
		w.list(h.errors, covered)
		return w.list(h.routes, covered)
	case h.name == "invoke":
		named, ok := w.server.invoked(h)
		if ok && w.depth < maxDepth {
			w.depth++
			defer func() { w.depth-- }()
			return w.route(named, covered)
		}
		return covered
	case h.name == "intercept":
		w.list(h.routes, covered)
		return covered
	}
	if !covered && !w.allowed(h.name) {
		w.gaps = append(w.gaps, gap{handler: h})
	} else if !covered && !w.cover.ErrorsOnly && slices.Contains(carrying, h.name) && !w.named(h.name) {
		if kept := addressPlaceholder(h.text()); kept != "" {
			w.gaps = append(w.gaps, gap{handler: h, kept: kept})
		}
	}
	before := w.responses
	w.responses = true
	w.list(h.routes, covered)
	w.responses = before
	return covered
}

// named reports whether the config lets a handler come before client_mask.
func (w *walker) named(name string) bool { return slices.Contains(w.before, name) }

func (w *walker) allowed(name string) bool {
	return slices.Contains(passive, name) || slices.Contains(addressReaders, name) || w.named(name) ||
		!w.cover.Answers && slices.Contains(answering, name)
}

// follow finds the ways around the covering handler in sites that have it, and what is undone after it.
func (s server) follow(c Cover) *walker {
	w := &walker{server: s, cover: c}
	for _, r := range s.routes {
		w.before = append(w.before, s.before(r, c.Handler)...)
	}
	var with, without []route // those routes that have the handler, and others
	covered := false
	for i, r := range s.routes {
		if !s.contains(r, c.Handler, 0) {
			without = append(without, r)
			if covered || !s.ownSite(r, s.routes[i+1:], with, c.Handler) {
				w.route(r, covered)
			} else {
				w.beside = append(w.beside, r)
			}
			continue
		}
		with = append(with, r)
		after := w.route(r, covered)
		covered = covered || after && r.always()
	}
	if c.ErrorsOnly {
		w.gaps = nil
	}
	if len(with) > 0 {
		w.errorRoutes(with, without)
	}
	return w
}

// ownSite reports whether a route without the handler is a site of its own: no request to it could have come to
// a site that has the handler.
func (s server) ownSite(r route, later, before []route, name string) bool {
	hosts := r.hosts()
	for _, other := range before {
		if !overlap(hosts, other.hosts()) {
			continue
		}
		// What is for its hosts ends there, and only for others a request goes on.
		if !other.terminal || !other.byHostAlone() || other.hosts() == nil || slices.ContainsFunc(hosts, isIn(other.hosts())) {
			return false
		}
	}
	for _, other := range later {
		if !s.contains(other, name, 0) || hosts != nil && !overlap(hosts, other.hosts()) && r.terminal {
			continue
		}
		// It may take hosts for itself from a site that is for more of them.
		if hosts == nil || !r.terminal || !r.byHostAlone() || covers(hosts, other.hosts()) {
			return false
		}
	}
	return true
}

// overlap reports whether a request's host may be in both lists; nil is all hosts.
func overlap(a, b []string) bool {
	if a == nil || b == nil {
		return true
	}
	return slices.ContainsFunc(a, func(x string) bool {
		return slices.ContainsFunc(b, func(y string) bool { return mayMatch(x, y) || mayMatch(y, x) })
	})
}

// covers reports whether one of the patterns may match all that another of the hosts stands for.
func covers(patterns, hosts []string) bool {
	return slices.ContainsFunc(hosts, func(host string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool { return mayMatch(pattern, host) })
	})
}

// mayMatch reports whether a pattern of Caddy's host matcher can match what another one does. A placeholder can stand for anything.
func mayMatch(pattern, host string) bool {
	if strings.Contains(pattern, "{") {
		return true
	}
	parts, labels := strings.Split(strings.ToLower(pattern), "."), strings.Split(strings.ToLower(host), ".")
	return len(parts) == len(labels) && !slices.ContainsFunc(parts, func(part string) bool {
		label := labels[0]
		labels = labels[1:]
		return part != "*" && part != label
	})
}

func isIn(hosts []string) func(string) bool {
	return func(host string) bool {
		return slices.ContainsFunc(hosts, func(other string) bool { return strings.EqualFold(host, other) })
	}
}

// errorRoutes follows the server's error routes. They start with the request as it came.
func (w *walker) errorRoutes(with, without []route) {
	masked, plain := hostsOf(with), hostsOf(without)
	covered := false
	for _, r := range w.server.errors {
		hosts := r.hosts()
		switch {
		case covered:
		case hosts != nil && !masked.all && !overlap(hosts, masked.list) && plain.holds(hosts):
			continue // of a site that isn't covered at all
		case hosts == nil && plain.all && !masked.all && len(masked.list) == 0:
			continue // all sites that are covered have error routes of their own
		}
		before := len(w.gaps)
		after := w.route(r, covered)
		if r.always() {
			covered = covered || after
		}
		if r.byHostAlone() && r.terminal && len(w.gaps) == before {
			masked.list = slices.DeleteFunc(masked.list, isIn(hosts))
		}
	}
}

// hostSet are the hosts of several routes.
type hostSet struct {
	list []string
	all  bool
}

func (s hostSet) holds(hosts []string) bool {
	known := isIn(s.list)
	return !slices.ContainsFunc(hosts, func(host string) bool { return !known(host) })
}

func hostsOf(routes []route) (s hostSet) {
	for _, r := range routes {
		hosts := r.hosts()
		s.all = s.all || hosts == nil
		s.list = append(s.list, hosts...)
	}
	return s
}

func (g gap) Error() string {
	return fmt.Sprintf("the handler %s, at %s", g.handler.name, g.handler.place)
}
