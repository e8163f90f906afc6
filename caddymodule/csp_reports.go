package caddymodule

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/redis/go-redis/v9"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/csp/reports"
	"github.com/wikiveil/wikiveil/masking"
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

// own tells whether an origin is that of a request's site. Behind a proxy that ends TLS
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
	return c.Reports != nil && originalPath(r) == c.Reports.path()
}

// takeReport answers in place of the app.
func (c *CSP) takeReport(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set(cspHeaderNames[cspEnforced], "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	c.site.collector.ServeOwn(w, r, func(origin string) bool { return c.Reports.own(r, origin) })
	return nil
}

// isNavigation reports whether a reader is to see the answer as a page. Over plain HTTP
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

// isPage reports whether an answer to a navigation is a page. That it is unchanged is one too.
func isPage(status int, h http.Header) bool {
	if status == http.StatusNotModified {
		return true
	}
	mediaType, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	return (status < 300 || status >= 400) && (mediaType == "text/html" || mediaType == "application/xhtml+xml")
}

// reportCollectors are in use over config reloads, by the place where they keep reports.
var reportCollectors = caddy.NewUsagePool()

type reportCollector struct {
	*reports.Collector
	store reports.Store
}

// Destruct implements caddy.Destructor.
func (c *reportCollector) Destruct() error { return c.Close() }

// openCollector returns the collector of a site, and the key that it is pooled under.
func (a *App) openCollector(c *CSP, secret []byte) (*reports.Collector, string, error) {
	key, open, err := a.reportStore(c)
	if err != nil {
		return nil, "", err
	}
	value, loaded, err := reportCollectors.LoadOrNew(key, func() (caddy.Destructor, error) {
		return newCollector(open, secret, a.metrics)
	})
	if err != nil {
		return nil, "", err
	}
	collector := value.(*reportCollector)
	if keeper, ok := collector.store.(reports.Keeper); loaded && ok {
		keeper.SetKeep(c.Reports.keepDays())
	}
	return collector.Collector, key, nil
}

func newCollector(open func() (reports.Store, error), secret []byte, m *metrics) (*reportCollector, error) {
	key, err := masking.DeriveKey(secret, "csp-reports")
	if err != nil {
		return nil, err
	}
	store, err := open()
	if err != nil {
		return nil, err
	}
	collector, err := reports.New(reports.Config{
		Store: store, Secret: key, Log: pooledLogger(),
		Client: func(r *http.Request) string {
			if client := clientOf(r); client != nil {
				return client.mask
			}
			return ""
		},
		Observe: func(outcome string, reason reports.Reason, n int) {
			m.reports.WithLabelValues(outcome, string(reason)).Add(float64(n))
		},
	})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &reportCollector{collector, store}, nil
}

// reportStore returns the key of the place of a site's reports, and what opens it.
func (a *App) reportStore(c *CSP) (string, func() (reports.Store, error), error) {
	name, keep := placeName(c.Site), c.Reports.keepDays()
	if a.Sightings != nil && a.Sightings.Redis != nil {
		place := a.Sightings.Redis.resolve(0)
		prefix := cmp.Or(place.Prefix, "wikiveil:") + "csp-reports:" + name + ":"
		key := fmt.Sprintf("redis %x", sha256.Sum256([]byte(place.URL+" "+prefix))) // the URL can hold a password
		return key, func() (reports.Store, error) {
			options, err := redis.ParseURL(place.URL)
			if err != nil {
				return nil, errors.New("the Redis URL can't be read") // it may hold a password
			}
			return reports.NewRedis(redis.NewClient(options), prefix, keep)
		}, nil
	}
	file, err := filepath.Abs(filepath.Join(a.dataDir(), "csp-reports", name+".db"))
	if err != nil {
		return "", nil, err
	}
	return "bbolt " + file, func() (reports.Store, error) { return reports.OpenBolt(file, keep) }, nil
}

const hashedName = "sha256-"

// placeName is a site's name where it is fit for a file's on any system, else a hash of it.
func placeName(site string) string {
	unfit := func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune(".-_", r))
	}
	if site != "" && len(site) <= 64 && site[0] != '.' && !strings.HasPrefix(site, hashedName) && !strings.ContainsFunc(site, unfit) {
		return site
	}
	sum := sha256.Sum256([]byte(site))
	return hashedName + hex.EncodeToString(sum[:16])
}

// clientOf returns whose request it is by client_mask, or nil.
func clientOf(r *http.Request) *client {
	vars := varsOf(r)
	for _, name := range []string{varRequest, varObserved} {
		if request, ok := vars[name].(*maskedRequest); ok {
			return request.client
		}
	}
	return nil
}

// policyOf prepares a response's writer for reports and rollout, and returns its policies.
func (c *CSP) policyOf(r *http.Request, pw *policyWriter) [2]csp.Template {
	if r.TLS != nil {
		pw.endpoints = c.Reports.endpoints()
	}
	policies, personal := c.headersFor(r)
	pw.personal = personal
	if c.site != nil && c.site.book != nil {
		pw.private = true
		askInFull(r)
		if !c.enforces(r) {
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
