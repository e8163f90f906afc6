package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

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
	others bool // bare Caddy, HAProxy and nginx too
	tls    bool // by HTTP/2; not for others
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
		contender.Load.Request = load.Page(pagePath)
		if c.tls {
			contender.Load.CA = b.authority
		}
	}
	return err
}

func (c pages) startLogged(ctx context.Context, b *bench, s *started, wiki *process.Process) error {
	scheme, certificates := "http", ""
	if c.tls {
		scheme, certificates = "https", b.dir
	}
	ours, err := s.caddy(ctx, edge, b.edge, config{edgeGlobal, maskedLog + edgeSite + plainProxy(wiki.Address), certificates})
	if err != nil {
		return err
	}
	fields, err := b.addedFields(ctx, scheme+"://"+ours.Address, "http://"+wiki.Address)
	if err != nil {
		return err
	}
	work, err := headerWork(wiki.Address, fields)
	if err != nil {
		return err
	}
	if _, err := s.caddy(ctx, headers, b.caddy, config{"", plainLog + work, certificates}); err != nil || !c.others {
		return err
	}
	if _, err := s.caddy(ctx, bare, b.caddy, config{site: plainLog + plainProxy(wiki.Address)}); err != nil {
		return err
	}
	return s.startOthers(ctx, wiki.Address)
}

func (c pages) startUnlogged(ctx context.Context, b *bench, s *started, wiki *process.Process) error {
	if _, err := s.caddy(ctx, edge, b.edge, config{global: edgeGlobal, site: edgeSite + plainProxy(wiki.Address)}); err != nil {
		return err
	}
	_, err := s.caddy(ctx, keepalive, b.caddy, config{site: proxy(wiki.Address, "")})
	return err
}

// addedFields are the response's fields that the edge adds to the wiki's.
func (b *bench) addedFields(ctx context.Context, edge, wiki string) (map[string]string, error) {
	ours, err := b.head(ctx, edge+pagePath)
	if err != nil {
		return nil, err
	}
	own, err := b.head(ctx, wiki+pagePath)
	if err != nil {
		return nil, err
	}
	added := map[string]string{}
	for name, values := range ours {
		switch name {
		case "Date", "Server", "Via", "Alt-Svc": // Caddy's own
			continue
		}
		if own[name] == nil {
			added[name] = strings.Join(values, ", ")
		}
	}
	if added["Content-Security-Policy"] == "" {
		return nil, fmt.Errorf("the edge sends no policy: %v", ours)
	}
	return added, nil
}

// head asks for a response's fields.
func (b *bench) head(ctx context.Context, url string) (http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM([]byte(b.authority))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS13}}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("it answers %s", answer.Status)
	}
	return answer.Header, errors.Join(err, answer.Body.Close())
}
