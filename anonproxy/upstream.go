package anonproxy

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unique"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// upstream is a tool, ready to be asked.
type upstream struct {
	tool      *noticeboard.Tool
	names     *toolNames // for the leak guard
	origin    *url.URL
	origins   map[string]bool // where redirects may lead
	allow     string          // the methods, for 405
	headers   map[noticeboard.Kind]http.Header
	scopes    map[noticeboard.Kind]unique.Handle[cache.Scope]
	transport *Transport
	mirror    *mirrored // nil: no mirror
	maxSize   int64
	bodyLimit int64 // of a POST
	timeout   time.Duration
	fairness

	serving    context.Context // done when streams must end
	endServing context.CancelFunc
	older      *predecessors
}

func (p *Proxy) newUpstream(tool *noticeboard.Tool) (*upstream, error) {
	origin, err := url.Parse(tool.Origin)
	if err != nil {
		return nil, fmt.Errorf("parsing origin of tool %q: %w", tool.Name, err)
	}
	up := &upstream{
		names: namesOf(tool),
		tool:  tool, origin: origin, origins: make(map[string]bool), allow: strings.Join(tool.Methods, ", "),
		headers: requestHeaders(p.cfg.Contact), maxSize: tool.MaxSize, timeout: time.Duration(tool.Timeout),
	}
	for _, o := range tool.Origins() {
		up.origins[o] = true
	}
	setDefault(&up.maxSize, p.cfg.MaxSize)
	up.bodyLimit = tool.MaxRequestSize
	setDefault(&up.bodyLimit, p.cfg.MaxRequestSize)
	setDefault(&up.timeout, p.cfg.Timeout)
	up.scopes, up.fairness = scopes(up), p.fairness(tool)
	up.serving, up.endServing = context.WithCancel(context.Background())
	up.older = new(predecessors)
	if p.cfg.Transport != nil {
		up.transport = p.cfg.Transport(tool)
	} else {
		up.transport = NewTransport(tool, WithResolver(p.cfg.Resolver))
		p.own = append(p.own, up.transport)
	}
	up.mirror = p.newMirrored(up)
	return up, nil
}

// header returns the request header of an ask for an address. Only the tool's own origin
// gets a pseudonym: its other hosts may be other people's.
func (up *upstream) header(a ask, u *url.URL) http.Header {
	header := up.headers[a.kind]
	named := a.pseudonym != "" && u.Host == up.origin.Host
	if !named && a.contentType == "" {
		return header
	}
	header = maps.Clone(header)
	if named {
		header[PseudonymHeader] = []string{a.pseudonym}
	}
	if a.contentType != "" {
		header["Content-Type"] = []string{a.contentType}
	}
	return header
}

// requestHeaders are the headers of all requests to a tool, by kind. They are
// the whole of what is sent but for Host, and nothing may change them.
//
// Accept-Encoding is identity: limits then count what the reader gets, types
// are checked on it, nothing has to be unpacked, and Caddy's encode can still
// compress it on the way to the reader. Range and readers' validators are left out:
// a Range tells how somebody watches, an ETag may be a cookie. A cache adds its own
// validators, which it got by its own request.
func requestHeaders(contact string) map[noticeboard.Kind]http.Header {
	agent := product
	if contact != "" {
		agent += "; " + contact
	}
	headers := make(map[noticeboard.Kind]http.Header, len(accepts))
	for kind, accept := range accepts {
		headers[kind] = http.Header{
			"Accept":          {accept},
			"Accept-Encoding": {"identity"},
			"User-Agent":      {agent + ")"},
		}
	}
	return headers
}
