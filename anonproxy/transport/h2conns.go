package transport

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// unclaimedTimeout bounds how long a connection waits for the request that it was
// made for, which may have been cancelled.
const unclaimedTimeout = 5 * time.Second

// h2ReceiveBuffer is what a tool may send of an answer, in bytes, that its reader doesn't take. By
// default it is 4 MiB, and a tool's 256 slow readers would hold a gigabyte.
const h2ReceiveBuffer = 512 << 10

// h2Conns speaks HTTP/2 on connections that another transport made. It is net/http's
// own client, told that they are plain, since it would take none but a tls.Conn for
// encrypted: so an [orderedConn] can stand between.
type h2Conns struct {
	http *http.Transport
	live atomic.Bool // false while there is certainly no connection

	mu        sync.Mutex
	unclaimed map[string][]*unclaimedConn // by host:port
}

// unclaimedConn is a connection that no client speaks on yet.
type unclaimedConn struct {
	*orderedConn
	expiry *time.Timer
}

func newH2Conns() *h2Conns {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	h := &h2Conns{unclaimed: make(map[string][]*unclaimedConn)}
	h.http = &http.Transport{
		Protocols:              &protocols,
		DialContext:            func(context.Context, string, string) (net.Conn, error) { return nil, errNoConn{} },
		DialTLSContext:         func(_ context.Context, _, address string) (net.Conn, error) { return h.claim(address) },
		MaxIdleConnsPerHost:    idleConnections,
		IdleConnTimeout:        idleConnTimeout,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeaderBytes,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout: http2PingTimeout, PingTimeout: http2PingTimeout,
			MaxEncoderHeaderTableSize: 1, // what it would put there, the orderedConn undoes
			MaxReceiveBufferPerStream: h2ReceiveBuffer,
		},
	}
	return h
}

// RoundTrip sends a request on a connection that is there already. The transport that
// makes connections asks here first.
func (h *h2Conns) RoundTrip(r *http.Request) (*http.Response, error) {
	if !h.live.Load() {
		return nil, http.ErrSkipAltProtocol
	}
	res, err := h.send(r)
	if _, none := err.(errNoConn); none {
		h.live.Store(false)
		return nil, http.ErrSkipAltProtocol
	}
	return res, err
}

// send leaves a body that nobody has read open where there is no connection, so that
// it can go over the next.
func (h *h2Conns) send(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return h.http.RoundTrip(r)
	}
	body := &heldBody{ReadCloser: r.Body, held: true}
	r = r.WithContext(r.Context()) // a copy
	r.Body = body
	res, err := h.http.RoundTrip(r)
	_, none := err.(errNoConn)
	body.release(!none)
	return res, err
}

// heldBody isn't closed before it is known whether it was of use.
type heldBody struct {
	io.ReadCloser

	mu           sync.Mutex
	held, closed bool
}

func (b *heldBody) Close() error {
	b.mu.Lock()
	held := b.held
	b.closed = true
	b.mu.Unlock()
	if held {
		return nil
	}
	return b.ReadCloser.Close()
}

// release closes the body if it was to be closed, and it is over with it.
func (b *heldBody) release(over bool) {
	b.mu.Lock()
	b.held = false
	closed := b.closed
	b.mu.Unlock()
	if closed && over {
		b.ReadCloser.Close()
	}
}

// add is the upgrade to "h2" of the transport that makes connections.
func (h *h2Conns) add(address string, conn *tls.Conn) http.RoundTripper {
	c := &unclaimedConn{orderedConn: newOrderedConn(conn)}
	h.mu.Lock()
	defer h.mu.Unlock()
	c.expiry = time.AfterFunc(unclaimedTimeout, func() { h.expire(address, c) })
	h.unclaimed[address] = append(h.unclaimed[address], c)
	h.live.Store(true)
	return madeConns{h}
}

// madeConns asks when a connection was made, and so doesn't skip.
type madeConns struct{ h *h2Conns }

func (m madeConns) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := m.h.send(r)
	if err == nil && !m.h.live.Load() { // unset by a request that came just before
		m.h.live.Store(true)
	}
	return res, err
}

// claim returns a connection for the client, the newest first.
func (h *h2Conns) claim(address string) (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	conns := h.unclaimed[address]
	for len(conns) > 0 {
		c := conns[len(conns)-1]
		conns[len(conns)-1] = nil
		conns = conns[:len(conns)-1]
		h.unclaimed[address] = conns
		if c.expiry.Stop() {
			return c.orderedConn, nil
		}
	}
	return nil, errNoConn{}
}

// expire closes a connection that nobody claimed in time.
func (h *h2Conns) expire(address string, c *unclaimedConn) {
	h.mu.Lock()
	conns := h.unclaimed[address]
	for i := range conns {
		if conns[i] == c {
			h.unclaimed[address] = append(conns[:i:i], conns[i+1:]...)
			break
		}
	}
	h.mu.Unlock()
	c.Close()
}

// closeIdle closes all connections that have no request.
func (h *h2Conns) closeIdle() {
	h.mu.Lock()
	var unclaimed []*unclaimedConn
	for _, conns := range h.unclaimed {
		for _, c := range conns {
			if c.expiry.Stop() {
				unclaimed = append(unclaimed, c)
			}
		}
	}
	clear(h.unclaimed)
	h.mu.Unlock()
	for _, c := range unclaimed {
		c.Close()
	}
	h.http.CloseIdleConnections()
}

// errNoConn has the transport that makes connections make one and try again.
type errNoConn struct{}

// IsHTTP2NoCachedConnError is how net/http knows it.
func (errNoConn) IsHTTP2NoCachedConnError() {}

func (errNoConn) Error() string { return "no HTTP/2 connection to the tool" }

// Interface guards
var (
	_ http.RoundTripper = (*h2Conns)(nil)
	_ http.RoundTripper = madeConns{}
)
