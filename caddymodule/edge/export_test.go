package edge

import "github.com/wikiveil/wikiveil/masking"

// What only this package's tests see: they are outside of it, since their configs name modules that stand on top of it.

const CaddyFileLimit = caddyFileLimit

var (
	ResolveSecret = resolveSecret
	ParseTool     = parseTool
)

func (n NetworkConfig) Make() (*masking.Network, error) { return n.make() }

func (b *recorder) RefreshGeo() error { return b.geo.Refresh() }
