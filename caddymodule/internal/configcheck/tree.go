// Package configcheck finds what a config undoes or leaves open, and says where. It looks at a config
// twice: at the servers' JSON when it is provisioned, which alone decides what is refused, and
// at the Caddyfile when that is adapted, which alone knows files and lines.
package configcheck

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/intercept"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// server is what is looked at of one of a config's servers.
type server struct {
	place  string
	routes []route
	errors []route
	named  map[string]route
}

type route struct {
	place    string
	matchers []map[string]json.RawMessage // sets: one of them must match whole
	grouped  bool                         // others of its group may run in its place
	terminal bool
	handlers []handler
}

type handler struct {
	place  string
	name   string
	config json.RawMessage // without routes where the handler is made already
	routes []route         // what a subroute runs, or what may run in place of a response
	errors []route         // a subroute's own
}

// readServers reads the servers' routes. Those that are made already have let go of their JSON; it is
// made again from them.
func readServers(app *caddyhttp.App) []server {
	var servers []server
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		s, place := app.Servers[name], "apps/http/servers/"+name
		read := server{place: place, routes: readRoutes(s.Routes, place+"/routes"), named: make(map[string]route)}
		if s.Errors != nil {
			read.errors = readRoutes(s.Errors.Routes, place+"/errors/routes")
		}
		for name, r := range s.NamedRoutes {
			if r != nil {
				read.named[name] = readRoute(*r, place+"/named_routes/"+name)
			}
		}
		servers = append(servers, read)
	}
	return servers
}

func readRoutes(list caddyhttp.RouteList, place string) []route {
	routes := make([]route, len(list))
	for i, r := range list {
		routes[i] = readRoute(r, fmt.Sprintf("%s/%d", place, i))
	}
	return routes
}

func readRoute(r caddyhttp.Route, place string) route {
	read := route{place: place, grouped: r.Group != "", terminal: r.Terminal}
	for _, set := range r.MatcherSetsRaw {
		read.matchers = append(read.matchers, set)
	}
	if len(r.MatcherSetsRaw) == 0 {
		for _, set := range r.MatcherSets {
			read.matchers = append(read.matchers, readMatchers(set))
		}
	}
	for i, raw := range r.HandlersRaw {
		read.handlers = append(read.handlers, readHandler(raw, fmt.Sprintf("%s/handle/%d", place, i)))
	}
	if len(r.HandlersRaw) == 0 {
		for i, made := range r.Handlers {
			read.handlers = append(read.handlers, readMade(made, fmt.Sprintf("%s/handle/%d", place, i)))
		}
	}
	return read
}

// readMatchers puts a set of matchers that are made already back into JSON.
func readMatchers(set caddyhttp.MatcherSet) map[string]json.RawMessage {
	read := make(map[string]json.RawMessage)
	for _, m := range set {
		var config any = m
		if not, ok := m.(*caddyhttp.MatchNot); ok {
			var inner []map[string]json.RawMessage
			for _, set := range not.MatcherSets {
				inner = append(inner, readMatchers(set))
			}
			config = inner
		}
		raw, _ := json.Marshal(config)
		read[caddy.GetModuleName(m)] = raw
	}
	return read
}

// nested are the places of routes in the JSON of the handlers that have some.
type nested struct {
	Handler        string              `json:"handler"`
	Routes         caddyhttp.RouteList `json:"routes"`
	Errors         *struct{ Routes caddyhttp.RouteList }
	HandleResponse []caddyhttp.ResponseHandler `json:"handle_response"`
}

func readHandler(raw json.RawMessage, place string) handler {
	var n nested
	if err := json.Unmarshal(raw, &n); err != nil {
		// Routes of another form than Caddy's own handlers have: nothing is known of them.
		var named struct {
			Handler string `json:"handler"`
		}
		_ = json.Unmarshal(raw, &named) // Caddy itself says what is wrong
		return handler{place: place, name: named.Handler, config: raw}
	}
	h := handler{place: place, name: n.Handler, config: raw, routes: readRoutes(n.Routes, place+"/routes")}
	if n.Errors != nil {
		h.errors = readRoutes(n.Errors.Routes, place+"/errors/routes")
	}
	h.addResponses(n.HandleResponse)
	return h.checked()
}

