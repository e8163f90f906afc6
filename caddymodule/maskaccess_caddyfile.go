package caddymodule

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
)

// accessOptions are the options that unmarshalOption knows. Syntax:
//
//	wiki <api-url> {
//	    host    <host>
//	    right   info|reveal|audit <right of the wiki>
//	    cookies <pattern>...
//	    timeout <duration>
//	    cache   <duration>
//	}
//	user   <id> info|reveal|audit...
//	site   <label>
//	reveal <wiki's origin> <origin of reveals>
const accessOptions = "wiki, user, site, reveal"

// unmarshalOption parses the option at hand if it is one of access.
func (c *MaskAccess) unmarshalOption(d *caddyfile.Dispenser) (known bool, err error) {
	switch d.Val() {
	case "wiki":
		err = c.unmarshalWiki(d)
	case "user":
		args := d.RemainingArgs()
		if len(args) < 2 {
			return true, d.ArgErr()
		}
		if _, twice := c.Users[args[0]]; twice {
			return true, d.Errf("user %s stands twice", args[0])
		}
		if c.Users == nil {
			c.Users = make(map[string][]string)
		}
		c.Users[args[0]] = args[1:]
	case "site":
		var label string
		label, err = oneArg(d)
		c.Site = &label
	case "reveal":
		if c.Reveal != nil {
			return true, d.Err("reveal stands twice")
		}
		c.Reveal = new(RevealOrigins)
		if !d.AllArgs(&c.Reveal.Wiki, &c.Reveal.Origin) {
			err = d.ArgErr()
		}
	default:
		return false, nil
	}
	if err != nil {
		return true, err
	}
	if err := c.validate(true); err != nil {
		return true, d.WrapErr(err)
	}
	return true, nil
}

// checkAdapted refuses a label that no masks of the Caddyfile have.
func (c *MaskAccess) checkAdapted(h httpcaddyfile.Helper, directive string) error {
	var app App
	if option, ok := h.Option("wikiveil").(httpcaddyfile.App); ok {
		if err := json.Unmarshal(option.Value, &app); err != nil {
			return err
		}
	}
	h.Reset()
	h.Next() // so that an error names the directive's line
	if err := c.checkLabel(app.Site, configcheck.MaskLabels(h, app.Site)); err != nil {
		return h.Errf("%s: %v", directive, err)
	}
	return nil
}

func (c *MaskAccess) unmarshalWiki(d *caddyfile.Dispenser) error {
	if c.Wiki != nil {
		return d.Err("wiki stands twice")
	}
	c.Wiki = new(WikiAccess)
	var err error
	if c.Wiki.API, err = oneArg(d); err != nil {
		return err
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		switch option := d.Val(); option {
		case "host":
			c.Wiki.Host, err = oneArg(d)
		case "right":
			err = c.Wiki.unmarshalRight(d)
		case "cookies":
			if c.Wiki.Cookies = d.RemainingArgs(); len(c.Wiki.Cookies) == 0 {
				err = d.ArgErr()
			}
		case "timeout":
			err = parseDuration(d, &c.Wiki.Timeout)
		case "cache":
			err = parseDuration(d, &c.Wiki.Cache)
		default:
			err = d.Errf("unknown wiki option %q (known: host, right, cookies, timeout, cache)", option)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *WikiAccess) unmarshalRight(d *caddyfile.Dispenser) error {
	var ours, theirs string
	if !d.AllArgs(&ours, &theirs) {
		return d.ArgErr()
	}
	switch ours {
	case "info":
		c.InfoRight = theirs
	case "reveal":
		c.RevealRight = theirs
	case "audit":
		c.AuditRight = theirs
	default:
		return d.Errf("right %q is none of info, reveal and audit", ours)
	}
	return nil
}
