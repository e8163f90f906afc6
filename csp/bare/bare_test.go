package bare_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/wikiveil/wikiveil/csp/bare"
)

const maxBlock = 32 << 10

// serve runs net/http behind Listen, over TLS or not, and returns its address.
func serve(t *testing.T, secure bool, handler http.HandlerFunc) string {
	t.Helper()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := plain
	if secure {
		pair := httptest.NewUnstartedServer(nil)
		pair.StartTLS()
		pair.Close()
		ln = tls.NewListener(plain, &tls.Config{Certificates: pair.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}})
	}
	server := &http.Server{Handler: handler, MaxHeaderBytes: bare.HeaderLimit(maxBlock), Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(hideTLS{bare.Listen(ln, maxBlock)})
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return plain.Addr().String()
}

// hideTLS has net/http speak HTTP/2 on connections that aren't a *tls.Conn, as Caddy does.
type hideTLS struct{ net.Listener }

func (l hideTLS) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return struct{ net.Conn }{c}, err
}

func dial(t *testing.T, address string, secure bool, protocol string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if secure {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func schemes(t *testing.T, test func(t *testing.T, secure bool)) {
	for name, secure := range map[string]bool{"http": false, "https": true} {
		t.Run(name, func(t *testing.T) { test(t, secure) })
	}
}

// Case 54: what net/http answers by itself over HTTP/1.1 has a policy.
func TestCase54OwnAnswersHaveAPolicy(t *testing.T) {
	schemes(t, func(t *testing.T, secure bool) {
		address := serve(t, secure, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("a handler's")) })
		for request, status := range map[string]int{
			"GET /%zz HTTP/1.1\r\nHost: wiki.example\r\n\r\n":                                                400,
			"GET / HTTP/1.1\r\n\r\n":                                                                         400,
			"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n":                                                   400,
			"GET / HTTP/1.1\r\nHost: wiki.example\r\nContent-Length: x\r\n\r\n":                              400,
			"GET / HTTP/1.1\r\nHost: wiki.example\r\nBad Name: x\r\n\r\n":                                    400,
			"GET / HTTP/1.1\r\nHost: wiki.example\r\nTransfer-Encoding: gzip\r\n\r\n":                        501,
			"GET / HTTP/3.0\r\nHost: wiki.example\r\n\r\n":                                                   505,
			"POST / HTTP/1.1\r\nHost: wiki.example\r\nContent-Length: 1\r\nExpect: more\r\n\r\nx":            417,
			"GET /" + strings.Repeat("x", bare.HeaderLimit(maxBlock)+8<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n": 431,
			"no request\r\n\r\n": 400,
		} {
			name := request[:min(len(request), 60)]
			c := dial(t, address, secure, "http/1.1")
			first := "GET / HTTP/1.1\r\nHost: wiki.example\r\n\r\n"
			go io.WriteString(c, first+request)
			answers := bufio.NewReader(c)
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatalf("%q: %v", name, err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil || string(body) != "a handler's" || resp.Header.Get("Content-Security-Policy") != "" {
				t.Errorf("%q: before it came %q with %v (%v)", name, body, resp.Header, err)
			}
			resp, err = http.ReadResponse(answers, nil)
			if err != nil {
				t.Errorf("%q: %v", name, err)
				continue
			}
			body, err = io.ReadAll(resp.Body)
			if status == 431 {
				err = nil // the connection may be reset over what wasn't read
			}
			if resp.StatusCode != status || err != nil || strings.Contains(string(body), "handler") {
				t.Errorf("%q: %s %q (%v), want %d", name, resp.Status, body, err, status)
			}
			if got := resp.Header["Content-Security-Policy"]; len(got) != 1 || got[0] != bare.Policy {
				t.Errorf("%q: its policy is %q", name, got)
			}
			if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%q: %v", name, resp.Header)
			}
		}
	})
}

// A handler's own answers pass byte for byte, and a body that looks like a server's answer never becomes a second one.
func TestHandlersAnswersPass(t *testing.T) {
	const lookalike = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
	address := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/417":
			w.Header().Set("Content-Security-Policy", "its own")
			w.WriteHeader(417)
		case "/cut":
			w.Header().Set("Content-Length", "100000")
			w.Write(bytes.Repeat([]byte("x"), 8<<10))
			http.NewResponseController(w).Flush()
			w.Write([]byte(lookalike + strings.Repeat("y", 8<<10)))
			http.NewResponseController(w).Flush()
			w.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"))
		default:
			http.Error(w, "the handler's", 400)
		}
	})
	for path, want := range map[string]string{"/417": "its own", "/400": ""} {
		resp, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.Header.Get("Content-Security-Policy") != want || path == "/400" && string(body) != "the handler's\n" {
			t.Errorf("%s: %v %q (%v)", path, resp.Header, body, err)
		}
	}
	c := dial(t, address, false, "")
	io.WriteString(c, "GET /cut HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
	answers := bufio.NewReader(c)
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); err == nil || strings.Contains(string(body), "evil") {
		t.Errorf("a body that looks like an answer: %d bytes, %v", len(body), err)
	}
}

