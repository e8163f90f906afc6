package anonproxy

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// Bounds of connections that stay open.
const (
	maxStreams       = 1000 // to one tool at one time
	maxClientStreams = 50   // of these, for one client; many readers may share an address
	recheckStreams   = time.Second
)

var errRestart = errors.New("the proxy is restarting: connect again")

// openStreams counts what is open to one tool. It belongs to the tool's transport,
// so the bounds hold over all sites and changes of configuration.
type openStreams struct {
	mu      sync.Mutex
	total   int
	clients map[string]int
}

// take counts one more, unless that is too many. A client of no name is only
// counted in the total.
func (o *openStreams) take(client string) *refusal.Refusal {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.total >= maxStreams:
		return outcomes.BadRequest(http.StatusServiceUnavailable, "too many streams to the tool are open")
	case client != "" && o.clients[client] >= maxClientStreams:
		return outcomes.BadRequest(http.StatusTooManyRequests, "too many of your streams to the tool are open")
	}
	o.total++
	if client != "" {
		if o.clients == nil {
			o.clients = make(map[string]int)
		}
		o.clients[client]++
	}
	return nil
}

func (o *openStreams) giveBack(client string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.total--
	if client == "" {
		return
	}
	if o.clients[client]--; o.clients[client] == 0 {
		delete(o.clients, client)
	}
}

// stream is a connection that stays open, at work.
type stream struct {
	ctx   context.Context // done when the stream must end; the cause is why
	end   context.CancelCauseFunc
	close func()
}

// openStream takes a place for a stream and watches over it: what was permitted
// when it began may be refused since. Close it when done.
func (p *Proxy) openStream(ctx context.Context, client string, up *upstream, t target) (*stream, *refusal.Refusal) {
	if up.serving.Err() != nil {
		return nil, outcomes.BadRequest(http.StatusServiceUnavailable, errRestart.Error())
	}
	open := &up.transport.streams
	if refused := open.take(client); refused != nil {
		return nil, refused
	}
	s := new(stream)
	s.ctx, s.end = context.WithCancelCause(ctx)
	stop := context.AfterFunc(up.serving, func() { s.end(errRestart) })
	s.close = func() {
		stop()
		s.end(nil)
		open.giveBack(client)
	}
	go s.watch(func() *refusal.Refusal { return p.refuse(up, t.path) })
	return s, nil
}

// beginStream opens a stream for a reader, and the fetch that it begins with. Close the one and cancel the
// other when done.
func (p *Proxy) beginStream(w http.ResponseWriter, r *http.Request, reader *Reader, up *upstream, req request) (*stream, *fetch, *refusal.Refusal) {
	s, refused := p.openStream(r.Context(), reader.Client, up, req.target)
	if refused != nil {
		return nil, nil, refused
	}
	v, refused := p.admitted(w, r, reader, up)
	if refused != nil {
		s.close()
		return nil, nil, refused
	}
	f := newFetch(s.ctx, p, up)
	f.visit = v
	return s, f, nil
}

// watch ends the stream once it is refused.
func (s *stream) watch(refuse func() *refusal.Refusal) {
	tick := time.NewTicker(recheckStreams)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
			if refused := refuse(); refused != nil {
				s.end(refused)
			}
		}
	}
}

// ended says why a stream had to end, or nil where it hadn't, or the reader left.
func (s *stream) ended() *refusal.Refusal {
	if s.ctx.Err() == nil {
		return nil
	}
	var refused *refusal.Refusal
	switch cause := context.Cause(s.ctx); {
	case errors.As(cause, &refused):
		return refused
	case errors.Is(cause, errRestart):
		return outcomes.BadRequest(http.StatusServiceUnavailable, errRestart.Error())
	}
	return nil
}

// EndStreams ends what is open through this proxy, and opens nothing more. Readers' browsers connect anew by
// themselves, or see their websockets close.
func (p *Proxy) EndStreams() { p.endServing() }
