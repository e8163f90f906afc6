package demo

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"sync"
)

// maxViews is how many page views' counts a tool remembers.
const maxViews = 256

// Tool is the demo's third party: a server of another origin that a wiki's
// page wants a picture, a script and some data from. It answers what it learnt
// from a request, and counts what a page view loaded.
type Tool struct {
	mux     *http.ServeMux
	picture []byte

	mu    sync.Mutex
	views map[string]*loads
	order []string // of views, oldest first
}

// loads counts what was fetched for one page view.
type loads struct {
	Image  int `json:"image"`
	Script int `json:"script"`
	Data   int `json:"data"`
}

// NewTool returns a tool that has seen nobody yet.
func NewTool() (*Tool, error) {
	picture, err := drawPicture()
	if err != nil {
		return nil, fmt.Errorf("drawing the picture: %w", err)
	}
	t := &Tool{mux: http.NewServeMux(), picture: picture, views: make(map[string]*loads)}
	t.mux.HandleFunc("GET /{$}", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(rw, "This is the third party of the Wikiveil demo: /request shows what it learns about whoever asks.")
	})
	t.mux.HandleFunc("GET /request", func(rw http.ResponseWriter, r *http.Request) {
		t.count(r, func(l *loads) { l.Data++ })
		writeJSON(rw, seePeer(r))
	})
	t.mux.HandleFunc("GET /picture.png", func(rw http.ResponseWriter, r *http.Request) {
		t.count(r, func(l *loads) { l.Image++ })
		rw.Header().Set("Content-Type", "image/png")
		rw.Header().Set("Cache-Control", "no-store")
		_, _ = rw.Write(t.picture)
	})
	t.mux.HandleFunc("GET /tracker.js", func(rw http.ResponseWriter, r *http.Request) {
		t.count(r, func(l *loads) { l.Script++ })
		rw.Header().Set("Content-Type", "text/javascript")
		rw.Header().Set("Cache-Control", "no-store")
		fmt.Fprintln(rw, `document.documentElement.dataset.tracked = document.currentScript.src;`)
	})
	t.mux.HandleFunc("GET /count", func(rw http.ResponseWriter, r *http.Request) {
		t.mu.Lock()
		defer t.mu.Unlock()
		var answer loads
		if l, ok := t.views[r.URL.Query().Get("view")]; ok {
			answer = *l
		}
		writeJSON(rw, answer)
	})
	return t, nil
}

// ServeHTTP answers as the tool.
func (t *Tool) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Access-Control-Allow-Origin", "*")
	t.mux.ServeHTTP(rw, r)
}

// Destruct implements caddy.Destructor: a tool lives in a pool across config reloads.
func (t *Tool) Destruct() error { return nil }

// count notes that a page view, named by the query, loaded something. Requests
// that name none are not counted.
func (t *Tool) count(r *http.Request, add func(*loads)) {
	view := r.URL.Query().Get("view")
	if view == "" || len(view) > 64 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	l, ok := t.views[view]
	if !ok {
		if len(t.order) == maxViews {
			delete(t.views, t.order[0])
			t.order = t.order[1:]
		}
		l = new(loads)
		t.views[view] = l
		t.order = append(t.order, view)
	}
	add(l)
}

// drawPicture makes a small picture, so that the repository needs none.
func drawPicture() ([]byte, error) {
	const width, height = 96, 54
	picture := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			picture.Set(x, y, color.RGBA{R: uint8(60 + x), G: uint8(120 + y), B: uint8(210 - x), A: 255})
		}
	}
	var b bytes.Buffer
	err := png.Encode(&b, picture)
	return b.Bytes(), err
}
