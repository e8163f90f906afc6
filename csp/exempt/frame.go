package exempt

import (
	"crypto/rand"
	_ "embed"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/internal/page"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// FramePath is where the wiki's pages frame what a tool with the kind `frame` shows: FramePath, the tool's name, and path and query of its page.
const FramePath = noticeboard.FramePath

//go:embed pages/frame.html
var frameHTML string

var framePage = wikiPage{page.Must(frameHTML, nil)}

// maxShownAddress is how much of an address stands on the page that asks, in bytes.
const maxShownAddress = 200

// frameView is what both pages show.
type frameView struct {
	Title, Address string
	// Of the page that asks: the tool's origins, and where the question is.
	Origins []string
	Ask     string
	// Of the page around the tool's.
	Sandbox, Allow, Nonce string
}

// serveFrame answers with a page around one of the tool's, for a reader who let the tool through; others are told what would load, and where to decide.
//
// No page of the wiki's gets the tool's origin into its own policy: frames come by this page alone. So its policy decides what holds in them, whatever a
// hostile gadget does to the elements. The sandbox of a policy is one of all frames within, too (HTML, "determine the creation sandboxing flags"). Without
// allow-same-origin the page is of an origin of its own, which no gadget can reach into; with it, this policy still holds, and lets nothing run here.
func (s *Site) serveFrame(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	page.Protect(h, "")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	view, t, err := s.framed(r)
	if err == nil && t == nil {
		h.Add("Content-Security-Policy", framedPolicy("'self'", ""))
		frame := page.For(r, "frame-title", view.Title)
		frame.Query = "" // which is the tool's
		show(w, framePage, http.StatusOK, confirm.Page{Frame: frame, Data: view})
		return
	}
	if err != nil {
		h.Add("Content-Security-Policy", framedPolicy("'self'", ""))
		s.refuse(w, r, wikiRefusalPage, err)
		return
	}
	view.Nonce = rand.Text()
	h.Add("Content-Security-Policy", framedPolicy(page.Nonce(view.Nonce), "; frame-src "+strings.Join(t.Tool.Origins(), " ")+
		strings.TrimSuffix("; sandbox "+view.Sandbox, " ")))
	h.Set("Referrer-Policy", "strict-origin") // which images of a tool get, too
	if err := page.Write(w, http.StatusOK, framePage.template.Lookup("framed"), view); err != nil {
		http.Error(w, "this page can't be shown: its template is broken", http.StatusInternalServerError)
	}
}

// framedPolicy is [page.Policy] for what pages of the wiki may frame.
func framedPolicy(styles, more string) string {
	return "default-src 'none'; style-src " + styles + "; form-action 'none'; frame-ancestors 'self'; base-uri 'none'" + more
}

// framed returns what to show, and the tool if the reader let it through.
func (s *Site) framed(r *http.Request) (frameView, *Tool, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return frameView{}, nil, errMethod
	}
	name, path, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), FramePath), "/")
	t := s.lookup(name)
	switch {
	case t == nil || !t.Has(noticeboard.Frame):
		return frameView{}, nil, errNoFrame
	case slices.ContainsFunc(t.Tool.Origins(), s.c.Flow.Owns):
		return frameView{}, nil, errOwnFrame
	}
	view := frameView{
		Title: t.Title, Address: t.Origin + "/" + path, Origins: t.Tool.Origins(), Ask: GoPath + "?" + toolParam + "=" + url.QueryEscape(t.Name),
		Sandbox: strings.Join(t.Sandbox, " "), Allow: t.AllowAttribute(),
	}
	if r.URL.RawQuery != "" {
		view.Address += "?" + r.URL.RawQuery
	}
	granted, err := s.Tools(r)
	if err != nil {
		s.c.Count(refusalOf(err).Reason)
	}
	if s.c.Fits(granted) == nil && slices.ContainsFunc(granted, func(one *Tool) bool { return one.Name == t.Name }) {
		return view, t, nil
	}
	if len(view.Address) > maxShownAddress {
		view.Address = view.Address[:maxShownAddress] + "…"
	}
	return view, nil, nil
}
