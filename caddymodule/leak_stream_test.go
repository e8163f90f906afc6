package caddymodule

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// echoWebSocket sends back each message.
func echoWebSocket(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil || conn.Write(r.Context(), kind, message) != nil {
			return
		}
	}
}

// A WebSocket goes on, both ways and to its end, and its handshake and answer hold no address.
func TestLeakOfWebSocket(t *testing.T) {
	const client = "127.61.2.3"
	closed := make(chan error, 1)
	a := newLeakApp(t, wireH1, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Your-Address", client)
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, Subprotocols: []string{"chat"}})
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil {
				closed <- err
				return
			}
			if err := conn.Write(r.Context(), kind, message); err != nil {
				t.Error(err)
			}
		}
	})
	e := edgetest.New(t, `{
		{GLOBAL}
		auto_https disable_redirects
		skip_install_trust
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	http://{SITE} {
		client_mask
		reverse_proxy `+a.Address()+`
	}`)
	header := http.Header{
		"X-Real-Ip": {client}, "X-Visitor": {client}, "Origin": {"http://" + client}, "Sec-Websocket-Protocol": {"chat, " + client},
		"Cookie": {"last=" + client}, "User-Agent": {"x (" + client + ")"},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, "ws://"+e.Site+"/", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: edgetest.From(t, client).Transport}, HTTPHeader: header, Subprotocols: []string{"chat"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if got := resp.Header.Get("X-Your-Address"); got != edgetest.ClientMask(t, client) {
		t.Errorf("the answer's X-Your-Address: %q", got)
	}
	for i := range 3 {
		sent := strings.Repeat(fmt.Sprint("message ", i), 1000)
		if err := conn.Write(ctx, websocket.MessageText, []byte(sent)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.Read(ctx); err != nil || string(got) != sent {
			t.Fatalf("%d bytes back, %v", len(got), err)
		}
	}
	if err := conn.Close(websocket.StatusGoingAway, "bye"); err != nil {
		t.Error(err)
	}
	if err := <-closed; websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the app saw it end with %v", err)
	}
	edgetest.WantNone(t, "the app", a.rec.taken(), leakAddrs()...)
	r := a.One(t)
	if got := r.Header.Get("X-Forwarded-For"); got != edgetest.ClientMask(t, client) {
		t.Errorf("X-Forwarded-For: %q", got)
	}
	testutil.Eventually(t, "the end in the log", func() bool { return strings.Contains(e.ReadLog(t), "connection closed") })
	e.SearchTraces(t, leakAddrs()...)
}

// Server-sent events come one by one, as the app sends them, over each protocol.
func TestLeakOfServerSentEvents(t *testing.T) {
	next := make(chan struct{})
	events := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "id: %d\ndata: for %s\n\n", i, r.Header.Get("Client-Mask"))
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			<-next // until the client has it
		}
	}
	over1, over2 := newLeakApp(t, wireH1, events), newLeakApp(t, wireH2, events)
	tlsSite := edgetest.FreePort(t)
	e := edgetest.New(t, `{
		{GLOBAL}
		auto_https disable_redirects
		skip_install_trust
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	https://`+leakHost+":"+tlsSite[strings.LastIndexByte(tlsSite, ':')+1:]+` {
		# At the first handshake: Caddy 2.11.9 has a data race where certificates are obtained as the config starts.
		tls internal {
			on_demand
		}
		client_mask
		csp
		handle /1 {
			reverse_proxy `+over1.Address()+`
		}
		handle /2 {
			reverse_proxy h2c://`+over2.Address()+`
		}
	}`)
	roots := rootOf(t, e, tlsSite)
	for _, protocol := range []string{"h1", "h2", "h3"} {
		for path, a := range map[string]*leakApp{"/1": over1, "/2": over2} {
			t.Run(protocol+path, func(t *testing.T) {
				const client = "127.61.2.3"
				resp, err := overTLS(t, protocol, client, tlsSite, roots).Get("https://" + leakHost + path)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				lines := bufio.NewReader(resp.Body)
				for i := range 3 {
					want := fmt.Sprintf("id: %d\ndata: for %s\n\n", i, edgetest.ClientMask(t, client))
					got := make([]byte, len(want))
					if _, err := io.ReadFull(lines, got); err != nil || string(got) != want {
						t.Fatalf("event %d: %q, %v", i, got, err)
					}
					next <- struct{}{}
				}
				if rest, err := io.ReadAll(lines); err != nil || len(rest) != 0 {
					t.Errorf("after the last event: %q, %v", rest, err)
				}
				edgetest.WantNone(t, "the app", a.rec.taken(), leakAddrs()...)
			})
		}
	}
	e.SearchTraces(t, leakAddrs()...)
}
