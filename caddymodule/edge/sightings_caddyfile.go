package edge

import (
	"errors"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
)

func (c *SightingsConfig) options() options.Block {
	geoIP := func(to func(*GeoIPConfig) *string) options.Setter {
		return func(d *caddyfile.Dispenser) error {
			if c.GeoIP == nil {
				c.GeoIP = new(GeoIPConfig)
			}
			return options.Text(to(c.GeoIP))(d)
		}
	}
	return options.Block{Name: "sightings", Check: func() error { return c.validate(true) }, Options: []options.Option{
		{Name: "redis", Args: "<url>...", Doc: "Keeps records in Redis or Valkey, for several nodes. Default: a file.",
			Block: func() options.Block {
				c.Redis = new(RedisConfig)
				return c.Redis.options()
			}},
		{Name: "retention", Args: "<duration>", Set: options.Duration(&c.Retention), Doc: "How long records are kept."},
		{Name: "limit", Args: "/48|/32 <records a day>", Repeats: true, Doc: "How many records the clients of an IPv6 network may make.",
			Set: options.Keyed(recordLimit("/48", &c.V6SiteLimit), recordLimit("/32", &c.V6ProviderLimit))},
		{Name: "geoip", Args: "asn|city|anonymous <file>", Repeats: true, Doc: "A database of what networks are.",
			Set: options.Keyed(
				options.Option{Name: "asn", Set: geoIP(func(g *GeoIPConfig) *string { return &g.ASN })},
				options.Option{Name: "city", Set: geoIP(func(g *GeoIPConfig) *string { return &g.City })},
				options.Option{Name: "anonymous", Set: geoIP(func(g *GeoIPConfig) *string { return &g.Anonymous })})},
		{Name: "seal", Args: "any|all <recipient>... | local", Set: c.parseSeal, Doc: "Whose keys open a record: `any` of the recipients', `all`, or the edge's own."},
	}}
}

func recordLimit(network string, to *int) options.Option {
	return options.Option{Name: network, Set: options.Checked(options.Int(to), func() error {
		if *to == 0 {
			return errors.New("a limit of 0 would let nobody publish")
		}
		return nil
	})}
}

func (c *SightingsConfig) parseSeal(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.ArgErr()
	}
	c.Seal = &SealConfig{Mode: args[0], Recipients: args[1:]}
	return nil
}

func (c *RedisConfig) options() options.Block {
	return options.Block{Name: "redis", Args: options.List(&c.URLs), Options: []options.Option{
		{Name: "master", Args: "<name>", Set: options.Text(&c.Master), Doc: "Finds the master of this name through Sentinels."},
		{Name: "sentinel_login", Args: "[<user>] <password>", Set: c.parseSentinelLogin, Doc: "How to log in to them."},
		{Name: "ca", Args: "<file>", Set: options.Text(&c.CA), Doc: "The authorities (PEM) of the servers' certificates. Default: the system's."},
		{Name: "certificate", Args: "<file> <key file>", Set: options.Texts(&c.Certificate, &c.Key), Doc: "The edge's own certificate (PEM), for servers that ask for one."},
		{Name: "cluster", Set: options.Flag(&c.Cluster), Doc: "The URLs are of a cluster's nodes."},
		{Name: "prefix", Args: "<text>", Set: options.Text(&c.Prefix), Doc: "What keys begin with. Default: `wikiveil:`."},
		{Name: "replicas", Args: "<n>", Set: options.Int(&c.Replicas), Doc: "How many replicas must have a record before what it is for goes on."},
		{Name: "trust", Set: options.Flag(&c.Trust), Doc: "Takes a Redis that may lose records for one that doesn't."},
		{Name: "timeout", Args: "<duration>", Set: options.Duration(&c.Timeout), Doc: "How long to wait for it."},
	}}
}

func (c *RedisConfig) parseSentinelLogin(d *caddyfile.Dispenser) error {
	switch args := d.RemainingArgs(); len(args) {
	case 1:
		c.SentinelPassword = args[0]
	case 2:
		c.SentinelUsername, c.SentinelPassword = args[0], args[1]
	default:
		return d.ArgErr()
	}
	return nil
}
