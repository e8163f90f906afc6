package policy

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/caddyprivate"
	"github.com/wikiveil/wikiveil/csp/bare"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

func init() {
	caddy.RegisterModule(CSPListener{})
}

// CSPListener gives a policy to the responses that the server writes by itself, to requests that it can't
// read. The `csp` handler adds it to its server, as the last of the listener wrappers. It must stand in the
// config only where it says so when the config is loaded: in the option `listener_wrappers`, after `tls`.
type CSPListener struct {
	server *caddyhttp.Server
}

// CaddyModule returns the Caddy module information.
func (CSPListener) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.listeners.csp", New: func() caddy.Module { return new(CSPListener) }}
}

// Provision finds the server.
func (l *CSPListener) Provision(ctx caddy.Context) error {
	var ok bool
	if l.server, ok = ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); !ok {
		return errNoServer
	}
	app, err := edge.AppOf(ctx)
	if err != nil {
		return err
	}
	serverParts.Of(app).addConfigured(l.server)
	return nil
}

// WrapListener implements caddy.ListenerWrapper.
func (l *CSPListener) WrapListener(ln net.Listener) net.Listener {
	return bare.Listen(ln, bare.MaxBlock(l.server.MaxHeaderBytes))
}

// UnmarshalCaddyfile sets up the wrapper from Caddyfile tokens. Syntax:
//
//	csp
func (l *CSPListener) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume wrapper name
	if d.NextArg() || d.NextBlock(0) {
		return d.ArgErr()
	}
	return nil
}

var (
	errNoServer   = errors.New("csp: this isn't part of an HTTP server, whose own answers would have no policy")
	errOtherCaddy = errors.New("csp: this version of Caddy keeps its listener wrappers where they aren't found, so that the answers that the server " +
		"writes by itself would have no policy: write `servers { listener_wrappers { tls` and `csp } }` on lines of their own into the global options")
	errBeforeTLS = errors.New("csp: the listener wrapper csp stands before tls, where it reads nothing: put it after that")
)

var serverParts = edge.NewPart[cspServers]()

// cspServers are the servers that the directives of an app stand in.
type cspServers struct {
	mu        sync.Mutex
	limits    map[*caddyhttp.Server]int  // of requests' headers, as configured
	listeners map[*caddyhttp.Server]bool // those that have a CSPListener in the config
}

// addConfigured notes a server with a CSPListener in the config.
func (s *cspServers) addConfigured(server *caddyhttp.Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listeners == nil {
		s.listeners = make(map[*caddyhttp.Server]bool)
	}
	s.listeners[server] = true
}

// open gives a policy to what the server of ctx responds by itself, and returns the configured limit of requests'
// headers. The handler enforces that one: the server's own is raised, so that browsers don't meet it. It does so once
// for each server.
func (s *cspServers) open(ctx caddy.Context) (limit int, err error) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return 0, errNoServer
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit, known := s.limits[server]; known {
		return limit, nil
	}
	if err := s.addListener(server); err != nil {
		return 0, err
	}
	limit = server.MaxHeaderBytes
	// Up to twice that still gets a response, a page that says why.
	server.MaxHeaderBytes = bare.HeaderLimit(max(2*limit, 64<<10))
	if s.limits == nil {
		s.limits = make(map[*caddyhttp.Server]int)
	}
	s.limits[server] = limit
	return limit, nil
}

// addListener puts a CSPListener behind the server's others, unless the config has one.
func (s *cspServers) addListener(server *caddyhttp.Server) error {
	wrappers := caddyprivate.ListenerWrappers(server)
	if wrappers == nil {
		if s.listeners[server] {
			return nil
		}
		return errOtherCaddy
	}
	if own := slices.IndexFunc(*wrappers, isListener("caddy.listeners.csp")); own >= 0 {
		if slices.ContainsFunc((*wrappers)[own:], isListener("caddy.listeners.tls")) {
			return errBeforeTLS
		}
		return nil
	}
	if len(*wrappers) == 0 {
		// Caddy puts it before all where there are any.
		info, err := caddy.GetModule("caddy.listeners.tls")
		if err != nil {
			return fmt.Errorf("%w (%w)", errOtherCaddy, err)
		}
		tls, ok := info.New().(caddy.ListenerWrapper)
		if !ok {
			return errOtherCaddy
		}
		*wrappers = append(*wrappers, tls)
	}
	*wrappers = append(*wrappers, &CSPListener{server})
	return nil
}

func isListener(id caddy.ModuleID) func(caddy.ListenerWrapper) bool {
	return func(wrapper caddy.ListenerWrapper) bool {
		module, ok := wrapper.(caddy.Module)
		return ok && module.CaddyModule().ID == id
	}
}

// refusedHeader is the server's own 431, which would have no policy.
var refusedHeader = refusal.Literal(http.StatusRequestHeaderFieldsTooLarge, "header_too_large",
	"The address and the other headers of this request are too long.")

// headerSize returns about how many bytes the request's header takes over HTTP/1.
func headerSize(r *http.Request) int {
	size := len(r.Method) + len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(": \r\n") + len(value)
		}
	}
	return size
}

// Interface guards
var (
	_ caddy.Provisioner     = (*CSPListener)(nil)
	_ caddy.ListenerWrapper = (*CSPListener)(nil)
	_ caddyfile.Unmarshaler = (*CSPListener)(nil)
)
