package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/wikiveil/wikiveil/bench/internal/load"
	"github.com/wikiveil/wikiveil/bench/internal/peers"
	"github.com/wikiveil/wikiveil/bench/internal/process"
	"github.com/wikiveil/wikiveil/bench/internal/rounds"
)

func startPeer(ctx context.Context, o options, tool *process.Process) (*rounds.Contender, error) {
	var p *process.Process
	var err error
	if o.goCamo == "" {
		p, err = process.StartSelf(ctx, "stand-in")
	} else {
		p, err = process.Start(ctx, "go-camo", o.goCamo, func(address, _ string) ([]string, error) {
			return []string{"--listen", address, "--key", peers.Key}, nil
		})
	}
	if err != nil {
		return nil, err
	}
	return contender(p, peers.Signed("http://"+tool.Address+"/image.png")), nil
}

func startOurs(ctx context.Context, o options, tool *process.Process, cached bool) (*rounds.Contender, error) {
	origin, name := "http://"+tool.Address, "ours"
	var p *process.Process
	var err error
	if o.edge != "" {
		name = "the whole edge"
		p, err = process.Start(ctx, name, o.edge, func(address, dir string) ([]string, error) {
			return edgeConfig(address, dir, origin, cached)
		})
	} else {
		p, err = process.StartSelf(ctx, "ours", "-origin", origin, "-cache="+strconv.FormatBool(cached))
	}
	if err != nil {
		return nil, err
	}
	p.Name = name + " without cache"
	if cached {
		p.Name = name + " from cache"
	}
	return contender(p, "/.tools/images/image.png"), nil
}

func contender(p *process.Process, path string) *rounds.Contender {
	return &rounds.Contender{Process: p, Load: load.Spec{Address: p.Address, Request: load.Image(path)}}
}

const caddyfile = `{
	admin off
	persist_config off
	auto_https off
	storage file_system DIR
	wikiveil {
		data_dir DIR
		CACHE
		tool images ORIGIN {
			kinds img
			limit 1000000/1s
			client_limit 1000000/1s
			allow_loopback
		}
	}
}
http://:PORT {
	bind 127.0.0.1
	client_mask
	anonproxy
}
`

// edgeConfig writes a Caddyfile for the whole edge and returns the arguments.
func edgeConfig(address, dir, origin string, cached bool) ([]string, error) {
	cache := "tools_cache off"
	if cached {
		cache = ""
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	text := strings.NewReplacer("DIR", dir, "CACHE", cache, "ORIGIN", origin, "PORT", port).Replace(caddyfile)
	file := filepath.Join(dir, "Caddyfile")
	return []string{"run", "--config", file}, os.WriteFile(file, []byte(text), 0o600)
}
