package edge

import (
	"context"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/networkfeed"
)

// What only this package's tests see: they are outside of it, since their configs name modules that stand on top of it.

const CaddyFileLimit = caddyFileLimit

var (
	ResolveSecret = resolveSecret
	ParseTool     = parseTool
)

func (n NetworkConfig) Make() (*masking.Networks, error) {
	network, err := n.resolve(false)
	if err != nil {
		return nil, err
	}
	set, err := networkfeed.Open(context.Background(), networkfeed.Config{Networks: []networkfeed.Network{network}})
	if err != nil {
		return nil, err
	}
	return set.Networks(), nil
}

func (b *recorder) RefreshGeo() error { return b.geo.Refresh() }
