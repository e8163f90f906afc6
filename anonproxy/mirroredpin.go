package anonproxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"

	"github.com/wikiveil/wikiveil/anonproxy/mirror"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// Unpinned is a file that somebody wants to pin.
type Unpinned struct {
	Kind      noticeboard.Kind
	Integrity string     // its hash
	Leads     []*url.URL // what it loads if it is a style sheet, each once and without fragment
}

// FetchUnpinned asks for a file as [Proxy.FillMirrors] does, from a tool that is no
// mirror yet and whose origin and hosts it and its redirects are on. It is an error
// if a mirror couldn't serve it.
func FetchUnpinned(ctx context.Context, tool *noticeboard.Tool, address *url.URL, cfg Config) (*Unpinned, error) {
	board, err := noticeboard.New([]*noticeboard.Tool{tool})
	if err != nil {
		return nil, err
	}
	p, err := New(board, cfg)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	up := p.upstreams()[tool.Name]
	whole := *up.tool
	whole.Kinds = append(noticeboard.Kinds(), noticeboard.Script)
	f := &mirroredFile{of: &mirrored{tool: &whole}, url: address, from: up.at(address)}
	res, err := p.mirrorFetch(up, f)(ctx)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	kind, _, reason := f.contentType(res.Type)
	if reason != "" {
		return nil, fmt.Errorf("the file %s", reason)
	}
	file := &Unpinned{Kind: kind, Integrity: mirror.Integrity(content)}
	if kind == noticeboard.Style {
		file.Leads, err = leadsOf(content, res.URL)
	}
	return file, err
}

// leadsOf returns what a style sheet loads.
func leadsOf(sheet []byte, address string) (leads []*url.URL, err error) {
	base, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool)
	_, err = mirror.Sheet{Base: base, Address: func(u *url.URL) (string, bool) {
		u.ForceQuery = false // see address
		if !seen[u.String()] {
			seen[u.String()] = true
			leads = append(leads, u)
		}
		return "", false
	}}.Rewrite(bytes.Clone(sheet))
	return leads, err
}
