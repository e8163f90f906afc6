package caddymodule

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

func init() {
	caddy.RegisterModule(foreignHandler{})
	foreign := func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) { return foreignHandler{}, nil }
	httpcaddyfile.RegisterHandlerDirective("foreign", foreign)
	httpcaddyfile.RegisterDirectiveOrder("foreign", httpcaddyfile.Before, "encode")
}

// foreignHandler is another's module. It goes on with a copy of the request, and its response writer shows nobody the one below.
type foreignHandler struct{}

// CaddyModule returns the Caddy module information.
func (foreignHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.foreign", New: func() caddy.Module { return new(foreignHandler) }}
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (foreignHandler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return next.ServeHTTP(struct{ http.ResponseWriter }{w}, r.WithContext(r.Context()))
}

// The answer of a tool keeps its own policy, without which it could be opened as a page.
func TestPolicyOfAToolBehindAForeignWriter(t *testing.T) {
	tool := edgetest.JSONTool(t)
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			tool maps `+tool.URL+` {
				allow_loopback
			}
		}
	}
	http://{SITE} {
		csp {
			upstream drop
		}
		foreign
		anonproxy
	}`)
	for path, dest := range map[string]string{"/.tools/maps/x": "empty", "/.tools/maps/y": "script"} {
		resp, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.2"), http.MethodGet, "http://"+e.Site+path, edgetest.Browser(dest, "alice"))
		if policies := resp.Header["Content-Security-Policy"]; !slices.Equal(policies, []string{edgetest.Preset(t, "mediawiki"), headers.Policy}) {
			t.Errorf("%s: policies %q", path, policies)
		}
	}
}

// Error routes know the client, although client_mask has seen but a copy of the request, and keep the nonce.
func TestErrorRoutesAfterACopyOfTheRequest(t *testing.T) {
	const client = "127.61.2.3"
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, `{
		{GLOBAL}
		order foreign first
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	http://{SITE} {
		foreign
		client_mask {
			before foreign
		}
		csp {
			preset strict
		}
		header X-First {http.csp.nonce}
		error /* 418
		handle_errors {
			reverse_proxy `+wiki.Address()+` {
				header_up X-Vars "{vars.client_mask} [{http.vars.wikiveil.request}]"
				header_up X-Nonce {http.csp.nonce}
			}
		}
	}`)
	resp, _ := edgetest.Send(t, edgetest.From(t, client), "GET", "http://"+e.Site+"/", http.Header{"X-Note": {client}})
	r := wiki.One(t)
	mask := edgetest.ClientMask(t, client)
	if got := r.Header.Get("X-Forwarded-For"); got != mask || strings.Contains(edgetest.Dump(r), client) {
		t.Errorf("X-Forwarded-For: %q, want %q; the app was sent\n%s", got, mask, edgetest.Dump(r))
	}
	if got, want := r.Header.Get("X-Vars"), mask+" []"; got != want {
		t.Errorf("placeholders give %q, want %q", got, want)
	}
	nonce := r.Header.Get("X-Nonce")
	if nonce == "" || resp.Header.Get("X-First") != nonce || !strings.Contains(resp.Header.Get("Content-Security-Policy"), nonce) {
		t.Errorf("nonce %q in the error route, %q before, policy %q", nonce, resp.Header.Get("X-First"), resp.Header.Get("Content-Security-Policy"))
	}
}

// A client_mask that observes after one that masks, as JSON can have it, unmasks nobody: matchers go on to know the client.
func TestObservingAfterMasking(t *testing.T) {
	const client = "127.61.2.4"
	e := edgetest.New(t, "{\n{GLOBAL}\n}\n")
	config := string(edgetest.Adapt(t, e.Expand("{\n{GLOBAL}\nwikiveil {\nsecret "+edgetest.Secret+"\n}\n}\nhttp://{SITE} {\nclient_mask\n@me masked "+edgetest.ClientMask(t, client)+
		"\nrespond @me me\nrespond other\n}")))
	const mask = `{"handler":"client_mask"}`
	if !strings.Contains(config, mask) {
		t.Fatal(config)
	}
	if err := caddy.Load([]byte(strings.Replace(config, mask, mask+`,{"handler":"client_mask","mode":"observe"}`, 1)), true); err != nil {
		t.Fatal(err)
	}
	if resp, body := edgetest.Send(t, edgetest.From(t, client), "GET", "http://"+e.Site+"/", nil); body != "me" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}
