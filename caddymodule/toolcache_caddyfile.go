package caddymodule

import (
	"errors"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
)

func (c *ToolsCacheConfig) options() options.Block {
	return options.Block{
		Name: "tools_cache",
		Args: func(d *caddyfile.Dispenser) error {
			if d.NextArg() {
				if d.Val() != "off" || d.NextArg() {
					return d.ArgErr()
				}
				c.Off = true
			}
			return nil
		},
		Options: []options.Option{
			{Name: "memory", Args: "<size>", Set: options.Size(&c.Memory), Doc: "What all answers may take. Default: 64MiB."},
			{Name: "entries", Args: "<number>", Doc: "How many answers are kept. Default: 16384.",
				Set: options.Checked(options.Int(&c.Entries), func() error {
					if c.Entries < 1 {
						return errors.New("entries must be at least 1; to keep nothing, use tools_cache off")
					}
					return nil
				})},
			{Name: "object", Args: "<size>", Set: options.Size(&c.Object), Doc: "The largest answer kept. Default: an eighth of `memory`."},
			{Name: "heuristic", Args: "<duration>|off", Set: c.parseHeuristic, Doc: "How long answers that don't say are fresh at most. Default: 10m."},
		},
	}
}

func (c *ToolsCacheConfig) parseHeuristic(d *caddyfile.Dispenser) error {
	if ahead := *d; ahead.NextArg() && ahead.Val() == "off" {
		c.Heuristic = caddy.Duration(-1)
		d.NextArg()
		return options.None(d)
	}
	return options.Duration(&c.Heuristic)(d)
}
