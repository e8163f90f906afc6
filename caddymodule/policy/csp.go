package policy

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/caddymodule/internal/defaultlog"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/csp/rollout"
)

func init() {
	caddy.RegisterModule(CSP{})
	httpcaddyfile.RegisterDirective("csp", defaultlog.Masked(parseCSP))
}

const (
	cspEnforce = "enforce"
	cspReport  = "report"
	cspKeep    = "keep"
	cspDrop    = "drop"
)

// CSP sends a Content-Security-Policy with every response of the site: pages,
// scripts, images, redirects, 304s and errors alike, because any of them can be
// opened in a frame. 1xx responses pass untouched.
//
// It refuses service workers as well, in every mode. A request for a worker's script
// (it has a Service-Worker header, or `Sec-Fetch-Dest: serviceworker`) never reaches
// the app; the response is a script that unregisters the worker. The app's
// Service-Worker-Allowed header is dropped.
//
// The preset `strict` sends a fresh nonce with each response and puts it into the
// placeholder `{http.csp.nonce}`, for the app to write into its script tags:
// `request_header X-CSP-Nonce {http.csp.nonce}`, or `{{placeholder "http.csp.nonce"}}`
// in a template. Pages that hold a nonce must not be cached.
//
// What the server responds by itself, to requests that it can't read, has a policy too: see CSPListener. A
// request whose header is longer than the server's `max_header_bytes` gets a 431 here.
//
// A policy stops what a page loads. It stops no navigation, preconnect or WebRTC.
type CSP struct {
	// The site's policy.
	CSPPolicy

	// What browsers do about violations: `enforce` blocks them, `report` only
	// reports them, as a trial. Default: `enforce`.
	Mode string `json:"mode,omitempty"`

	// A second policy that browsers only report on, beside the first: the next
	// policy on trial. It shares nothing with the first. Not with mode `report`.
	// Default: none.
	ReportOnly *CSPPolicy `json:"report_only,omitempty"`

	// What happens to the Content-Security-Policy and
	// Content-Security-Policy-Report-Only headers that others than this handler set,
	// the app or a `header` directive: `keep` sends them after this policy (browsers
	// heed both, so what either forbids is forbidden), `drop` removes them, except from
	// the responses of tools.
	// Default: `keep`.
	Upstream string `json:"upstream,omitempty"`

	// Collects what browsers report of the policies. Default: nothing is collected.
	Reports *CSPReports `json:"reports,omitempty"`

	// How far the policy is rolled out: `report` (no client's browser enforces it, all
	// report), a percentage of the clients such as `5%`, or `enforce` (all). Clients are told apart by
	// their masks, so the site needs client_mask; one that is in stays in while the share grows.
	// `wikiveil csp rollout` changes it at once and without a reload, and outweighs what stands here.
	// Not with `mode` or `report_only`. While this is set, responses have `Cache-Control: private`,
	// since a shared cache would give one client's header to another. Default: mode decides.
	Rollout string `json:"rollout,omitempty"`

	// The site's name in reports and rollouts; directives with the same name share them. In a
	// Caddyfile it is by default the site's first address; in JSON reports and rollout need it.
	Site string `json:"site,omitempty"`

	// Lets readers let single tools of the noticeboard through, by consent on another
	// origin. Default: nobody can.
	Consent *CSPConsent `json:"consent,omitempty"`

	// headers are the policies to send, by index of cspHeaderNames; secure are those over TLS.
	headers, secure cspHeaders

	app      *edge.App
	share    rollout.Share // that Rollout says
	site     *cspSite      // nil without reports and rollout
	consents *cspConsents  // nil: there are no exemptions
	sent     [2]prometheus.Counter
	refused  prometheus.Counter

	maxHeader int // bytes of a request's header
	tooLarge  prometheus.Counter
}

// cspHeaders are policies, and the same compiled, by index of cspHeaderNames.
type cspHeaders struct {
	policies  [2]csp.Policy
	templates [2]csp.Template
}

func (h *cspHeaders) use(i int, policy csp.Policy) {
	h.policies[i], h.templates[i] = policy, policy.Compile()
}

// CaddyModule returns the Caddy module information.
func (CSP) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.csp", New: func() caddy.Module { return new(CSP) }}
}

// Provision compiles the policies.
func (c *CSP) Provision(ctx caddy.Context) error {
	if err := c.compile(); err != nil {
		return err
	}
	app, err := edge.AppOf(ctx)
	if err != nil {
		return err
	}
	if err := app.CheckServers(ctx); err != nil {
		return err
	}
	c.sent[cspEnforced] = app.Metrics().Policies.WithLabelValues(cspEnforce)
	c.sent[cspReportOnly] = app.Metrics().Policies.WithLabelValues(cspReport)
	c.refused = app.Metrics().Refused.WithLabelValues("service_worker")
	c.tooLarge = app.Metrics().Refused.WithLabelValues(refusedHeader.Reason)
	if c.keepsWorkers() {
		configcheck.WarnOf(ctx.Logger(), lastingWorkers)
	}
	if c.maxHeader, err = serverParts.Of(app).open(ctx); err != nil {
		return err
	}
	if err := c.provisionConsent(ctx, app); err != nil || c.Reports == nil && c.Rollout == "" {
		return err
	}
	if err := c.checkSite(ctx); err != nil {
		return err
	}
	c.site, err = siteParts.Of(app).add(ctx, c)
	return err
}

