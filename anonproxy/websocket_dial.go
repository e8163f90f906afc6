package anonproxy

import (
	"net/http"
	"strconv"

	"github.com/coder/websocket"

	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// dialWebSocket opens a websocket to the tool, if it may be asked now.
func (f *fetch) dialWebSocket(req request) (conn *websocket.Conn, refused *refusal.Refusal) {
	p, refused := f.enter()
	if refused != nil {
		return nil, refused
	}
	var res *http.Response
	defer func() { f.settle(p, res, refused) }()
	f.count()
	conn, res, refused = f.upgrade(req)
	return conn, refused
}

// upgrade asks for a websocket. The handshake is built from
// constants, but for its key, which is random: no Origin, no subprotocol, no
// extension. Redirects are not followed, as browsers follow none.
func (f *fetch) upgrade(req request) (*websocket.Conn, *http.Response, *refusal.Refusal) {
	client := &http.Client{
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) { // Dial spells a path anew
			r.URL = spelledURL(f.up.origin.Scheme, f.up.origin.Host, req.target)
			return f.up.transport.Upgrades.RoundTrip(r)
		}),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	header := http.Header{"User-Agent": f.up.headers[headers.AnyKind]["User-Agent"]}
	if req.pseudonym != "" {
		header[PseudonymHeader] = []string{req.pseudonym}
	}
	f.watch(f.p.cfg.HeaderTimeout)
	conn, res, err := websocket.Dial(f.ctx, f.up.origin.String(), &websocket.DialOptions{
		HTTPClient:      client,
		HTTPHeader:      header,
		CompressionMode: websocket.CompressionDisabled,
	})
	f.watchdog.Stop()
	switch {
	case err == nil:
		return conn, res, nil
	case res == nil:
		f.err = err
		return nil, nil, f.failure(err)
	case res.StatusCode == http.StatusSwitchingProtocols:
		return nil, res, outcomes.BadResponse("the tool's websocket handshake is wrong")
	case isRedirect(res.StatusCode):
		return nil, res, outcomes.BadResponse("the tool redirects a websocket")
	case res.StatusCode >= 400 && res.StatusCode <= 599 && res.StatusCode != http.StatusProxyAuthRequired:
		return nil, res, refusal.Literal(res.StatusCode, outcomes.ToolError, "the tool answers with status "+strconv.Itoa(res.StatusCode))
	}
	return nil, res, outcomes.BadResponse("the tool opens no websocket")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
