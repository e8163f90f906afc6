package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// parseToolsCache parses the option, which is the current token. Syntax:
//
//	tools_cache off
//	tools_cache {
//	    memory    <size>
//	    entries   <number>
//	    object    <size>
//	    heuristic <duration>|off
//	}
func (a *App) parseToolsCache(d *caddyfile.Dispenser) error {
	if a.ToolsCache != nil {
		return d.Err("tools_cache stands twice; put everything in one block")
	}
	a.ToolsCache = new(ToolsCacheConfig)
	if d.NextArg() {
		if d.Val() != "off" || d.NextArg() {
			return d.ArgErr()
		}
		a.ToolsCache.Off = true
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if seen[option] {
			return d.Errf("%s is given twice", option)
		}
		seen[option] = true
		if err := a.ToolsCache.parseOption(d, option); err != nil {
			return err
		}
	}
	return nil
}

func (c *ToolsCacheConfig) parseOption(d *caddyfile.Dispenser, option string) (err error) {
	switch option {
	case "memory":
		c.Memory, err = oneSize(d)
	case "entries":
		if c.Entries, err = oneInt(d); err == nil && c.Entries < 1 {
			err = d.Err("entries must be at least 1; to keep nothing, use tools_cache off")
		}
	case "object":
		c.Object, err = oneSize(d)
	case "heuristic":
		place := *d
		var text string
		if text, err = oneArg(&place); err == nil && text == "off" {
			d.NextArg()
			c.Heuristic = caddy.Duration(-1)
			return nil
		}
		c.Heuristic, err = oneDuration(d)
	default:
		err = d.Errf("unknown tools_cache option %q (known: memory, entries, object, heuristic)", option)
	}
	return err
}
