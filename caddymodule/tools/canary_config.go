package tools

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Bounds of CanaryConfig.Every.
const (
	defaultCanaryEvery = time.Hour
	minCanaryEvery     = time.Minute
	maxCanaryEvery     = 24 * time.Hour
)

// CanaryConfig is about the canary, by which the edge finds out and publishes what each tool gets.
type CanaryConfig struct {
	// Off runs no canary, and publishes no transcripts. Default: false.
	Off bool `json:"off,omitempty"`

	// Every is how often each tool's canary runs, from a minute to a day; it also runs
	// when the declaration changes. Default: 1h.
	Every caddy.Duration `json:"every,omitempty"`

	// ReportOnly lets readers go on to a tool whose canary failed: it could tell them apart.
	// Default: false, the tool is out of reach until its canary succeeds.
	ReportOnly bool `json:"report_only,omitempty"`
}

func (c *CanaryConfig) validate() error {
	switch {
	case c == nil:
		return nil
	case c.Off && (c.Every != 0 || c.ReportOnly):
		return fmt.Errorf("canary: off has no other options")
	case c.Every != 0 && (time.Duration(c.Every) < minCanaryEvery || time.Duration(c.Every) > maxCanaryEvery):
		return fmt.Errorf("canary: every %v is not from a minute to a day", time.Duration(c.Every))
	}
	return nil
}

func (c *CanaryConfig) off() bool        { return c != nil && c.Off }
func (c *CanaryConfig) reportOnly() bool { return c != nil && c.ReportOnly }

func (c *CanaryConfig) every() time.Duration {
	if c == nil || c.Every == 0 {
		return defaultCanaryEvery
	}
	return time.Duration(c.Every)
}

// parseCanary parses the option. Syntax:
//
//	canary off
//	canary [every <duration>] [report_only]
func parseCanary(d *caddyfile.Dispenser) (*CanaryConfig, error) {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return nil, d.ArgErr()
	}
	c := new(CanaryConfig)
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "off" && !c.Off:
			c.Off = true
		case args[i] == "report_only" && !c.ReportOnly:
			c.ReportOnly = true
		case args[i] == "every" && c.Every == 0 && i+1 < len(args):
			i++
			span, err := caddy.ParseDuration(args[i])
			if err != nil || span < minCanaryEvery {
				return nil, d.Errf("parsing canary: %q is not a duration of a minute to a day, such as 1h", args[i])
			}
			c.Every = caddy.Duration(span)
		default:
			return nil, d.Errf("parsing canary: %q is not expected: write off, or every with a duration, or report_only", args[i])
		}
	}
	return c, nil
}
