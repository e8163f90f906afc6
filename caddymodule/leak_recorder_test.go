package caddymodule

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	"github.com/pires/go-proxyproto"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// recorder keeps every byte that its connections read, before anything has
// parsed, normalised or dropped it.
type recorder struct {
	net.Listener
	expander func() expander

	mu    sync.Mutex
	conns []*recordedConn
}

// expander returns as text what is compressed in one connection's next bytes.
type expander func(data []byte) []byte

type recordedConn struct {
	net.Conn
	recorder *recorder
	fresh    []byte
	expand   expander
}

func (r *recorder) Accept() (net.Conn, error) {
	conn, err := r.Listener.Accept()
	if err != nil {
		return nil, err
	}
	recorded := &recordedConn{Conn: conn, recorder: r}
	if r.expander != nil {
		recorded.expand = r.expander()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, recorded)
	return recorded, nil
}

func (c *recordedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.recorder.mu.Lock()
	defer c.recorder.mu.Unlock()
	c.fresh = append(c.fresh, p[:n]...)
	return n, err
}

// taken returns all bytes since the last call, and with them what was compressed in them.
func (r *recorder) taken() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []byte
	for _, c := range r.conns {
		all = append(all, c.fresh...)
		if c.expand != nil {
			all = append(all, c.expand(c.fresh)...)
		}
		c.fresh = nil
	}
	return all
}

// expandH2 undoes HPACK, which spells header fields by tables and in Huffman's code.
func expandH2(t *testing.T) expander {
	var out bytes.Buffer
	decoder := hpack.NewDecoder(4096, func(f hpack.HeaderField) { fmt.Fprintf(&out, "%s: %s\n", f.Name, f.Value) })
	var pending []byte
	return func(data []byte) []byte {
		out.Reset()
		pending = bytes.TrimPrefix(append(pending, data...), []byte(http2.ClientPreface))
		for len(pending) >= 9 {
			length := 9 + int(binary.BigEndian.Uint32(append([]byte{0}, pending[:3]...)))
			if len(pending) < length {
				break
			}
			if err := expandFrame(decoder, pending[:length]); err != nil {
				t.Errorf("decoding what was recorded: %v", err)
			}
			pending = pending[length:]
		}
		return bytes.Clone(out.Bytes())
	}
}

func expandFrame(decoder *hpack.Decoder, frame []byte) error {
	framer := http2.NewFramer(nil, bytes.NewReader(frame))
	framer.AllowIllegalReads = true // it knows no frame before this one
	read, err := framer.ReadFrame()
	if err != nil {
		return err
	}
	headers, ok := read.(interface {
		HeaderBlockFragment() []byte
		HeadersEnded() bool
	})
	if !ok {
		return nil
	}
	if _, err := decoder.Write(headers.HeaderBlockFragment()); err != nil {
		return err
	}
	if headers.HeadersEnded() {
		return decoder.Close()
	}
	return nil
}

// fastCGIParams returns the variables of the requests in recorded bytes; of more than one request, the last one's.
func fastCGIParams(data []byte) map[string]string {
	var stream []byte
	for len(data) >= 8 {
		kind, length, padding := data[1], int(binary.BigEndian.Uint16(data[4:])), int(data[6])
		if len(data) < 8+length+padding {
			break
		}
		if kind == 4 { // FCGI_PARAMS
			stream = append(stream, data[8:8+length]...)
		}
		data = data[8+length+padding:]
	}
	size := func() int {
		if stream[0] < 0x80 {
			n := int(stream[0])
			stream = stream[1:]
			return n
		}
		n := int(binary.BigEndian.Uint32(stream) &^ (1 << 31))
		stream = stream[4:]
		return n
	}
	params := make(map[string]string)
	for len(stream) > 0 {
		name, value := size(), size()
		params[string(stream[:name])] = string(stream[name : name+value])
		stream = stream[name+value:]
	}
	return params
}

// leakApp is an app that keeps what it was sent, both parsed and as bytes.
type leakApp struct {
	*edgetest.Backend
	rec    *recorder
	answer http.HandlerFunc
}

type wire string

const (
	wireH1      wire = "HTTP/1.1"
	wireH2      wire = "h2"
	wireFastCGI wire = "FastCGI"
	wireProxy   wire = "PROXY protocol"
)

// newLeakApp answers with what answer says, or with 200, or with the status of an
// error page that it's asked to make.
func newLeakApp(t *testing.T, over wire, answer http.HandlerFunc) *leakApp {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &leakApp{Backend: new(edgetest.Backend), rec: &recorder{Listener: listener}, answer: answer}
	handler := http.HandlerFunc(a.serve)
	a.Server = httptest.NewUnstartedServer(handler)
	a.Server.Listener.Close()
	a.Server.Listener = a.rec
	switch over {
	case wireFastCGI:
		go fcgi.Serve(a.rec, handler)
		t.Cleanup(func() { listener.Close() })
		return a
	case wireProxy:
		a.Server.Listener = &proxyproto.Listener{
			Listener: a.rec,
			ConnPolicy: func(proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
				return proxyproto.REQUIRE, nil
			},
		}
	case wireH2:
		a.rec.expander = func() expander { return expandH2(t) }
		a.Config.Protocols = new(http.Protocols)
		a.Config.Protocols.SetUnencryptedHTTP2(true)
	}
	a.Start()
	t.Cleanup(a.Close)
	return a
}

func (a *leakApp) serve(w http.ResponseWriter, r *http.Request) {
	// net/http/fcgi gives all requests without a body one and the same, which isn't safe to copy from.
	if r.Header.Get("Upgrade") == "" && r.ContentLength != 0 {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "reading the body: "+err.Error(), http.StatusBadRequest)
			return
		}
	}
	a.Keep(r)
	if a.answer != nil {
		a.answer(w, r)
		return
	}
	if status, err := strconv.Atoi(r.Header.Get("Error-Status")); err == nil {
		w.WriteHeader(status)
	}
	fmt.Fprint(w, "the app")
}
