package anonproxy

import (
	"context"
	"net/url"
	"path"
	"strings"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/anonproxy/refresh"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// FollowRefreshed implements [refresh.Proxy].
func (p *Proxy) FollowRefreshed(f func([]*refresh.Source)) (stop func()) {
	return p.follow(func() {
		var all []*refresh.Source
		for _, up := range p.upstreams() {
			if p.cfg.Cache != nil && up.tool.Refreshes() {
				all = append(all, p.refreshed(up))
			}
		}
		f(all)
	})
}

// refreshed is a tool as its schedule asks for it.
func (p *Proxy) refreshed(up *upstream) *refresh.Source {
	return &refresh.Source{
		Tool: up.tool, Cache: p.cfg.Cache, Scope: up.scopes()[headers.AnyKind], Logger: p.cfg.Logger,
		Refused: func(path string) bool { return p.refuse(up, path) != nil },
		Request: func(entry string) (*refresh.Request, *refusal.Refusal) {
			req, refused := refreshRequest(up.tool, entry)
			if refused != nil {
				return nil, refused
			}
			return &refresh.Request{Path: req.path, Key: up.key(req), Fetch: func(ctx context.Context, v *cache.Validators) (*cache.Response, error) {
				return p.fetchShared(ctx, nil, up, req, v, true)
			}}, nil
		},
		Observe: func(outcome string) {
			if p.cfg.ObserveRefresh != nil {
				p.cfg.ObserveRefresh(up.tool.Name, outcome)
			}
		},
	}
}

// endings tell the kind of use by the path's.
var endings = map[string]noticeboard.Kind{
	".apng": noticeboard.Img, ".avif": noticeboard.Img, ".bmp": noticeboard.Img, ".gif": noticeboard.Img, ".ico": noticeboard.Img,
	".jpeg": noticeboard.Img, ".jpg": noticeboard.Img, ".png": noticeboard.Img, ".svg": noticeboard.Img, ".webp": noticeboard.Img,
	".otf": noticeboard.Font, ".ttc": noticeboard.Font, ".ttf": noticeboard.Font, ".woff": noticeboard.Font, ".woff2": noticeboard.Font,
	".css": noticeboard.Style,
	".aac": noticeboard.Media, ".flac": noticeboard.Media, ".m4a": noticeboard.Media, ".mp3": noticeboard.Media, ".mp4": noticeboard.Media,
	".oga": noticeboard.Media, ".ogg": noticeboard.Media, ".ogv": noticeboard.Media, ".opus": noticeboard.Media, ".vtt": noticeboard.Media,
	".wav": noticeboard.Media, ".webm": noticeboard.Media,
	".csv": noticeboard.Data, ".geojson": noticeboard.Data, ".json": noticeboard.Data, ".tsv": noticeboard.Data, ".txt": noticeboard.Data,
}

// refreshRequest makes an entry the request that a reader's browser makes of it.
func refreshRequest(tool *noticeboard.Tool, entry string) (request, *refusal.Refusal) {
	kind, rest, err := noticeboard.ParseRefresh(entry)
	if err != nil {
		return request{}, outcomes.BadRequest(400, err.Error())
	}
	u, err := url.ParseRequestURI("/" + tool.Name + rest)
	if err != nil {
		return request{}, outcomes.BadRequest(400, "the path can't be read")
	}
	t, refused := splitTarget("/", u)
	if refused != nil {
		return request{}, refused
	}
	if kind == "" {
		kind = likelyKind(tool, t.path)
	}
	return request{target: t, method: "GET", kind: kind}, nil
}

// likelyKind is the use of a path by its ending, or data, or the first kind that the
// tool declares.
func likelyKind(tool *noticeboard.Tool, name string) noticeboard.Kind {
	if kind, ok := endings[strings.ToLower(path.Ext(name))]; ok && tool.Has(kind) {
		return kind
	}
	if tool.Has(noticeboard.Data) {
		return noticeboard.Data
	}
	if tool.Kinds[0] == noticeboard.Frame { // which is never alone where there is a proxy
		return tool.Kinds[1]
	}
	return tool.Kinds[0]
}
