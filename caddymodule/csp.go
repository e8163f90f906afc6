package caddymodule

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

	"github.com/wikiveil/wikiveil/csp"
)

func init() {
	caddy.RegisterModule(CSP{})
	httpcaddyfile.RegisterDirective("csp", parseCSP)
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
// the app; the answer is a script that unregisters the worker. The app's
// Service-Worker-Allowed header is dropped.
//
// The preset `strict` sends a fresh nonce with each response and puts it into the
// placeholder `{http.csp.nonce}`, for the app to write into its script tags:
// `request_header X-CSP-Nonce {http.csp.nonce}`, or `{{placeholder "http.csp.nonce"}}`
// in a template. Pages that hold a nonce must not be cached.
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
	// the answers of tools.
	// Default: `keep`.
	Upstream string `json:"upstream,omitempty"`

	// headers are the policies to send, by index of cspHeaderNames.
	headers [2]csp.Template
	sent    [2]prometheus.Counter
	refused prometheus.Counter
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
	app, err := loadApp(ctx)
	if err != nil {
		return err
	}
	c.sent[cspEnforced] = app.metrics.policies.WithLabelValues(cspEnforce)
	c.sent[cspReportOnly] = app.metrics.policies.WithLabelValues(cspReport)
	c.refused = app.metrics.refused.WithLabelValues("service_worker")
	return nil
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

	policy, err := c.CSPPolicy.build()
	if err != nil {
		return err
	}
	c.headers[main] = policy.Compile()
	if c.ReportOnly != nil {
		if policy, err = c.ReportOnly.build(); err != nil {
			return fmt.Errorf("report_only: %w", err)
		}
		c.headers[cspReportOnly] = policy.Compile()
	}
	return c.checkBudget()
}

func (c *CSP) checkBudget() error {
	total := 0
	for i, header := range c.headers {
		if header.Size() > 0 {
			total += len(cspHeaderNames[i]) + len(": \r\n") + header.Size()
		}
	}
	if total > csp.Budget {
		return fmt.Errorf("the policy headers take %d bytes together, over %d", total, csp.Budget)
	}
	return nil
}

// ServeHTTP sends the policies with whatever next answers.
func (c *CSP) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	pw := &policyWriter{
		ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w},
		dropOthers:            c.Upstream == cspDrop,
	}
	nonce := c.nonce(r)
	for i := range c.headers {
		pw.policies[i] = c.headers[i].Header(nonce)
	}
	// Now already: where a handler fails and no error route runs, the server answers
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
	// What is still unsent: an empty 200, or the header that an error's answer starts from.
	pw.settle(http.StatusOK)
	return err
}

// cspNonceVar keeps the nonce for the request's second run, through the error
// routes. Only this handler can make a value of its type.
const cspNonceVar = "wikiveil.csp.nonce"

func (c *CSP) nonce(r *http.Request) csp.Nonce {
	if !slices.ContainsFunc(c.headers[:], csp.Template.NeedsNonce) {
		return csp.Nonce{}
	}
	if nonce, ok := caddyhttp.GetVar(r.Context(), cspNonceVar).(csp.Nonce); ok {
		return nonce
	}
	nonce := csp.NewNonce()
	caddyhttp.SetVar(r.Context(), cspNonceVar, nonce)
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	repl.Set("http.csp.nonce", nonce.String())
	return nonce
}

// Interface guards
var (
	_ caddy.Provisioner           = (*CSP)(nil)
	_ caddyhttp.MiddlewareHandler = (*CSP)(nil)
	_ caddyfile.Unmarshaler       = (*CSP)(nil)
)
