package anonproxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wikiveil/wikiveil/anonproxy/leakguard"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/anonproxy/transport"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// socketBackend is a tool's server that takes websockets.
func socketBackend(t testing.TB, serve func(context.Context, *websocket.Conn)) *backend {
	return newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		conn.SetReadLimit(-1)
		serve(r.Context(), conn)
	})
}

// echo says everything back until the other side goes.
func echo(ctx context.Context, conn *websocket.Conn) {
	for {
		kind, message, err := conn.Read(ctx)
		if err != nil || conn.Write(ctx, kind, message) != nil {
			return
		}
	}
}

// dial opens a websocket as a page of the wiki does.
func (e *edge) dial(t testing.TB, path string, change ...func(http.Header)) *websocket.Conn {
	t.Helper()
	h := http.Header{"Origin": {e.URL}}
	for _, c := range change {
		c(h)
	}
	conn, res, err := websocket.Dial(t.Context(), e.URL+path, &websocket.DialOptions{
		HTTPHeader: h, HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	})
	if err != nil {
		body := ""
		if res != nil && res.Body != nil {
			b, _ := io.ReadAll(res.Body)
			body = string(b)
		}
		t.Fatalf("%v: %s", err, body)
	}
	conn.SetReadLimit(-1)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

// wantClosed reads until the websocket is closed, and checks how.
func wantClosed(t testing.TB, conn *websocket.Conn, code websocket.StatusCode, reason string) {
	t.Helper()
	for {
		_, message, err := conn.Read(t.Context())
		if err == nil {
			t.Errorf("got %q, want it closed", message)
			continue
		}
		var closed websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != code || !strings.Contains(closed.Reason, reason) || reason == "" && closed.Reason != "" {
			t.Errorf("closed by %v, want %d %q", err, code, reason)
		}
		return
	}
}

func TestWebSocket(t *testing.T) {
	b := socketBackend(t, echo)
	e := newEdge(t, Config{}, streaming("chat", b.URL, noticeboard.WebSocket))
	conn := e.dial(t, "/.tools/chat/x")
	for _, tc := range []struct {
		name    string
		kind    websocket.MessageType
		message string
	}{
		{"text", websocket.MessageText, "Grüße"},
		{"bytes", websocket.MessageBinary, "\xff\x00\xfe"},
		{"nothing", websocket.MessageText, ""},
		{"much", websocket.MessageBinary, strings.Repeat("x", maxMessage)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := conn.Write(t.Context(), tc.kind, []byte(tc.message)); err != nil {
				t.Fatal(err)
			}
			kind, got, err := conn.Read(t.Context())
			if kind != tc.kind || string(got) != tc.message || err != nil {
				t.Errorf("got %v, %d bytes, %v", kind, len(got), err)
			}
		})
	}
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	if got := e.observed(t, 1); !slices.Equal(got, []string{"chat " + outcomes.OK}) {
		t.Errorf("observed %q", got)
	}
}

func TestWebSocketOverTLS(t *testing.T) {
	b := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("the tool was spoken to by %s", r.Proto)
		}
		conn, err := websocket.Accept(w, r, nil)
		if err == nil {
			echo(r.Context(), conn)
		}
	}))
	b.EnableHTTP2 = true
	b.StartTLS()
	defer b.Close()
	e := newEdge(t, Config{}, streaming("chat", b.URL, noticeboard.WebSocket))
	trust(e, "chat", b.Certificate())
	up := e.proxy.upstreams()["chat"].transport
	up.Upgrades.TLSClientConfig.RootCAs = up.HTTP.TLSClientConfig.RootCAs
	conn := e.dial(t, "/.tools/chat/x")
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := conn.Read(t.Context()); string(got) != "hello" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	_ = conn.Close(websocket.StatusNormalClosure, "")
}

