package mask

import (
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/internal/page"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// RejectIPInput has requests refused that give the app an IP address, or a range of them, as a part of the path or as the whole of a
// field. It keeps people from pasting addresses by accident; it stops nobody who wants to write one.
type RejectIPInput struct {
	// Except are the names of fields, and paths that begin with a slash, that aren't looked at. A path that ends in * covers all that
	// begin like it.
	Except []string `json:"except,omitempty"`
}

var refusedIPInput = refusal.New(http.StatusBadRequest, "ip_input", "ip-input-program")

//go:embed ipinput.html
var ipInputText string

var ipInputPage = page.Must(ipInputText, nil)

func (h *ClientMask) parseRejectIPInput(d *caddyfile.Dispenser) error {
	h.RejectIPInput = &RejectIPInput{Except: d.RemainingArgs()}
	return nil
}

func (c *RejectIPInput) validate(mode maskMode) error {
	switch {
	case c == nil:
		return nil
	case mode == modeObserve:
		return errors.New("reject_ip_input refuses requests, and mode observe changes nothing: leave one of them out")
	}
	for _, except := range c.Except {
		path := strings.HasPrefix(except, "/")
		if i := strings.IndexByte(except, '*'); except == "" || i >= 0 && (!path || i != len(except)-1) {
			return fmt.Errorf("reject_ip_input: %q is neither a field's name nor a path such as /api/*", except)
		}
	}
	return nil
}

// passes reports whether a path isn't looked at: one of the operator's exceptions, or the edge's own, whose handlers see to it themselves.
func (c *RejectIPInput) passes(path string) bool {
	for _, own := range []string{edge.ReaderPath, "/.tools/", "/.well-known/"} {
		if strings.HasPrefix(path, own) {
			return true
		}
	}
	return slices.ContainsFunc(c.Except, func(except string) bool {
		begin, more := strings.CutSuffix(except, "*")
		return path == except || more && strings.HasPrefix(except, "/") && strings.HasPrefix(path, begin)
	})
}

// rejects reports whether a request is refused. What it reads of the body it puts back.
func (c *RejectIPInput) rejects(r *http.Request) bool {
	if c == nil || c.passes(r.URL.Path) {
		return false
	}
	look := inputs{except: c.Except}
	if !isSubresource(r) && (look.path(r.URL.Path) || look.urlencoded(r.URL.RawQuery)) {
		return true
	}
	return look.body(r)
}

// isSubresource reports whether a request is for a part of a page, which people don't fill in: its path may well hold a version.
func isSubresource(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "", "document", "iframe", "frame", "empty":
		return false
	}
	return onlyReads(r)
}

// ipInputData is what the page is made of.
type ipInputData struct {
	page.Frame
	// Own is where readers see their own mask, Masks where masks are looked up; "" where the site has no such page.
	Own, Masks string
}

// Languages returns no links: they would have to repeat what was sent.
func (ipInputData) Languages() []page.LanguageLink { return nil }

// lookupPage is a handler that has a form to look masks up.
type lookupPage interface{ MasksPath() string }

// serveIPInput answers a request with an address. The page leads to the form for masks and tells nobody the mask of what was typed:
// by that, anybody could try whose mask is whose. Neither does it repeat the address, in links either.
func (h *ClientMask) serveIPInput(w http.ResponseWriter, r *http.Request) error {
	h.app.Metrics().Refused.WithLabelValues(refusedIPInput.Reason).Inc()
	asked := h.localized(r)
	w.Header().Add("Vary", "Accept, Accept-Language, Sec-Fetch-Dest")
	dest := r.Header.Get("Sec-Fetch-Dest")
	if dest != "" && dest != "document" || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		return refusedIPInput.Answer(w, asked)
	}
	data := ipInputData{Frame: page.For(asked, "ip-input-title"), Own: edge.ReaderPath}
	data.Nonce = rand.Text()
	for _, teller := range edge.Tellers(r, h) {
		if form, ok := teller.(lookupPage); ok {
			data.Masks = form.MasksPath()
		}
	}
	page.Protect(w.Header(), "")
	reqstate.OwnPolicy(w, r, page.Policy(page.Nonce(data.Nonce), "'self'"))
	return page.Write(w, refusedIPInput.Status, ipInputPage, data)
}
