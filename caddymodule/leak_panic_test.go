package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(leakPanic{})
	httpcaddyfile.RegisterHandlerDirective("leak_panic", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return leakPanic{}, nil
	})
	httpcaddyfile.RegisterDirectiveOrder("leak_panic", httpcaddyfile.Before, "respond")
}

// leakPanic is a faulty handler: it panics with all it knows of the request.
type leakPanic struct{}

// CaddyModule returns the Caddy module information.
func (leakPanic) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.leak_panic", New: func() caddy.Module { return new(leakPanic) }}
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (leakPanic) ServeHTTP(_ http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	panic([]any{*r, r.Context(), r.Context().Value(caddyhttp.VarsCtxKey), r.Context().Value(caddyhttp.OriginalRequestCtxKey)})
}
