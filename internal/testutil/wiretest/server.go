// Package wiretest is a tool's server for tests that keeps what it gets byte for byte,
// below HTTP: TLS's first flight, what begins an HTTP/2 connection, and each request.
package wiretest

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Request is a request as it came. Its body is not read: it must have none.
type Request struct {
	Path  string // and query
	Bytes string // HTTP/1.1: the head; HTTP/2: the frames of the header block, without the stream's number
}

// Connection is how a connection began.
type Connection struct {
	Hello []string // the ClientHellos, see [ClientHellos]
	Begin string   // HTTP/2: what came before the first request; settings that are acknowledged apart
}

// Server is a tool's server.
type Server struct {
	// Address is host and port.
	Address string

	answer func(path string) (contentType, body string)

	mu          sync.Mutex
	open        map[net.Conn]bool
	requests    []Request
	connections []Connection
}

// Start serves TLS on an address until the test ends. The config's NextProtos decide
// between HTTP/1.1 and HTTP/2.
func Start(t testing.TB, address string, config *tls.Config, answer func(path string) (contentType, body string)) *Server {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Address: l.Addr().String(), answer: answer, open: make(map[net.Conn]bool)}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.open[conn] = true
			s.mu.Unlock()
			group.Go(func() { s.serve(conn, config) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.CloseConnections()
		group.Wait()
	})
	return s
}

// CloseConnections has the next request come on a new connection.
func (s *Server) CloseConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.open {
		conn.Close()
	}
}

// Take returns what has come since the last time.
func (s *Server) Take() ([]Request, []Connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests, connections := s.requests, s.connections
	s.requests, s.connections = nil, nil
	return requests, connections
}

// recorded keeps what is read.
type recorded struct {
	net.Conn
	sent bytes.Buffer
}

func (r *recorded) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.sent.Write(p[:n])
	return n, err
}

func (s *Server) serve(conn net.Conn, config *tls.Config) {
	defer func() {
		conn.Close()
		s.mu.Lock()
		delete(s.open, conn)
		s.mu.Unlock()
	}()
	raw := &recorded{Conn: conn}
	secured := tls.Server(raw, config)
	if secured.Handshake() != nil {
		return
	}
	hello, err := ClientHellos(raw.sent.Bytes())
	if err != nil {
		hello = []string{err.Error()}
	}
	if secured.ConnectionState().NegotiatedProtocol == "h2" {
		s.serveHTTP2(secured, hello)
	} else {
		s.serveHTTP1(secured, hello)
	}
}

func (s *Server) begun(hello []string, begin string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connections = append(s.connections, Connection{hello, begin})
}

// asked is called before the response is sent, so that whoever has the response finds the request here.
func (s *Server) asked(path, sent string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{path, sent})
}

func (s *Server) serveHTTP1(conn net.Conn, hello []string) {
	s.begun(hello, "")
	for buf := make([]byte, 64<<10); ; {
		n := 0
		for !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
			more, err := conn.Read(buf[n:])
			if err != nil || more == 0 {
				return
			}
			n += more
		}
		head := string(buf[:n])
		method, rest, _ := strings.Cut(head, " ")
		path, _, _ := strings.Cut(rest, " ")
		s.asked(path, head)
		contentType, body := s.answer(path)
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nCache-Control: no-store\r\nContent-Length: %d\r\n\r\n", contentType, len(body))
		if method != http.MethodHead {
			_, _ = io.WriteString(conn, body)
		}
	}
}

func (s *Server) serveHTTP2(conn net.Conn, hello []string) {
	in := &recorded{Conn: conn}
	if _, err := io.CopyN(io.Discard, in, int64(len(http2.ClientPreface))); err != nil {
		return
	}
	framer := http2.NewFramer(conn, in)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = framer.WriteSettings()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for first := true; ; {
		before := in.sent.Len()
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if frame.IsAck() { // which comes when it comes
				in.sent.Truncate(before)
			} else {
				_ = framer.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			sent := in.sent.Bytes()
			if first {
				s.begun(hello, string(sent[:before]))
				first = false
			}
			request := bytes.Clone(sent[before:])
			clear(request[5:9])
			path := frame.PseudoValue("path")
			s.asked(path, string(request))
			contentType, body := s.answer(path)
			block.Reset()
			for _, f := range []hpack.HeaderField{{Name: ":status", Value: "200"}, {Name: "content-type", Value: contentType}, {Name: "cache-control", Value: "no-store"}} {
				_ = encoder.WriteField(f)
			}
			_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: frame.StreamID, BlockFragment: block.Bytes(), EndHeaders: true})
			_ = framer.WriteData(frame.StreamID, true, []byte(body))
		}
	}
}
