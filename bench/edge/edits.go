package main

import (
	"context"
	"strings"

	"github.com/wikiveil/wikiveil/bench/internal/load"
)

// Names of contenders.
const (
	recorded   = "with sightings"
	unrecorded = "without"
)

// trusted makes X-Forwarded-For say who a client is.
const trusted = `
	servers {
		trusted_proxies static 127.0.0.0/8
		trusted_proxies_strict
	}`

// everyone is as many clients as load can tell apart.
const everyone = 1_000_000

// startEdits starts two edges, of which one records clients before they can publish. Each request is a new client's.
func startEdits(ctx context.Context, b *bench, s *started) error {
	wiki, err := s.serve(ctx, "wiki", 200)
	if err != nil {
		return err
	}
	recording := strings.Replace(edgeGlobal, "data_dir DIR", "data_dir DIR\n\t\tsightings", 1)
	for _, c := range []struct{ name, global string }{{recorded, recording}, {unrecorded, edgeGlobal}} {
		started, err := s.caddy(ctx, c.name, b.edge, config{global: c.global + trusted, site: maskedLog + edgeSite + plainProxy(wiki.Address)})
		if err != nil {
			return err
		}
		started.Load.Request, started.Load.Clients = load.Edit("/w/index.php?title=Page&action=submit"), everyone
	}
	return nil
}

// startClients starts an edge for each of these numbers of clients.
func startClients(ctx context.Context, b *bench, s *started) error {
	wiki, err := s.serve(ctx, "wiki", 200)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name    string
		clients int
	}{{"10^3 clients", 1000}, {"10^5 clients", 100_000}, {"10^6 clients", everyone}} {
		started, err := s.caddy(ctx, c.name, b.edge, config{global: edgeGlobal + trusted, site: maskedLog + edgeSite + plainProxy(wiki.Address)})
		if err != nil {
			return err
		}
		started.Load.Request, started.Load.Clients = load.Page(pagePath), c.clients
	}
	return nil
}
