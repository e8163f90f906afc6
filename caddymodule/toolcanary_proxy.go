package caddymodule

import (
	"crypto/x509"
	"errors"
	"net/http"

	"github.com/wikiveil/wikiveil/anonproxy"
	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/canary"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// config is for a tool's canary: the proxy is made as the handler makes it for readers,
// but for where its connections end and who asks.
func (r *canaryRunner) config(tool *noticeboard.Tool) canary.Config {
	return canary.Config{Tool: tool, Prefix: r.handler.pageOptions().Prefix, Pseudonym: canary.PseudonymHeader,
		Proxy: func(echo string, roots *x509.CertPool, who *canary.Reader) (http.Handler, func(), error) {
			return r.handler.echoed(tool, echo, roots, who)
		}}
}

// echoed makes a proxy for one tool that ends at the echo.
func (h *AnonProxy) echoed(tool *noticeboard.Tool, echo string, roots *x509.CertPool, who *canary.Reader) (http.Handler, func(), error) {
	own := *tool
	// They say when requests are sent and how often, and nothing of what is sent.
	own.Refresh, own.RefreshEvery = nil, 0
	board, err := noticeboard.New([]*noticeboard.Tool{&own})
	if err != nil {
		return nil, nil, err
	}
	config := h.told
	// What is stopped is not asked for, see round; a tool that failed must be tried again.
	config.Refuse, config.Observe, config.Logger = nil, nil, nil
	config.Reader = func(*http.Request) anonproxy.Reader {
		return anonproxy.Reader{Client: who.Client, Secrets: []anonproxy.Secret{{Field: "mask", Value: who.Client}}}
	}
	var kept *cache.Cache
	if config.Cache != nil { // one that has nothing yet
		if kept, err = cache.New(cache.Config{MaxBytes: 1 << 20}); err != nil {
			return nil, nil, err
		}
		config.Cache = kept
	}
	var transport *anonproxy.Transport
	config.Transport = func(tool *noticeboard.Tool) *anonproxy.Transport {
		transport = anonproxy.NewEchoTransport(tool, echo, roots)
		return transport
	}
	proxy, err := anonproxy.New(board, config)
	done := func() {
		if transport != nil {
			transport.Close()
		}
		if kept != nil {
			_ = kept.Close() // it has no files
		}
	}
	switch {
	case err != nil:
		done()
		return nil, nil, err
	case transport == nil:
		_ = proxy.Close()
		return nil, nil, errors.New("the proxy doesn't connect to the tool")
	}
	return proxy, func() {
		_ = proxy.Close() // it has no transports of its own
		done()
	}, nil
}