// rawSocket is a tool on a bare socket that takes one websocket, and gives away its
// handshake and the connection.
func rawSocket(t testing.TB) (origin string, handshakes <-chan string, conns <-chan net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	heads, opened := make(chan string, 10), make(chan net.Conn, 10)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go func() {
				var head strings.Builder
				in := bufio.NewReader(conn)
				r, err := http.ReadRequest(bufio.NewReader(io.TeeReader(in, &head)))
				if err != nil {
					return
				}
				key := r.Header.Get("Sec-WebSocket-Key")
				heads <- strings.Replace(head.String(), key, "KEY", 1)
				w := httptest.NewRecorder()
				fake := r.Clone(r.Context())
				if _, err := websocket.Accept(hijackable{w, conn}, fake, &websocket.AcceptOptions{InsecureSkipVerify: true}); err != nil {
					return
				}
				opened <- conn
			}()
		}
	}()
	return "http://" + l.Addr().String(), heads, opened
}

// hijackable answers a handshake on a bare connection.
type hijackable struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (h hijackable) WriteHeader(status int) {
	res := http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: h.Header()}
	_ = res.Write(h.conn)
}

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	// What accepts may keep its own end: we read and write the connection ourselves.
	a, b := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, b) }()
	_ = b.Close()
	return a, bufio.NewReadWriter(bufio.NewReader(a), bufio.NewWriter(a)), nil
}

