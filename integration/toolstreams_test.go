//go:build integration

package integration

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
)

// streams answers with a stream of events that goes on, or as a websocket that says
// what it is told, and keeps that.
func streams(heard *sync.Map) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { answerStream(w, r, heard) }
}

func answerStream(w http.ResponseWriter, r *http.Request, heard *sync.Map) {
	if r.Header.Get("Upgrade") == "" {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "id: 7\nretry: 200\ndata: first\n\n")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return
	}
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		kind, message, err := c.Read(r.Context())
		heard.Store(string(message), true)
		if err != nil || c.Write(r.Context(), kind, append([]byte("heard "), message...)) != nil {
			return
		}
	}
}

// streamGadget opens both streams of each tool and keeps what comes of it in window.streams.
const streamGadget = `window.streams = {};
['live', 'plain'].forEach(function (tool) {
	var s = window.streams[tool] = {events: [], eventsState: 0, messages: [], open: false, closed: ''};
	var source = new EventSource('/.tools/' + tool + '/changes?page=Berlin');
	source.onmessage = function (e) { s.events.push(e.data); };
	source.onerror = function () { s.eventsState = source.readyState; };
	var socket = new WebSocket(location.origin.replace('http', 'ws') + '/.tools/' + tool + '/chat?page=Berlin');
	socket.onopen = function () { s.open = true; socket.send('hello'); };
	socket.onmessage = function (e) { s.messages.push(e.data); };
	socket.onclose = function (e) { s.closed = e.code + ' ' + e.reason; };
});`

// TestGadgetStreams has a gadget of the real wiki, in the browser of a reader who is logged in,
// open an EventSource and a WebSocket to a tool that declares them and to one that doesn't. Then the
// kill switch ends them.
func TestGadgetStreams(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			var heard sync.Map
			live, plain := startTool(t, streams(&heard)), startTool(t, streams(&heard))
			s := setScene(t, fronts[0], edgeConfig{
				app:  strings.Replace(live.declaration("live"), "kinds", "streams events websocket\nkinds", 1) + plain.declaration("plain"),
				site: clientMask + "csp\nanonproxy\n", https: scheme == "https",
			}, "$wgServer = '"+scheme+"://' . ( $_SERVER['HTTP_HOST'] ?? 'wiki.localhost' );")
			s.visitAdmin(t, sysop).save(t, "MediaWiki:Common.js", streamGadget)
			b := startBrowser(t, chromedp.Flag("ignore-certificate-errors", true))
			b.logIn(t, s.url, adminName)
			b.waitFor(t, `window.streams && streams.live.events.length && streams.live.messages.length && streams.plain.closed && streams.plain.eventsState === 2`)
			if got := evaluate[string](t, b, `JSON.stringify(streams)`); got != `{"live":{"events":["first"],"eventsState":0,"messages":["heard hello"],"open":true,"closed":""},`+
				`"plain":{"events":[],"eventsState":2,"messages":[],"open":false,"closed":"1006 "}}` {
				t.Errorf("the gadget has %s", got)
			}
			if seen := plain.seen(); len(seen) > 0 {
				t.Errorf("a tool that declares no streams saw %v", seen)
			}
			if violations, _ := b.take(); len(violations) > 0 {
				t.Errorf("violations %+v", violations)
			}
			live.sawConstants(t, map[string][]string{
				"/changes?page=Berlin": {"Accept", "Accept-Encoding", "User-Agent"},
				"/chat?page=Berlin":    {"Connection", "Sec-Websocket-Key", "Sec-Websocket-Version", "Upgrade", "User-Agent"},
			})

			if got := evaluate[string](t, b, `new Promise(done => {
				const socket = new WebSocket(location.origin.replace('http', 'ws') + '/.tools/live/chat?page=Berlin');
				socket.onopen = () => socket.send(JSON.stringify({page: 'Berlin', by: mw.config.get('wgUserName')}));
				socket.onmessage = e => done(e.data);
				socket.onclose = e => done(e.code + ' ' + e.reason);
			})`); got != "1008 the request carries your user name, which no tool may get" {
				t.Errorf("the reader's name: %s", got)
			}
			heard.Range(func(message, _ any) bool {
				if message != "hello" && message != "" {
					t.Errorf("the tool heard %q", message)
				}
				return true
			})

			s.stop(t, "live")
			b.waitFor(t, `streams.live.closed && streams.live.eventsState === 2`)
			if closed := evaluate[string](t, b, `streams.live.closed`); !strings.HasPrefix(closed, "1008 ") {
				t.Errorf("the websocket closed with %s", closed)
			}
			before := len(live.seen())
			if got := evaluate[string](t, b, `new Promise(done => {
				const socket = new WebSocket(location.origin.replace('http', 'ws') + '/.tools/live/chat');
				socket.onopen = () => done('open'); socket.onclose = () => done('closed');
			})`); got != "closed" || len(live.seen()) != before {
				t.Errorf("a stopped tool's websocket is %s", got)
			}
		})
	}
}

// logIn fills in the wiki's form. All users have the administrator's password.
func (b *browser) logIn(t *testing.T, wiki, name string) {
	t.Helper()
	b.open(t, wiki+"/index.php?title=Special:UserLogin")
	b.do(t, fillIn("wpName1", name), fillIn("wpPassword1", adminPassword), click("#wpLoginAttempt"))
	b.waitFor(t, `document.querySelector('#pt-logout') && window.mw && mw.loader && mw.loader.using`)
}

// sawConstants checks the headers of the requests that came, which are exactly those, and say
// nothing of a reader.
func (s *tool) sawConstants(t *testing.T, want map[string][]string) {
	t.Helper()
	got := make(map[string]bool)
	for _, r := range s.seen() {
		path := r.URL.RequestURI()
		got[path] = true
		if names := slices.Sorted(maps.Keys(r.Header)); !slices.Equal(names, want[path]) {
			t.Errorf("%s has the headers %q, want %q", path, names, want[path])
		}
		if agent := r.UserAgent(); !strings.HasPrefix(agent, "Wikiveil/") {
			t.Errorf("%s has the user agent %q", path, agent)
		}
	}
	if len(got) != len(want) {
		t.Errorf("the tool saw %v", got)
	}
}

// stop has the kill switch stop a tool.
func (e *edge) stop(t *testing.T, tool string) {
	t.Helper()
	body := fmt.Sprintf(`{"tool": %q, "why": "test"}`, tool)
	resp, err := http.Post(e.admin+"/wikiveil/tools/disable", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("stopping %s: %s %s", tool, resp.Status, answer)
	}
}
