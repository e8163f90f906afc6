package noticeboard

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wikiveil/wikiveil/internal/i18n"
	"github.com/wikiveil/wikiveil/internal/page"
)

// stylePath is the style sheet's place below the prefix. A tool can't take it,
// as no tool's name has a dot.
const stylePath = "style.css"

// pagePolicy stands beside the site's own. The style sheet is a file of its own,
// because a policy without 'unsafe-inline' would stop a style element even if
// its hash stood here: two policies intersect.
var pagePolicy = page.Policy("'self'", "")

// Page shows a board: a page for people, without scripts, and JSON for programs
// that send `Accept: application/json` or ask for `?format=json`:
//
//	{"tools": […], "pending": […], "changes": […], "criteria": […]}
//
// A tool is its declaration with "standing" ("usable" or a [Reason]), "reason",
// "label", "unmet" (criteria), "stopped" (paths) and "declaration_hash". What a
// page shows is rendered when it is first asked for and when it has changed.
type Page struct {
	opt  PageOptions
	live *Live

	rendering sync.Mutex
	last      atomic.Pointer[rendered]
}

// rendered is a page at a version of what it shows, good until a moment at which
// a tool expires or a label changes.
type rendered struct {
	of           *liveView
	until        time.Time // zero: for ever
	json, script document

	view   pageView // of the page for people
	making sync.Mutex
	html   map[page.Frame]document // in the languages that were asked for
}

type document struct {
	body []byte
	etag string
}

func newDocument(body []byte) document {
	sum := sha256.Sum256(body)
	return document{body, `"` + hex.EncodeToString(sum[:12]) + `"`}
}

// ReaderToolsPath is where the edge tells gadgets how a reader reaches the tools.
const ReaderToolsPath = "/.privacy/tools.json"

// DefaultPrefix is the path of the proxy unless another is configured.
const DefaultPrefix = "/.tools/"

// PageOptions say how a page is shown.
type PageOptions struct {
	// Prefix is the path of the proxy, such as "/.tools/".
	Prefix string
	// Withdraw is where readers withdraw their consent, a path or an https
	// address. Default: none, and the page says that there is nothing to withdraw.
	Withdraw string
	// Ask is the address, up to a tool's name, at which readers let one through. Default: none is linked to.
	Ask string
	// Transcripts is whether there are transcripts of what tools get, at the tool's
	// path and TranscriptPath. Default: there are none.
	Transcripts bool
	// Notice is whether there is a script that tells readers of wiki pages where a tool was stopped. Default: there is none.
	Notice bool
}

// TranscriptPath is the path below a tool's of what shows what it gets.
const TranscriptPath = "/transcript"

// HasTranscript reports whether there can be a transcript of what a tool gets: it gets
// requests of the proxy. Call it on a board's tool.
func HasTranscript(t *Tool) bool { return t.Proxied() && !t.IsMirror() }

// Validate tells what is wrong with the options, if anything.
func (opt PageOptions) Validate() error {
	local := strings.HasPrefix(opt.Withdraw, "/") && !strings.HasPrefix(opt.Withdraw, "//") && !strings.Contains(opt.Withdraw, `\`)
	if opt.Withdraw != "" && !local && !isWebAddress(opt.Withdraw) {
		return fmt.Errorf("withdraw %q is neither a path nor a web address", opt.Withdraw)
	}
	return nil
}

// Page returns the page of a live board, which follows the board and its state.
func (l *Live) Page(opt PageOptions) (*Page, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	return &Page{opt: opt, live: l}, nil
}

// render returns the page as it is now, the last one if nothing has changed.
func (p *Page) render(now time.Time) (*rendered, error) {
	v := p.live.view()
	if r := p.last.Load(); r.holds(v, now) {
		return r, nil
	}
	p.rendering.Lock() // once, however many ask
	defer p.rendering.Unlock()
	if r := p.last.Load(); r.holds(v, now) {
		return r, nil
	}
	r, err := renderPage(p.opt, v.listings(now), v.state.changes(), now)
	if err != nil {
		return nil, err
	}
	r.of = v
	p.last.Store(r)
	return r, nil
}

// page returns the page for people in a language, rendered when it is first asked for.
func (r *rendered) page(frame page.Frame) (document, error) {
	r.making.Lock()
	defer r.making.Unlock()
	if made, ok := r.html[frame]; ok {
		return made, nil
	}
	view := r.view
	view.Frame = frame
	var html bytes.Buffer
	if err := pageTemplate.Execute(&html, view); err != nil {
		return document{}, fmt.Errorf("rendering the noticeboard: %w", err)
	}
	made := newDocument(html.Bytes())
	r.html[frame] = made
	return made, nil
}

func (r *rendered) holds(v *liveView, now time.Time) bool {
	return r != nil && r.of == v && (r.until.IsZero() || now.Before(r.until))
}

// Handles reports whether the path is the page's, its style sheet's or a script's.
func (p *Page) Handles(path string) bool {
	below, ok := strings.CutPrefix(path, p.opt.Prefix)
	return ok && (below == "" || below == stylePath || below == rewritePath || below == noticePath && p.opt.Notice)
}

// StyleSheet is the address of the style sheet, which other pages of the prefix may use.
func (p *Page) StyleSheet() string { return page.SheetAddress(p.opt.Prefix + stylePath) }

// ServeHTTP answers GET and HEAD.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	// Added and not set: a site-wide policy may stand there, and both hold.
	h.Add("Content-Security-Policy", pagePolicy)
	h.Add("Vary", "Accept, Accept-Language")
	page.Protect(h, "")
	reader := i18n.Of(r)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, reader.Text("noticeboard-read-only"), http.StatusMethodNotAllowed)
		return
	}
	if strings.HasSuffix(r.URL.Path, stylePath) {
		page.ServeSheet(w, r)
		return
	}
	if strings.HasSuffix(r.URL.Path, noticePath) {
		serveScript(w, r, noticeScript)
		return
	}
	format := r.URL.Query().Get("format")
	if format != "" && format != "html" && format != "json" {
		http.Error(w, reader.Text("noticeboard-format"), http.StatusBadRequest)
		return
	}
	shown, err := p.render(time.Now())
	switch {
	case err != nil: // no board makes it so, see renderPage
		http.Error(w, reader.Text("page-broken"), http.StatusInternalServerError)
	case strings.HasSuffix(r.URL.Path, rewritePath):
		serveScript(w, r, shown.script)
	case format == "json", format == "" && wantsJSON(r.Header.Get("Accept")):
		serve(w, r, shown.json, "application/json", "no-cache")
	default:
		p.servePage(w, r, shown)
	}
}

func (p *Page) servePage(w http.ResponseWriter, r *http.Request, shown *rendered) {
	frame := page.For(r, "noticeboard-title")
	frame.Sheet, frame.Query = p.StyleSheet(), "" // one page for all addresses
	html, err := shown.page(frame)
	if err != nil {
		http.Error(w, frame.Plain("page-broken"), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Language", frame.Lang().Code)
	serve(w, r, html, "text/html; charset=utf-8", "no-cache")
}

// serve answers with a document, or that the client has it already.
func serve(w http.ResponseWriter, r *http.Request, d document, contentType, lifetime string) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", lifetime)
	h.Set("ETag", d.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(d.body))
}

// wantsJSON tells programs from browsers: a browser's Accept always names HTML.
func wantsJSON(accept string) bool {
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html")
}
