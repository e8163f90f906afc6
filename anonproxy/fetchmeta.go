package anonproxy

import (
	"net/http"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// anyKind stands for a request that doesn't tell what it is for.
const anyKind noticeboard.Kind = ""

// destinations are the values of Sec-Fetch-Dest that may use the proxy. Scripts,
// workers, frames, documents, embeds and whatever browsers invent are absent.
var destinations = map[string]noticeboard.Kind{
	"empty": noticeboard.Data,
	"image": noticeboard.Img,
	"font":  noticeboard.Font,
	"style": noticeboard.Style,
	"audio": noticeboard.Media,
	"video": noticeboard.Media,
	"track": noticeboard.Media,
}

// requestKind tells from the Fetch metadata what the browser will use the
// answer for, and refuses what must not go through the wiki's origin.
//
// Browsers send the metadata to trustworthy origins only: https and localhost.
// Over TLS a request without it comes from no current browser, and old ones
// would have to be trusted not to run what they get, so it is refused. Over
// plain HTTP it can't be asked for, or a wiki tried out on a LAN would have no
// tools; there the type list, nosniff and the sandbox still hold. An edge
// behind a TLS terminator should set Config.RequireFetchMetadata.
func (p *Proxy) requestKind(r *http.Request) (noticeboard.Kind, *refusal.Refusal) {
	if wantsWebSocket(r) {
		return noticeboard.Data, p.checkWebSocket(r)
	}
	dest, refused := p.destination(r)
	if refused != nil || dest == "" {
		return anyKind, refused
	}
	kind, ok := destinations[dest]
	if !ok {
		return "", outcomes.BadRequest(http.StatusForbidden, "the proxy serves no scripts, workers, frames or documents")
	}
	return kind, nil
}

// destination is the Fetch metadata's destination of a request that pages of the wiki
// may make, "" where there is no metadata.
func (p *Proxy) destination(r *http.Request) (string, *refusal.Refusal) {
	if _, worker := r.Header["Service-Worker"]; worker {
		return "", outcomes.BadRequest(http.StatusForbidden, "service workers can't be loaded through the proxy")
	}
	dest, destOK := single(r.Header, "Sec-Fetch-Dest")
	site, siteOK := single(r.Header, "Sec-Fetch-Site")
	mode, modeOK := single(r.Header, "Sec-Fetch-Mode")
	if !destOK || !siteOK || !modeOK {
		return "", outcomes.BadRequest(http.StatusBadRequest, "a Sec-Fetch header was sent twice")
	}
	if dest == "" && site == "" && mode == "" {
		if r.TLS != nil || p.cfg.RequireFetchMetadata {
			return "", outcomes.BadRequest(http.StatusForbidden, "the request has no Sec-Fetch headers: use a current browser")
		}
		return "", nil
	}
	switch {
	case site != "same-origin":
		return "", outcomes.BadRequest(http.StatusForbidden, "only pages of this wiki may use the proxy")
	case mode != "cors" && mode != "no-cors" && mode != "same-origin":
		return "", outcomes.BadRequest(http.StatusForbidden, "the proxy can't be navigated to")
	case dest == "":
		return "", outcomes.BadRequest(http.StatusForbidden, "the proxy serves no scripts, workers, frames or documents")
	}
	return dest, nil
}

// single returns a field's one value or "", and false where it has several.
func single(h http.Header, name string) (string, bool) {
	switch values := h[name]; len(values) {
	case 0:
		return "", true
	case 1:
		return values[0], true
	default:
		return "", false
	}
}
