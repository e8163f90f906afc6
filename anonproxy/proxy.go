package anonproxy

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// Proxy serves a board's tools, below its prefix; at it belongs the board's [noticeboard.Page]. It is
// safe for concurrent use.
type Proxy struct {
	cfg     Config
	headers map[noticeboard.Kind]http.Header // of all requests to tools; see [headers.Request]

	bodies atomic.Int64 // bytes of the bodies that are being read
	shares bodyShares   // of these

	serving    context.Context // done when all streams must end
	endServing context.CancelFunc

	now       atomic.Pointer[served]
	changing  sync.Mutex
	followers map[*func()]struct{} // see follow
}

// served is a board with what serves it. It doesn't change.
type served struct {
	board     *noticeboard.Board
	upstreams map[string]*upstream
}

// New returns a proxy for the board's tools. Close it when done.
func New(board *noticeboard.Board, cfg Config) (*Proxy, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Proxy{cfg: cfg, headers: headers.Request(cfg.Contact), followers: make(map[*func()]struct{})}
	p.serving, p.endServing = context.WithCancel(context.Background())
	p.now.Store(new(served))
	if err := p.SetBoard(board); err != nil {
		p.endServing()
		return nil, err
	}
	return p, nil
}

// SetBoard has the proxy serve another board. A tool whose declaration is the same goes on as if nothing had happened,
// and one that changed keeps its connections and limits unless it is elsewhere now. Streams to tools that changed
// or are gone end; other requests to them end as they began.
func (p *Proxy) SetBoard(board *noticeboard.Board) error {
	p.changing.Lock()
	defer p.changing.Unlock()
	before := p.now.Load()
	if before.board == board {
		return nil
	}
	next := &served{board: board, upstreams: make(map[string]*upstream)}
	for tool := range board.All() {
		if !tool.Proxied() {
			continue // readers reach it by consent alone
		}
		up, err := p.upstreamFor(tool, before.upstreams[tool.Name])
		if err != nil {
			next.closeAllBut(before)
			return err
		}
		next.upstreams[tool.Name] = up
	}
	p.now.Store(next)
	before.closeAllBut(next)
	for f := range p.followers {
		(*f)()
	}
	return nil
}

// closeAllBut closes what serves a board and no other one.
func (s *served) closeAllBut(other *served) {
	for name, up := range s.upstreams {
		if others := other.upstreams[name]; others != up {
			up.close(others)
		}
	}
}

// Board is the board that is served.
func (p *Proxy) Board() *noticeboard.Board { return p.now.Load().board }

// upstreams are the tools, by name.
func (p *Proxy) upstreams() map[string]*upstream { return p.now.Load().upstreams }

// follow calls f, and again after each change of the board, until stop is called.
func (p *Proxy) follow(f func()) (stop func()) {
	p.changing.Lock()
	defer p.changing.Unlock()
	p.followers[&f] = struct{}{}
	f()
	return func() {
		p.changing.Lock()
		defer p.changing.Unlock()
		delete(p.followers, &f)
	}
}

// Close ends the streams, closes the connections of the transports that the proxy made
// itself, and lets go of mirrored files and of other transports.
func (p *Proxy) Close() error {
	p.changing.Lock()
	defer p.changing.Unlock()
	p.EndStreams()
	p.now.Load().closeAllBut(new(served))
	return nil
}

// Handles reports whether a request is the proxy's.
func (p *Proxy) Handles(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, p.cfg.Prefix) || r.URL.Path == strings.TrimSuffix(p.cfg.Prefix, "/")
}

