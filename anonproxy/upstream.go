package anonproxy

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"time"
	"unique"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/leakguard"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// upstream is a tool, ready to be asked.
type upstream struct {
	tool      *noticeboard.Tool
	names     *leakguard.Tool // for the leak guard
	origin    *url.URL
	origins   map[string]bool                  // where redirects may lead
	allow     string                           // the methods, for 405
	headers   map[noticeboard.Kind]http.Header // the proxy's
	scopes    func() map[noticeboard.Kind]unique.Handle[cache.Scope]
	transport *Transport
	release   func()    // ends the use of the transport
	mirror    *mirrored // nil: no mirror
	maxSize   int64
	bodyLimit int64 // of a POST
	timeout   time.Duration
	fairness

	serving    context.Context // done when streams must end
	endServing context.CancelFunc
}

// upstreamFor returns what serves a tool: what did before, if the declaration is the same.
func (p *Proxy) upstreamFor(tool *noticeboard.Tool, before *upstream) (*upstream, error) {
	if before != nil && reflect.DeepEqual(before.tool, tool) {
		return before, nil
	}
	origin, err := url.Parse(tool.Origin)
	if err != nil {
		return nil, fmt.Errorf("parsing origin of tool %q: %w", tool.Name, err)
	}
	up := &upstream{
		names: leakguard.ToolOf(tool),
		tool:  tool, origin: origin, origins: make(map[string]bool), allow: strings.Join(tool.Methods, ", "),
		headers: p.headers, maxSize: cmp.Or(tool.MaxSize, p.cfg.MaxSize),
		bodyLimit: cmp.Or(tool.MaxRequestSize, p.cfg.MaxRequestSize), timeout: cmp.Or(time.Duration(tool.Timeout), p.cfg.Timeout),
	}
	for _, o := range tool.Origins() {
		up.origins[o] = true
	}
	switch {
	case before != nil && TransportKey(before.tool) == TransportKey(tool):
		up.transport, up.release = before.transport, before.release
	case p.cfg.Transport != nil:
		up.transport, up.release = p.cfg.Transport(tool)
	default:
		up.transport = NewTransport(tool)
		up.transport.Dialer.Resolver = p.cfg.Resolver
		up.release = up.transport.Close
	}
	up.fairness = p.fairness(tool, up.transport)
	up.scopes = sync.OnceValue(func() map[noticeboard.Kind]unique.Handle[cache.Scope] { return scopes(up) }) // most tools of a large board wait long for it
	up.serving, up.endServing = context.WithCancel(p.serving)
	up.mirror = p.newMirrored(up)
	if tool.AllowLoopback {
		p.cfg.Logger.Warn("INSECURE: a tool may be on this machine, which is for tests only; remove allow_loopback in production",
			"tool", tool.Name, "origin", tool.Origin)
	}
	return up, nil
}

// close ends what serves a tool no longer, but for the transport if what does now has the same. Requests under way don't
// notice.
func (up *upstream) close(now *upstream) {
	up.endServing()
	if up.mirror != nil {
		up.mirror.release()
	}
	if now == nil || now.transport != up.transport {
		up.release()
	}
}

// header returns the header of a request for an address. Only the tool's own origin
// gets a pseudonym: its other hosts may be other people's.
func (up *upstream) header(req request, u *url.URL) http.Header {
	header := up.headers[req.kind]
	named := req.pseudonym != "" && u.Host == up.origin.Host
	if !named && req.contentType == "" {
		return header
	}
	header = maps.Clone(header)
	if named {
		header[PseudonymHeader] = []string{req.pseudonym}
	}
	if req.contentType != "" {
		header["Content-Type"] = []string{req.contentType}
	}
	return header
}
