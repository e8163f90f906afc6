package tools

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// Reloads that change what the proxy shares, some of which fail half-way, lose no request and leave nothing behind.
func TestProxyReloadsUnderLoad(t *testing.T) {
	testutil.Slow(t)
	ignore := goleak.IgnoreCurrent()
	tool, cdn := streamingTool(t), newCDN(t)
	plain := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=1")
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, r.URL.Path)
	})
	e := edgetest.Place(t)
	config := func(n int, bad string) string {
		return `{
		{GLOBAL}
		metrics
		wikiveil {
			data_dir {DIR}/data
			mirror_dir {DIR}/mirrors` + fmt.Sprint(n%3) + `
			tools_cache {
				memory ` + fmt.Sprint(1+n%2) + `MiB
			}
			tool maps ` + plain.URL + ` {
				allow_loopback
				refresh /r1 /r2
				refresh_every 1m
				title "Maps ` + fmt.Sprint(n%2) + `"
			}
			tool live ` + tool.URL + ` {
				allow_loopback
				streams events websocket
			}
			tool lib ` + cdn.URL + ` {
				kinds script style font
				executable
				mirror /lib.js ` + pin(libScript) + `
				allow_loopback
			}
		}
	}
	http://{SITE} {
		client_mask
		csp
		anonproxy {
			user_agent_contact a` + fmt.Sprint(n%2) + `@example.org
			client_limit 1000000/1m
			limit 1000000/1m
		}
		respond page
	}
	http://b.test:{PORT} {
		anonproxy {
			path /.b/
			canary every 2h report_only
		}
	}
	http://c.test:{PORT} {
		anonproxy {
			canary off
		}
	` + bad + `
	}`
	}
	e.Load(t, config(0, ""))
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		e.Load(t, "{\nadmin off\n}")
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
		if left := pool.Left(); len(left) > 0 {
			t.Errorf("left in pools: %q", left)
		}
		for _, a := range []*edgetest.Backend{tool, cdn, plain} {
			a.CloseClientConnections()
		}
		goleak.VerifyNone(t, ignore,
			goleak.IgnoreTopFunction("github.com/DeRuina/timberjack.(*Logger).millRun"),
			goleak.IgnoreTopFunction("github.com/caddyserver/certmagic.(*Cache).maintainAssets"),
			goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
			goleak.IgnoreTopFunction("net/http.(*Server).Serve"), goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"),
		)
	})
	testutil.Eventually(t, "a canary", func() bool {
		return e.Metrics(t)[`wikiveil_tool_canary_time_seconds{tool="maps"}`] > 0
	})
	waitForFile(t, e, "/.tools/lib/lib.js", "script", libScript)

	var requests, bad atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 4 {
		client := edgetest.From(t, fmt.Sprintf("127.61.3.%d", i+1))
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				path, want := fmt.Sprintf("/.tools/maps/p%d", n%50), fmt.Sprintf("/p%d", n%50)
				dest := "empty"
				if i == 3 {
					path, want, dest = "/.tools/lib/lib.js", libScript, "script"
				}
				resp, err := edgetest.OverReload(func() (*http.Response, error) {
					r, _ := http.NewRequest("GET", "http://"+e.Site+path, nil)
					r.Header = http.Header{"Sec-Fetch-Dest": {dest}, "Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Site": {"same-origin"}}
					return client.Do(r)
				})
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 || string(body) != want {
					if bad.Add(1) < 10 {
						t.Errorf("%s: %d %q %v", path, resp.StatusCode, body, err)
					}
				}
				requests.Add(1)
			}
		})
	}
	for n := range 15 {
		before := requests.Load()
		switch n % 3 {
		case 1:
			events, chat := openLive(t, e)
			e.Load(t, config(n, ""))
			_, _ = io.ReadAll(events)
			if _, _, err := chat.Read(t.Context()); err == nil {
				t.Error("chat goes on")
			}
			_ = chat.CloseNow()
		case 2:
			for _, bad := range [][2]string{
				{`"path":"/.b/"`, `"path":"bad"`},
				{`"canary":{"off":true}`, `"canary":{"every":1}`},
				{`"tools_cache":{`, `"tools_cache":{"object":1000000000,`},
				{`"mirror_dir"`, `"tools_file":"/nonexistent","mirror_dir"`},
				{`"apps":{`, `"apps":{"pki":{"certificate_authorities":{"x":{"root":{"format":"no"}}}},`},
				{`"listen":[":` + e.Port() + `"]`, `"listen":[":` + e.Port() + `","192.0.2.1:1"]`},
			} {
				data := strings.Replace(string(edgetest.Adapt(t, e.Expand(config(n+5, "")))), bad[0], bad[1], 1)
				if !strings.Contains(data, bad[1]) {
					t.Errorf("%s isn't there: %s", bad[0], data)
				}
				if err := caddy.Load([]byte(data), true); err == nil {
					t.Error("loaded", bad)
				}
			}
		default:
			e.Load(t, config(n, ""))
		}
		for requests.Load() < before+5 && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
	}
	close(stop)
	wg.Wait()
	t.Logf("%d requests, %d bad", requests.Load(), bad.Load())
	for line := range strings.Lines(e.ReadLog(t)) {
		for _, word := range []string{"/p7", "127.61.3.", "panic"} {
			if strings.Contains(line, word) {
				t.Errorf("the log has %s: %s", word, line)
			}
		}
	}
}

// openLive opens the streams of the tool live.
func openLive(t *testing.T, e *edgetest.Edge) (io.Reader, *websocket.Conn) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+e.Site+"/.tools/live/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"same-origin"}, "Accept": {"text/event-stream"}}
	client := edgetest.From(t, "127.0.0.2")
	resp, err := edgetest.OverReload(func() (*http.Response, error) { return client.Do(r) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 {
		b, _ := io.ReadAll(resp.Body)
		t.Fatalf("%d %s", resp.StatusCode, b)
	}
	chat, err := edgetest.OverReload(func() (*websocket.Conn, error) {
		chat, _, err := websocket.Dial(t.Context(), "http://"+e.Site+"/.tools/live/chat", &websocket.DialOptions{
			HTTPClient: client, HTTPHeader: http.Header{"Origin": {"http://" + e.Site}},
		})
		return chat, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return resp.Body, chat
}
