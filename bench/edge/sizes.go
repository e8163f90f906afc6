package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/bench/internal/process"
	"github.com/wikiveil/wikiveil/internal/trustedclock"
	"github.com/wikiveil/wikiveil/masking/blocks"
)

// settled is how long an edge gets after it answered first, before its memory is looked at.
const settled = 2 * time.Second

// size is an edge that has much of something.
type size struct {
	name    string
	prepare func(ctx context.Context, dir string) (config, error)
}

var sizesMeasured = []size{
	{"nothing", func(context.Context, string) (config, error) { return sized(""), nil }},
	{"10,000 blocks", withBlocks(10_000)},
	{"100,000 blocks", withBlocks(100_000)},
	{"500,000 blocks, which is the most", withBlocks(blocks.MaxBlocks)},
	{"1,000 ranges of a named network", withRanges(1000)},
	{"10,000 ranges", withRanges(10_000)},
	{"1,000 tools", withTools(1000)},
	{"2,000 tools, which is the most", withTools(2000)},
}

func measureSizes(ctx context.Context, b *bench) (found part, err error) {
	for _, s := range sizesMeasured {
		figures, err := s.measure(ctx, b)
		if err != nil {
			return part{}, fmt.Errorf("%s: %w", s.name, err)
		}
		found.sizes = append(found.sizes, figures)
	}
	return found, nil
}

func (s size) measure(ctx context.Context, b *bench) (_ sizeFigures, err error) {
	var begin time.Time
	p, err := process.Start(ctx, s.name, b.edge, func(address, dir string) ([]string, error) {
		c, err := s.prepare(ctx, dir)
		if err != nil {
			return nil, err
		}
		args, err := c.write(address, dir)
		begin = time.Now()
		return args, err
	})
	if err != nil {
		return sizeFigures{}, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	for { // until then it refuses
		_, err := b.head(ctx, "http://"+p.Address)
		if err == nil {
			break
		}
		if time.Since(begin) > time.Minute {
			return sizeFigures{}, err
		}
		time.Sleep(5 * time.Millisecond)
	}
	startup := time.Since(begin)
	time.Sleep(settled)
	used, err := p.Usage()
	return sizeFigures{name: s.name, startup: startup, cpu: used.CPU, resident: used.Resident}, err
}

// sized is a whole edge that answers by itself.
func sized(option string) config {
	return config{
		global: strings.Replace(edgeGlobal, "data_dir DIR", "data_dir DIR\n\t\t"+option, 1),
		site:   maskedLog + edgeSite + "\n\trespond ready",
	}
}

func withBlocks(n int) func(context.Context, string) (config, error) {
	return func(ctx context.Context, dir string) (config, error) {
		list, err := blocks.Open(ctx, &certmagic.FileStorage{Path: dir}, trustedclock.New())
		if err != nil {
			return config{}, err
		}
		add := make([]blocks.Block, n)
		for i := range add {
			mask := netip.AddrFrom16([16]byte{0x20, 0x01, 0x00, 0x2f, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)})
			add[i] = blocks.Block{Mask: mask, By: "1", Reason: "open proxy"}
		}
		return sized(""), list.Add(ctx, add...)
	}
}

func withRanges(n int) func(context.Context, string) (config, error) {
	return func(context.Context, string) (config, error) {
		option := []byte("network many")
		for i := range n {
			option = fmt.Appendf(option, " 151.%d.%d.0/25", i>>8, i&0xff)
		}
		return sized(string(option)), nil
	}
}

func withTools(n int) func(context.Context, string) (config, error) {
	return func(_ context.Context, dir string) (config, error) {
		nobody, err := net.Listen("tcp", "127.0.0.1:0") // an origin where nobody listens, for the canaries
		if err != nil {
			return config{}, err
		}
		if err := nobody.Close(); err != nil {
			return config{}, err
		}
		tools := make([]map[string]any, n)
		for i := range tools {
			tools[i] = map[string]any{
				"name": fmt.Sprintf("tool-%d", i), "title": "A tool", "description": "Draws the maps in articles about places", "url": "https://tools.example.org",
				"wikiveil": map[string]any{"origin": "http://" + nobody.Addr().String(), "kinds": []string{"img"}, "allow_loopback": true},
			}
		}
		text, err := json.Marshal(tools)
		if err != nil {
			return config{}, err
		}
		file := filepath.Join(dir, "tools.json")
		return sized("tools_file " + file), os.WriteFile(file, text, 0o600)
	}
}
