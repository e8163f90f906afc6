package anonproxy

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/coder/websocket"

	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// maxMessage bounds a message of a websocket in bytes, as messages are read whole
// before they are passed on.
const maxMessage = 1 << 20

// maxMessage bounds a message of a reader: a declaration may permit larger ones.
func (up *upstream) maxMessage() int64 {
	return cmp.Or(up.tool.MaxRequestSize, maxMessage)
}

// wantsWebSocket tells the requests that ask for a websocket.
func wantsWebSocket(r *http.Request) bool {
	for _, field := range r.Header["Upgrade"] {
		if strings.Contains(strings.ToLower(field), "websocket") {
			return true
		}
	}
	return false
}

// serveWebSocket opens a websocket to the tool and one to the reader, and passes
// messages between them. No frame of the one appears on the other.
func (p *Proxy) serveWebSocket(w http.ResponseWriter, r *http.Request, reader *Reader, up *upstream, req request) (string, *refusal.Refusal) {
	if !up.tool.Opens(noticeboard.WebSocket) {
		return "", outcomes.BadRequest(http.StatusForbidden, "the tool isn't declared for websockets")
	}
	s, f, refused := p.beginStream(w, r, reader, up, req)
	if refused != nil {
		return "", refused
	}
	defer s.close()
	defer f.cancel(nil)
	tool, refused := f.dialWebSocket(req)
	f.freeSlots()
	if refused != nil {
		return "", cmp.Or(s.ended(), refused)
	}
	defer func() { _ = tool.CloseNow() }()
	// Origins are checked above, more strictly.
	toReader, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if err != nil { // the reader has been told
		return outcomes.Canceled, nil
	}
	defer func() { _ = toReader.CloseNow() }()
	tunnel := &tunnel{
		p: p, s: s, up: up, client: reader.Client, inspect: func(text []byte) *refusal.Refusal { return reader.Check(text, up.names) },
		reader: toReader, tool: tool,
	}
	return tunnel.run(), nil
}

// checkWebSocket tells why a websocket isn't opened. Anything that a page could
// have made up is told apart by Origin: browsers send it with each handshake, and
// no page can set it. Not all send Sec-Fetch headers with it.
func (p *Proxy) checkWebSocket(r *http.Request) *refusal.Refusal {
	if r.ProtoMajor != 1 || r.ProtoMinor < 1 {
		return outcomes.BadRequest(http.StatusBadRequest, "websockets are opened over HTTP/1.1")
	}
	values := make(map[string]string)
	for _, name := range []string{
		"Connection", "Upgrade", "Origin", "Sec-Websocket-Version", "Sec-Websocket-Key", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest",
	} {
		value, ok := headers.Single(r.Header, name)
		if !ok {
			return outcomes.BadRequest(http.StatusBadRequest, "a header of the websocket handshake was sent twice")
		}
		values[name] = value
	}
	key, err := base64.StdEncoding.DecodeString(values["Sec-Websocket-Key"])
	switch {
	case r.Method != http.MethodGet || !strings.EqualFold(values["Upgrade"], "websocket") || !hasToken(values["Connection"], "upgrade") ||
		values["Sec-Websocket-Version"] != "13" || err != nil || len(key) != 16:
		return outcomes.BadRequest(http.StatusBadRequest, "the websocket handshake is malformed")
	case r.Header["Sec-Websocket-Protocol"] != nil:
		return outcomes.BadRequest(http.StatusBadRequest, "websockets through the proxy have no subprotocols")
	case !p.isOwnOrigin(r, values["Origin"]),
		values["Sec-Fetch-Site"] != "" && values["Sec-Fetch-Site"] != "same-origin":
		return outcomes.BadRequest(http.StatusForbidden, "only pages of this wiki may use the proxy")
	case values["Sec-Fetch-Mode"] != "" && values["Sec-Fetch-Mode"] != "websocket",
		values["Sec-Fetch-Dest"] != "" && values["Sec-Fetch-Dest"] != "websocket" && values["Sec-Fetch-Dest"] != "empty":
		return outcomes.BadRequest(http.StatusForbidden, "the request isn't a websocket's")
	}
	return nil
}

// isOwnOrigin reports whether an Origin is the wiki's. Where TLS ends before the
// proxy, it may be either scheme.
func (p *Proxy) isOwnOrigin(r *http.Request, origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin || !strings.EqualFold(u.Host, r.Host) {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && r.TLS == nil && !p.cfg.RequireFetchMetadata
}

// hasToken reports whether a comma-separated list has a token, in any case.
func hasToken(list, token string) bool {
	for element := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(element), token) {
			return true
		}
	}
	return false
}