// readMade reads a handler that is made already.
func readMade(made caddyhttp.MiddlewareHandler, place string) handler {
	h := handler{place: place, name: caddy.GetModuleName(made)}
	h.config, _ = json.Marshal(made)
	switch made := made.(type) {
	case *caddyhttp.Subroute:
		h.routes = readRoutes(made.Routes, place+"/routes")
		if made.Errors != nil {
			h.errors = readRoutes(made.Errors.Routes, place+"/errors/routes")
		}
	case *reverseproxy.Handler:
		h.addResponses(made.HandleResponse)
	case *intercept.Intercept:
		h.addResponses(made.HandleResponse)
	}
	return h.checked()
}

// observing is what a client_mask is called here that only observes: it covers nothing, as is meant.
const observing = "client_mask in mode observe"

func (h handler) checked() handler {
	if h.name == "client_mask" && h.option("mode") == "observe" {
		h.name = observing
	}
	return h
}

// text is the handler's config in plain JSON, without escapes.
func (h handler) text() string {
	var config any
	_ = json.Unmarshal(h.config, &config) // Caddy itself says what is wrong
	plain, _ := json.Marshal(config)
	return string(plain)
}

// option returns an option of the handler that is a text.
func (h handler) option(name string) string {
	var options map[string]any
	_ = json.Unmarshal(h.config, &options) // Caddy itself says what is wrong
	text, _ := options[name].(string)
	return text
}

func (h *handler) addResponses(list []caddyhttp.ResponseHandler) {
	for i, response := range list {
		h.routes = append(h.routes, readRoutes(response.Routes, fmt.Sprintf("%s/handle_response/%d/routes", h.place, i))...)
	}
}

// always reports whether the route runs for every request that comes to it.
func (r route) always() bool {
	if r.grouped {
		return false
	}
	return len(r.matchers) == 0 || slices.ContainsFunc(r.matchers, func(set map[string]json.RawMessage) bool {
		for name, config := range set {
			var paths []string
			if name != "path" || json.Unmarshal(config, &paths) != nil || !slices.Contains(paths, "*") && !slices.Contains(paths, "/*") {
				return false
			}
		}
		return true
	})
}

// hosts are the hosts that the route is for; nil means all.
func (r route) hosts() (hosts []string) {
	for _, set := range r.matchers {
		var list []string
		if json.Unmarshal(set["host"], &list) != nil || len(list) == 0 {
			return nil
		}
		hosts = append(hosts, list...)
	}
	return hosts
}

// byHostAlone reports whether the route runs for all requests to its hosts.
func (r route) byHostAlone() bool {
	return !r.grouped && !slices.ContainsFunc(r.matchers, func(set map[string]json.RawMessage) bool { return len(set) > 1 || set["host"] == nil })
}

// contains reports whether a handler of this name is anywhere in the route.
func (s server) contains(r route, name string, depth int) bool {
	return slices.ContainsFunc(r.handlers, func(h handler) bool {
		if h.name == name {
			return true
		}
		if named, ok := s.invoked(h); ok && depth < maxDepth && s.contains(named, name, depth+1) {
			return true
		}
		in := func(r route) bool { return s.contains(r, name, depth) }
		return slices.ContainsFunc(h.routes, in) || slices.ContainsFunc(h.errors, in)
	})
}

// before returns the handlers that the option before names, of the covering handlers in a route.
func (s server) before(r route, name string) (names []string) {
	for _, h := range r.handlers {
		if h.name == name {
			var options struct {
				Before []string `json:"before"`
			}
			_ = json.Unmarshal(h.config, &options) // Caddy itself says what is wrong
			names = append(names, options.Before...)
		}
		for _, inner := range h.routes {
			names = append(names, s.before(inner, name)...)
		}
	}
	return names
}

// maxDepth bounds named routes that invoke each other.
const maxDepth = 8

func (s server) invoked(h handler) (route, bool) {
	if h.name != "invoke" {
		return route{}, false
	}
	var config struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal(h.config, &config) // Caddy itself says what is wrong
	named, ok := s.named[config.Name]
	return named, ok
}
