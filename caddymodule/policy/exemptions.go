package policy

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/csp/exempt"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// CSPConsent lets readers let single tools of the noticeboard through: those with the access
// `consent` or `both`. A reader starts at /.privacy/go?tool=NAME, is asked on the consent
// origin (see third_party_consent), and finds what is let through at /.privacy/exemptions.
type CSPConsent struct {
	ConsentOrigins
}

func (c *CSPConsent) validate() error {
	if c == nil {
		return nil
	}
	return c.ConsentOrigins.validate()
}

// cspConsents are the exemptions of a site's readers.
type cspConsents struct {
	site          *consentSite
	plain, secure *exempt.Policies
	count         func(outcome string)
}

func (c *CSP) provisionConsent(ctx caddy.Context, app *edge.App) error {
	if c.Consent == nil {
		return nil
	}
	if err := consentParts.Of(app).agree(c.Consent.ConsentOrigins); err != nil {
		return fmt.Errorf("csp: %w", err)
	}
	plain, err := exempt.NewPolicies(c.overhead(), c.headers.policies[:]...)
	if err != nil {
		return err
	}
	secure, err := exempt.NewPolicies(c.overhead(), c.secure.policies[:]...)
	if err != nil {
		return err
	}
	site, err := newConsentSite(ctx, app, c.Consent.ConsentOrigins, exempt.Config{Fits: secure.Fits}) // which are the longer ones
	if err != nil {
		return err
	}
	for tool := range app.Noticeboard().Board().All() {
		if tool.Has(noticeboard.Frame) && slices.ContainsFunc(tool.Origins(), c.Consent.owns) {
			return fmt.Errorf("the tool %s is on the wiki's own origin: nothing of that can be shown in a frame", tool.Name)
		}
	}
	c.consents = &cspConsents{site, plain, secure, site.config.Count}
	return nil
}

// handles reports whether the request is for one of the pages about exemptions.
func (c *cspConsents) handles(r *http.Request) bool {
	return c != nil && exempt.Handles(r.URL.Path) && !fetchesServiceWorker(r.Header)
}

func (c *cspConsents) serve(w http.ResponseWriter, r *http.Request) error {
	return c.site.serve(w, r, (*exempt.Site).Wiki)
}

// withFrames lets the wiki's pages frame what readers let through, by the edge's own pages: see [exempt.FramePath]. Where nothing forbids frames, nothing is added.
func (c *CSPConsent) withFrames(policy csp.Policy) (csp.Policy, error) {
	if _, _, governed := policy.Governing("frame-src"); c == nil || !governed {
		return policy, nil
	}
	source, err := csp.ParseSource(c.Wiki + exempt.FramePath)
	if err != nil {
		return policy, err
	}
	return policy.With("frame-src", source)
}

// headersFor returns the policies for whoever sent the request, and reports whether they are for nobody else.
func (c *CSP) headersFor(r *http.Request, state *reqstate.State) (headers [2]csp.Template, personal bool) {
	own := &c.headers
	if r.TLS != nil {
		own = &c.secure
	}
	if c.consents == nil {
		return own.templates, false
	}
	tools := c.consents.tools(r, state)
	if len(tools) == 0 {
		return own.templates, false
	}
	policies := c.consents.plain
	if r.TLS != nil {
		policies = c.consents.secure
	}
	widened, err := policies.For(tools)
	if err != nil {
		c.consents.count(reasonOf(err)) // the list of exemptions tells the reader
		return own.templates, false
	}
	return [2]csp.Template(widened), true
}

// tools returns what the reader let through.
func (c *cspConsents) tools(r *http.Request, state *reqstate.State) []*exempt.Tool {
	if known := state.Rare().Exempt; len(known) > 0 {
		return known
	}
	site, err := c.site.site()
	if err != nil {
		c.count(reasonOf(err))
		return nil
	}
	tools, err := site.Tools(r)
	if err != nil {
		c.count(reasonOf(err))
	}
	if len(tools) > 0 {
		state.AddRare().Exempt = tools
	}
	return tools
}

// tellGranted keeps what the reader let through for the response that tells a gadget so, as far as it has an effect.
func (c *cspConsents) tellGranted(r *http.Request, state *reqstate.State) {
	if c != nil && r.URL.Path == noticeboard.ReaderToolsPath {
		c.granted(r, state)
	}
}

// granted keeps what the reader let through for whoever tells them.
func (c *cspConsents) granted(r *http.Request, state *reqstate.State) {
	site, err := c.site.site()
	if err != nil {
		return // as for pages, which count it
	}
	if tools, err := site.Granted(r); err == nil && c.secure.Fits(tools) == nil {
		state.AddRare().Granted = tools
	}
}

// options are those of a directive or option of this name.
func (c *ConsentOrigins) options(name string) options.Block {
	return options.Block{Name: name, Args: options.Checked(options.Texts(&c.Wiki, &c.Origin), c.validate), Options: []options.Option{
		{Name: "developer_consent", Set: options.Flag(&c.DeveloperConsent),
			Doc: "Lets readers let a port of their own machine through for a day, to try a gadget."},
	}}
}
