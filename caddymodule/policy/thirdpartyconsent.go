package policy

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/caddymodule/internal/defaultlog"
	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
	"github.com/wikiveil/wikiveil/csp/exempt"
)

func init() {
	httpcaddyfile.RegisterDirective("third_party_consent", defaultlog.Masked(parseThirdPartyConsent))
	caddy.RegisterModule(new(ThirdPartyConsent))
}

// ThirdPartyConsent is the origin where readers are asked whether to let a tool through, away
// from the wiki's scripts: it shows what the tool is and gets, and a code to type. The wiki's own site has
// `csp` with the option `consent` and the same origins.
//
// It responds to every request of its site. Nothing else may be there: what runs on this origin could consent
// in readers' names.
type ThirdPartyConsent struct {
	ConsentOrigins

	app  *edge.App
	site *consentSite
}

// CaddyModule returns the Caddy module information.
func (*ThirdPartyConsent) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.third_party_consent", New: func() caddy.Module { return new(ThirdPartyConsent) }}
}

// Provision makes the pages.
func (h *ThirdPartyConsent) Provision(ctx caddy.Context) error {
	if err := h.validate(); err != nil {
		return fmt.Errorf("third_party_consent: %w", err)
	}
	app, err := edge.AppOf(ctx)
	if err != nil {
		return err
	}
	h.app = app
	if err := consentParts.Of(app).agree(h.ConsentOrigins); err != nil {
		return fmt.Errorf("third_party_consent: %w", err)
	}
	if h.site, err = newConsentSite(ctx, app, h.ConsentOrigins, exempt.Config{}); err != nil {
		return fmt.Errorf("third_party_consent: %w", err)
	}
	return nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler. No other handler comes after it.
func (h *ThirdPartyConsent) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	r = h.app.Localized(r)
	if !h.app.Started(r) {
		return edge.RefusedStarting.Answer(w, r)
	}
	return h.site.serve(w, r, (*exempt.Site).Consent)
}

func init() { options.Document(new(ThirdPartyConsent).options("third_party_consent")) }

// parseThirdPartyConsent parses the directive. Syntax:
//
//	third_party_consent <wiki's origin> <consent origin> {
//	    developer_consent
//	}
func parseThirdPartyConsent(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	handler := new(ThirdPartyConsent)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	site, found := configcheck.SiteOf(h)
	if err := configcheck.CheckPlace(h, site, "third_party_consent"); err != nil {
		return nil, err
	}
	if found {
		for _, csp := range site.Find("csp") {
			return nil, fmt.Errorf("csp stands beside third_party_consent, whose pages have a policy of their own; "+
				"the wiki's csp belongs into the wiki's site block, at %s:%d", csp.Words[0].File, csp.Words[0].Line)
		}
	}
	if err := handler.agree(h); err != nil {
		return nil, err
	}
	return h.NewRoute(nil, handler), nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens; see parseThirdPartyConsent.
func (h *ThirdPartyConsent) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	return h.options("third_party_consent").Parse(d)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*ThirdPartyConsent)(nil)
	_ caddyhttp.MiddlewareHandler = (*ThirdPartyConsent)(nil)
	_ caddyfile.Unmarshaler       = (*ThirdPartyConsent)(nil)
)
