package caddymodule

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/csp"
)

// parseCSP makes the directive's route, and an error route for error pages, which
// the server runs past the site's routes.
func parseCSP(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	c := new(CSP)
	if err := c.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	site, _ := configcheck.SiteOf(h)
	if err := checkPlace(h, site, "csp"); err != nil {
		return nil, err
	}
	if err := c.completeFor(h, site); err != nil {
		return nil, err
	}
	if c.Consent != nil {
		if err := c.Consent.agree(h); err != nil {
			return nil, err
		}
		configcheck.ConsentNeedsTLS(h, site)
	}
	return withErrorRoute(h, site, c, "csp"), nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	csp [<preset>] {
//		preset      mediawiki|strict|static
//		first_party <origin...>
//		allow       <directive> <source...>
//		mode        enforce|report
//		report_only [<preset>] {
//			preset      mediawiki|strict|static
//			first_party <origin...>
//			allow       <directive> <source...>
//		}
//		upstream    keep|drop
//		reports [{
//			path    <path>
//			keep    <duration>
//			origins <origin...>
//		}]
//		rollout     report|<n>%|enforce
//		site        <name>
//		consent     <wiki's origin> <consent origin> {
//			developer_consent
//		}
//	}
//
// Everything is optional. `first_party` and `allow` may be repeated and add up.
// `report_only` is a second policy beside the enforced one, which browsers only
// report on.
func (c *CSP) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume directive name
	if err := c.CSPPolicy.unmarshalArgs(d); err != nil {
		return err
	}
	for d.NextBlock(0) {
		var err error
		switch option := d.Val(); option {
		case "mode":
			err = unmarshalWord(d, &c.Mode, cspEnforce, cspReport)
		case "upstream":
			err = unmarshalWord(d, &c.Upstream, cspKeep, cspDrop)
		case "report_only":
			err = c.unmarshalReportOnly(d)
		case "reports":
			err = c.unmarshalReports(d)
		case "rollout":
			err = c.unmarshalRollout(d)
		case "site":
			err = unmarshalOnce(d, &c.Site)
		case "consent":
			err = c.unmarshalConsent(d)
		default:
			err = c.CSPPolicy.unmarshalOption(d)
		}
		if err != nil {
			return err
		}
	}
	if err := c.compile(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (c *CSP) unmarshalReportOnly(d *caddyfile.Dispenser) error {
	if c.ReportOnly != nil {
		return d.Errf("report_only is given twice")
	}
	c.ReportOnly = new(CSPPolicy)
	if err := c.ReportOnly.unmarshalArgs(d); err != nil {
		return err
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := c.ReportOnly.unmarshalOption(d); err != nil {
			return err
		}
	}
	return nil
}

// unmarshalArgs reads the preset behind the name of a policy's directive.
func (p *CSPPolicy) unmarshalArgs(d *caddyfile.Dispenser) error {
	args := d.CountRemainingArgs()
	if args == 0 {
		return nil
	}
	d.NextArg()
	if first := d.Val(); first == "*" || strings.HasPrefix(first, "/") || strings.HasPrefix(first, "@") {
		return d.Errf("csp takes no matcher like %s: a site gets one policy", first)
	}
	d.Prev()
	return unmarshalWord(d, &p.Preset, csp.PresetNames()...)
}

func (p *CSPPolicy) unmarshalOption(d *caddyfile.Dispenser) error {
	switch option := d.Val(); option {
	case "preset":
		return unmarshalWord(d, &p.Preset, csp.PresetNames()...)
	case "first_party":
		origins := d.RemainingArgs()
		if len(origins) == 0 {
			return d.ArgErr()
		}
		// Checked here as well, so that the error names this line.
		if _, err := addFirstParty(csp.Policy{}, origins); err != nil {
			return d.WrapErr(err)
		}
		p.FirstParty = append(p.FirstParty, origins...)
	case "allow":
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
	default:
		return d.Errf("unknown option %q", option)
	}
	return nil
}

// unmarshalWord reads an option's only argument, which must be one of words.
func unmarshalWord(d *caddyfile.Dispenser, target *string, words ...string) error {
	option := d.Val()
	var word string
	if !d.AllArgs(&word) {
		return d.ArgErr()
	}
	if *target != "" {
		return d.Errf("%s is given twice", option)
	}
	if !slices.Contains(words, word) {
		return d.Errf("%s %q is not one of %s", option, word, strings.Join(words, ", "))
	}
	*target = word
	return nil
}
