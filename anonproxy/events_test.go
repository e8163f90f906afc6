package anonproxy

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// streaming declares a tool with streams.
func streaming(name, origin string, streams ...noticeboard.Stream) *noticeboard.Tool {
	declared := tool(name, origin, noticeboard.Data)
	declared.Streams = streams
	return declared
}

// asEventSource makes a request what EventSource sends.
func asEventSource(r *http.Request) { r.Header.Set("Accept", "text/event-stream") }

// eventSource opens a stream as a browser does, and returns its response.
func (e *edge) eventSource(t testing.TB, ctx context.Context, path string, change ...func(*http.Request)) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, "GET", e.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	asEventSource(r)
	for _, c := range change {
		c(r)
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// speak writes events until the reader leaves.
func speak(w http.ResponseWriter, r *http.Request, events ...string) {
	w.Header().Set("Content-Type", "text/event-stream; charset=UTF-8")
	for _, event := range events {
		_, _ = io.WriteString(w, event)
		_ = http.NewResponseController(w).Flush()
	}
	<-r.Context().Done()
}

func TestEvents(t *testing.T) {
	left := make(chan struct{}, 1)
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "a=b")
		speak(w, r, "id: alice\ndata: 1\n\n", "data: 2\n\n")
		left <- struct{}{}
	})
	e := newEdge(t, Config{}, streaming("live", b.URL, noticeboard.Events))
	ctx, leave := context.WithCancel(t.Context())
	res := e.eventSource(t, ctx, "/.tools/live/x")
	wantForced(t, answer{header: res.Header})
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("Cache-Control") != "no-store" || res.Header["Set-Cookie"] != nil {
		t.Errorf("got %d %v", res.StatusCode, res.Header)
	}
	const want = "id: alice\ndata: 1\n\ndata: 2\n\n"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
	leave()
	<-left // the tool isn't kept busy for nobody
	if got := e.observed(t, 1); !slices.Equal(got, []string{"live " + outcomes.Canceled}) {
		t.Errorf("observed %q", got)
	}
}

func TestEventsOfTwoReadersAreAskedForAlike(t *testing.T) {
	origin, requests := recorder(t) // answers JSON
	e := newEdge(t, Config{}, streaming("live", origin, noticeboard.Events))
	want := "GET /x?y HTTP/1.1\r\nHost: " + strings.TrimPrefix(origin, "http://") + "\r\n" +
		"User-Agent: Wikiveil/1 (+https://github.com/wikiveil/wikiveil; anonymizing proxy)\r\n" +
		"Accept: text/event-stream\r\nAccept-Encoding: identity\r\n\r\n"
	for _, who := range []string{"first", "second"} {
		a := e.do(t, "GET", "/.tools/live/x?y", "empty", hostileHeaders(who), asEventSource, func(r *http.Request) {
			r.Header.Set("Last-Event-Id", who) // chosen by the tool, so a cookie
		})
		wantRefusal(t, a, 502, "isn't a stream of events")
		if got := <-requests; got != want {
			t.Errorf("the tool got of the %s reader\n%s\nwant\n%s", who, got, want)
		}
	}
}

func TestEventsAreRefused(t *testing.T) {
	b := newBackend(t, tooltest.Answers("text/event-stream", "data: 1\n\n"))
	e := newEdge(t, Config{}, streaming("live", b.URL, noticeboard.Events), tool("plain", b.URL),
		streaming("sockets", b.URL, noticeboard.WebSocket))
	for _, tc := range []struct {
		name, tool, dest string
		change           func(*http.Request)
		status           int
		reason           string
	}{
		{"not declared", "plain", "empty", asEventSource, 403, "isn't declared for event streams"},
		{"declared for websockets only", "sockets", "empty", asEventSource, 403, "isn't declared for event streams"},
		{"as an image", "live", "image", asEventSource, 403, "isn't declared for this kind of use"},
		{"as a page", "live", "document", asEventSource, 403, "no scripts, workers, frames or documents"},
		{"of another site", "live", "empty", func(r *http.Request) { asEventSource(r); r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, "only pages of this wiki"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			wantRefusal(t, e.do(t, "GET", "/.tools/"+tc.tool+"/x", tc.dest, tc.change), tc.status, tc.reason)
		})
	}
	if b.hits.Load() != 0 {
		t.Errorf("the tools were asked %d times", b.hits.Load())
	}
	// What isn't asked for as events is none.
	wantRefusal(t, e.do(t, "GET", "/.tools/live/x", "empty"), 502, "a content type that isn't allowed")
	wantRefusal(t, e.do(t, "GET", "/.tools/live/x", "empty", func(r *http.Request) { r.Header.Set("Accept", "*/*, text/event-stream") }), 502, "a content type")
}

