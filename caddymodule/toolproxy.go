package caddymodule

import (
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/wikiveil/wikiveil/anonproxy"
	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// toolTransports keep the connections to tools over config reloads and changes of the
// noticeboard, shared by all sites.
var toolTransports = pool.New[*anonproxy.Transport]("tool transports")

// toolProxy is a proxy for the noticeboard as it is at one time.
type toolProxy struct {
	*anonproxy.Proxy
	board *noticeboard.Board
	held  pool.Held    // transports, gates, cache and mirrors
	users atomic.Int64 // the requests that it serves, and the handler that has it in place
}

func newToolProxy(board *noticeboard.Board, config anonproxy.Config) (*toolProxy, error) {
	p := &toolProxy{board: board}
	p.users.Store(1)
	config.Transport, config.Gate = p.transport, p.gate
	p.holdCache(&config)
	p.holdMirrors(&config)
	var err error
	if p.Proxy, err = anonproxy.New(board, config); err != nil {
		return nil, errors.Join(err, p.release())
	}
	return p, nil
}

// transport takes a tool's transport from the pool, until the proxy's last user has gone.
func (p *toolProxy) transport(tool *noticeboard.Tool) *anonproxy.Transport {
	transport, _ := toolTransports.Acquire(&p.held, anonproxy.TransportKey(tool), func(own *pool.Held) (*anonproxy.Transport, error) { // never an error
		made := anonproxy.NewTransport(tool)
		own.Add(func() error {
			made.Close()
			return nil
		})
		return made, nil
	})
	return transport
}

// holdCache keeps the cache open until the proxy's last user has gone: closing it breaks off what is being
// fetched. Requests that come so late that it is closed already ask the tool.
func (p *toolProxy) holdCache(config *anonproxy.Config) {
	if config.Cache == nil {
		return
	}
	kept := ""
	for key, known := range toolCaches.All() {
		if known.Cache == config.Cache {
			kept = key
			break
		}
	}
	// Where it is closed by now another of the same configuration may have taken its place.
	held, err := toolCaches.Acquire(&p.held, kept, func(*pool.Held) (toolCache, error) { return toolCache{}, cache.ErrClosed })
	if err != nil || held.Cache != config.Cache {
		config.Cache = nil
	}
}

// holdMirrors keeps the store of mirrored files open until the proxy's last user has gone. A proxy that is
// made when the store's config has ended, as for requests that come late in a reload, opens it anew.
func (p *toolProxy) holdMirrors(config *anonproxy.Config) {
	if config.Mirrors == nil || config.Mirrors.Dir() == "" {
		return
	}
	config.Mirrors = holdMirrorStore(&p.held, config.Mirrors.Dir())
}

// use takes the proxy into use, unless its last user has gone.
func (p *toolProxy) use() bool {
	for {
		n := p.users.Load()
		if n == 0 {
			return false
		}
		if p.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release ends a use. After the last, transports that nobody else uses close.
func (p *toolProxy) release() error {
	if p.users.Add(-1) > 0 {
		return nil
	}
	var err error
	if p.Proxy != nil {
		err = p.Proxy.Close()
	}
	return errors.Join(err, p.held.Release())
}

// present returns the proxy for the noticeboard as it is now, for the caller to release.
func (h *AnonProxy) present() (*toolProxy, error) {
	for {
		if p := h.current.Load(); p.board == h.app.live.Board() && p.use() {
			return p, nil
		}
		if ended, err := h.renew(); err != nil {
			return nil, err
		} else if ended {
			late, err := newToolProxy(h.app.live.Board(), h.told)
			if err == nil {
				late.EndStreams(nil) // nothing would end them later
			}
			return late, err
		}
	}
}

// renew makes a new proxy if the noticeboard has changed. Tools that haven't keep their
// connections, as both proxies hold them for a moment. After Cleanup none is made: requests
// that come so late, as they do in reloads, have a proxy each.
func (h *AnonProxy) renew() (ended bool, err error) {
	h.renewing.Lock()
	defer h.renewing.Unlock()
	old, board := h.current.Load(), h.app.live.Board()
	if h.ended || old.board == board {
		return h.ended, nil
	}
	next, err := newToolProxy(board, h.told)
	if err != nil { // no board makes it so
		return false, err
	}
	h.current.Store(next)
	h.refresh.join(next)
	old.EndStreams(next.Proxy)
	return false, old.release()
}

// refuse tells the proxy why the noticeboard lets no path of a tool, or not this one, be
// asked for now.
func (h *AnonProxy) refuse(tool, path string) (status int, reason string) {
	_, err := h.app.live.ForProxy(tool, path)
	if err == nil {
		return h.failing(tool)
	}
	refused, ok := errors.AsType[*noticeboard.Refusal](err)
	if !ok {
		return http.StatusServiceUnavailable, "the tool can't be looked up"
	}
	switch refused.Reason {
	case noticeboard.ReasonUnknown:
		return http.StatusNotFound, refused.Text
	case noticeboard.ReasonPending:
		return http.StatusServiceUnavailable, refused.Text
	default:
		return http.StatusForbidden, refused.Text
	}
}
