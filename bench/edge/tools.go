package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/wikiveil/wikiveil/bench/internal/load"
	"github.com/wikiveil/wikiveil/bench/internal/peers"
	"github.com/wikiveil/wikiveil/bench/internal/process"
)

// Names of contenders.
const (
	uncached     = "edge, uncached"
	cached       = "edge, from cache"
	standIn      = "go-camo's work"
	reverseProxy = "reverse_proxy"
	respond      = "respond"
)

const (
	toolGlobal = `
	log {
		format masked json
	}
	wikiveil {
		data_dir DIR
		CACHE
		tool images http://TOOL {
			kinds img
			limit 1000000/1s
			client_limit 1000000/1s
			allow_loopback
		}
	}`
	imageSize = 10 << 10
)

// startTools starts what answers for a tool.
func startTools(ctx context.Context, b *bench, s *started) error {
	tool, err := s.serve(ctx, "tool", imageSize)
	if err != nil {
		return err
	}
	for _, starter := range []func(context.Context, *bench, *started, *process.Process) error{
		startStandIn, startEdgeWithTool, startProxyAndRespond,
	} {
		if err := starter(ctx, b, s, tool); err != nil {
			return err
		}
	}
	return nil
}

func startStandIn(ctx context.Context, _ *bench, s *started, tool *process.Process) error {
	p, err := process.StartSelf(ctx, "stand-in")
	if err != nil {
		return err
	}
	p.Name = standIn
	s.add(p).Load.Request = load.Image(peers.Signed("http://" + tool.Address + "/image.png"))
	return nil
}

func startEdgeWithTool(ctx context.Context, b *bench, s *started, tool *process.Process) error {
	for _, c := range []struct{ name, cache string }{{uncached, "tools_cache off"}, {cached, ""}} {
		global := strings.NewReplacer("CACHE", c.cache, "TOOL", tool.Address).Replace(toolGlobal)
		started, err := s.caddy(ctx, c.name, b.edge, config{global: global, site: maskedLog + edgeSite + "\n\trespond 404"})
		if err != nil {
			return err
		}
		started.Load.Request = load.Image("/.tools/images/image.png")
	}
	return nil
}

func startProxyAndRespond(ctx context.Context, b *bench, s *started, tool *process.Process) error {
	picture, err := peers.NewImage(imageSize)
	if err != nil {
		return err
	}
	// A Caddyfile holds no picture, but as many bytes. Without the length they would go in chunks.
	fixed := fmt.Sprintf("\n\theader Content-Type image/png\n\theader Content-Length %d\n\trespond `%s`",
		len(picture), strings.Repeat("x", len(picture)))
	for _, c := range []struct{ name, site string }{{reverseProxy, plainProxy(tool.Address)}, {respond, fixed}} {
		started, err := s.caddy(ctx, c.name, b.caddy, config{site: plainLog + c.site})
		if err != nil {
			return err
		}
		started.Load.Request = load.Image("/image.png")
	}
	return nil
}
