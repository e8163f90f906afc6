package caddymodule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/wikiveil/wikiveil/csp"
)

// parseCSP makes the directive's route, and an error route for error pages, which
// the server runs past the site's routes.
func parseCSP(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	c := new(CSP)
	if err := c.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	if err := checkCSPPlace(h); err != nil {
		return nil, err
	}
	return withErrorRoute(h, c, "csp"), nil
}

// checkCSPPlace refuses what would leave some responses of the site without its policy.
func checkCSPPlace(h httpcaddyfile.Helper) error {
	h.Reset()
	h.Next() // so that an error names the directive's line
	if !isSiteDirective(h) {
		return h.Err("csp belongs at the top of a site block, in no other block: a site gets one policy")
	}
	found := false
	for _, segment := range siteTokens(h) {
		switch name := segment[0]; {
		case name.text == "csp" && found:
			return fmt.Errorf("a site gets one policy, this is its second, at %s:%d", name.file, name.line)
		case name.text == "csp":
			found = true
		case name.text == "handle_errors" && !found && len(segment) > 1 && segment[1].text != "{":
			// Caddy runs error routes that have conditions in the order of the file.
			return fmt.Errorf("handle_errors with status codes stands above csp, so its pages would escape the policy; "+
				"move csp up, at %s:%d", name.file, name.line)
		}
	}
	return nil
}

// isSiteDirective reports whether the directive stands directly in a site block.
// Only there BlockState is State itself; nested blocks get copies of it.
func isSiteDirective(h httpcaddyfile.Helper) bool {
	const probe = "wikiveil.csp.nesting"
	if h.IsNamedRoute() {
		return false
	}
	h.State[probe] = true
	defer delete(h.State, probe)
	_, same := h.BlockState[probe]
	return same
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
