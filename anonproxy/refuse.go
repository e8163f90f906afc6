package anonproxy

import (
	"cmp"
	"net/http"
	"net/url"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// refuse tells why a tool must not be asked for a path now.
func (p *Proxy) refuse(up *upstream, path string) *refusal.Refusal {
	if p.cfg.Refuse != nil {
		if status, reason := p.cfg.Refuse(up.tool.Name, path); status != 0 {
			return outcomes.BadRequest(status, reason)
		}
	}
	if err := up.tool.Usable(time.Now()); err != nil {
		return outcomes.BadRequest(http.StatusForbidden, err.Error())
	}
	return nil
}

// refuseUnknown tells why a tool that the proxy doesn't have can't be asked.
func (p *Proxy) refuseUnknown(t target, refused *refusal.Refusal) *refusal.Refusal {
	if t.name == "" && refused != nil {
		return refused
	}
	if p.cfg.Refuse != nil {
		if status, reason := p.cfg.Refuse(t.name, t.path); status != 0 {
			return outcomes.BadRequest(status, reason)
		}
	}
	return outcomes.BadRequest(http.StatusNotFound, "no tool of that name is declared")
}

// refuseHop tells why a redirect to u must not be followed, although the tool is
// declared to be there. On the tool's own origin it must be one that a reader
// could ask for: nothing that a server may read as another path.
func (p *Proxy) refuseHop(up *upstream, u *url.URL) *refusal.Refusal {
	if u.Host != up.origin.Host {
		return nil
	}
	path := cmp.Or(u.Path, "/")
	if reason := badPath(path, u.RawPath); reason != "" {
		return outcomes.BadResponse("the tool redirects to an address that can't be checked: " + reason)
	}
	refused := p.refuse(up, path)
	if refused == nil {
		return nil
	}
	return refusal.Literal(refused.Status, outcomes.RefusedResponse, "the tool redirects to what is refused: "+refused.Error())
}

// requestKind tells from the Fetch metadata what the browser will use the
// answer for, and refuses what must not go through the wiki's origin.
func (p *Proxy) requestKind(r *http.Request) (noticeboard.Kind, *refusal.Refusal) {
	if wantsWebSocket(r) {
		return noticeboard.Data, p.checkWebSocket(r)
	}
	dest, refused := headers.Destination(r, p.cfg.RequireFetchMetadata)
	if refused != nil || dest == "" {
		return headers.AnyKind, refused
	}
	kind, ok := headers.KindFor(dest)
	if !ok {
		return "", outcomes.BadRequest(http.StatusForbidden, "the proxy serves no scripts, workers, frames or documents")
	}
	return kind, nil
}
