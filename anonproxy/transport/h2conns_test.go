package transport

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
)

// transportTo trusts the test servers' certificate.
func transportTo(t testing.TB, url string) *Transport {
	t.Helper()
	transport := New(toolAt(url))
	transport.HTTP.TLSClientConfig.RootCAs = tooltest.Roots()
	t.Cleanup(transport.Close)
	return transport
}

// get asks and returns the protocol and the body.
func get(t testing.TB, transport *Transport, url string) (proto, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.HTTP.RoundTrip(r)
	if err != nil {
		t.Error(err)
		return "", ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return res.Proto, string(text)
}

func TestHTTP2IsSharedAndCloses(t *testing.T) {
	held := make(chan struct{})
	b := tooltest.NewTLS(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			_ = http.NewResponseController(w).Flush()
			<-held
		}
		fmt.Fprint(w, r.Proto)
	})
	transport := transportTo(t, b.URL)
	if proto, body := get(t, transport, b.URL+"/"); proto != "HTTP/2.0" || body != "HTTP/2.0" {
		t.Fatalf("got %s, the tool saw %s", proto, body)
	}
	var group sync.WaitGroup
	for range 64 {
		group.Go(func() {
			for range 4 {
				get(t, transport, b.URL+"/")
			}
		})
	}
	group.Wait()
	if got := b.Conns.Load(); got != 1 {
		t.Errorf("%d connections for one tool", got)
	}
	var slow atomic.Bool
	group.Go(func() {
		_, body := get(t, transport, b.URL+"/slow")
		slow.Store(body == "HTTP/2.0")
	})
	testutil.Eventually(t, "the idle connections' end", func() bool {
		transport.Close()
		select {
		case held <- struct{}{}: // the busy one first serves
		default:
		}
		return b.Open.Load() == 0 && slow.Load()
	})
	group.Wait()
	if _, body := get(t, transport, b.URL+"/"); body != "HTTP/2.0" {
		t.Error("a closed transport can't be used again")
	}
}

// Cold, all requests make connections at once; in the end one is left.
func TestHTTP2ColdStart(t *testing.T) {
	b := tooltest.NewTLS(t, tooltest.Answers("text/plain", "yes"))
	transport := transportTo(t, b.URL)
	var group sync.WaitGroup
	for range 64 {
		group.Go(func() {
			if proto, body := get(t, transport, b.URL+"/"); proto != "HTTP/2.0" || body != "yes" {
				t.Errorf("got %s %q", proto, body)
			}
		})
	}
	group.Wait()
	transport.Close()
	testutil.Eventually(t, "the end of all connections", func() bool { transport.Close(); return b.Open.Load() == 0 })
}

func TestToolsWithoutHTTP2(t *testing.T) {
	b := tooltest.NewTLS(t, tooltest.Answers("text/plain", "yes"), func(s *httptest.Server) { s.EnableHTTP2 = false })
	transport := transportTo(t, b.URL)
	for range 3 {
		if proto, body := get(t, transport, b.URL+"/"); proto != "HTTP/1.1" || body != "yes" {
			t.Fatalf("got %s %q", proto, body)
		}
	}
	if got := b.Conns.Load(); got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
}

// A tool that speaks HTTP/2 no more is spoken to by HTTP/1.1.
func TestToolThatTurnsBack(t *testing.T) {
	var old atomic.Bool
	b := tooltest.NewTLS(t, tooltest.Answers("text/plain", "yes"), func(s *httptest.Server) {
		s.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
		s.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			c := s.TLS.Clone()
			c.GetConfigForClient = nil
			if old.Load() {
				c.NextProtos = []string{"http/1.1"}
			}
			return c, nil
		}
	})
	transport := transportTo(t, b.URL)
	for i, want := range []string{"HTTP/2.0", "HTTP/1.1", "HTTP/2.0"} {
		old.Store(i == 1)
		for range 2 {
			if proto, body := get(t, transport, b.URL+"/"); proto != want || body != "yes" {
				t.Errorf("got %s %q, want %s", proto, body, want)
			}
		}
		b.CloseClientConnections()
		transport.Close()
	}
}

