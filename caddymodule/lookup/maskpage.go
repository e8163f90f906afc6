package lookup

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/internal/page"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/lookup/access"
)

var (
	//go:embed maskpage.html
	maskPageHTML string

	maskPages = page.Must(maskPageHTML, template.FuncMap{
		"turn": func(page maskPage, view *auditView, name string, at uint64, label string) auditTurn {
			return auditTurn{page, view, name, at, label}
		},
		"line": func(page maskPage, n *networkView, allocated bool) networkLine {
			return networkLine{page, n, allocated}
		},
		"of":     func(page maskPage, mask netip.Addr) ofNetwork { return ofNetwork{page, mask} },
		"is":     func(page maskPage, relation string) relationOf { return relationOf{page, relation} },
		"second": second,
	})
)

// maskPage is what the templates see.
type maskPage struct {
	page.Frame
	Path string
	User access.User
	// Left is how many masks the user may still look up today; 0 where none, or where it can't be told.
	Left      int
	BlockLink string
	// ContributionsLink and BlockLogLink are the addresses of the wiki's list of a mask's contributions and of its log of blocks, with {mask} in its place.
	ContributionsLink, BlockLogLink string
	Account                         string // the temporary account that was given in a mask's place; "" is none
	Members                         bool   // the form is that of a network's members
	CanReveal                       bool
	CanAudit                        bool
	Login                           string // where to log in; "" for those who are, or where that isn't known
	Asked                           string // what stands in the field
	Reason                          string
	Error                           string
	Data                            any
}

// networkLine is what shows a network on a page.
type networkLine struct {
	Page      maskPage
	Net       *networkView
	Allocated bool
}

// ofNetwork is what leads to a network's members, or to the form that blocks a mask.
type ofNetwork struct {
	Page maskPage
	Mask netip.Addr
}

type relationOf struct {
	Page maskPage
	Is   string
}

// auditTurn is a button that turns to another page of the audit log.
type auditTurn struct {
	Page  maskPage
	View  *auditView
	Name  string // before or after
	At    uint64
	Label string
}

// newPage begins a page for a user, who may be nobody. Its title is the message of that key.
func (h *MaskInfo) newPage(r *http.Request, title string, user access.User) maskPage {
	frame := page.For(r, title)
	frame.Query = "" // until it is known what stands in it: it may be an address
	frame.Sheet = page.SheetAddress(h.Path + "style.css")
	p := maskPage{
		Frame: frame, Path: h.Path, User: user, BlockLink: h.BlockLink, ContributionsLink: h.contributionsLink(), BlockLogLink: h.blockLogLink(),
		CanReveal: h.Reveal != nil && user.Rights.Has(access.Reveal),
		CanAudit:  user.Rights.Has(access.Audit),
	}
	if user.ID != "" {
		p.Left, _ = h.gate.Quotas.Take(r.Context(), user.ID, access.Info, 0) // an error is told where something is looked up
	}
	return p
}

// again is the page for a user who is now known.
func (p maskPage) again(h *MaskInfo, r *http.Request, user access.User) maskPage {
	known := h.newPage(r, "mask-title", user)
	known.Title = p.Title
	known.Asked, known.Reason, known.Account, known.Members = p.Asked, p.Reason, p.Account, p.Members
	return known
}

// BlockURL is the address of the wiki's form that blocks a mask.
func (p maskPage) BlockURL(mask netip.Addr) string {
	return strings.Replace(p.BlockLink, maskInLink, mask.String(), 1)
}

// ContributionsURL is the address of the wiki's list of a mask's contributions.
func (p maskPage) ContributionsURL(mask netip.Addr) string {
	return strings.Replace(p.ContributionsLink, maskInLink, mask.String(), 1)
}

// BlockLogURL is the address of the wiki's log of a mask's blocks.
func (p maskPage) BlockLogURL(mask netip.Addr) string {
	return strings.Replace(p.BlockLogLink, maskInLink, mask.String(), 1)
}

// AccountURL is the address of the wiki's list of the temporary account's contributions.
func (p maskPage) AccountURL() string {
	return strings.Replace(p.ContributionsLink, maskInLink, p.Account, 1)
}

// write responds with one of the templates, or in JSON where the visitor is a program.
func (h *MaskInfo) write(w http.ResponseWriter, r *http.Request, status int, name string, page maskPage, value any) error {
	if wantsJSON(r) {
		return h.writeJSON(w, r, status, 0, value)
	}
	switch { // links to other languages fill the form in again
	case page.Asked == "":
	case page.Members:
		page.Query = url.Values{"network": {page.Asked}}.Encode()
	default:
		page.Query = url.Values{"masks": {page.Asked}}.Encode()
	}
	return h.writePage(w, r, status, 0, name, page)
}

func (h *MaskInfo) writePage(w http.ResponseWriter, r *http.Request, status int, maxAge time.Duration, name string, page maskPage) error {
	var body bytes.Buffer
	if err := maskPages.ExecuteTemplate(&body, name, page); err != nil {
		return fmt.Errorf("mask_info: rendering the page: %w", err)
	}
	w.Header().Set("Content-Language", page.Lang().Code)
	return h.send(w, r, status, maxAge, "text/html; charset=utf-8", body.Bytes())
}

func (h *MaskInfo) writeJSON(w http.ResponseWriter, r *http.Request, status int, maxAge time.Duration, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("mask_info: %w", err)
	}
	return h.send(w, r, status, maxAge, "application/json", append(body, '\n'))
}

// send responds. With maxAge others may keep the response for a while.
func (h *MaskInfo) send(w http.ResponseWriter, r *http.Request, status int, maxAge time.Duration, contentType string, body []byte) error {
	h.setHeaders(w, r)
	if maxAge > 0 {
		w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(maxAge.Seconds())))
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(body)
	return err
}

func (h *MaskInfo) setHeaders(w http.ResponseWriter, r *http.Request) {
	forms := "'self'"
	if h.Reveal != nil {
		forms += " " + h.Reveal.Origin // the form that begins a reveal is redirected there
	}
	page.Protect(w.Header(), "")
	// In place of the site's own, which would stop that form.
	reqstate.OwnPolicy(w, r, page.Policy("'self'", forms))
	w.Header().Add("Vary", "Accept, Accept-Language")
}

// failure is what programs get.
type failure struct {
	Error string `json:"error"`
	// Reason is a fixed word, such as "quota".
	Reason string `json:"reason,omitempty"`
}

// fail responds with what went wrong.
func (h *MaskInfo) fail(w http.ResponseWriter, r *http.Request, action string, page maskPage, err error) error {
	why := h.refused(w, action, err)
	if why.Reason == access.Anonymous {
		page.Login = h.loginLink()
	}
	page.Error = capital(why.In(page.Lang()))
	return h.write(w, r, why.Status, "ask", page, failure{Error: page.Error, Reason: why.Reason})
}

// failUncounted does so where no metric counts it.
func (h *MaskInfo) failUncounted(w http.ResponseWriter, r *http.Request, page maskPage, why *refusal.Refusal) error {
	page.Error = capital(why.In(page.Lang()))
	return h.write(w, r, why.Status, "ask", page, failure{Error: page.Error})
}

// wantsJSON tells programs from browsers, whose Accept always names HTML.
func wantsJSON(r *http.Request) bool {
	switch r.URL.Query().Get("format") {
	case "json":
		return true
	case "html":
		return false
	}
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html")
}
