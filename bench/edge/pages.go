package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/wikiveil/wikiveil/bench/internal/load"
	"github.com/wikiveil/wikiveil/bench/internal/process"
)

// Names of contenders.
const (
	edge      = "edge"
	headers   = "headers only"
	bare      = "bare Caddy"
	keepalive = "keepalive alone"
)

const pagePath = "/wiki/Main_Page"

// pages starts the edge and its peers before a wiki with pages of one size.
type pages struct {
	size   int
	logged bool
	others bool // HAProxy and nginx too
}

func (c pages) start(ctx context.Context, b *bench, s *started) error {
	wiki, err := s.serve(ctx, "wiki", c.size)
	if err != nil {
		return err
	}
	if c.logged {
		err = c.startLogged(ctx, b, s, wiki)
	} else {
		err = c.startUnlogged(ctx, b, s, wiki)
	}
	for _, contender := range s.contenders {
		contender.Load.Request = load.Page(contender.Address, pagePath)
	}
	return err
}

func (c pages) startLogged(ctx context.Context, b *bench, s *started, wiki *process.Process) error {
	ours, err := s.caddy(ctx, edge, b.edge, config{edgeGlobal, maskedLog + edgeSite + proxy(wiki.Address, "")})
	if err != nil {
		return err
	}
	fields, err := addedFields(ctx, ours.Address, wiki.Address)
	if err != nil {
		return err
	}
	work, err := headerWork(wiki.Address, fields)
	if err != nil {
		return err
	}
	if _, err := s.caddy(ctx, headers, b.caddy, config{"", plainLog + work}); err != nil {
		return err
	}
	_, err = s.caddy(ctx, bare, b.caddy, config{"", plainLog + "\n\treverse_proxy " + wiki.Address})
	return err
}

func (c pages) startUnlogged(ctx context.Context, b *bench, s *started, wiki *process.Process) error {
	if _, err := s.caddy(ctx, edge, b.edge, config{edgeGlobal, edgeSite + proxy(wiki.Address, "")}); err != nil {
		return err
	}
	_, err := s.caddy(ctx, keepalive, b.caddy, config{"", proxy(wiki.Address, "")})
	return err
}

// addedFields are the response's fields that the edge adds to the wiki's.
func addedFields(ctx context.Context, edge, wiki string) (map[string]string, error) {
	ours, err := head(ctx, edge)
	if err != nil {
		return nil, err
	}
	own, err := head(ctx, wiki)
	if err != nil {
		return nil, err
	}
	added := map[string]string{}
	for name, values := range ours {
		switch name {
		case "Date", "Server", "Via": // Caddy's own
			continue
		}
		if own[name] == nil {
			added[name] = values[0]
		}
	}
	if added["Content-Security-Policy"] == "" {
		return nil, fmt.Errorf("the edge sends no policy: %v", ours)
	}
	return added, nil
}

func head(ctx context.Context, address string) (http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+pagePath, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	return answer.Header, answer.Body.Close()
}