// compile checks the whole configuration and makes its headers.
func (c *CSP) compile() error {
	main := cspEnforced
	switch cmp.Or(c.Mode, cspEnforce) {
	case cspEnforce:
	case cspReport:
		main = cspReportOnly
		if c.ReportOnly != nil {
			return errors.New("report_only stands beside an enforced policy, not beside mode report")
		}
	default:
		return fmt.Errorf("mode %q is neither enforce nor report", c.Mode)
	}
	if c.Upstream != "" && c.Upstream != cspKeep && c.Upstream != cspDrop {
		return fmt.Errorf("upstream %q is neither keep nor drop", c.Upstream)
	}

	if err := errors.Join(c.Reports.validate(), c.validateRollout(), c.Consent.validate()); err != nil {
		return err
	}
	policy, err := c.CSPPolicy.build()
	if err != nil {
		return err
	}
	if err := c.use(main, policy); err != nil {
		return err
	}
	if c.ReportOnly != nil {
		if policy, err = c.ReportOnly.build(); err == nil {
			err = c.use(cspReportOnly, policy)
		}
		if err != nil {
			return fmt.Errorf("report_only: %w", err)
		}
	}
	return c.checkBudget()
}

// use has a policy sent in the header of an index.
func (c *CSP) use(i int, policy csp.Policy) error {
	policy, err := c.Consent.withFrames(policy)
	if err != nil {
		return err
	}
	plain, secure, err := c.Reports.tell(policy)
	if err != nil {
		return err
	}
	c.headers.use(i, plain)
	c.secure.use(i, secure)
	return nil
}

func (c *CSP) checkBudget() error {
	total := c.overhead()
	for _, header := range c.secure.templates { // the longer ones
		total += header.Size()
	}
	if total > csp.Budget {
		return fmt.Errorf("the policy headers take %d bytes together, over %d", total, csp.Budget)
	}
	return nil
}

// overhead is what the headers take besides their policies.
func (c *CSP) overhead() (bytes int) {
	if c.Reports != nil {
		bytes += len(endpointsHeader) + len(": \r\n") + len(c.Reports.endpoints())
	}
	for i, header := range c.secure.templates {
		if header.Size() > 0 {
			name := cspHeaderNames[i]
			if c.Rollout != "" { // the one policy goes out under either name
				name = cspHeaderNames[cspReportOnly]
			}
			bytes += len(name) + len(": \r\n")
		}
	}
	return bytes
}

// ServeHTTP sends the policies with whatever next responds.
func (c *CSP) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !c.app.Started(r) {
		return edge.RefusedStarting.Answer(w, c.app.Localized(r))
	}
	if headerSize(r) > c.maxHeader {
		c.tooLarge.Inc()
		return refusedHeader.Answer(w, c.app.Localized(r))
	}
	if c.isReport(r) {
		return c.takeReport(w, r)
	}
	if c.consents.handles(r) {
		return c.consents.serve(w, c.app.Localized(r)) // with policies of their own
	}
	pw := &policyWriter{
		ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w},
		dropOthers:            c.Upstream == cspDrop,
	}
	vars := reqstate.VarsOf(r)
	if pw.state = vars.State(); pw.state == nil {
		pw.state = vars.Keep(&pw.room)
	}
	pw.state.Begin(pw)
	policies := c.policyOf(r, pw)
	nonce := c.nonce(r, pw.state)
	for i := range policies {
		pw.policies[i] = policies[i].Header(nonce)
	}
	c.consents.tellGranted(r, pw.state)
	edge.HideEdgeCookies(r)
	// Now already: where a handler fails and no error route runs, the server responds
	// with this header map, past every wrapper.
	for i, added := range pw.apply() {
		if added {
			c.sent[i].Inc()
		}
	}

	if fetchesServiceWorker(r.Header) {
		c.refused.Inc()
		return serveKillSwitch(pw)
	}
	err := next.ServeHTTP(pw, r)
	if err != nil {
		pw.shown = nil // the error's page is
	}
	// What is still unsent: an empty 200, or the header that an error's response starts from.
	pw.settle(http.StatusOK)
	return err
}

// nonce returns the request's nonce if the policies need one.
func (c *CSP) nonce(r *http.Request, state *reqstate.State) csp.Nonce {
	if !slices.ContainsFunc(c.headers.templates[:], csp.Template.NeedsNonce) {
		return csp.Nonce{}
	}
	rare := state.AddRare()
	if rare.Nonce == (csp.Nonce{}) {
		rare.Nonce = csp.NewNonce()
		repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
		repl.Set("http.csp.nonce", rare.Nonce.String())
	}
	return rare.Nonce
}

// Interface guards
var (
	_ caddy.Provisioner           = (*CSP)(nil)
	_ caddyhttp.MiddlewareHandler = (*CSP)(nil)
	_ caddyfile.Unmarshaler       = (*CSP)(nil)
)
