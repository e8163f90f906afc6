package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// parseSightings parses the option of the wikiveil block. Syntax:
//
//	sightings {
//	    redis <url>... {
//	        master   <name>
//	        sentinel_login [<user>] <password>
//	        cluster
//	        prefix   <text>
//	        replicas <n>
//	        trust
//	        timeout  <duration>
//	    }
//	    retention <duration>
//	    limit /48|/32 <records a day>
//	    geoip asn|city|anonymous <file>
//	    seal  any|all <recipient>...
//	    seal  local
//	}
func (a *App) parseSightings(d *caddyfile.Dispenser) error {
	if a.Sightings != nil {
		return d.Err("sightings stands twice; put everything in one block")
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	c := new(SightingsConfig)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := c.parseOption(d); err != nil {
			return err
		}
		if err := c.validate(true); err != nil {
			return d.WrapErr(err)
		}
	}
	a.Sightings = c
	return nil
}

func (c *SightingsConfig) parseOption(d *caddyfile.Dispenser) error {
	switch option := d.Val(); option {
	case "redis":
		return c.parseRedis(d)
	case "retention":
		return parseDuration(d, &c.Retention)
	case "limit":
		return c.parseLimit(d)
	case "geoip":
		return c.parseGeoIP(d)
	case "seal":
		if c.Seal != nil {
			return d.Err("seal stands twice")
		}
		args := d.RemainingArgs()
		if len(args) == 0 {
			return d.ArgErr()
		}
		c.Seal = &SealConfig{Mode: args[0], Recipients: args[1:]}
	default:
		return d.Errf("unknown sightings option %q (known: redis, retention, limit, geoip, seal)", option)
	}
	return nil
}

func (c *SightingsConfig) parseLimit(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	to := map[string]*int{"/48": &c.V6SiteLimit, "/32": &c.V6ProviderLimit}[d.Val()]
	switch {
	case to == nil:
		return d.Errf("limit is for the clients of an IPv6 /48 or /32, not %q", d.Val())
	case *to != 0:
		return d.Errf("limit %s stands twice", d.Val())
	}
	var err error
	if *to, err = oneInt(d); err == nil && *to == 0 {
		err = d.Err("a limit of 0 would let nobody publish")
	}
	return err
}

func (c *SightingsConfig) parseRedis(d *caddyfile.Dispenser) error {
	if c.Redis != nil {
		return d.Err("redis stands twice")
	}
	c.Redis = new(RedisConfig)
	if c.Redis.URLs = d.RemainingArgs(); len(c.Redis.URLs) == 0 {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := c.Redis.parseOption(d); err != nil {
			return err
		}
	}
	return nil
}

func (c *RedisConfig) parseOption(d *caddyfile.Dispenser) (err error) {
	switch option := d.Val(); option {
	case "master":
		c.Master, err = oneArg(d)
	case "sentinel_login":
		switch args := d.RemainingArgs(); len(args) {
		case 1:
			c.SentinelPassword = args[0]
		case 2:
			c.SentinelUsername, c.SentinelPassword = args[0], args[1]
		default:
			err = d.ArgErr()
		}
	case "cluster":
		c.Cluster, err = true, noArg(d)
	case "prefix":
		c.Prefix, err = oneArg(d)
	case "replicas":
		c.Replicas, err = oneInt(d)
	case "trust":
		c.Trust, err = true, noArg(d)
	case "timeout":
		err = parseDuration(d, &c.Timeout)
	default:
		err = d.Errf("unknown redis option %q (known: master, sentinel_login, cluster, prefix, replicas, trust, timeout)", option)
	}
	return err
}

func noArg(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	return nil
}

func (c *SightingsConfig) parseGeoIP(d *caddyfile.Dispenser) error {
	var kind, file string
	if !d.AllArgs(&kind, &file) {
		return d.ArgErr()
	}
	if c.GeoIP == nil {
		c.GeoIP = new(GeoIPConfig)
	}
	var to *string
	switch kind {
	case "asn":
		to = &c.GeoIP.ASN
	case "city":
		to = &c.GeoIP.City
	case "anonymous":
		to = &c.GeoIP.Anonymous
	default:
		return d.Errf("geoip %q is none of asn, city and anonymous", kind)
	}
	if *to != "" {
		return d.Errf("geoip %s stands twice", kind)
	}
	*to = file
	return nil
}

// parseDuration reads the one argument of the option at hand.
func parseDuration(d *caddyfile.Dispenser, to *caddy.Duration) error {
	option := d.Val()
	text, err := oneArg(d)
	if err != nil {
		return err
	}
	parsed, err := caddy.ParseDuration(text)
	if err != nil {
		return d.Errf("parsing %s: %v", option, err)
	}
	if parsed <= 0 {
		return d.Errf("parsing %s: %q is not longer than nothing", option, text)
	}
	*to = caddy.Duration(parsed)
	return nil
}
