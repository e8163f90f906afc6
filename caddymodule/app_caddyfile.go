package caddymodule

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
)

// parseAppOption parses the global option. Syntax:
//
//	wikiveil {
//	    secret <hex or placeholder> [<older>...]
//	    rotate <duration>
//	    keep <epochs>
//	    site <label>
//	    v6_prefix 48|56|64|128
//	    ranges v4|v6 <length>...
//	    network <name> <range>...
//	    tool <name> <origin> {
//	        ...
//	    }
//	    tools_file <path>
//	    tools_cache off
//	    tools_cache {
//	        ...
//	    }
//	    mirror_dir <path>
//	    data_dir <path>
//	    sightings {
//	        ...
//	    }
//	    audit {
//	        node      <name>
//	        retention <duration>
//	    }
//	    quota info|reveal <number>
//	}
func parseAppOption(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next() // so that the error names the line
		return nil, d.Err("the wikiveil option stands twice; put everything in one block")
	}
	app := new(App)
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "wikiveil", Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile sets up the app from Caddyfile tokens; see parseAppOption.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the option's name
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		if err := a.parseOption(d); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) parseOption(d *caddyfile.Dispenser) error {
	switch option := d.Val(); option {
	case "secret":
		return a.parseSecrets(d)
	case "rotate":
		if err := parseDuration(d, &a.Rotate); err != nil {
			return err
		}
	case "keep":
		n, err := oneInt(d)
		if err != nil {
			return err
		}
		a.Keep = &n
	case "destroy_after":
		if err := parseDuration(d, &a.DestroyAfter); err != nil {
			return err
		}
	case "site":
		label, err := oneArg(d)
		if err != nil {
			return err
		}
		a.Site = label
	case "v6_prefix":
		n, err := oneInt(d)
		if err != nil {
			return err
		}
		a.V6Prefix = n
	case "ranges":
		return a.parseRanges(d)
	case "network":
		return a.parseNetwork(d)
	case "tool":
		return a.parseToolEntry(d)
	case "tools_file":
		if a.ToolsFile != "" {
			return d.Err("tools_file stands twice; put all tools in one file")
		}
		file, err := oneArg(d)
		if err != nil {
			return err
		}
		a.ToolsFile = file
	case "tools_cache":
		if err := a.parseToolsCache(d); err != nil {
			return err
		}
	case "mirror_dir":
		dir, err := oneArg(d)
		if err != nil {
			return err
		}
		a.MirrorDir = dir
	case "data_dir":
		dir, err := oneArg(d)
		if err != nil {
			return err
		}
		a.DataDir = dir
	case "sightings":
		return a.parseSightings(d)
	case "audit":
		if err := a.parseAudit(d); err != nil {
			return err
		}
	case "quota":
		if err := a.parseQuota(d); err != nil {
			return err
		}
	default:
		return d.Errf("unknown wikiveil option %q (known: secret, rotate, keep, site, v6_prefix, ranges, network, tool, tools_file, tools_cache, mirror_dir, data_dir, sightings, audit, quota)", option)
	}
	if err := a.validate(true); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (a *App) parseSecrets(d *caddyfile.Dispenser) error {
	if a.Secrets != nil {
		return d.Err("secret stands twice; give the older secrets after the current one")
	}
	a.Secrets = d.RemainingArgs()
	if len(a.Secrets) == 0 {
		return d.ArgErr()
	}
	for _, text := range a.Secrets {
		if _, _, err := resolveSecret(text); err != nil {
			return d.WrapErr(err)
		}
		if !strings.Contains(text, "{") {
			configcheck.WarnAt(d, "a secret stands in the config itself, where many can read it; use {env.*} or {file.*}")
		}
	}
	if err := a.validate(true); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (a *App) parseRanges(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 {
		return d.ArgErr()
	}
	var lengths []int
	for _, text := range args[1:] {
		n, err := strconv.Atoi(strings.TrimPrefix(text, "/"))
		if err != nil {
			return d.Errf("parsing ranges: %q is not a prefix length", text)
		}
		lengths = append(lengths, n)
	}
	to := &a.V4Ranges
	switch args[0] {
	case "v4":
	case "v6":
		to = &a.V6Ranges
	default:
		return d.Errf("ranges are for v4 or v6, not for %q", args[0])
	}
	if *to != nil {
		return d.Errf("ranges %s stands twice", args[0])
	}
	*to = lengths
	if err := a.validate(true); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (a *App) parseNetwork(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 {
		return d.ArgErr()
	}
	a.Networks = append(a.Networks, NetworkConfig{Name: args[0], Ranges: args[1:]})
	if err := a.validate(true); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (a *App) parseToolEntry(d *caddyfile.Dispenser) error {
	tool, err := parseTool(d)
	if err != nil {
		return err
	}
	for _, other := range a.Tools {
		if other.Name == tool.Name {
			return d.Errf("tool %q stands twice", tool.Name)
		}
	}
	a.Tools = append(a.Tools, tool)
	return nil
}

func (a *App) parseAudit(d *caddyfile.Dispenser) error {
	if a.Audit != nil {
		return d.Err("audit stands twice; put everything in one block")
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	a.Audit = new(AuditConfig)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		var err error
		switch option := d.Val(); option {
		case "node":
			a.Audit.Node, err = oneArg(d)
		case "retention":
			err = parseDuration(d, &a.Audit.Retention)
		default:
			err = d.Errf("unknown audit option %q (known: node, retention)", option)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *App) parseQuota(d *caddyfile.Dispenser) error {
	var name, number string
	if !d.AllArgs(&name, &number) {
		return d.ArgErr()
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		return d.Errf("parsing quota: %q is not a number from 1 on", number)
	}
	if a.Quota == nil {
		a.Quota = new(QuotaConfig)
	}
	to := &a.Quota.Info
	switch name {
	case "info":
	case "reveal":
		to = &a.Quota.Reveal
	default:
		return d.Errf("quota is for info or reveal, not for %q", name)
	}
	if *to != 0 {
		return d.Errf("quota %s stands twice", name)
	}
	*to = n
	return nil
}

// oneArg returns the one argument of the option at hand.
func oneArg(d *caddyfile.Dispenser) (string, error) {
	var arg string
	if !d.AllArgs(&arg) {
		return "", d.ArgErr()
	}
	return arg, nil
}

func oneInt(d *caddyfile.Dispenser) (int, error) {
	option := d.Val()
	text, err := oneArg(d)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimPrefix(text, "/"))
	if err != nil {
		return 0, d.Errf("parsing %s: %q is not a whole number", option, text)
	}
	return n, nil
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*App)(nil)
)
