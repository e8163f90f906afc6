package noticeboard

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/mail"
	"strconv"
	"strings"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string

	pageTemplate = template.Must(template.New("noticeboard").
			Funcs(template.FuncMap{"words": kindWords, "link": contactLink}).Parse(pageHTML))
)

// stylePath is the style sheet's place below the prefix. A tool can't take it,
// as no tool's name has a dot.
const stylePath = "style.css"

// pagePolicy stands beside the site's own. The style sheet is a file of its own,
// because a policy without 'unsafe-inline' would stop a style element even if
// its hash stood here: two policies intersect.
const pagePolicy = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// Page shows a board: a page for people, without scripts, and JSON
// (`{"tools": […]}`) for programs that send `Accept: application/json` or ask
// for `?format=json`. Both are rendered once.
type Page struct {
	prefix     string
	html, json []byte
}

// NewPage renders the board. The prefix is the path of the proxy, such as
// "/.tools/".
func NewPage(b *Board, prefix string) (*Page, error) {
	var html, list bytes.Buffer
	hash := sha256.Sum256([]byte(pageCSS))
	err := pageTemplate.Execute(&html, struct {
		Style, Prefix string
		Tools         []*Tool
	}{prefix + stylePath + "?" + hex.EncodeToString(hash[:6]), prefix, b.tools})
	if err != nil {
		return nil, fmt.Errorf("rendering the noticeboard: %w", err)
	}
	enc := json.NewEncoder(&list)
	enc.SetIndent("", "\t")
	if err := enc.Encode(struct {
		Tools []*Tool `json:"tools"`
	}{append([]*Tool{}, b.tools...)}); err != nil {
		return nil, fmt.Errorf("encoding the noticeboard: %w", err)
	}
	return &Page{prefix, html.Bytes(), list.Bytes()}, nil
}

// Handles tells whether the path is the page's or its style sheet's.
func (p *Page) Handles(path string) bool {
	below, ok := strings.CutPrefix(path, p.prefix)
	return ok && (below == "" || below == stylePath)
}

// ServeHTTP answers GET and HEAD.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	// Added and not set: a site-wide policy may stand there, and both hold.
	h.Add("Content-Security-Policy", pagePolicy)
	h.Add("Vary", "Accept")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "the noticeboard is only read: use GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	body, contentType, lifetime := p.html, "text/html; charset=utf-8", "no-cache"
	switch format := r.URL.Query().Get("format"); {
	case strings.HasSuffix(r.URL.Path, stylePath):
		body, contentType, lifetime = []byte(pageCSS), "text/css; charset=utf-8", "public, max-age=31536000, immutable"
	case format == "json", format == "" && wantsJSON(r.Header.Get("Accept")):
		body, contentType = p.json, "application/json"
	case format != "" && format != "html":
		http.Error(w, `unknown format: use "html" or "json"`, http.StatusBadRequest)
		return
	}
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", lifetime)
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // a reader who has left needs no page
	}
}

// wantsJSON tells programs from browsers: a browser's Accept always names HTML.
func wantsJSON(accept string) bool {
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html")
}

// kindWords says what a kind is.
func kindWords(k Kind) string {
	switch k {
	case Img:
		return "images"
	case Font:
		return "fonts"
	case Style:
		return "style sheets"
	case Media:
		return "audio and video"
	default:
		return string(k)
	}
}

// contactLink returns the address a contact can be linked to, or "".
func contactLink(contact string) string {
	if isWebAddress(contact) {
		return contact
	}
	if a, err := mail.ParseAddress(contact); err == nil && a.Address == contact {
		return "mailto:" + contact
	}
	return ""
}

// Interface guard
var _ http.Handler = (*Page)(nil)
