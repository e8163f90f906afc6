package headers

import (
	"net/http"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

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

// Destination is the Fetch metadata's destination of a request that pages of the wiki
// may make, "" where there is no metadata, which is refused over TLS, or anywhere if it is required.
//
// Browsers send the metadata to trustworthy origins only: https and localhost.
// Over TLS a request without it comes from no current browser, and old ones
// would have to be trusted not to run what they get, so it is refused. Over
// plain HTTP it can't be asked for, or a wiki tried out on a LAN would have no
// tools; there the type list, nosniff and the sandbox still hold. An edge
// behind a TLS terminator should require it.
func Destination(r *http.Request, required bool) (string, *refusal.Refusal) {
	if _, worker := r.Header["Service-Worker"]; worker {
		return "", outcomes.BadRequest(http.StatusForbidden, "service workers can't be loaded through the proxy")
	}
	dest, destOK := Single(r.Header, "Sec-Fetch-Dest")
	site, siteOK := Single(r.Header, "Sec-Fetch-Site")
	mode, modeOK := Single(r.Header, "Sec-Fetch-Mode")
	if !destOK || !siteOK || !modeOK {
		return "", outcomes.BadRequest(http.StatusBadRequest, "a Sec-Fetch header was sent twice")
	}
	if dest == "" && site == "" && mode == "" {
		if r.TLS != nil || required {
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

// KindFor is the use that a destination stands for, if it may use the proxy.
func KindFor(dest string) (kind noticeboard.Kind, ok bool) {
	kind, ok = destinations[dest]
	return kind, ok
}
