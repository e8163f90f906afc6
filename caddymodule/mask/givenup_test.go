package mask

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

func init() {
	caddy.RegisterModule(new(givenUp))
	httpcaddyfile.RegisterHandlerDirective("given_up", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return new(givenUp), nil
	})
	httpcaddyfile.RegisterDirectiveOrder("given_up", httpcaddyfile.Before, "reverse_proxy")
}

// givenUp fails as a reverse_proxy does whose client left: what it began to dial goes on for a while, and reads the request's variables.
type givenUp struct{}

// dialing ends what was given up.
var dialing, endDialing = context.WithCancel(context.Background())

func (*givenUp) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.given_up", New: func() caddy.Module { return new(givenUp) }}
}

func (*givenUp) ServeHTTP(_ http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	begun := make(chan struct{})
	go func() {
		close(begun)
		for ctx := r.Context(); dialing.Err() == nil; runtime.Gosched() {
			caddyhttp.GetVar(ctx, "reverse_proxy.proxy")
		}
	}()
	<-begun
	return caddyhttp.Error(http.StatusBadGateway, errors.New("the client left"))
}

// Error routes write to no map that the run before may still read: the race detector sees it, and without it the process would end.
func TestErrorRoutesAfterAnAttemptThatWasGivenUp(t *testing.T) {
	e := edgetest.New(t, `{
		{GLOBAL}
	}
	http://{SITE} {
		client_mask {
			networks xff
		}
		given_up
		handle_errors {
			respond "{http.vars.client_mask}" 502
		}
	}`)
	defer endDialing()
	for range 20 {
		resp, body := edgetest.Send(t, edgetest.From(t, "127.61.2.3"), "GET", "http://"+e.Site+"/", nil)
		if resp.StatusCode != http.StatusBadGateway || len(body) < len("2001:2f:") || body[:8] != "2001:2f:" {
			t.Fatalf("%s: %q", resp.Status, body)
		}
	}
}