func TestAnswersToEventSource(t *testing.T) {
	const stream = "Content-Type: text/event-stream\r\n"
	for _, tc := range []struct {
		name, response string
		status         int
		reason         string
		outcome        string
	}{
		{"a short stream", "200 OK\r\n" + stream + "Content-Length: 9\r\n\r\ndata: 1\n\n", 200, "", outcomes.OK},
		{"come no more", "204 No Content\r\n\r\n", 204, "", outcomes.OK},
		{"JSON", "200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", 502, "isn't a stream of events", outcomes.RefusedResponse},
		{"a script", "200 OK\r\nContent-Type: text/javascript\r\nContent-Length: 2\r\n\r\n{}", 502, "isn't a stream of events", outcomes.RefusedResponse},
		{"two types", "200 OK\r\n" + stream + "Content-Type: text/html\r\nContent-Length: 2\r\n\r\n{}", 502, "isn't a stream of events", outcomes.RefusedResponse},
		{"two types in one", "200 OK\r\nContent-Type: text/event-stream, text/html\r\nContent-Length: 2\r\n\r\n{}", 502, "isn't a stream of events", outcomes.RefusedResponse},
		{"another charset", "200 OK\r\nContent-Type: text/event-stream; charset=utf-7\r\nContent-Length: 2\r\n\r\n{}", 502, "isn't a stream of events", outcomes.RefusedResponse},
		{"no type", "200 OK\r\nContent-Length: 2\r\n\r\n{}", 502, "isn't a stream of events", outcomes.RefusedResponse},
		{"an error", "503 No\r\n" + stream + "Content-Length: 9\r\n\r\ndata: 1\n\n", 503, "answers with status 503", outcomes.ToolError},
		{"a part", "206 Part\r\n" + stream + "Content-Length: 9\r\n\r\ndata: 1\n\n", 502, "a status that isn't passed on", outcomes.RefusedResponse},
		{"a redirect away", "302 Go\r\nLocation: https://elsewhere.example/\r\n\r\n", 502, "redirects to", outcomes.RefusedResponse},
		{"too much", "200 OK\r\n" + stream + "\r\n" + strings.Repeat("data: 1\n\n", 1000), 200, "", outcomes.TooLarge},
		{"broken off", "200 OK\r\n" + stream + "Content-Length: 100\r\n\r\ndata: 1\n\n", 200, "", outcomes.Unreachable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			declared := streaming("live", says(t, "HTTP/1.1 "+tc.response), noticeboard.Events)
			declared.MaxSize = 1000
			e := newEdge(t, Config{}, declared)
			a := e.do(t, "GET", "/.tools/live/x", "empty", asEventSource)
			if tc.reason != "" {
				wantRefusal(t, a, tc.status, tc.reason)
			} else {
				wantForced(t, a)
				if a.status != tc.status || a.err != nil || len(a.body) > 1000 || tc.status == 200 != strings.HasPrefix(a.body, "data: 1\n\n") && tc.outcome != outcomes.TooLarge {
					t.Errorf("got %d %q, %v", a.status, a.body, a.err)
				}
			}
			if got := e.observed(t, 1); !slices.Equal(got, []string{"live " + tc.outcome}) {
				t.Errorf("observed %q, want %q", got, tc.outcome)
			}
		})
	}
}

func TestSilentEventsEnd(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) { speak(w, r, "data: 1\n\n") })
	declared := streaming("live", b.URL, noticeboard.Events)
	declared.Timeout = noticeboard.Duration(200 * time.Millisecond)
	e := newEdge(t, Config{IdleTimeout: time.Millisecond}, declared)
	a := e.do(t, "GET", "/.tools/live/x", "empty", asEventSource)
	if a.body != "data: 1\n\n" || a.err != nil {
		t.Errorf("got %q, %v", a.body, a.err)
	}
	if got := e.observed(t, 1); !slices.Equal(got, []string{"live " + outcomes.Timeout}) {
		t.Errorf("observed %q", got)
	}
}

func TestEventsOutliveTheTimeout(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 20 {
			_, _ = io.WriteString(w, ":\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(100 * time.Millisecond)
		}
		_, _ = io.WriteString(w, "data: 1\n\n")
	})
	declared := streaming("live", b.URL, noticeboard.Events)
	declared.Timeout = noticeboard.Duration(1500 * time.Millisecond)
	e := newEdge(t, Config{}, declared)
	if a := e.do(t, "GET", "/.tools/live/x", "empty", asEventSource); !strings.HasSuffix(a.body, "data: 1\n\n") || a.err != nil {
		t.Errorf("got %q, %v", a.body, a.err)
	}
}

