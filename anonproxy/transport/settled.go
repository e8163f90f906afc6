package transport

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"sync"
)

// settledConn reports whether all that a tool sent has been read. net/http offers a connection for
// the next request before it looks for bytes behind the last answer; a request that takes
// the connection in that moment is given those bytes for its answer. So a tool that can be brought to send
// two answers for one request would answer another reader's request with the second.
type settledConn struct {
	net.Conn

	mu      sync.Mutex
	changed sync.Cond
	waiting bool // for more to read
	closed  bool
}

func newSettledConn(conn net.Conn) *settledConn {
	c := &settledConn{Conn: conn}
	c.changed.L = &c.mu
	return c
}

// Read implements net.Conn.
func (c *settledConn) Read(p []byte) (int, error) {
	c.set(&c.waiting, true)
	n, err := c.Conn.Read(p)
	c.set(&c.waiting, false)
	return n, err
}

// Close implements net.Conn.
func (c *settledConn) Close() error {
	c.set(&c.closed, true)
	return c.Conn.Close()
}

func (c *settledConn) set(what *bool, value bool) {
	c.mu.Lock()
	*what = value
	c.mu.Unlock()
	c.changed.Broadcast()
}

// settle waits until net/http, which reads on at once, has used up what it had read and waits for more; where
// that was more than an answer, it closes the connection, and asks over another one.
func (c *settledConn) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.waiting && !c.closed {
		c.changed.Wait()
	}
}

// settleFirst is what a request over a connection that was used before begins with.
var settleFirst = &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
	conn := got.Conn
	if over, ok := conn.(*tls.Conn); ok {
		conn = over.NetConn()
	}
	if c, ok := conn.(*settledConn); ok && got.Reused {
		c.settle()
	}
}}

// withSettledConns returns a context for a request.
func withSettledConns(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, settleFirst)
}
