package lookup

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/defaultlog"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/internal/page"
	"github.com/wikiveil/wikiveil/lookup/access"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("mask_info", defaultlog.Masked(parseMaskInfo))
	caddy.RegisterModule(new(MaskInfo))
}

// MaskInfo lets those who may look masks up: what a mask's organisation and networks are, and
// what several masks have in common, never an address or a city. It is a page that needs no script, and
// JSON for programs (Accept: application/json, or ?format=json):
//
//	/.privacy/masks/          asks for masks; ?masks=MASK fills them in
//	/.privacy/masks/          POST of masks and reason: looks them up
//	/.privacy/masks/members   POST of a network and reason: who is in it, and what a block of it hits
//	/.privacy/masks/reveal    POST: goes on to the origin where a mask is revealed
//	/.privacy/masks/audit     POST: the audit log, for those who may read it
//
// And for everybody, so that they can see how many reveals there were and that none vanished:
//
//	/.well-known/wikiveil-audit        the audit logs' checkpoints
//	/.well-known/wikiveil-audit/proof  what proves that one continues another
//
// Each look-up is in the audit log before the response is sent.
type MaskInfo struct {
	MaskAccess

	// Path is where the page is, with a slash at both ends. Default: /.privacy/masks/
	Path string `json:"path,omitempty"`

	// BlockLink is the address of a form of the wiki that blocks a mask, with {mask} in
	// its place, such as https://wiki.example/wiki/Special:Block/{mask}. Default: none.
	BlockLink string `json:"block_link,omitempty"`

	// ContributionsLink is the address of the wiki's list of a mask's contributions, with {mask} in its place.
	// Default: Special:Contributions beside the api.php of Wiki.
	ContributionsLink string `json:"contributions_link,omitempty"`

	// LoginLink is the address of the wiki's page to log in, shown to who isn't. Default: Special:UserLogin beside
	// the api.php of Wiki.
	LoginLink string `json:"login_link,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*MaskInfo) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.mask_info", New: func() caddy.Module { return new(MaskInfo) }}
}

func (h *MaskInfo) validate() error {
	if h.Path == "" {
		h.Path = edge.DefaultMasksPath
	}
	if !strings.HasPrefix(h.Path, "/") || !strings.HasSuffix(h.Path, "/") || strings.ContainsAny(h.Path, "?#%{}") {
		return fmt.Errorf("path %q is not a plain path with a slash at both ends", h.Path)
	}
	for name, link := range map[string]string{"block_link": h.BlockLink, "contributions_link": h.ContributionsLink} {
		if link != "" && (!isWebAddress(link) || strings.Count(link, maskInLink) != 1) {
			return fmt.Errorf("%s %q is not a web address with %s once in it", name, link, maskInLink)
		}
	}
	if h.LoginLink != "" && !isWebAddress(h.LoginLink) {
		return fmt.Errorf("login_link %q is not a web address", h.LoginLink)
	}
	return h.MaskAccess.validate(false)
}

// isWebAddress reports whether a link leads to a page, here or elsewhere.
func isWebAddress(link string) bool {
	return strings.HasPrefix(link, "https://") || strings.HasPrefix(link, "http://") || strings.HasPrefix(link, "/")
}

// loginLink is where visitors log in, "" where that isn't known.
func (h *MaskInfo) loginLink() string { return cmp.Or(h.LoginLink, h.specialPage("UserLogin")) }

// contributionsLink is where a mask's contributions are, "" where that isn't known.
func (h *MaskInfo) contributionsLink() string {
	return cmp.Or(h.ContributionsLink, h.specialPage("Contributions/"+maskInLink))
}

// blockLogLink is where a mask's blocks are listed, "" where that isn't known.
func (h *MaskInfo) blockLogLink() string { return h.specialPage("Log/block&page=User:" + maskInLink) }

// specialPage is the address of a page of the wiki that is asked for rights, "" where that isn't known.
func (h *MaskInfo) specialPage(name string) string {
	if h.Wiki == nil {
		return ""
	}
	api, err := url.Parse(caddy.NewReplacer().ReplaceAll(h.Wiki.API, ""))
	if err != nil {
		return ""
	}
	script, ok := strings.CutSuffix(api.Path, "/api.php")
	if !ok {
		return ""
	}
	return script + "/index.php?title=Special:" + name
}

// MasksPath is where the form is.
func (h *MaskInfo) MasksPath() string { return h.Path }

// maskInLink is replaced in BlockLink.
const maskInLink = "{mask}"

// Provision sets up the handler.
func (h *MaskInfo) Provision(ctx caddy.Context) error {
	if err := h.validate(); err != nil {
		return fmt.Errorf("mask_info: %w", err)
	}
	if h.Wiki == nil && h.Users == nil {
		return errors.New("mask_info: nobody may look masks up: set `wiki` or `user`")
	}
	if err := h.provision(ctx); err != nil {
		return fmt.Errorf("mask_info: %w", err)
	}
	return nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler. The path counts that was asked for, whatever the
// site rewrites it to.
func (h *MaskInfo) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	asked := reqstate.OriginalPath(r)
	below, ours := strings.CutPrefix(asked, h.Path)
	public := asked == checkpointPath || asked == proofPath
	if !ours && !public {
		if asked+"/" == h.Path {
			http.Redirect(w, r, h.Path, http.StatusPermanentRedirect)
			return nil
		}
		edge.HideEdgeCookies(r) // a site without csp, too
		return next.ServeHTTP(w, r)
	}
	r = h.app.Localized(r)
	done, ok := h.app.HeldByLookups().Use()
	defer done()
	if !ok || !h.app.Started(r) {
		return edge.RefusedStarting.Answer(w, r)
	}
	if public {
		return h.serveCheckpoint(w, r, asked)
	}
	switch below {
	case "style.css":
		page.ServeSheet(w, r)
		return nil
	case "reveal":
		return h.startReveal(w, edge.EdgeRequest(r))
	case "audit":
		return h.serveAudit(w, r)
	case "members":
		return h.serveMembers(w, r)
	case "":
		return h.serveLookup(w, r)
	}
	return h.failUncounted(w, r, h.newPage(r, "mask-title", access.User{}), errNothingHere)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*MaskInfo)(nil)
	_ caddyhttp.MiddlewareHandler = (*MaskInfo)(nil)
)
