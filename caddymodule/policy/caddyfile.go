package policy

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/csp/rollout"
)

// parseCSP makes the directive's route, and an error route for error pages, which
// the server runs past the site's routes.
func parseCSP(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	c := new(CSP)
	if err := c.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	site, _ := configcheck.SiteOf(h)
	if err := configcheck.CheckPlace(h, site, "csp"); err != nil {
		return nil, err
	}
	if err := c.completeFor(h, site); err != nil {
		return nil, err
	}
	if c.keepsWorkers() {
		configcheck.WarnHere(h, lastingWorkers)
	}
	if c.Consent != nil {
		if err := c.Consent.agree(h); err != nil {
			return nil, err
		}
		configcheck.ConsentNeedsTLS(h, site)
	}
	return configcheck.WithErrorRoute(h, site, c, "csp"), nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens.
func (c *CSP) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume directive name
	if err := c.options().Parse(d); err != nil {
		return err
	}
	if err := c.compile(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func init() { options.Document(new(CSP).options()) }

func (c *CSP) options() options.Block {
	return options.Block{Name: "csp", Args: c.CSPPolicy.parsePreset, Options: append(c.CSPPolicy.options(), []options.Option{
		{Name: "mode", Args: "enforce|report", Set: options.Word(&c.Mode, cspEnforce, cspReport),
			Doc: "`report` has browsers only report violations. Default: `enforce`."},
		{Name: "report_only", Args: "[<preset>]", Doc: "A second policy, on which browsers only report.",
			Block: func() options.Block {
				c.ReportOnly = new(CSPPolicy)
				return options.Block{Name: "report_only", Args: c.ReportOnly.parsePreset, Options: c.ReportOnly.options()}
			}},
		{Name: "upstream", Args: "keep|drop", Set: options.Word(&c.Upstream, cspKeep, cspDrop),
			Doc: "What happens to policies that the app sets. Default: `keep`."},
		{Name: "reports", Doc: "Collects what browsers report.",
			Block: func() options.Block {
				c.Reports = new(CSPReports)
				return c.Reports.options()
			}},
		{Name: "rollout", Args: "report|<n>%|enforce", Doc: "How many clients' browsers enforce the policy.",
			Set: options.Checked(options.Text(&c.Rollout), func() error {
				_, err := rollout.ParseShare(c.Rollout)
				return err
			})},
		{Name: "site", Args: "<name>", Set: options.Filled(&c.Site),
			Doc: "The site's name in reports and rollouts. Default: its first address."},
		{Name: "consent", Args: "<wiki's origin> <consent origin>", Doc: "Lets readers let single tools through.",
			Block: func() options.Block {
				c.Consent = new(CSPConsent)
				return c.Consent.options("consent")
			}},
	}...)}
}

// parsePreset reads the preset behind the name of a policy's directive.
func (p *CSPPolicy) parsePreset(d *caddyfile.Dispenser) error {
	if d.CountRemainingArgs() == 0 {
		return nil
	}
	d.NextArg()
	if first := d.Val(); first == "*" || strings.HasPrefix(first, "/") || strings.HasPrefix(first, "@") {
		return d.Errf("csp takes no matcher like %s: a site gets one policy", first)
	}
	d.Prev()
	return options.Word(&p.Preset, csp.PresetNames()...)(d)
}

func (p *CSPPolicy) options() []options.Option {
	return []options.Option{
		{Name: "preset", Args: strings.Join(csp.PresetNames(), "|"), Set: options.Word(&p.Preset, csp.PresetNames()...),
			Doc: "The policy to start from. Default: `" + cspDefaultPreset + "`."},
		{Name: "first_party", Args: "<origin>...", Repeats: true, Doc: "Origins that belong to the site.",
			Set: options.Checked(options.List(&p.FirstParty), func() error {
				_, err := addFirstParty(csp.Policy{}, p.FirstParty)
				return err
			})},
		{Name: "allow", Args: "<directive> <source>...", Repeats: true, Doc: "Sources to add to a directive.", Set: p.parseAllow},
	}
}

func (p *CSPPolicy) parseAllow(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 {
		return d.ArgErr()
	}
	directive, sources := args[0], args[1:]
	if _, err := allowSources(csp.Policy{}, directive, sources); err != nil {
		return d.WrapErr(err)
	}
	if p.Allow == nil {
		p.Allow = make(map[string][]string)
	}
	p.Allow[directive] = append(p.Allow[directive], sources...)
	return nil
}

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
