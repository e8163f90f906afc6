package lookup

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

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
		"pair":    func(page maskPage, n *networkView) networkLine { return networkLine{page, n} },
		"minute":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") },
		"rfc3339": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	})
)

// maskPage is what the templates see.
type maskPage struct {
	page.Frame
	Path      string
	User      access.User
	BlockLink string
	CanReveal bool
	CanAudit  bool
	Login     string // where to log in; "" for those who are, or where that isn't known
	Asked     string // what stands in the field
	Reason    string
	Error     string
	Data      any
}

// networkLine is what shows a network on a page.
type networkLine struct {
	Page maskPage
	Net  *networkView
}

// auditTurn is a button that turns to another page of the audit log.
type auditTurn struct {
	Page  maskPage
	View  *auditView
	Name  string // before or after
	At    uint64
	Label string
}

// newPage begins a page for a user, who may be nobody.
func (h *MaskInfo) newPage(title string, user access.User) maskPage {
	return maskPage{
		Frame: page.Frame{Title: title, Sheet: page.SheetAddress(h.Path + "style.css")},
		Path:  h.Path, User: user, BlockLink: h.BlockLink,
		CanReveal: h.Reveal != nil && user.Rights.Has(access.Reveal),
		CanAudit:  user.Rights.Has(access.Audit),
	}
}

// BlockURL is the address of the wiki's form that blocks a mask.
func (p maskPage) BlockURL(mask netip.Addr) string {
	if p.BlockLink == "" {
		return ""
	}
	return strings.Replace(p.BlockLink, maskInLink, mask.String(), 1)
}

// write responds with one of the templates, or in JSON where the visitor is a program.
func (h *MaskInfo) write(w http.ResponseWriter, r *http.Request, status int, name string, page maskPage, value any) error {
	var body bytes.Buffer
	contentType := "application/json"
	if wantsJSON(r) {
		if err := json.NewEncoder(&body).Encode(value); err != nil {
			return fmt.Errorf("mask_info: %w", err)
		}
	} else {
		contentType = "text/html; charset=utf-8"
		if err := maskPages.ExecuteTemplate(&body, name, page); err != nil {
			return fmt.Errorf("mask_info: rendering the page: %w", err)
		}
	}
	h.setHeaders(w, r)
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(body.Bytes())
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
	w.Header().Add("Vary", "Accept")
}

// failure is what programs get.
type failure struct {
	Error string `json:"error"`
	// Reason is a fixed word for refusals of access, such as "quota".
	Reason string `json:"reason,omitempty"`
}

// fail responds with what went wrong. What is the operator's to know goes to the log.
func (h *MaskInfo) fail(w http.ResponseWriter, r *http.Request, action string, page maskPage, err error) error {
	status, text, reason := statusOf(err), err.Error(), ""
	refused, ok := refusal.Of(err)
	switch {
	case ok:
		reason = refused.Reason
		if reason == access.Anonymous {
			page.Login = h.loginLink()
		}
		if refused.Cause != nil {
			h.logger.Error("look-up refused", zap.String("reason", reason), zap.Error(refused.Cause))
		}
		if !refused.Reset.IsZero() {
			w.Header().Set("Retry-After", strconv.Itoa(int(time.Until(refused.Reset).Seconds())+1))
		}
	case status >= 500:
		h.logger.Error("look-up failed", zap.Error(err))
		text = "Masks can't be looked up just now. Try again in a moment."
	}
	outcome := reason
	if outcome == "" {
		outcome = strconv.Itoa(status)
	}
	h.app.Metrics().Lookups.WithLabelValues(action, outcome).Inc()
	page.Error = capital(text)
	return h.write(w, r, status, "ask", page, failure{Error: page.Error, Reason: reason})
}

// capital makes a sentence of an error's text.
func capital(text string) string {
	if text == "" {
		return text
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
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