// h2 opens an HTTP/2 connection and returns what writes a request's header in frames of a size.
func h2(t *testing.T, address string, secure bool) (framer *http2.Framer, send func(stream uint32, frame int, fields ...string)) {
	t.Helper()
	c := dial(t, address, secure, "h2")
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer = http2.NewFramer(c, c)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	return framer, func(stream uint32, frame int, fields ...string) {
		block.Reset()
		for i := 0; i < len(fields); i += 2 {
			encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
		}
		rest := block.Bytes()
		piece := rest[:min(frame, len(rest))]
		rest = rest[len(piece):]
		framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: piece, EndStream: true, EndHeaders: len(rest) == 0})
		for len(rest) > 0 {
			piece = rest[:min(frame, len(rest))]
			rest = rest[len(piece):]
			framer.WriteContinuation(stream, len(rest) == 0, piece)
		}
	}
}

// Case 54: over HTTP/2 what has net/http answer 431 by itself ends the connection; all that is shorter comes to a
// handler.
func TestCase54NoOwnAnswerOverHTTP2(t *testing.T) {
	schemes(t, func(t *testing.T, secure bool) {
		address := serve(t, secure, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Security-Policy", "handler") })
		for _, tt := range []struct {
			name, path string
			frame      int
			cookies    int
			closed     bool
		}{
			{"a short one", "/", 100, 0, false},
			{"in many frames", "/" + strings.Repeat("X", 20<<10), 1000, 0, false},
			// "0" has a code of five bits: what is counted is 8/5 of what is sent.
			{"the longest by the shortest codes", "/" + strings.Repeat("0", maxBlock*8/5-100), 16 << 10, 0, false},
			{"with all cookies that browsers keep", "/" + strings.Repeat("0", maxBlock*8/5-2000), 16 << 10, 180, false},
			{"too long, in one frame", "/" + strings.Repeat("X", 2*maxBlock), 1 << 20, 0, true},
			{"too long, in many", "/" + strings.Repeat("X", 2*maxBlock), 1000, 0, true},
			{"far too long", "/" + strings.Repeat("X", 2<<20), 16 << 10, 0, true},
		} {
			framer, send := h2(t, address, secure)
			fields := []string{":method", "GET", ":scheme", "https", ":authority", "wiki.example", ":path", tt.path}
			for i := range tt.cookies {
				fields = append(fields, "cookie", string(rune('a'+i%26))+"="+string(rune('a'+i/26)))
			}
			go func() {
				send(1, tt.frame, ":method", "GET", ":scheme", "https", ":authority", "wiki.example", ":path", "/before")
				send(3, tt.frame, fields...)
			}()
			policy, closed := "", false
			for !closed && policy == "" {
				frame, err := framer.ReadFrame()
				switch frame := frame.(type) {
				case nil:
					closed = err != nil
				case *http2.GoAwayFrame:
					closed = true
				case *http2.MetaHeadersFrame:
					if frame.StreamID != 3 {
						continue
					}
					if policy = frame.PseudoValue("status") + " without a policy"; frame.PseudoValue("status") == "200" {
						policy = frame.RegularFields()[0].Value
					}
				}
			}
			if closed != tt.closed || !closed && policy != "handler" {
				t.Errorf("%s: closed %v, answered by %q", tt.name, closed, policy)
			}
		}
	})
}
