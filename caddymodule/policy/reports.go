package policy

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp"
)

// CSPReports has browsers report what the policies stop, or would stop, to the site
// itself. Reports end at the edge: the app sees none. What is kept names no reader.
//
// They are kept in the app's data_dir, in `csp-reports`, or in Redis where the app's
// sightings are.
type CSPReports struct {
	// Path is where browsers send reports. Default: /.privacy/csp-reports
	Path string `json:"path,omitempty"`

	// Keep is how long reports' counts are kept, at least a day. Default: 90 days.
	Keep caddy.Duration `json:"keep,omitempty"`

	// Origins are the wiki's, as `https://wiki.example`: reports of other pages are
	// not taken. Default: the host that a report is sent to.
	Origins []string `json:"origins,omitempty"`
}

const (
	defaultReportsPath = "/.privacy/csp-reports"

	// reportsEndpoint is what the policies call the endpoint that the header
	// Reporting-Endpoints says the URL of.
	reportsEndpoint = "wikiveil-csp"
	endpointsHeader = "Reporting-Endpoints"

	day = 24 * time.Hour
	// maxReportsKept is far beyond what a forecast needs.
	maxReportsKept = 3660 * day
)

// path is where reports come, "" where none are wanted.
func (c *CSPReports) path() string {
	if c == nil {
		return ""
	}
	return cmp.Or(c.Path, defaultReportsPath)
}

func (c *CSPReports) validate() error {
	if c == nil {
		return nil
	}
	if err := checkReportsPath(c.Path); err != nil {
		return err
	}
	if k := time.Duration(c.Keep); k != 0 && (k < day || k > maxReportsKept) {
		return fmt.Errorf("reports: keep %v is not from a day to ten years", k)
	}
	for _, origin := range c.Origins {
		if err := checkOrigin(origin); err != nil {
			return err
		}
	}
	return nil
}

// checkReportsPath takes what needs no quoting in a policy, a structured field and a URL.
func checkReportsPath(path string) error {
	plain := func(r rune) bool {
		return r < 0x80 && (isAlphanumeric(byte(r)) || strings.ContainsRune("/.-_~", r))
	}
	if path != "" && (len(path) < 2 || len(path) > 255 || path[0] != '/' || strings.HasPrefix(path, "//") ||
		strings.ContainsFunc(path, func(r rune) bool { return !plain(r) })) {
		return fmt.Errorf("reports: path %q is not a slash and up to 254 of A-Z, a-z, 0-9, '/', '.', '-', '_' and '~'", path)
	}
	return nil
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// checkOrigin takes web origins as browsers write them.
func checkOrigin(text string) error {
	source, err := csp.ParseSource(text)
	if err == nil && (!source.IsOrigin() || !strings.HasPrefix(text, "https://") && !strings.HasPrefix(text, "http://") ||
		strings.Contains(text, "*") || text != strings.ToLower(text)) {
		err = errors.New("it is not as https://wiki.example")
	}
	if err != nil {
		return fmt.Errorf("reports: origin %q: %w", text, err)
	}
	return nil
}

func (c *CSPReports) keepDays() int { return int((time.Duration(c.Keep) + day - 1) / day) }

// endpoints is the value of Reporting-Endpoints (W3C Reporting API, section 3.2).
func (c *CSPReports) endpoints() string {
	if c == nil {
		return ""
	}
	return reportsEndpoint + `="` + c.path() + `"`
}

// tell returns the policy with where to report, for pages that came without TLS and with it.
// Browsers take endpoints only over TLS; those that know them heed no report-uri beside
// report-to, and others, Firefox among them, know only that.
func (c *CSPReports) tell(policy csp.Policy) (plain, secure csp.Policy, err error) {
	if c == nil {
		return policy, policy, nil
	}
	if plain, err = policy.Set("report-uri", c.path()); err == nil {
		secure, err = plain.Set("report-to", reportsEndpoint)
	}
	if err != nil {
		return plain, secure, fmt.Errorf("reports: %w", err)
	}
	return plain, secure, nil
}

// own reports whether an origin is that of a request's site. Behind a proxy that ends TLS
// the edge does not see the scheme, so only hosts count.
func (c *CSPReports) own(r *http.Request, origin string) bool {
	if len(c.Origins) > 0 {
		return slices.Contains(c.Origins, origin)
	}
	_, host, _ := strings.Cut(origin, "://")
	return strings.EqualFold(host, r.Host)
}

// isReport reports whether a request is for the collector. The path counts that was asked
// for, whatever the site rewrites it to.
func (c *CSP) isReport(r *http.Request) bool {
	return c.Reports != nil && reqstate.OriginalPath(r) == c.Reports.path()
}

// takeReport responds in place of the app.
func (c *CSP) takeReport(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set(cspHeaderNames[cspEnforced], "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	c.site.collector.ServeOwn(w, r, func(origin string) bool { return c.Reports.own(r, origin) })
	return nil
}

// isNavigation reports whether a reader is to see the response as a page. Over plain HTTP
// browsers send no Sec-Fetch headers.
func isNavigation(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodPost || r.Header.Get("Sec-Purpose") != "" {
		return false
	}
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" {
		return dest == "document"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// isPage reports whether a response to a navigation is a page. That it is unchanged is one too.
func isPage(status int, h http.Header) bool {
	if status == http.StatusNotModified {
		return true
	}
	mediaType, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	return (status < 300 || status >= 400) && (mediaType == "text/html" || mediaType == "application/xhtml+xml")
}

// policyOf prepares a response's writer for reports and rollout, and returns its policies.
func (c *CSP) policyOf(r *http.Request, pw *policyWriter) [2]csp.Template {
	if r.TLS != nil {
		pw.endpoints = c.Reports.endpoints()
	}
	policies, personal := c.headersFor(r, pw.state)
	if pw.personal = personal; personal {
		dropConditions(r) // a cache that asks in the reader's name keeps a 304's policy with everybody's page
	}
	if c.site != nil && c.site.book != nil {
		pw.private = true
		askInFull(r)
		if !c.enforces(pw.state) {
			policies[cspEnforced], policies[cspReportOnly] = csp.Template{}, policies[cspEnforced]
		}
	}
	if c.site != nil && c.site.collector != nil && isNavigation(r) {
		pw.shown = c.site.collector.PageView
		if policies[cspEnforced].Size() > 0 {
			pw.shown = c.site.collector.EnforcedPageView
		}
	}
	return policies
}
