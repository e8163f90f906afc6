package edge

import (
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/intercept"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// closeIdleUpstreams closes the connections that the reverse proxies of a config keep alive. Caddy leaves those of a
// reverse_proxy without a `transport` block open for two minutes, and each holds all of its config in memory.
func closeIdleUpstreams(app *caddyhttp.App) {
	if app == nil {
		return
	}
	for _, server := range app.Servers {
		closeIdleOf(server.Routes)
		if server.Errors != nil {
			closeIdleOf(server.Errors.Routes)
		}
		for _, named := range server.NamedRoutes {
			closeIdleOf(caddyhttp.RouteList{*named})
		}
	}
}

func closeIdleOf(routes caddyhttp.RouteList) {
	for _, route := range routes {
		for _, handler := range route.Handlers {
			switch h := handler.(type) {
			case *caddyhttp.Subroute:
				closeIdleOf(h.Routes)
				if h.Errors != nil {
					closeIdleOf(h.Errors.Routes)
				}
			case *intercept.Intercept:
				closeIdleOfAnswers(h.HandleResponse)
			case *reverseproxy.Handler:
				if t, ok := h.Transport.(*reverseproxy.HTTPTransport); ok && t.Transport != nil {
					t.Transport.CloseIdleConnections()
				}
				closeIdleOfAnswers(h.HandleResponse)
			}
		}
	}
}

func closeIdleOfAnswers(answers []caddyhttp.ResponseHandler) {
	for _, answer := range answers {
		closeIdleOf(answer.Routes)
	}
}
