package edge

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
)

// ToolsCacheConfig is about the shared cache of the tools' responses (RFC 9111). All sites share
// it, so that a tool is asked once for what many readers want.
type ToolsCacheConfig struct {
	// Off makes each request ask the tool. Default: false.
	Off bool `json:"off,omitempty"`

	// Memory bounds the memory of all responses in bytes. Default: 64 MiB.
	Memory int64 `json:"memory,omitempty"`

	// Entries bounds the number of responses. Default: 16384.
	Entries int `json:"entries,omitempty"`

	// Object bounds the body of one response in bytes; larger ones aren't kept. Default: an
	// eighth of Memory.
	Object int64 `json:"object,omitempty"`

	// Heuristic bounds the lifetime of responses that have none of their own: a tenth of the time since
	// they were last modified. Negative is none. Default: 10m.
	Heuristic caddy.Duration `json:"heuristic,omitempty"`
}

// Config is what the library is told.
func (c *ToolsCacheConfig) Config() cache.Config {
	if c == nil {
		return cache.Config{}
	}
	return cache.Config{MaxBytes: c.Memory, MaxEntries: c.Entries, MaxObject: c.Object, Heuristic: time.Duration(c.Heuristic)}
}

func (c *ToolsCacheConfig) validate() error {
	switch {
	case c == nil:
		return nil
	case c.Off && *c != (ToolsCacheConfig{Off: true}):
		return errors.New("tools_cache is off, and has further options: leave one of them out")
	}
	if err := c.Config().Validate(); err != nil {
		return fmt.Errorf("tools_cache: %w", err)
	}
	return nil
}

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
