package policy

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
)

func (c *CSPReports) options() options.Block {
	return options.Block{Name: "reports", Check: c.validate, Options: []options.Option{
		{Name: "path", Args: "<path>", Set: options.Filled(&c.Path), Doc: "Where browsers send reports to. Default: `/.privacy/csp-reports`."},
		{Name: "keep", Args: "<duration>", Set: options.Duration(&c.Keep), Doc: "How long counts of reports are kept. Default: 90 days."},
		{Name: "origins", Args: "<origin>...", Set: options.List(&c.Origins), Repeats: true,
			Doc: "Whose pages may send reports. Default: the host's own."},
	}}
}

// completeFor checks and adds what the site around the directive says. An error names the
// directive's line, as after CheckPlace.
func (c *CSP) completeFor(h httpcaddyfile.Helper, site *configcheck.Site) error {
	if c.Reports == nil && c.Rollout == "" {
		return nil
	}
	if c.Rollout != "" && site != nil && len(site.Find("client_mask")) == 0 {
		return h.WrapErr(errNoMaskForRollout)
	}
	if c.Site == "" {
		if c.Site = siteName(site); c.Site == "" {
			return h.Errf("reports and rollout need a name for the site, which its address is not, or can't be read from a file: set `site`")
		}
	}
	return nil
}

// siteName is the first of a site's addresses, without its scheme; "" where that says
// nothing.
func siteName(site *configcheck.Site) string {
	if site == nil {
		return ""
	}
	key := strings.ToLower(strings.TrimSuffix(site.Keys[0].Text, ","))
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	key = strings.TrimSuffix(strings.TrimSuffix(key, "*"), "/")
	if strings.ContainsAny(key, "{}") { // not known before it runs
		return ""
	}
	return key
}
