package mask

import (
	"encoding/json"
	"net/netip"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap/zapcore"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/caddyprivate"
	"github.com/wikiveil/wikiveil/caddymodule/internal/clientaddr"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/masklog"
)

// logRules are the rules of a masked log in ctx's config. Logs open before all apps, so that the config
// is still whole.
func logRules(ctx caddy.Context, label *string) *masklog.Rules {
	servers := make(map[netip.Addr]struct{})
	pages := privatePages{{prefix: "/.privacy/"}, {prefix: edge.DefaultMasksPath, whole: true}}
	paths := append([]string{caddy.AppDataDir(), caddy.AppConfigDir()}, os.Args...)
	if dir, err := os.Getwd(); err == nil {
		paths = append(paths, dir)
	}
	for _, raw := range caddyprivate.Parts(ctx) {
		var tree any
		if json.Unmarshal(raw, &tree) == nil {
			masklog.Servers(tree, servers)
			pages.add(tree)
			paths = append(paths, masklog.ConfigPaths(tree)...)
		}
	}
	return &masklog.Rules{
		Mask:     func(addr netip.Addr) string { return logMasks.Load().mask(addr, label) },
		Readable: servers,
		Paths:    masklog.Paths(paths...),
		Keep:     keepRequest,
		Forwards: carriesAddress,
		Page:     pages.shown,
		Texts:    func(texts []string) zapcore.ArrayMarshaler { return caddyhttp.LoggableStringArray(texts) },
		Request: func(m zapcore.ObjectMarshaler) (masklog.Request, bool) {
			logged, ok := m.(caddyhttp.LoggableHTTPRequest)
			if !ok {
				return masklog.Request{}, false
			}
			return describeRequest(logged, pages), true
		},
	}
}

// describeRequest tells whose a request is, also after client_mask put the mask there.
func describeRequest(logged caddyhttp.LoggableHTTPRequest, pages privatePages) (about masklog.Request) {
	v6Prefix := logMasks.Load().v6Prefix()
	if peer, err := netip.ParseAddrPort(logged.RemoteAddr); err == nil && !masking.Is(peer.Addr()) {
		about.Peer = reqstate.Prefix(peer.Addr().Unmap().WithZone(""), v6Prefix)
	}
	if known := reqstate.Known(logged.Request).Client; known != nil {
		about.Client, about.Mask = reqstate.Prefix(known.Addr, v6Prefix), known.Mask
	} else if addr, _, refused := clientaddr.Of(logged.Request, reqstate.VarsOf(logged.Request)); refused == nil {
		about.Client = reqstate.Prefix(addr, v6Prefix)
	}
	_, about.Private = pages.shown(logged.RequestURI)
	return about
}

// privatePages are the edge's own pages: who looks up which mask, or lets which tool through, is
// no business of those who read a log.
type privatePages []privatePage

type privatePage struct {
	prefix string
	whole  bool // the rest of the path isn't shown either
}

// add finds the pages that have another path in a config.
func (p *privatePages) add(config any) {
	switch v := config.(type) {
	case []any:
		for _, element := range v {
			p.add(element)
		}
	case map[string]any:
		handler, _ := v["handler"].(string)
		at, _ := v["path"].(string)
		if (handler == "mask_info" || handler == "mask_reveal") && strings.HasPrefix(at, "/") {
			*p = append(*p, privatePage{prefix: at, whole: true})
		}
		for _, member := range v {
			p.add(member)
		}
	}
}

// shown returns what a log shows of a URL, which may be absolute: of a page of ours, neither the query nor the mask.
func (p privatePages) shown(text string) (string, bool) {
	at := text
	if end := strings.IndexAny(at, "?#"); end >= 0 {
		at = at[:end]
	}
	origin := 0
	if scheme := strings.Index(at, "://"); scheme >= 0 {
		slash := strings.IndexByte(at[scheme+len("://"):], '/')
		if slash < 0 {
			return "", false
		}
		origin = scheme + len("://") + slash
	}
	plain := at[origin:]
	if strings.IndexByte(plain, '%') >= 0 {
		if decoded, err := url.PathUnescape(plain); err == nil {
			plain = decoded
		}
	}
	if strings.Contains(plain, "//") || strings.Contains(plain, "/./") || strings.Contains(plain, "/../") {
		plain = path.Clean(plain)
	}
	plain = strings.TrimSuffix(plain, "/") + "/"
	for _, page := range slices.Backward(p) { // the wholly hidden ones first
		if len(plain) < len(page.prefix) || !strings.EqualFold(plain[:len(page.prefix)], page.prefix) {
			continue
		}
		if page.whole {
			return at[:origin] + page.prefix, true
		}
		return at, true
	}
	return "", false
}
