package anonproxy

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// wire is a tool that keeps each byte it gets, below HTTP.
type wire struct {
	mu    sync.Mutex
	asked []string // HTTP/1.1: the head of each request; HTTP/2: the header block's bytes
	begun []string // HTTP/2: what comes before the first request of each connection
}

func (s *wire) add(to *[]string, sent []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*to = append(*to, string(sent))
}

func (s *wire) take() (asked, begun []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked, begun = s.asked, s.begun
	s.asked, s.begun = nil, nil
	return asked, begun
}

func (s *wire) serve(conn *tls.Conn) {
	if conn.ConnectionState().NegotiatedProtocol == "h2" {
		s.serveHTTP2(conn)
		return
	}
	for buf := make([]byte, 64<<10); ; {
		n := 0
		for !bytes.Contains(buf[:n], []byte("\r\n\r\n")) {
			more, err := conn.Read(buf[n:])
			if err != nil || n+more == len(buf) {
				return
			}
			n += more
		}
		s.add(&s.asked, buf[:n])
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
	}
}

func (s *wire) serveHTTP2(conn *tls.Conn) {
	var sent bytes.Buffer
	framer := http2.NewFramer(conn, io.TeeReader(conn, &sent))
	if _, err := io.CopyN(io.Discard, io.TeeReader(conn, &sent), int64(len(preface))); err != nil {
		return
	}
	_ = framer.WriteSettings()
	var answer bytes.Buffer
	encoder := hpack.NewEncoder(&answer)
	for first := true; ; {
		before := sent.Len()
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				_ = framer.WriteSettingsAck()
			}
		case *http2.HeadersFrame:
			if first {
				s.add(&s.begun, bytes.Clone(sent.Bytes()[:before]))
				first = false
			}
			// Type, flags and fragment; the stream's number only counts.
			s.add(&s.asked, append(bytes.Clone(sent.Bytes()[before:before+5]), frame.HeaderBlockFragment()...))
			answer.Reset()
			_ = encoder.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
			_ = encoder.WriteField(hpack.HeaderField{Name: "content-type", Value: "application/json"})
			_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: frame.StreamID, BlockFragment: answer.Bytes(), EndHeaders: true})
			_ = framer.WriteData(frame.StreamID, true, []byte("{}"))
		}
	}
}

// readers differ in all that a browser tells.
var readers = []map[string]string{
	{"User-Agent": "Mozilla/5.0 (X11)", "Accept-Language": "de", "Cookie": "session=alice", "Referer": "https://wiki/Alice", "X-Forwarded-For": "203.0.113.1", "Accept": "*/*"},
	{"User-Agent": "curl", "Accept-Language": "ja,en;q=0.1", "Cookie": "session=bob; x=y", "DNT": "1", "Accept-Encoding": "br", "Priority": "u=1", "Sec-CH-UA": `"x"`, "Range": "bytes=0-1"},
	{"Authorization": "Basic eA==", "If-None-Match": `"marked"`, "Origin": "https://wiki", "Te": "trailers", "Via": "1.1 x", "Connection": "close"},
}

func as(reader map[string]string) func(*http.Request) {
	return func(r *http.Request) {
		for name, value := range reader {
			r.Header.Set(name, value)
		}
	}
}

// What a tool gets is the same bytes, whoever asks and whoever asked before.
func TestToolGetsTheSameBytes(t *testing.T) {
	for _, proto := range []string{"h2", "http/1.1"} {
		t.Run(proto, func(t *testing.T) {
			tools := new(wire)
			address := serveTLS(t, []string{proto}, tools.serve)
			e := newEdge(t, Config{}, tool("maps", "https://"+address, noticeboard.Data, noticeboard.Img))
			e.trust(t, "maps")
			for _, dest := range []string{"empty", "image"} {
				var first string
				for i := range 40 {
					e.do(t, "GET", fmt.Sprintf("/.tools/maps/other/%d", i*i), dest, as(readers[i%len(readers)]))
					if i%3 == 2 {
						e.proxy.upstreams["maps"].transport.Close() // so that some are the first of their connection
					}
					tools.take()
					e.do(t, "GET", "/.tools/maps/place?name=here", dest, as(readers[i%len(readers)]))
					asked, _ := tools.take()
					if len(asked) != 1 {
						t.Fatalf("the tool was asked %d times", len(asked))
					}
					if first == "" {
						first = asked[0]
					}
					if asked[0] != first {
						t.Fatalf("for %s, reader %d:\n%s\nat first\n%s", dest, i, hex.Dump([]byte(asked[0])), hex.Dump([]byte(first)))
					}
				}
				if !strings.Contains(first, "place") && proto != "h2" {
					t.Errorf("the tool got %q", first)
				}
			}
		})
	}
}

// Each connection begins with the same bytes: settings and windows.
func TestConnectionsBeginTheSame(t *testing.T) {
	tools := new(wire)
	address := serveTLS(t, []string{"h2"}, tools.serve)
	e := newEdge(t, Config{}, tool("maps", "https://"+address))
	e.trust(t, "maps")
	for i := range 6 {
		e.do(t, "GET", "/.tools/maps/x", "empty", as(readers[i%len(readers)]))
		e.proxy.upstreams["maps"].transport.Close()
	}
	_, begun := tools.take()
	if len(begun) != 6 || !strings.HasPrefix(begun[0], preface) {
		t.Fatalf("%d connections, the first of which begins %q", len(begun), begun)
	}
	for _, b := range begun {
		// The client acknowledges the tool's settings before its first request, or after.
		if b = strings.ReplaceAll(b, "\x00\x00\x00\x04\x01\x00\x00\x00\x00", ""); b != begun[0] {
			t.Errorf("a connection begins %x, another %x", b, begun[0])
		}
	}
}

