package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

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
	toolPath  = "/.tools/images/image.png"
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
		started.Load.Request = load.Image(toolPath)
	}
	return nil
}

func startProxyAndRespond(ctx context.Context, b *bench, s *started, tool *process.Process) error {
	picture, err := peers.NewImage(imageSize)
	if err != nil {
		return err
	}
	fields, err := b.toolFields(ctx, s.contenders[len(s.contenders)-1].Address) // of the edge with a cache
	if err != nil {
		return err
	}
	// A Caddyfile holds no picture, but as many bytes.
	fixed := sameFields(fields) + fmt.Sprintf("\n\trespond `%s`", strings.Repeat("x", len(picture)))
	for _, c := range []struct{ name, site string }{{reverseProxy, plainProxy(tool.Address)}, {respond, fixed}} {
		started, err := s.caddy(ctx, c.name, b.caddy, config{site: plainLog + c.site})
		if err != nil {
			return err
		}
		started.Load.Request = load.Image("/image.png")
	}
	return nil
}

// toolFields are the fields of an edge's response, once it has tried what the tool would see.
func (b *bench) toolFields(ctx context.Context, edge string) (fields http.Header, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if fields, err = b.head(ctx, "http://"+edge+toolPath); err == nil {
			return fields, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, err
}

// sameFields sets the fields of the edge's own response. With its length it doesn't go in chunks.
func sameFields(fields http.Header) string {
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name == "Date" || name == "Server" {
			continue // Caddy's own
		}
		for _, value := range fields[name] {
			fmt.Fprintf(&lines, "\n\theader +%s `%s`", name, value)
		}
	}
	return lines.String()
}
