// Package demo is the little wiki of Caddyfile.example, and the third-party
// tool beside it. Both show what reached them, so that a person can see what
// the edge in front of them does. They know nothing of masks beyond how one
// looks: the wiki takes a client's address as any program behind a reverse
// proxy does.
//
// [Wiki] and [Tool] are plain http.Handlers; caddy.go makes Caddy modules of
// them (directives demo_wiki and demo_tool).
package demo

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

//go:embed assets
var assets embed.FS

var pageTemplate = template.Must(template.ParseFS(assets, "assets/page.html"))

// Wiki is the demo wiki: one page that tells its reader what it learnt about
// them, and a list of notes that anyone may add to.
type Wiki struct {
	notes      *Notes
	thirdParty string
	tool       string
	handler    http.Handler
}

// NewWiki returns a wiki that keeps its notes in notes. Its page tries to load
// resources from thirdParty, an http or https origin, and by the edge's proxy
// from the tool of the given name.
func NewWiki(notes *Notes, thirdParty, tool string) (*Wiki, error) {
	origin, err := url.Parse(thirdParty)
	if err != nil {
		return nil, fmt.Errorf("parsing the third party's origin: %w", err)
	}
	if (origin.Scheme != "http" && origin.Scheme != "https") || origin.Host == "" || thirdParty != origin.Scheme+"://"+origin.Host {
		return nil, fmt.Errorf("%q is no origin such as http://127.0.0.1:8082", thirdParty)
	}
	if tool == "" || url.PathEscape(tool) != tool {
		return nil, fmt.Errorf("%q is no tool's name", tool)
	}

	w := &Wiki{notes: notes, thirdParty: thirdParty, tool: tool}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", w.servePage)
	mux.HandleFunc("GET /request", w.serveRequest)
	mux.HandleFunc("POST /note", w.serveNote)
	for _, name := range []string{"demo.css", "demo.js", "favicon.svg"} {
		mux.HandleFunc("GET /"+name, serveAsset("assets/"+name))
	}
	// Anyone may write, but not through somebody else's browser.
	w.handler = http.NewCrossOriginProtection().Handler(mux)
	return w, nil
}

// ServeHTTP answers as the wiki.
func (w *Wiki) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("X-Content-Type-Options", "nosniff")
	w.handler.ServeHTTP(rw, r)
}

// pageData is what page.html shows.
type pageData struct {
	Seen       Seen
	Notes      []Note
	NoteLimit  int
	ThirdParty string
	Tool       string
	// Site is the wiki's address as the browser knows it.
	Site string
	// Around is the wiki's own address, where no edge is in between; empty
	// where it is not on this machine.
	Around string
	// Problem says why a note was not taken, Draft is that note.
	Problem, Draft string
}

func (w *Wiki) servePage(rw http.ResponseWriter, r *http.Request) {
	w.render(rw, r, http.StatusOK, "", "")
}

func (w *Wiki) render(rw http.ResponseWriter, r *http.Request, status int, problem, draft string) {
	data := pageData{
		Seen: see(r), Notes: w.notes.List(), NoteLimit: maxNote,
		ThirdParty: w.thirdParty, Tool: w.tool, Site: site(r),
		Problem: problem, Draft: draft,
	}
	if data.Seen.Forwarded {
		data.Around = ownAddress(r)
	}
	var b strings.Builder
	if err := pageTemplate.Execute(&b, data); err != nil {
		http.Error(rw, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	h := rw.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store") // the page is about one reader
	// Something for the headers' list, and for the tool not to get.
	http.SetCookie(rw, &http.Cookie{
		Name: "demo_session", Value: "pretend-you-are-logged-in",
		Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	rw.WriteHeader(status)
	_, _ = rw.Write([]byte(b.String()))
}

// serveRequest tells a script, or curl, what of its request arrived.
func (w *Wiki) serveRequest(rw http.ResponseWriter, r *http.Request) {
	writeJSON(rw, see(r))
}

func (w *Wiki) serveNote(rw http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(rw, r.Body, 8<<10)
	if err := r.ParseForm(); err != nil {
		w.render(rw, r, http.StatusBadRequest, "The form was too long or damaged.", "")
		return
	}
	text := r.PostForm.Get("text")
	err := w.notes.Add(see(r).Address, text, time.Now())
	switch {
	case errors.Is(err, ErrTooMany):
		w.render(rw, r, http.StatusTooManyRequests, err.Error(), text)
	case err != nil:
		w.render(rw, r, http.StatusBadRequest, err.Error(), "")
	default:
		http.Redirect(rw, r, "/#notes", http.StatusSeeOther)
	}
}

// site is the origin that the browser asked for.
func site(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// ownAddress is where this wiki listens, if that is on this machine only.
func ownAddress(r *http.Request) string {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(interface{ String() string })
	if !ok {
		return ""
	}
	addr, err := netip.ParseAddrPort(local.String())
	if err != nil || !addr.Addr().Unmap().IsLoopback() {
		return ""
	}
	return "http://" + addr.String() + "/"
}

func serveAsset(name string) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Cache-Control", "no-cache")
		http.ServeFileFS(rw, r, assets, name)
	}
}

func writeJSON(rw http.ResponseWriter, value any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("Cache-Control", "no-store")
	encoder := json.NewEncoder(rw)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(value) // a reader that went away is no concern of ours
}

// Interface guards
var (
	_ http.Handler = (*Wiki)(nil)
	_ http.Handler = (*Tool)(nil)
)
