package caddymodule

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/masking"
)

// errNoRanges is where a placeholder gave nothing, as may be when a config is
// adapted on another machine than it runs on.
var errNoRanges = errors.New("there are no ranges in")

// make reads the ranges, out of files and the environment too.
func (n NetworkConfig) make() (*masking.Network, error) {
	repl := caddy.NewReplacer()
	var ranges []string
	for _, text := range n.Ranges {
		value := repl.ReplaceAll(text, "")
		if strings.TrimSpace(value) == "" {
			return nil, fmt.Errorf("network %q: %w: %s", n.Name, errNoRanges, text)
		}
		ranges = append(ranges, strings.Fields(value)...)
	}
	return masking.NewNetwork(n.Name, ranges)
}
