package tools

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// streamingTool is a tool's server with events at /events and an echo at /chat. What
// it is asked is kept without the handshake's random key.
func streamingTool(t *testing.T) *edgetest.Backend {
	return edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/events" {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: 1\n\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		for {
			kind, message, err := conn.Read(context.Background())
			if err != nil || conn.Write(context.Background(), kind, message) != nil {
				return
			}
		}
	})
}

func streamsConfig(tool, wiki *edgetest.Backend) string {
	return strings.Replace(toolsConfig(tool, wiki, ""), "allow_loopback", "allow_loopback\n\t\t\t\tstreams events websocket", 1)
}

// openStreams opens both streams through the whole edge and says something on each.
func openStreams(t *testing.T, e *edgetest.Edge) (events *bufio.Reader, chat *websocket.Conn) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+e.Site+"/.tools/maps/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = edgetest.Browser("empty", "alice")
	r.Header.Set("Accept", "text/event-stream")
	resp, err := edgetest.From(t, "127.0.0.2").Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	events = bufio.NewReader(resp.Body)
	if line, err := events.ReadString('\n'); line != "data: 1\n" {
		t.Fatalf("events: got %d %q, %v", resp.StatusCode, line, err)
	}
	chat, _, err = websocket.Dial(t.Context(), "http://"+e.Site+"/.tools/maps/chat", &websocket.DialOptions{
		HTTPClient: edgetest.From(t, "127.0.0.2"),
		HTTPHeader: http.Header{"Origin": {"http://" + e.Site}, "Cookie": {"session=alice"}, "User-Agent": {"alice"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = chat.CloseNow() })
	if err := chat.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := chat.Read(t.Context()); string(got) != "hello" || err != nil {
		t.Fatalf("chat: got %q, %v", got, err)
	}
	return events, chat
}

// wantStreamsEnd waits for both to end in order.
func wantStreamsEnd(t *testing.T, events *bufio.Reader, chat *websocket.Conn, code websocket.StatusCode, reason string) {
	t.Helper()
	if rest, err := io.ReadAll(events); string(rest) != "\n" || err != nil {
		t.Errorf("events went on with %q, %v", rest, err)
	}
	_, _, err := chat.Read(t.Context())
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code || !strings.Contains(closed.Reason, reason) {
		t.Errorf("chat: got %v, want %d %s", err, code, reason)
	}
}

func TestStreamsThroughTheWholeEdge(t *testing.T) {
	tool, wiki := streamingTool(t), edgetest.NewBackend(t, nil)
	e := edgetest.New(t, streamsConfig(tool, wiki))
	openStreams(t, e)
	for _, r := range tool.Take() {
		for name, values := range r.Header {
			for _, word := range []string{"alice", "127.0.0.2", "2001:2", "session", "wiki", e.Site} {
				if strings.Contains(strings.Join(values, " "), word) && name != "User-Agent" || strings.Contains(r.UserAgent(), "alice") {
					t.Errorf("the tool got %s: %q", name, values)
				}
			}
		}
	}
}

func TestReloadEndsStreams(t *testing.T) {
	tool, wiki := streamingTool(t), edgetest.NewBackend(t, nil)
	e := edgetest.New(t, streamsConfig(tool, wiki))
	events, chat := openStreams(t, e)
	e.Load(t, strings.Replace(streamsConfig(tool, wiki), "Maps of places", "Maps", 1))
	wantStreamsEnd(t, events, chat, websocket.StatusServiceRestart, "restarting")
	openStreams(t, e) // anew
}

func TestKillSwitchEndsStreams(t *testing.T) {
	tool := streamingTool(t)
	e := boardEdge(t, fileTool("maps", tool, `, "streams": ["events", "websocket"]`))
	events, chat := openStreams(t, e)
	if _, err := edgetest.Run(t, "", "tools", "disable", "maps", "--reason", "It leaks", "--address", e.Admin); err != nil {
		t.Fatal(err)
	}
	wantStreamsEnd(t, events, chat, websocket.StatusPolicyViolation, "It leaks")
}