// A tool that takes few requests at a time is asked on several connections.
func TestFewStreams(t *testing.T) {
	const streams, together = 2, 3
	var asked atomic.Int64
	met := make(chan struct{})
	b := tooltest.NewTLS(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == together {
			close(met)
		}
		select {
		case <-met:
		case <-r.Context().Done():
		}
		tooltest.Answers("text/plain", "yes")(w, r)
	}, func(s *httptest.Server) { s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: streams} })
	transport := transportTo(t, b.URL)
	var group sync.WaitGroup
	for range 24 {
		group.Go(func() {
			for range 4 {
				if proto, body := get(t, transport, b.URL+"/"); proto != "HTTP/2.0" || body != "yes" {
					t.Errorf("got %s %q", proto, body)
				}
			}
		})
	}
	group.Wait()
}

// Connections that the tool gives up are replaced.
func TestBrokenConnections(t *testing.T) {
	b := tooltest.NewTLS(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/notice" { // by GOAWAY
			w.Header().Set("Connection", "close")
		}
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %d %s", r.Method, r.ContentLength, body)
	})
	transport := transportTo(t, b.URL)
	ask := func(method, body, want string) error {
		r, err := http.NewRequest(method, b.URL+"/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := transport.HTTP.RoundTrip(r)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if got, err := io.ReadAll(res.Body); string(got) != want || err != nil || res.ProtoMajor != 2 {
			t.Errorf("got %q of %s, %v, want %q", got, res.Proto, err, want)
		}
		return nil
	}
	for i := range 10 {
		method, body, want := "POST", "a body", "POST 6 a body"
		if i%2 == 0 {
			method, body, want = "GET", "", "GET 0 "
		}
		get(t, transport, b.URL+"/notice")
		if err := ask(method, body, want); err != nil {
			t.Errorf("%s after a notice: %v", method, err)
		}
		b.CloseClientConnections()
		// A request may meet the connection before its end is known.
		testutil.Eventually(t, "a new connection", func() bool { return ask(method, body, want) == nil })
	}
	if got := b.Conns.Load(); got < 20 {
		t.Errorf("%d connections, so they weren't given up", got)
	}
}

// onceBody can't be read again, and knows whether it was closed.
type onceBody struct {
	io.Reader
	closed atomic.Int64
}

func (b *onceBody) Close() error {
	b.closed.Add(1)
	return nil
}

// A body that can be read but once goes over the next connection, where there is none.
func TestBodyOverNewConnection(t *testing.T) {
	b := tooltest.NewTLS(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %d", body, r.ContentLength)
	})
	transport := transportTo(t, b.URL)
	for i := range 6 {
		body := &onceBody{Reader: strings.NewReader("a body")}
		r, err := http.NewRequest("POST", b.URL+"/", body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = 6
		res, err := transport.HTTP.RoundTrip(r)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if string(got) != "a body 6" || err != nil || res.ProtoMajor != 2 {
			t.Errorf("got %q of %s, %v", got, res.Proto, err)
		}
		testutil.Eventually(t, "the body's end", func() bool { return body.closed.Load() > 0 })
		if i%2 == 1 {
			testutil.Eventually(t, "the connections' end", func() bool { transport.Close(); return b.Open.Load() == 0 })
		}
	}
}

// A request that must change the protocol does so on HTTP/1.1, even where HTTP/2 is spoken.
func TestUpgradeBesideHTTP2(t *testing.T) {
	b := tooltest.NewTLS(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			tooltest.Answers("text/plain", r.Proto)(w, r)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
	})
	transport := transportTo(t, b.URL)
	for range 2 {
		if _, body := get(t, transport, b.URL+"/"); body != "HTTP/2.0" {
			t.Errorf("the tool saw %s", body)
		}
		r, err := http.NewRequest("GET", b.URL+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "websocket")
		res, err := transport.HTTP.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusSwitchingProtocols || string(got) != "hello" {
			t.Errorf("got %d %q", res.StatusCode, got)
		}
	}
}