func TestRefusedWhileOpen(t *testing.T) {
	var refused atomic.Bool
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) { speak(w, r, "data: 1\n\n") })
	e := newEdge(t, Config{Refuse: func(string, string) (int, string) {
		if refused.Load() {
			return 403, "the tool is disabled: under review"
		}
		return 0, ""
	}}, streaming("live", b.URL, noticeboard.Events))
	res := e.eventSource(t, t.Context(), "/.tools/live/x")
	in := bufio.NewReader(res.Body)
	if line, err := in.ReadString('\n'); line != "data: 1\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	refused.Store(true)
	if rest, err := io.ReadAll(in); string(rest) != "\n" || err != nil {
		t.Errorf("then %q, %v", rest, err)
	}
	if got := e.observed(t, 1); !slices.Equal(got, []string{"live " + outcomes.RefusedRequest}) {
		t.Errorf("observed %q", got)
	}
	wantRefusal(t, e.do(t, "GET", "/.tools/live/x", "empty", asEventSource), 403, "under review")
}

func TestEndStreams(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) { speak(w, r, "data: 1\n\n") })
	e := newEdge(t, Config{}, streaming("live", b.URL, noticeboard.Events))
	body := e.firstEvent(t, "/.tools/live/x")
	e.proxy.EndStreams()
	if rest, err := io.ReadAll(body); string(rest) != "\n" || err != nil {
		t.Errorf("the stream went on with %q, %v", rest, err)
	}
	wantRefusal(t, e.do(t, "GET", "/.tools/live/x", "empty", asEventSource), 503, "restarting")
	e.setBoard(t, streaming("live", b.URL, noticeboard.Events), streaming("new", b.URL, noticeboard.Events))
	wantRefusal(t, e.do(t, "GET", "/.tools/new/x", "empty", asEventSource), 503, "restarting")
}

// firstEvent opens a stream and reads its first event.
func (e *edge) firstEvent(t *testing.T, path string) *bufio.Reader {
	t.Helper()
	body := bufio.NewReader(e.eventSource(t, t.Context(), path).Body)
	if line, err := body.ReadString('\n'); line != "data: 1\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	return body
}

func TestOpenStreamsAreBounded(t *testing.T) {
	var open openStreams
	for i := range maxClientStreams {
		if refused := open.take("a"); refused != nil {
			t.Fatalf("stream %d: %v", i, refused)
		}
	}
	if refused := open.take("a"); refused == nil || refused.Status != 429 || !strings.Contains(refused.Error(), "too many of your streams") {
		t.Errorf("one too many of a client: %v", refused)
	}
	for i := maxClientStreams; i < maxStreams; i++ {
		if refused := open.take(""); refused != nil {
			t.Fatalf("stream %d: %v", i, refused)
		}
	}
	if refused := open.take("b"); refused == nil || refused.Status != 503 || !strings.Contains(refused.Error(), "too many streams to the tool") {
		t.Errorf("one too many: %v", refused)
	}
	for range maxClientStreams {
		open.giveBack("a")
	}
	if len(open.clients) != 0 || open.total != maxStreams-maxClientStreams {
		t.Errorf("%d clients and %d streams are left", len(open.clients), open.total)
	}
}

func TestStreamsOfOneClient(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) { speak(w, r, "data: 1\n\n") })
	e := newEdge(t, Config{Reader: func(r *http.Request) Reader { return Reader{Client: r.Header.Get("X-Client")} }},
		streaming("live", b.URL, noticeboard.Events))
	as := func(client string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("X-Client", client) }
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	for range maxClientStreams {
		if res := e.eventSource(t, ctx, "/.tools/live/x", as("one")); res.StatusCode != 200 {
			t.Fatalf("got %d", res.StatusCode)
		}
	}
	wantRefusal(t, e.do(t, "GET", "/.tools/live/x", "empty", asEventSource, as("one")), 429, "too many of your streams")
	other, leaveOther := context.WithCancel(t.Context())
	defer leaveOther()
	if res := e.eventSource(t, other, "/.tools/live/x", as("another")); res.StatusCode != 200 {
		t.Errorf("another client got %d", res.StatusCode)
	}
	leave()
	e.observed(t, maxClientStreams+1) // with the one that was refused
	if res := e.eventSource(t, other, "/.tools/live/x", as("one")); res.StatusCode != 200 {
		t.Errorf("places aren't given back: got %d", res.StatusCode)
	}
}