func TestHandshakesOfTwoReadersAreEqual(t *testing.T) {
	origin, handshakes, _ := rawSocket(t)
	e := newEdge(t, Config{Contact: "admin@wiki.example.org"}, streaming("chat", origin, noticeboard.WebSocket))
	want := "GET /a%20b/c?q=%2F&r HTTP/1.1\r\nHost: " + strings.TrimPrefix(origin, "http://") + "\r\n" +
		"User-Agent: Wikiveil/1 (+https://github.com/wikiveil/wikiveil; anonymizing proxy; admin@wiki.example.org)\r\n" +
		"Connection: Upgrade\r\nSec-Websocket-Key: KEY\r\nSec-Websocket-Version: 13\r\nUpgrade: websocket\r\n\r\n"
	for _, who := range []string{"first", "second"} {
		conn := e.dial(t, "/.tools/chat/a%20b/c?q=%2F&r", func(h http.Header) {
			r := &http.Request{Header: make(http.Header)}
			hostileHeaders(who)(r)
			delete(r.Header, "Sec-Fetch-User")
			for name, values := range r.Header {
				if name != "Origin" && name != "Range" {
					h[name] = values
				}
			}
			h.Set("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
		})
		got := <-handshakes
		if !strings.EqualFold(got, want) {
			t.Errorf("the tool got of the %s reader\n%s\nwant\n%s", who, got, want)
		}
		_ = conn.CloseNow()
	}
}

func TestNoFrameComesThrough(t *testing.T) {
	origin, handshakes, conns := rawSocket(t)
	e := newEdge(t, Config{}, streaming("chat", origin, noticeboard.WebSocket))
	reader, err := net.Dial("tcp", e.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	_, _ = io.WriteString(reader, "GET /.tools/chat/x HTTP/1.1\r\nHost: "+strings.TrimPrefix(e.URL, "http://")+"\r\nOrigin: "+e.URL+"\r\n"+
		"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"+
		"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
	in := bufio.NewReader(reader)
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != 101 {
		t.Fatalf("got %v, %v", res, err)
	}
	for _, name := range []string{"Sec-Websocket-Extensions", "Sec-Websocket-Protocol", "Set-Cookie"} {
		if res.Header[name] != nil {
			t.Errorf("%s came back", name)
		}
	}
	<-handshakes
	tool := <-conns
	frame := func(first byte, payload string) string { // masked with a key that marks the reader
		masked := []byte{first, 0x80 | byte(len(payload)), 'k', 'e', 'y', '!'}
		for i := range len(payload) {
			masked = append(masked, payload[i]^"key!"[i%4])
		}
		return string(masked)
	}
	// A message in three frames, with pings in between.
	_, _ = io.WriteString(reader, frame(0x01, "he")+frame(0x89, "alice")+frame(0x00, "ll")+frame(0x8a, "alice")+frame(0x80, "o"))
	head := make([]byte, 6+5)
	if _, err := io.ReadFull(tool, head); err != nil {
		t.Fatal(err)
	}
	var plain []byte
	for i, c := range head[6:] {
		plain = append(plain, c^head[2+i%4])
	}
	if head[0] != 0x81 || head[1] != 0x85 || string(plain) != "hello" || bytes.Equal(head[2:6], []byte("key!")) {
		t.Errorf("the tool got % x, %q; want one text frame under another key", head, plain)
	}
	// The other way round.
	_, _ = io.WriteString(tool, "\x01\x02he\x89\x05alice\x00\x02ll\x80\x01o")
	got := make([]byte, 2+5+2+5)
	if _, err := io.ReadFull(in, got); err != nil {
		t.Fatal(err)
	}
	if string(got) != "\x8a\x05alice"+"\x81\x05hello" { // our own pong, then the message
		t.Errorf("the reader got % x", got)
	}
	// A close has no words, and no code of its own.
	_, _ = io.WriteString(reader, frame(0x88, "\x0f\xa1alice")) // 4001
	var closing []byte
	for len(closing) < 6 {
		one := make([]byte, 1)
		if _, err := tool.Read(one); err != nil {
			t.Fatal(err)
		}
		closing = append(closing, one...)
		if len(closing) == 6 && closing[0] == 0x8a { // the pong to its ping, which has a payload
			rest := make([]byte, 5)
			_, _ = io.ReadFull(tool, rest)
			closing = nil
		}
	}
	code := make([]byte, 2)
	if _, err := io.ReadFull(tool, code); err != nil {
		t.Fatal(err)
	}
	if closing[0] != 0x88 || closing[1] != 0x82 || code[0]^closing[2] != 0x03 || code[1]^closing[3] != 0xe8 {
		t.Errorf("the tool got the close % x % x, want 1000 and no more", closing, code)
	}
	tool.Close()
	e.observed(t, 1)
}

func TestWebSocketIsRefused(t *testing.T) {
	b := socketBackend(t, echo)
	e := newEdge(t, Config{}, streaming("chat", b.URL, noticeboard.WebSocket), streaming("live", b.URL, noticeboard.Events), tool("plain", b.URL))
	host := strings.TrimPrefix(e.URL, "http://")
	const handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	own := "Origin: " + e.URL + "\r\n"
	const foreign = "only pages of this wiki"
	for _, tc := range []struct {
		name, target, head string
		status             int
		reason             string
	}{
		{"not declared", "GET /.tools/plain/x HTTP/1.1", handshake + own, 403, "isn't declared for websockets"},
		{"declared for events only", "GET /.tools/live/x HTTP/1.1", handshake + own, 403, "isn't declared for websockets"},
		{"unknown tool", "GET /.tools/nothing/x HTTP/1.1", handshake + own, 404, "no tool of that name"},
		{"dot segment", "GET /.tools/chat/../x HTTP/1.1", handshake + own, 400, "a dot segment"},
		{"no origin", "GET /.tools/chat/x HTTP/1.1", handshake, 403, foreign},
		{"another site", "GET /.tools/chat/x HTTP/1.1", handshake + "Origin: http://evil.example\r\n", 403, foreign},
		{"another port", "GET /.tools/chat/x HTTP/1.1", handshake + "Origin: http://127.0.0.1:1\r\n", 403, foreign},
		{"a site that begins alike", "GET /.tools/chat/x HTTP/1.1", handshake + "Origin: " + e.URL + ".evil.example\r\n", 403, foreign},
		{"a user name", "GET /.tools/chat/x HTTP/1.1", handshake + "Origin: http://" + host + "@" + host + "\r\n", 403, foreign},
		{"no origin in words", "GET /.tools/chat/x HTTP/1.1", handshake + "Origin: null\r\n", 403, foreign},
		{"an extension's page", "GET /.tools/chat/x HTTP/1.1", handshake + "Origin: moz-extension://" + host + "\r\n", 403, foreign},
		{"a path in the origin", "GET /.tools/chat/x HTTP/1.1", handshake + "Origin: " + e.URL + "/\r\n", 403, foreign},
		{"cross-site", "GET /.tools/chat/x HTTP/1.1", handshake + own + "Sec-Fetch-Site: cross-site\r\n", 403, foreign},
		{"two origins", "GET /.tools/chat/x HTTP/1.1", handshake + own + own, 400, "sent twice"},
		{"another mode", "GET /.tools/chat/x HTTP/1.1", handshake + own + "Sec-Fetch-Mode: navigate\r\n", 403, "isn't a websocket's"},
		{"another destination", "GET /.tools/chat/x HTTP/1.1", handshake + own + "Sec-Fetch-Dest: script\r\n", 403, "isn't a websocket's"},
		{"a subprotocol", "GET /.tools/chat/x HTTP/1.1", handshake + own + "Sec-WebSocket-Protocol: alice\r\n", 400, "no subprotocols"},
		{"no key", "GET /.tools/chat/x HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" + own, 400, "handshake is malformed"},
		{"a short key", "GET /.tools/chat/x HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n" + own, 400, "handshake is malformed"},
		{"an old version", "GET /.tools/chat/x HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" + own, 400, "handshake is malformed"},
		{"no connection", "GET /.tools/chat/x HTTP/1.1", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" + own, 400, "handshake is malformed"},
		{"two upgrades", "GET /.tools/chat/x HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" + own, 400, "handshake is malformed"},
		{"HTTP/1.0", "GET /.tools/chat/x HTTP/1.0", handshake + own, 400, "opened over HTTP/1.1"},
		{"HEAD", "HEAD /.tools/chat/x HTTP/1.1", strings.Replace(handshake, "Upgrade", "Upgrade, close", 1) + own, 400, ""},
		{"POST", "POST /.tools/chat/x HTTP/1.1", handshake + own + "Content-Length: 0\r\n", 405, "isn't declared for this method"},
		{"a body", "GET /.tools/chat/x HTTP/1.1", handshake + own + "Content-Length: 1\r\n\r\na", 400, "must not have a body"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := e.raw(t, tc.target+"\r\nHost: "+host+"\r\n"+tc.head+"\r\n")
			wantRefusal(t, a, tc.status, tc.reason)
		})
	}
	if b.hits.Load() != 0 {
		t.Errorf("the tools were asked %d times", b.hits.Load())
	}
}

func TestOriginsOfWebSockets(t *testing.T) {
	for _, tc := range []struct {
		name, origin   string
		tls, terminate bool
		want           bool
	}{
		{"plain", "http://wiki.example", false, false, true},
		{"plain, TLS ends elsewhere", "https://wiki.example", false, false, true},
		{"told that TLS ends elsewhere", "https://wiki.example", false, true, true},
		{"told that TLS ends elsewhere, without", "http://wiki.example", false, true, false},
		{"TLS", "https://wiki.example", true, false, true},
		{"TLS, from a page without", "http://wiki.example", true, false, false},
		{"capitals", "https://WIKI.example", true, false, true},
		{"another host", "https://wiki.example.org", true, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEdge(t, Config{RequireFetchMetadata: tc.terminate})
			r := httptest.NewRequest("GET", "/", nil)
			r.Host = "wiki.example"
			if tc.tls {
				r = httptest.NewRequest("GET", "https://wiki.example/", nil)
			}
			if got := e.proxy.isOwnOrigin(r, tc.origin); got != tc.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestToolsThatOpenNoWebSocket(t *testing.T) {
	const accept = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	for _, tc := range []struct {
		name, response string
		status         int
		reason         string
		outcome        string
	}{
		{"a page", "200 OK\r\nContent-Length: 2\r\n\r\n{}", 502, "opens no websocket", outcomes.RefusedResponse},
		{"a redirect", "302 Go\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n", 502, "redirects a websocket", outcomes.RefusedResponse},
		{"an error", "404 No\r\nContent-Length: 0\r\n\r\n", 404, "answers with status 404", outcomes.ToolError},
		{"a proxy's log in", "407 No\r\nContent-Length: 0\r\n\r\n", 502, "opens no websocket", outcomes.RefusedResponse},
		{"another key", "101 Switching\r\n" + accept + "Sec-WebSocket-Accept: AAAA\r\n\r\n", 502, "handshake is wrong", outcomes.RefusedResponse},
		{"another protocol", "101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 502, "handshake is wrong", outcomes.RefusedResponse},
		{"not HTTP", "?\r\n\r\n", 502, "no proper answer", outcomes.Unreachable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEdge(t, Config{}, streaming("chat", says(t, "HTTP/1.1 "+tc.response), noticeboard.WebSocket))
			a := e.raw(t, "GET /.tools/chat/x HTTP/1.1\r\nHost: "+strings.TrimPrefix(e.URL, "http://")+"\r\nOrigin: "+e.URL+"\r\n"+
				"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
			wantRefusal(t, a, tc.status, tc.reason)
			if got := e.observed(t, 1); !slices.Equal(got, []string{"chat " + tc.outcome}) {
				t.Errorf("observed %q", got)
			}
		})
	}
	t.Run("an address that isn't allowed", func(t *testing.T) {
		b := socketBackend(t, echo)
		e := newEdge(t, Config{}, streaming("chat", b.URL, noticeboard.WebSocket))
		e.proxy.upstreams()["chat"].transport.Transport = transport.New(&noticeboard.Tool{Name: "chat", Origin: b.URL}) // a tool that may not be here
		_, res, err := websocket.Dial(t.Context(), e.URL+"/.tools/chat/x", &websocket.DialOptions{
			HTTPHeader: http.Header{"Origin": {e.URL}}, HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		})
		if err == nil || res.StatusCode != 502 || b.conns.Load() != 0 {
			t.Errorf("got %v, and %d connections to the victim", err, b.conns.Load())
		}
		if got := e.observed(t, 1); !slices.Equal(got, []string{"chat " + outcomes.Blocked}) {
			t.Errorf("observed %q", got)
		}
	})
	t.Run("no answer", func(t *testing.T) {
		b := newBackend(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		e := newEdge(t, Config{HeaderTimeout: 50 * time.Millisecond}, streaming("chat", b.URL, noticeboard.WebSocket))
		_, res, err := websocket.Dial(t.Context(), e.URL+"/.tools/chat/x", &websocket.DialOptions{
			HTTPHeader: http.Header{"Origin": {e.URL}}, HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		})
		if err == nil || res.StatusCode != 504 {
			t.Errorf("got %v", err)
		}
	})
}

func TestHowWebSocketsEnd(t *testing.T) {
	invalid := []byte("\xff\xfe")
	for _, tc := range []struct {
		name    string
		tool    func(context.Context, *websocket.Conn)
		reader  func(context.Context, *websocket.Conn) error
		code    websocket.StatusCode
		reason  string
		outcome string
	}{
		{"the tool closes", func(_ context.Context, c *websocket.Conn) { _ = c.Close(1000, "bye, alice") }, nil, 1000, "", outcomes.OK},
		{"the tool goes", func(_ context.Context, c *websocket.Conn) { _ = c.Close(1001, "") }, nil, 1000, "", outcomes.OK},
		{"the tool closes with words", func(_ context.Context, c *websocket.Conn) { _ = c.Close(4001, "alice") }, nil, 1011, "closed the websocket with an error", outcomes.ToolError},
		{"the tool breaks off", func(_ context.Context, c *websocket.Conn) { _ = c.CloseNow() }, nil, 1011, "broke the websocket off", outcomes.Unreachable},
		{"the tool says too much", func(ctx context.Context, c *websocket.Conn) {
			_ = c.Write(ctx, websocket.MessageBinary, make([]byte, maxMessage+1))
			echo(ctx, c)
		}, nil, 1009, "the tool's message is too large", outcomes.TooLarge},
		{"the tool lies about UTF-8", func(ctx context.Context, c *websocket.Conn) {
			_ = c.Write(ctx, websocket.MessageText, invalid)
			echo(ctx, c)
		}, nil, 1011, "the tool's message isn't UTF-8", outcomes.RefusedResponse},
		{"the reader says too much", echo, func(ctx context.Context, c *websocket.Conn) error {
			_ = c.Write(ctx, websocket.MessageBinary, make([]byte, 2001)) // may fail midway
			return nil
		}, 1009, "", outcomes.RefusedRequest},
		{"the reader lies about UTF-8", echo, func(ctx context.Context, c *websocket.Conn) error {
			return c.Write(ctx, websocket.MessageText, invalid)
		}, 1007, "isn't UTF-8", outcomes.RefusedRequest},
		{"the reader's message gives them away", echo, func(ctx context.Context, c *websocket.Conn) error {
			return c.Write(ctx, websocket.MessageText, []byte("my session is 0123456789abcdef0123"))
		}, 1008, "carries your session", outcomes.Leak},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var heard atomic.Int64
			b := socketBackend(t, func(ctx context.Context, c *websocket.Conn) {
				tc.tool(ctx, c)
				if _, _, err := c.Read(ctx); err == nil {
					heard.Add(1)
				}
			})
			declared := streaming("chat", b.URL, noticeboard.WebSocket)
			declared.MaxRequestSize = 2000
			e := newEdge(t, Config{Reader: func(*http.Request) Reader {
				return Reader{Reader: leakguard.Reader{Secrets: []leakguard.Secret{{Field: "session", Value: "0123456789abcdef0123"}}}}
			}}, declared)
			conn := e.dial(t, "/.tools/chat/x")
			if tc.reader != nil {
				if err := tc.reader(t.Context(), conn); err != nil {
					t.Fatal(err)
				}
			}
			if tc.name == "the reader says too much" {
				_, _, err := conn.Read(t.Context())
				if code := websocket.CloseStatus(err); code != tc.code && code != -1 { // -1 where the reset came before
					t.Errorf("closed by %v", err)
				}
			} else {
				wantClosed(t, conn, tc.code, tc.reason)
			}
			if got := e.observed(t, 1); !slices.Equal(got, []string{"chat " + tc.outcome}) {
				t.Errorf("observed %q, want %q", got, tc.outcome)
			}
			if heard.Load() != 0 {
				t.Error("the tool heard what was refused")
			}
		})
	}
}

func TestWebSocketIsRefusedWhileOpen(t *testing.T) {
	var refused atomic.Bool
	b := socketBackend(t, echo)
	e := newEdge(t, Config{Refuse: func(string, string) (int, string) {
		if refused.Load() {
			return 403, "the tool is disabled: under review"
		}
		return 0, ""
	}}, streaming("chat", b.URL, noticeboard.WebSocket))
	conn := e.dial(t, "/.tools/chat/x")
	refused.Store(true)
	wantClosed(t, conn, websocket.StatusPolicyViolation, "under review")
}

func TestWebSocketsEndWithTheProxy(t *testing.T) {
	b := socketBackend(t, echo)
	e := newEdge(t, Config{}, streaming("chat", b.URL, noticeboard.WebSocket))
	conn := e.dial(t, "/.tools/chat/x")
	e.proxy.EndStreams()
	wantClosed(t, conn, websocket.StatusServiceRestart, "restarting")
}

func TestDeadWebSocketsEnd(t *testing.T) {
	t.Run("the tool", func(t *testing.T) {
		over := make(chan struct{})
		defer close(over)
		b := socketBackend(t, func(context.Context, *websocket.Conn) { <-over }) // reads nothing, so answers no ping
		declared := streaming("chat", b.URL, noticeboard.WebSocket)
		declared.Timeout = noticeboard.Duration(50 * time.Millisecond)
		e := newEdge(t, Config{IdleTimeout: 10 * time.Millisecond}, declared)
		wantClosed(t, e.dial(t, "/.tools/chat/x"), websocket.StatusInternalError, "took too long")
	})
	t.Run("the reader", func(t *testing.T) {
		b := socketBackend(t, echo)
		declared := streaming("chat", b.URL, noticeboard.WebSocket)
		declared.Timeout = noticeboard.Duration(50 * time.Millisecond)
		e := newEdge(t, Config{IdleTimeout: 10 * time.Millisecond}, declared)
		e.dial(t, "/.tools/chat/x") // and reads nothing
		if got := e.observed(t, 1); !slices.Equal(got, []string{"chat " + outcomes.Canceled}) {
			t.Errorf("observed %q", got)
		}
	})
	t.Run("both live", func(t *testing.T) {
		b := socketBackend(t, echo)
		declared := streaming("chat", b.URL, noticeboard.WebSocket)
		e := newEdge(t, Config{IdleTimeout: time.Millisecond}, declared)
		conn := e.dial(t, "/.tools/chat/x")
		later := time.AfterFunc(300*time.Millisecond, func() { _ = conn.Write(t.Context(), websocket.MessageText, []byte("still here")) })
		defer later.Stop()
		if _, got, err := conn.Read(t.Context()); string(got) != "still here" || err != nil { // after some 300 pings
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// The tool isn't told why a websocket ends: the reason may be about the reader.
func TestTheToolIsToldNothingOfTheEnd(t *testing.T) {
	ends := make(chan error, 1)
	b := socketBackend(t, func(ctx context.Context, c *websocket.Conn) {
		_, _, err := c.Read(ctx)
		ends <- err
	})
	e := newEdge(t, Config{Reader: func(*http.Request) Reader {
		return Reader{Reader: leakguard.Reader{Secrets: []leakguard.Secret{{Field: "session", Value: "0123456789abcdef0123"}}}}
	}}, streaming("chat", b.URL, noticeboard.WebSocket))
	conn := e.dial(t, "/.tools/chat/x")
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("0123456789abcdef0123")); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, conn, websocket.StatusPolicyViolation, "carries your session")
	var closed websocket.CloseError
	if err := <-ends; !errors.As(err, &closed) || closed.Code != websocket.StatusNormalClosure || closed.Reason != "" {
		t.Errorf("the tool got %v, want 1000 and no more", err)
	}
}

// Messages that are being sent are held in memory, of which one client has a part.
func TestMemoryOfMessages(t *testing.T) {
	const size = 8 << 20
	b := socketBackend(t, echo)
	declared := streaming("chat", b.URL, noticeboard.WebSocket)
	declared.MaxRequestSize = size
	e := newEdge(t, Config{Reader: masksOf}, declared)
	as := func(who string) func(http.Header) { return func(h http.Header) { h.Set(readerHeader, who) } }
	conns := make([]*websocket.Conn, 5)
	for i := range conns { // more than half of a message, and then nothing
		conns[i] = e.dial(t, "/.tools/chat/x", as("alice"))
		conns[i].CloseRead(t.Context())
		part, err := conns[i].Writer(t.Context(), websocket.MessageBinary)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = part.Write(make([]byte, size*5/8))
	}
	e.observed(t, len(conns)-2) // two of them have a quarter of the memory
	if n := e.proxy.bodies.Load(); n > bodyMemory/bodyShare {
		t.Errorf("one client holds %d bytes", n)
	}
	other := e.dial(t, "/.tools/chat/x", as("bob"))
	if err := other.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := other.Read(t.Context()); string(got) != "hello" || err != nil {
		t.Errorf("another client got %q, %v", got, err)
	}
	for _, conn := range append(conns, other) {
		_ = conn.CloseNow()
	}
	e.observed(t, len(conns)+1)
	if n := e.proxy.bodies.Load(); n != 0 {
		t.Errorf("%d bytes are held after all", n)
	}
}
