package tools

import (
	"errors"
	"net/http"

	"github.com/wikiveil/wikiveil/anonproxy"
	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// toolTransports keep, over config reloads and changes of the noticeboard, the connections to tools, how many requests
// they got and whether they respond. All sites share them. A tool that moves is another.
var toolTransports = pool.New[toolTransport]("tool transports")

// toolTransport is a transport with the name of its tool.
type toolTransport struct {
	*anonproxy.Transport
	tool string
}

// transportOf takes a tool's transport from the pool, and returns how to give it back.
func transportOf(tool *noticeboard.Tool) (*anonproxy.Transport, func()) {
	held := new(pool.Held)
	pooled, _ := toolTransports.Acquire(held, anonproxy.TransportKey(tool), func(own *pool.Held) (toolTransport, error) { // never an error
		made := toolTransport{anonproxy.NewTransport(tool), tool.Name}
		own.Add(func() error {
			made.Close()
			return nil
		})
		return made, nil
	})
	return pooled.Transport, func() { _ = held.Release() } // closing transports gives no error
}

// toolProxy is a site's proxy for the noticeboard. It is held by the handler that has it in place and by the requests
// that it serves, and with it the cache and the mirrors.
type toolProxy struct {
	*anonproxy.Proxy
	held pool.Held
}

func newToolProxy(board *noticeboard.Board, config anonproxy.Config) (*toolProxy, error) {
	p := new(toolProxy)
	config.Transport = transportOf
	p.holdCache(&config)
	p.holdMirrors(&config)
	var err error
	if p.Proxy, err = anonproxy.New(board, config); err != nil {
		return nil, errors.Join(err, p.held.Release())
	}
	p.held.Add(p.Proxy.Close)
	return p, nil
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

// present returns the proxy with the noticeboard as it is now, and how to end the use of it. Requests that come after
// Cleanup, as they do in reloads, have a proxy each.
func (h *AnonProxy) present() (*anonproxy.Proxy, func(), error) {
	if done, ok := h.proxy.held.Use(); ok {
		if err := h.renew(); err != nil {
			done()
			return nil, nil, err
		}
		return h.proxy.Proxy, done, nil
	}
	late, err := newToolProxy(h.tools.board.Board(), h.told)
	if err != nil {
		return nil, nil, err
	}
	late.EndStreams() // nothing would end them later
	return late.Proxy, func() { _ = late.held.Release() }, nil
}

// renew tells the proxy of the noticeboard if that has changed.
func (h *AnonProxy) renew() error {
	if h.proxy.Board() == h.tools.board.Board() {
		return nil
	}
	h.renewing.Lock()
	defer h.renewing.Unlock() // else an earlier board could come last
	return h.proxy.SetBoard(h.tools.board.Board())
}

// refuse tells the proxy why the noticeboard lets no path of a tool, or not this one, be
// asked for now.
func (h *AnonProxy) refuse(tool, path string) (status int, reason string) {
	_, err := h.tools.board.ForProxy(tool, path)
	if err == nil {
		return h.failing(tool)
	}
	refused, ok := refusal.Of(err)
	if !ok {
		return http.StatusServiceUnavailable, "the tool can't be looked up"
	}
	return refused.Status, refused.Error()
}
