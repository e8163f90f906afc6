package caddymodule

import (
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/anonproxy"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func init() {
	caddy.RegisterModule(AnonProxy{})
}

// AnonProxy lets gadgets reach the declared tools through the wiki's own origin:
// `/.tools/NAME/path` gets `path` from the tool NAME. The tool sees a request
// that is the same for every reader: no address, cookie, account, browser,
// language or referrer. `/.tools/` lists the tools and what they get, as a page
// and as JSON. Other requests go on to the next handler.
//
// Answers can't run: their type must fit what the browser asked for (its
// Sec-Fetch-Dest header), and scripts, workers, frames and navigations are
// refused. Range requests get the whole file.
type AnonProxy struct {
	// The path under which the tools are; it starts and ends with a slash. Default: `/.tools/`.
	Path string `json:"path,omitempty"`

	// An e-mail or web address in the User-Agent that tools see, so that their
	// owners can reach the wiki's. Default: none.
	UserAgentContact string `json:"user_agent_contact,omitempty"`

	// The largest answer in bytes, where the tool sets no bound. Default: 32 MiB.
	MaxSize int64 `json:"max_size,omitempty"`

	// How long a whole request may take, where the tool sets no bound. Default: 1m.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// How long to wait for the header of a tool's answer, connecting included. Default: 15s.
	HeaderTimeout caddy.Duration `json:"header_timeout,omitempty"`

	// How long to wait for each further piece of an answer. Default: 20s.
	IdleTimeout caddy.Duration `json:"idle_timeout,omitempty"`

	// Refuse requests without Sec-Fetch headers over plain HTTP too, as over TLS. Set it
	// where TLS ends before the edge. Default: false, as browsers send them over
	// plain HTTP to localhost only.
	RequireFetchMetadata bool `json:"require_fetch_metadata,omitempty"`

	proxy      *anonproxy.Proxy
	transports []string // keys held in toolTransports
}

// toolTransports keep the connections to tools over config reloads, shared by all sites.
var toolTransports = caddy.NewUsagePool()

// toolTransport gives a transport the method that the pool asks for.
type toolTransport struct{ *anonproxy.Transport }

// Destruct implements caddy.Destructor.
func (t toolTransport) Destruct() error {
	t.Close()
	return nil
}

// CaddyModule returns the Caddy module information.
func (AnonProxy) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.anonproxy", New: func() caddy.Module { return new(AnonProxy) }}
}

// Provision makes the proxy for the app's tools.
func (h *AnonProxy) Provision(ctx caddy.Context) error {
	config := h.config()
	if err := config.Validate(); err != nil {
		return err
	}
	app, err := loadApp(ctx)
	if err != nil {
		return err
	}
	config.Logger = ctx.Slogger()
	config.Transport = h.transport
	config.Observe = func(tool, outcome string) { app.metrics.tools.WithLabelValues(tool, outcome).Inc() }
	h.proxy, err = anonproxy.New(app.board, config)
	return err
}

// config is what the library is told; the zero values are its defaults.
func (h *AnonProxy) config() anonproxy.Config {
	return anonproxy.Config{
		Prefix:               h.Path,
		Contact:              h.UserAgentContact,
		MaxSize:              h.MaxSize,
		Timeout:              time.Duration(h.Timeout),
		HeaderTimeout:        time.Duration(h.HeaderTimeout),
		IdleTimeout:          time.Duration(h.IdleTimeout),
		RequireFetchMetadata: h.RequireFetchMetadata,
	}
}

// transport takes a tool's transport from the pool, until Cleanup.
func (h *AnonProxy) transport(tool *noticeboard.Tool) *anonproxy.Transport {
	key := anonproxy.TransportKey(tool)
	pooled, _, _ := toolTransports.LoadOrNew(key, func() (caddy.Destructor, error) { // never an error
		return toolTransport{anonproxy.NewTransport(tool)}, nil
	})
	h.transports = append(h.transports, key)
	return pooled.(toolTransport).Transport
}

// Cleanup lets go of the transports; those that no other config uses close.
func (h *AnonProxy) Cleanup() error {
	for _, key := range h.transports {
		if _, err := toolTransports.Delete(key); err != nil {
			return err
		}
	}
	h.transports = nil
	return nil
}

// ServeHTTP answers what is under the path and passes on the rest.
func (h *AnonProxy) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !h.proxy.Handles(r) {
		return next.ServeHTTP(w, r)
	}
	keepPolicies(w)
	h.proxy.ServeHTTP(w, r)
	return nil
}

// keepPolicies exempts the answer from `csp { upstream drop }`: that is about the
// app's policies, and without its own a proxied answer could be opened as a page.
func keepPolicies(w http.ResponseWriter) {
	for w != nil {
		if pw, ok := w.(*policyWriter); ok {
			pw.dropOthers = false
		}
		outer, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return
		}
		w = outer.Unwrap()
	}
}

// Interface guards
var (
	_ caddy.Provisioner           = (*AnonProxy)(nil)
	_ caddy.CleanerUpper          = (*AnonProxy)(nil)
	_ caddyhttp.MiddlewareHandler = (*AnonProxy)(nil)
	_ caddy.Destructor            = toolTransport{}
)