// helloTaker keeps what a client says before encryption.
type helloTaker struct {
	net.Conn
	hello bytes.Buffer
}

func (c *helloTaker) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.hello.Write(p[:n])
	return n, err
}

// TLS is the edge's own: the ClientHello is the same for all readers, but for what is random or a key.
func TestClientHelloIsTheSame(t *testing.T) {
	for _, tc := range []struct {
		name    string
		version uint16
		curve   tls.CurveID
	}{
		{"TLS 1.3", tls.VersionTLS13, 0},
		{"TLS 1.3 with a retry", tls.VersionTLS13, tls.CurveP521}, // which no client offers at once
		{"TLS 1.2", tls.VersionTLS12, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			cfg := &tls.Config{Certificates: testPair(t), MaxVersion: tc.version, NextProtos: []string{"h2", "http/1.1"}}
			if tc.curve != 0 {
				cfg.CurvePreferences = []tls.CurveID{tc.curve}
			}
			hellos := make(chan []byte, 16)
			var group sync.WaitGroup
			group.Go(func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					group.Go(func() {
						defer conn.Close()
						taker := &helloTaker{Conn: conn}
						secured := tls.Server(taker, cfg)
						if secured.Handshake() == nil {
							hellos <- bytes.Clone(taker.hello.Bytes())
							new(wire).serve(secured)
						}
					})
				}
			})
			t.Cleanup(func() { l.Close(); group.Wait() })
			e := newEdge(t, Config{}, tool("maps", "https://"+l.Addr().String()))
			e.trust(t, "maps")
			var first []string
			for i := range 6 {
				if a := e.do(t, "GET", "/.tools/maps/x", "empty", as(readers[i%len(readers)])); a.status != 200 {
					t.Fatalf("got %d %s", a.status, a.body)
				}
				e.proxy.upstreams["maps"].transport.Close()
				parts := clientHellos(t, <-hellos)
				if i == 0 {
					first = parts
				}
				if got, want := strings.Join(parts, "\n"), strings.Join(first, "\n"); got != want {
					t.Errorf("handshake %d says\n%s\nthe first\n%s", i, got, want)
				}
			}
			for _, want := range []string{"version 0303", "16: 000c02683208687474702f312e31", "43: 0403040303"} {
				if !strings.Contains(strings.Join(first, "\n")+"\n", want+"\n") {
					t.Errorf("no %q in\n%s", want, strings.Join(first, "\n"))
				}
			}
			for _, part := range first {
				if strings.HasPrefix(part, "41:") || strings.HasPrefix(part, "35: ") && part != "35: " {
					t.Errorf("a session is resumed, so handshakes can be linked: %s", part)
				}
			}
		})
	}
}

// clientHellos tells what the ClientHellos at the begin of a connection say (RFC 8446,
// section 4.1.2), but for the random, the session id and the keys of key shares.
func clientHellos(t *testing.T, sent []byte) (parts []string) {
	t.Helper()
	take := func(from *[]byte, n int) []byte {
		if n > len(*from) {
			t.Fatalf("a ClientHello is %d bytes short in %x", n-len(*from), sent)
		}
		taken := (*from)[:n]
		*from = (*from)[n:]
		return taken
	}
	number := func(from *[]byte, size int) (n int) {
		for _, b := range take(from, size) {
			n = n<<8 | int(b)
		}
		return n
	}
	var hello []byte
	for rest := sent; len(rest) > 5 && rest[0] == 22; { // handshake records
		take(&rest, 3)
		hello = append(hello, take(&rest, number(&rest, 2))...)
	}
	for len(hello) > 4 && hello[0] == 1 {
		take(&hello, 1)
		body := take(&hello, number(&hello, 3))
		parts = append(parts, fmt.Sprintf("version %x", take(&body, 2)))
		take(&body, 32)
		parts = append(parts, fmt.Sprintf("a session id of %d bytes", len(take(&body, number(&body, 1)))))
		parts = append(parts, fmt.Sprintf("ciphers %x", take(&body, number(&body, 2))))
		parts = append(parts, fmt.Sprintf("compression %x", take(&body, number(&body, 1))))
		for extensions := take(&body, number(&body, 2)); len(extensions) > 0; {
			kind, data := number(&extensions, 2), take(&extensions, number(&extensions, 2))
			if kind != 51 {
				parts = append(parts, fmt.Sprintf("%d: %x", kind, data))
				continue
			}
			for shares := take(&data, number(&data, 2)); len(shares) > 0; {
				group := number(&shares, 2)
				parts = append(parts, fmt.Sprintf("51: a share of %d bytes for group %d", len(take(&shares, number(&shares, 2))), group))
			}
		}
	}
	if len(parts) == 0 {
		t.Fatalf("no ClientHello in %x", sent)
	}
	return parts
}