// ServeHTTP answers requests under the prefix. Where an answer breaks off, it
// panics with [http.ErrAbortHandler], as that is the one way to let a client
// know; net/http and Caddy take it as such.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := p.now.Load()
	if r.URL.Path == strings.TrimSuffix(p.cfg.Prefix, "/") {
		http.Redirect(w, r, p.cfg.Prefix, http.StatusPermanentRedirect)
		return
	}
	t, refused := splitTarget(p.cfg.Prefix, r.URL)
	up, known := now.upstreams[t.name]
	if !known {
		p.writeRefusal(w, r, p.refuseUnknown(t, refused))
		return
	}
	outcome := outcomes.Canceled
	defer func() { // answers that break off are observed too
		if p.cfg.Observe != nil {
			p.cfg.Observe(up.tool.Name, outcome)
		}
	}()
	if refused == nil {
		refused = p.refuse(up, t.path)
	}
	if refused == nil {
		outcome, refused = p.serveTool(w, r, up, t)
	}
	if refused != nil {
		outcome = refused.Reason
		if refused.Status == 0 {
			// Shown what there is, a client sees a broken answer; shown nothing, it
			// may take the connection for stale and ask again.
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		up.putRetryAfter(w.Header(), refused)
		p.writeRefusal(w, r, refused)
	}
}

// serveTool checks a request to a declared tool, asks the tool and passes the
// answer on.
func (p *Proxy) serveTool(w http.ResponseWriter, r *http.Request, up *upstream, t target) (string, *refusal.Refusal) {
	if !slices.Contains(up.tool.Methods, r.Method) {
		w.Header().Set("Allow", up.allow)
		return "", outcomes.BadRequest(http.StatusMethodNotAllowed, "the tool isn't declared for this method")
	}
	// HTTP/3 tells no length for GET, and no such body is ever read.
	if r.Method != http.MethodPost && (r.ContentLength > 0 || r.ContentLength < 0 && r.ProtoMajor < 3) {
		return "", outcomes.BadRequest(http.StatusBadRequest, "the request must not have a body")
	}
	if up.mirror != nil {
		return p.serveMirror(w, r, up, t)
	}
	kind, refused := p.requestKind(r)
	if refused != nil {
		return "", refused
	}
	if kind != headers.AnyKind && !up.tool.Has(kind) {
		return "", outcomes.BadRequest(http.StatusForbidden, "the tool isn't declared for this kind of use")
	}
	req := request{target: t, method: r.Method, kind: kind}
	reader := p.reader(r)
	if refused := reader.CheckURL(t.escaped, t.rawQuery, up.names); refused != nil { // also for answers that are kept
		return "", refused
	}
	if r.Method == http.MethodPost {
		if refused := p.takeBody(w, r, up, &reader, &req); refused != nil {
			return "", refused
		}
		defer req.body.done()
	}
	if refused := p.name(&req, up, reader); refused != nil {
		return "", refused
	}
	serve, shared := p.serveUncached, false
	switch {
	case wantsWebSocket(r):
		serve = p.serveWebSocket
	case wantsEvents(r, kind):
		serve = p.serveEvents
	case p.cfg.Cache != nil && req.shareable():
		serve, shared = p.serveCached, req.method == http.MethodGet
	}
	outcome, refused := serve(w, r, &reader, up, req)
	if refused != nil && !shared { // a fetch that many share tells once
		p.logRefusal(up.tool.Name, refused)
	}
	return outcome, refused
}

func (p *Proxy) serveUncached(w http.ResponseWriter, r *http.Request, reader *Reader, up *upstream, req request) (string, *refusal.Refusal) {
	want, refused := wantedRange(r)
	if refused != nil {
		return "", refused
	}
	v, refused := p.admitted(w, r, reader, up)
	if refused != nil {
		return "", refused
	}
	defer v.end()
	f := newFetch(r.Context(), p, up)
	f.visit = v
	defer f.cancel(nil)
	f.want = want
	return f.serve(w, req)
}

// logRefusal tells the operator what is wrong with a tool. What a reader asked
// stands in no log.
func (p *Proxy) logRefusal(tool string, refused *refusal.Refusal) {
	if refused.Reason != outcomes.Canceled && refused.Reason != outcomes.ToolError && refused.Reason != outcomes.RefusedRequest && !isForNow(refused) {
		p.cfg.Logger.Warn("refusing a tool's answer", "tool", tool, "outcome", refused.Reason, "reason", refused.Text)
	}
}

// Interface guards
var (
	_ http.Handler = (*Proxy)(nil)
	_ io.Closer    = (*Proxy)(nil)
)
