package tools

import (
	"crypto/x509"
	"net/http"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy"
	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/leakguard"
	"github.com/wikiveil/wikiveil/anonproxy/selfcheck"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// echoed returns what makes the proxy as the handler makes it for readers, for one tool, but for where its connections
// end and who asks.
func (h *AnonProxy) echoed(tool *noticeboard.Tool) func(string, *x509.CertPool, *selfcheck.Reader) (http.Handler, func(), error) {
	own := *tool
	own.Refresh, own.RefreshEvery = nil, 0 // they say when requests are sent, and nothing of what is sent
	return func(echo string, roots *x509.CertPool, who *selfcheck.Reader) (http.Handler, func(), error) {
		board, err := noticeboard.New([]*noticeboard.Tool{&own})
		if err != nil {
			return nil, nil, err
		}
		config := h.told
		// What is stopped is not asked for, see round; a tool that failed must be tried again.
		config.Refuse, config.Observe, config.Logger = nil, nil, nil
		config.Reader = func(*http.Request) anonproxy.Reader {
			return anonproxy.Reader{Client: who.Client, Reader: leakguard.Reader{Secrets: []leakguard.Secret{{Field: "mask", Value: who.Client}}}}
		}
		config.Pseudonym = func(tool *noticeboard.Tool, reader anonproxy.Reader, now time.Time) string {
			return who.Conceal(h.told.Pseudonym(tool, reader, now))
		}
		config.Transport = func(tool *noticeboard.Tool) (*anonproxy.Transport, func()) {
			transport := anonproxy.NewEchoTransport(tool, echo, roots)
			return transport, transport.Close
		}
		closeCache := func() {}
		if config.Cache != nil { // one that has nothing yet
			if config.Cache, err = cache.New(cache.Config{MaxBytes: 1 << 20}); err != nil {
				return nil, nil, err
			}
			closeCache = config.Cache.Close
		}
		proxy, err := anonproxy.New(board, config)
		if err != nil {
			closeCache()
			return nil, nil, err
		}
		return proxy, func() {
			_ = proxy.Close() // its transport never gives an error
			closeCache()
		}, nil
	}
}
