package caddymodule

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/csp/rollout"
)

func (c *CSP) unmarshalReports(d *caddyfile.Dispenser) error {
	if c.Reports != nil {
		return d.Errf("reports is given twice")
	}
	c.Reports = new(CSPReports)
	if d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := c.Reports.unmarshalOption(d); err != nil {
			return err
		}
	}
	return nil
}

func (c *CSPReports) unmarshalOption(d *caddyfile.Dispenser) (err error) {
	switch option := d.Val(); option {
	case "path":
		err = unmarshalOnce(d, &c.Path)
	case "keep":
		if c.Keep != 0 {
			return d.Errf("keep is given twice")
		}
		err = parseDuration(d, &c.Keep)
	case "origins":
		var origins []string
		origins, err = someArgs(d)
		c.Origins = append(c.Origins, origins...)
	default:
		return d.Errf("unknown reports option %q (known: path, keep, origins)", option)
	}
	if err != nil {
		return err
	}
	if err := c.validate(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (c *CSP) unmarshalRollout(d *caddyfile.Dispenser) error {
	if err := unmarshalOnce(d, &c.Rollout); err != nil {
		return err
	}
	if _, err := rollout.ParseShare(c.Rollout); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// unmarshalOnce reads an option's only argument.
func unmarshalOnce(d *caddyfile.Dispenser, target *string) error {
	option := d.Val()
	var text string
	if !d.AllArgs(&text) || text == "" {
		return d.ArgErr()
	}
	if *target != "" {
		return d.Errf("%s is given twice", option)
	}
	*target = text
	return nil
}

// completeFor checks and adds what the site around the directive says. An error names the
// directive's line, as after checkPlace.
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
