package bare

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
)

// Listen returns ln, whose connections are plaintext or decrypted, with a policy on what a server writes
// by itself. No connection sends more than maxBlock bytes of compressed header in one HTTP/2 request.
func Listen(ln net.Listener, maxBlock int) net.Listener { return &listener{ln, maxBlock} }

type listener struct {
	net.Listener
	maxBlock int
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: inner, meter: meter{maxBlock: l.maxBlock}}
	if state, ok := inner.(connectionStater); ok {
		return &secureConn{c, state}, nil
	}
	return c, nil
}

type connectionStater interface {
	ConnectionState() tls.ConnectionState
}

// secureConn tells of its TLS, as its inner connection does.
type secureConn struct {
	*conn
	connectionStater
}

// conn is a connection of which the server reads requests and to which it writes answers. One goroutine
// at a time reads, and one writes.
type conn struct {
	net.Conn
	meter meter
	ended bool // an answer of the server's own was written, which was to be the last
}

// Read measures what HTTP/2 requests take.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if tooLarge := c.meter.read(p[:n]); tooLarge != nil {
		return 0, tooLarge
	}
	return n, err
}

// Write gives answers of the server's own their policy.
//
// Those end the connection. So it is ended here, too: a body that looks like one, and happens
// to be written in a piece of its own, is cut, and never read as two answers.
func (c *conn) Write(p []byte) (int, error) {
	if c.ended {
		return 0, net.ErrClosed
	}
	if c.meter.isHTTP2() {
		return c.Conn.Write(p)
	}
	line, rest, found := ownAnswer(p)
	if !found {
		return c.Conn.Write(p)
	}
	c.ended = true
	whole := append(append([]byte(line), headers...), rest...)
	if n, err := c.Conn.Write(whole); err != nil {
		return min(n, len(p)), err
	}
	return len(p), nil
}

// ReadFrom keeps the fast path of plaintext connections. The server uses it for bodies only.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if c.ended {
		return 0, net.ErrClosed
	}
	if fast, ok := c.Conn.(io.ReaderFrom); ok {
		return fast.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, r)
}

// CloseWrite lets the server end its side first, so that its last answer arrives.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// headers are added to a server's own answer. The sandbox keeps the site's scripts out of it.
const headers = "Content-Security-Policy: " + Policy + "\r\n" +
	"X-Content-Type-Options: nosniff\r\n" +
	"Cache-Control: no-store\r\n"

// Policy is that of a server's own answers.
const Policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"

// What net/http writes behind the status line of a request that it can't read, and nothing else does:
// each answer of a handler has more headers.
const ownHeaders = "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// expectation is the answer to an Expect that net/http doesn't know; it has no body.
const expectation = "HTTP/1.1 417 Expectation Failed\r\n"

// ownAnswer reports whether p is an answer of the server's own, and returns its status line and the rest.
func ownAnswer(p []byte) (line string, rest []byte, found bool) {
	if !bytes.HasPrefix(p, []byte("HTTP/1.1 4")) && !bytes.HasPrefix(p, []byte("HTTP/1.1 5")) {
		return "", nil, false
	}
	end := bytes.Index(p, []byte("\r\n"))
	if end < 0 {
		return "", nil, false
	}
	line, rest = string(p[:end+2]), p[end+2:]
	if line == expectation {
		head, body, whole := strings.Cut(string(rest), "\r\n\r\n")
		// Else a handler's, which has what it should.
		return line, rest, whole && body == "" && !strings.Contains("\r\n"+head, "\r\nContent-Security-Policy: ")
	}
	return line, rest, bytes.HasPrefix(rest, []byte(ownHeaders))
}
