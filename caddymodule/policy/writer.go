package policy

import (
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp/exempt"
)

const (
	cspEnforced = iota
	cspReportOnly
)

var cspHeaderNames = [2]string{"Content-Security-Policy", "Content-Security-Policy-Report-Only"}

// policyWriter sees to it that the response has its policies, once and first,
// whatever the handlers did to the header.
type policyWriter struct {
	caddyhttp.ResponseWriterWrapper

	// policies are the values to send, by index of cspHeaderNames; "" is none.
	policies [2]string
	// lines back the header map's slices. Each response has its own, because
	// handlers may edit header values in place; having no spare capacity, they are
	// copied by whoever appends.
	lines [2][1]string
	// state says what the response's handler wants.
	state *reqstate.State
	room  reqstate.State // for it
	// endpoints is the value of Reporting-Endpoints; "" is none.
	endpoints string
	// shown, if not nil, is called where the response is a page.
	shown func()
	// dropOthers removes policies of others.
	dropOthers bool
	// private keeps shared caches from storing the response; see [exempt.MarkPrivate].
	private bool
	// personal is set where the policies are for this reader alone.
	personal bool
	settled  bool
}

// WriteHeader settles the header of a final response. It lets 1xx pass: they
// are interim, or end HTTP on this connection (101).
func (w *policyWriter) WriteHeader(status int) {
	if status >= 200 {
		w.settle(status)
	} else {
		w.guardCookies() // browsers take them of a 101 too
	}
	w.ResponseWriterWrapper.WriteHeader(status)
}

func (w *policyWriter) Write(b []byte) (int, error) {
	w.settle(http.StatusOK)
	return w.ResponseWriterWrapper.Write(b)
}

// ReadFrom keeps the fast path of the writer below.
func (w *policyWriter) ReadFrom(r io.Reader) (int64, error) {
	w.settle(http.StatusOK)
	return w.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError serves http.ResponseController: flushing sends the header.
func (w *policyWriter) FlushError() error {
	w.settle(http.StatusOK)
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush implements http.Flusher for handlers that ask for it by type.
func (w *policyWriter) Flush() { _ = w.FlushError() }

func (w *policyWriter) settle(status int) {
	if w.settled {
		return
	}
	w.settled = true
	w.apply()
	w.guardCookies()
	h := w.Header()
	if w.private {
		exempt.MarkPrivate(h, status != http.StatusNotModified && isPage(status, h))
	}
	if w.shown != nil && isPage(status, h) {
		w.shown()
	}
	delete(h, "Service-Worker-Allowed")
	// Else browsers may take a script from their cache for a worker's, and the edge is
	// never asked: Chromium does for a second registration with updateViaCache 'all'.
	if status == http.StatusNotModified || isScript(h) {
		addVary(h, "Service-Worker")
	}
}

// apply puts the policies in their place and reports which ones were missing.
func (w *policyWriter) apply() (added [2]bool) {
	h := w.Header()
	if w.endpoints != "" {
		// A list, to which others may add. Of two with one name, the last counts.
		others := slices.DeleteFunc(slices.Clone(h[endpointsHeader]), func(v string) bool { return v == w.endpoints })
		h[endpointsHeader] = append(others, w.endpoints)
	}
	dropOthers := w.dropOthers && !w.state.KeepPolicies
	for i, policy := range w.wanted() {
		name := cspHeaderNames[i]
		present := h[name]
		if policy == "" {
			if dropOthers {
				delete(h, name)
			}
			continue
		}
		if len(present) == 1 && present[0] == policy {
			continue
		}
		added[i] = !slices.Contains(present, policy)
		w.lines[i][0] = policy
		values := w.lines[i][:]
		if !dropOthers {
			for _, v := range present {
				if v != policy {
					values = append(values, v)
				}
			}
		}
		h[name] = values
	}
	if w.personal {
		exempt.MarkPersonal(h)
	}
	return added
}

// wanted are the policies to send, by index of cspHeaderNames: the site's, or the one of a page of the edge.
func (w *policyWriter) wanted() [2]string {
	if own := w.state.Rare().Policy; own != "" {
		return [2]string{cspEnforced: own}
	}
	return w.policies
}

// Wrote reports whether a header is one of the edge's own, as it was written.
func (w *policyWriter) Wrote(name string, values []string) bool {
	own := ""
	switch name {
	case cspHeaderNames[cspEnforced]:
		own = w.wanted()[cspEnforced]
	case cspHeaderNames[cspReportOnly]:
		own = w.wanted()[cspReportOnly]
	case endpointsHeader:
		own = w.endpoints
	}
	return own != "" && len(values) == 1 && values[0] == own
}

// guardCookies removes the edge's cookies where it is not the edge that sets them.
func (w *policyWriter) guardCookies() {
	if !w.state.SetsCookies {
		exempt.StripSetCookies(w.Header())
	}
}

// isScript reports whether browsers would take the response for JavaScript:
// each of the MIME types that they do has one of these words in it.
func isScript(h http.Header) bool {
	lines := h["Content-Type"]
	if len(lines) == 0 || strings.IndexByte(lines[0], 'p') < 0 && strings.IndexByte(lines[0], 'P') < 0 {
		return false // most pages' type, of which no copy in small letters is made
	}
	mediaType := strings.ToLower(lines[0])
	return slices.ContainsFunc([]string{"javascript", "ecmascript", "jscript", "livescript"}, func(word string) bool {
		return strings.Contains(mediaType, word)
	})
}

func addVary(h http.Header, name string) {
	for _, line := range h["Vary"] {
		for field := range strings.SplitSeq(line, ",") {
			if field = strings.TrimSpace(field); field == "*" || strings.EqualFold(field, name) {
				return
			}
		}
	}
	h.Add("Vary", name)
}

// Interface guards
var (
	_ http.ResponseWriter = (*policyWriter)(nil)
	_ http.Flusher        = (*policyWriter)(nil)
	_ io.ReaderFrom       = (*policyWriter)(nil)
)
