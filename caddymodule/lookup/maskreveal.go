package lookup

import (
	_ "embed"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/defaultlog"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/internal/i18n"
	"github.com/wikiveil/wikiveil/internal/kv"
	"github.com/wikiveil/wikiveil/internal/page"
	"github.com/wikiveil/wikiveil/lookup/access"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("mask_reveal", defaultlog.Masked(parseMaskReveal))
	caddy.RegisterModule(new(MaskReveal))
}

// MaskReveal is the origin where masks are turned back into addresses, away from the wiki's
// scripts. A user with the right starts on the wiki's mask_info, and here gives a reason and types a code. The
// reveal is in the audit log before the response is sent. The response is the address where `seal local` is set, else
// the sealed box, which `wikiveil reveal` opens on the machine that has the identity.
//
// Let it be another port of the wiki's host or a subdomain, with nothing else on it. On another
// port the browser sends the wiki's session too, so set `wiki` (or `user`, behind the same authentication) as mask_info
// has it: the user who confirms must then be the one who started, and still have the right. Without them, as on a
// subdomain, what the wiki said a moment before counts.
type MaskReveal struct {
	MaskAccess

	// Path is where the wiki's mask_info is, to go back to. Default: /.privacy/masks/
	Path string `json:"path,omitempty"`

	pages *confirm.Pages
}

const (
	revealPath = "/reveal"
	// revealAction is what a token of these pages is for.
	revealAction = "reveal"
)

//go:embed maskreveal.html
var maskRevealHTML string

// CaddyModule returns the Caddy module information.
func (*MaskReveal) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.mask_reveal", New: func() caddy.Module { return new(MaskReveal) }}
}

var (
	errNoRevealOrigin = errors.New("it is not said where reveals are: set `reveal` with the wiki's origin and this one")
	errNoSealing      = errors.New("nothing is sealed, so nothing can be revealed: set `seal` in `sightings`")
)

func (h *MaskReveal) validate() error {
	info := MaskInfo{Path: h.Path}
	if err := info.validate(); err != nil {
		return err
	}
	h.Path = info.Path
	if h.Reveal == nil {
		return errNoRevealOrigin
	}
	return h.MaskAccess.validate(false)
}

// Provision sets up the handler.
func (h *MaskReveal) Provision(ctx caddy.Context) error {
	err := h.validate()
	if err == nil {
		err = h.provision(ctx)
	}
	if err == nil && h.app.Sightings.Seal == nil {
		err = errNoSealing
	}
	if err != nil {
		return fmt.Errorf("mask_reveal: %w", err)
	}
	// Pages need the flow's origins alone.
	flow, err := h.makeFlow(new(confirm.Keys), kv.NewMemory(1))
	if err != nil {
		return fmt.Errorf("mask_reveal: %w", err)
	}
	h.pages, err = flow.Pages(maskRevealHTML)
	return err
}

// ServeHTTP implements caddyhttp.MiddlewareHandler. No other handler comes after it: nothing else is to be
// on this origin.
func (h *MaskReveal) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	r = confirm.Localized(r)
	done, ok := h.app.HeldByLookups().Use()
	defer done()
	if !ok || !h.app.Started(r) {
		return edge.RefusedStarting.Answer(w, r)
	}
	flow, err := h.flow()
	if err != nil {
		return h.refuse(w, r, err, nil)
	}
	if reqstate.OriginalPath(r) != revealPath {
		flow.SetHeaders(w.Header())
		return errNoSuchPage.Answer(w, r)
	}
	switch r.Method {
	case http.MethodGet:
		return h.showForm(w, r, flow)
	case http.MethodPost:
		return h.takeForm(w, r, flow)
	}
	w.Header().Set("Allow", "GET, POST")
	return h.refuse(w, r, confirm.ErrMethod, nil)
}

// write responds with the page. Its title is the message of that key.
func (h *MaskReveal) write(w http.ResponseWriter, r *http.Request, status int, title string, form confirm.Dialog, view revealView) error {
	view.Wiki, view.Path = h.Reveal.Wiki, h.Path
	if err := h.pages.Write(w, status, confirm.Page{Frame: page.For(r, title), Form: form, Data: view}); err != nil {
		return fmt.Errorf("mask_reveal: %w", err)
	}
	return nil
}

func (h *MaskReveal) count(outcome string) {
	h.app.Metrics().Lookups.WithLabelValues(access.Reveal.String(), outcome).Inc()
}

// refuse says why nothing is revealed. A form that can be sent again is shown again.
func (h *MaskReveal) refuse(w http.ResponseWriter, r *http.Request, err error, again *revealForm) error {
	why := h.refused(w, access.Reveal.String(), err)
	view := revealView{Error: capital(why.In(i18n.Of(r)))}
	if again == nil {
		return h.write(w, r, why.Status, "reveal-nothing", confirm.Dialog{}, view)
	}
	view.Form = again
	return h.write(w, r, why.Status, formTitle, again.dialog, view)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*MaskReveal)(nil)
	_ caddyhttp.MiddlewareHandler = (*MaskReveal)(nil)
)