func TestBodiesAndTrailers(t *testing.T) {
	b := tooltest.NewTLS(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d %d %v %q %d", r.ContentLength, len(body), err, r.Trailer, len(r.Header.Get("Long")))
	})
	transport := transportTo(t, b.URL)
	for _, tc := range []struct {
		name   string
		body   io.Reader
		change func(*http.Request)
		want   string
	}{
		{"a length", bytes.NewReader(make([]byte, 200_000)), nil, `200000 200000 <nil> map[] 0`},
		{"no length", struct{ io.Reader }{bytes.NewReader(make([]byte, 200_000))}, nil, `-1 200000 <nil> map[] 0`},
		{"trailers", struct{ io.Reader }{strings.NewReader("x")}, func(r *http.Request) { r.Trailer = http.Header{"B": {"2"}, "A": {"1"}} }, `-1 1 <nil> map["A":["1"] "B":["2"]] 0`},
		{"headers that fill several frames", nil, func(r *http.Request) { r.Header.Set("Long", strings.Repeat("~", 100<<10)) }, `0 0 <nil> map[] 102400`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := http.NewRequest("POST", b.URL+"/", tc.body)
			if err != nil {
				t.Fatal(err)
			}
			if tc.change != nil {
				tc.change(r)
			}
			res, err := transport.HTTP.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if got, err := io.ReadAll(res.Body); string(got) != tc.want || err != nil || res.ProtoMajor != 2 {
				t.Errorf("the tool got %s by %s, %v; want %s", got, res.Proto, err, tc.want)
			}
		})
	}
}

// A connection that no request claims is closed, by and by or with the transport.
func TestUnclaimedConnections(t *testing.T) {
	b := tooltest.NewTLS(t, tooltest.Answers("text/plain", "yes"))
	address := b.Listener.Addr().String()
	for _, tc := range []struct {
		name string
		end  func(*h2Conns, *unclaimedConn)
	}{
		{"in time", func(_ *h2Conns, c *unclaimedConn) { c.expiry.Reset(0) }},
		{"with the transport", func(h *h2Conns, _ *unclaimedConn) { h.closeIdle() }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: tooltest.Roots(), NextProtos: []string{"h2"}})
			if err != nil {
				t.Fatal(err)
			}
			h := newH2Conns()
			h.add(address, conn)
			h.mu.Lock()
			c := h.unclaimed[address][0]
			h.mu.Unlock()
			tc.end(h, c)
			testutil.Eventually(t, "the connection's end", func() bool { return b.Open.Load() == 0 })
			var none errNoConn
			if _, err := h.claim(address); !errors.As(err, &none) {
				t.Errorf("a closed connection can be claimed: %v", err)
			}
		})
	}
}

// A client whose frames can't be read sends nothing more, and its connection ends.
func TestUnreadableFramesEndTheConnection(t *testing.T) {
	b := tooltest.NewTLS(t, tooltest.Answers("text/plain", "yes"))
	conn, err := tls.Dial("tcp", b.Listener.Addr().String(), &tls.Config{RootCAs: tooltest.Roots(), NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	ordered := newOrderedConn(conn)
	if n, err := ordered.Write([]byte("GET / HTTP/1.1\r\n\r\n")); n != 0 || err == nil {
		t.Errorf("%d bytes written, %v", n, err)
	}
	if n, err := ordered.Write([]byte(preface)); n != 0 || err == nil {
		t.Errorf("then %d bytes written, %v", n, err)
	}
	if _, err := ordered.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is open")
	}
	ordered.Close()
	testutil.Eventually(t, "the connection's end", func() bool { return b.Open.Load() == 0 })
}

// What a slow reader doesn't take is little, as it is held in memory.
func TestSlowReaderOverHTTP2(t *testing.T) {
	sent := make(chan int, 1)
	b := tooltest.NewTLS(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Second))
		total, piece := 0, make([]byte, 16<<10)
		for total < 30<<20 {
			n, err := w.Write(piece)
			if total += n; err != nil {
				break
			}
		}
		sent <- total
	})
	transport := transportTo(t, b.URL)
	r, _ := http.NewRequestWithContext(t.Context(), "GET", b.URL, nil)
	res, err := transport.HTTP.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if n := <-sent; n > 1<<20 || res.ProtoMajor != 2 {
		t.Errorf("the tool could send %d bytes to one who takes nothing, by %s", n, res.Proto)
	}
}
