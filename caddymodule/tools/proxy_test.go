package tools

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/anonproxy"
	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// Requests go on with the proxy they began with, and its transports close after the last.
func TestToolProxyEndsWithItsLastUser(t *testing.T) {
	board, err := noticeboard.New([]*noticeboard.Tool{{Name: "maps", Origin: "https://maps.example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := newToolProxy(board, anonproxy.Config{})
	if err != nil {
		t.Fatal(err)
	}
	tool, _ := board.Lookup("maps")
	held := func() bool {
		return toolTransports.Users(anonproxy.TransportKey(tool)) > 0
	}
	done, ok := p.held.Use()
	if !ok || !held() {
		t.Fatal("a new proxy can't be used")
	}
	if err := p.held.Release(); err != nil || !held() {
		t.Errorf("released while in use: %v, held %v", err, held())
	}
	if done(); held() {
		t.Error("held after the last use")
	}
	if _, ok := p.held.Use(); ok {
		t.Error("an ended proxy can be used")
	}
}

// In a reload, Caddy cleans up before all requests have been served.
func TestToolsServedAfterCleanup(t *testing.T) {
	tool := edgetest.JSONTool(t)
	state, err := noticeboard.OpenState(t.Context(), &certmagic.FileStorage{Path: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	live, err := noticeboard.NewLive(noticeboard.LiveConfig{
		State: state, Tools: []*noticeboard.Tool{{Name: "maps", Origin: tool.URL, AllowLoopback: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := live.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := &AnonProxy{tools: &tools{board: &edge.Noticeboard{Live: live}}}
	h.told.Refuse = h.refuse
	if err := h.open(); err != nil {
		t.Fatal(err)
	}
	ask := func() string {
		r := httptest.NewRequest(http.MethodGet, "/.tools/maps/x", nil)
		r.Header = edgetest.Browser("empty", "alice")
		w := httptest.NewRecorder()
		if err := h.ServeHTTP(w, r, nil); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(w.Code, " ", w.Body)
	}
	for range 2 {
		if got := ask(); got != `200 {"a":1}` || len(tool.Take()) != 1 {
			t.Errorf("got %s", got)
		}
		if err := h.Cleanup(); err != nil {
			t.Fatal(err)
		}
	}
	if err := live.Disable(t.Context(), noticeboard.Stop{Tool: "maps", By: "a test"}); err != nil {
		t.Fatal(err)
	}
	if got := ask(); !strings.HasPrefix(got, "403 the tool is disabled") || len(tool.Take()) != 0 {
		t.Errorf("disabled: got %s", got)
	}
	for key := range toolTransports.All() {
		t.Errorf("a transport stays: %s", key)
	}
}

// A reload that changes mirror_dir closes the store of the config before; its last requests get their files still.
func TestMirrorServedAfterCleanup(t *testing.T) {
	cdn := newCDN(t)
	state, err := noticeboard.OpenState(t.Context(), &certmagic.FileStorage{Path: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	live, err := noticeboard.NewLive(noticeboard.LiveConfig{State: state, Tools: []*noticeboard.Tool{{
		Name: "lib", Origin: cdn.URL, AllowLoopback: true, Kinds: []noticeboard.Kind{noticeboard.Script}, Executable: true,
		Mirror: []noticeboard.MirrorFile{{Path: "/lib.js", Integrity: pin(libScript)}},
	}}})
	if err == nil {
		err = live.Publish(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	app, shared := &edge.App{MirrorDir: t.TempDir()}, &tools{board: &edge.Noticeboard{Live: live}}
	if err := shared.openMirrors(app); err != nil {
		t.Fatal(err)
	}
	h := &AnonProxy{tools: shared}
	h.told.Refuse, h.told.Mirrors = h.refuse, shared.mirrors.store
	if err := h.open(); err != nil {
		t.Fatal(err)
	}
	h.proxy.FillMirrors(t.Context())
	for _, ended := range []bool{false, true} {
		if ended {
			if err := errors.Join(h.Cleanup(), app.Held().Release()); err != nil {
				t.Fatal(err)
			}
		}
		r := httptest.NewRequest(http.MethodGet, "/.tools/lib/lib.js", nil)
		r.Header = http.Header{"Sec-Fetch-Dest": {"script"}, "Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Site": {"same-origin"}}
		w := httptest.NewRecorder()
		if err := h.ServeHTTP(w, r, nil); err != nil || w.Code != 200 || w.Body.String() != libScript {
			t.Errorf("ended %t: got %d %q, %v", ended, w.Code, w.Body, err)
		}
	}
	if len(cdn.Take()) != 1 {
		t.Error("the file was fetched again")
	}
	for dir := range mirrorStores.All() {
		t.Errorf("a store stays: %s", dir)
	}
}

// The noticeboard changes with each of many reloads under load: a tool that stays answers each
// request, and is held by the last config alone.
func TestToolsOverReloadsUnderLoad(t *testing.T) {
	testutil.Slow(t)
	tool, wiki := edgetest.JSONTool(t), edgetest.NewBackend(t, nil)
	config := func(n int) string {
		limitless := strings.Replace(toolsConfig(tool, wiki, ""), "allow_loopback", "allow_loopback\nlimit 1000000/1s\nclient_limit 1000000/1s", 1)
		return strings.Replace(limitless, "wikiveil {", fmt.Sprintf("wikiveil {\ntool other%d https://other.example.org", n), 1)
	}
	e := edgetest.New(t, config(0))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var served atomic.Int64
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if resp, body := askTool(t, e, "maps/x"); resp.StatusCode != 200 || body != `{"a":1}` {
					t.Errorf("got %d %q", resp.StatusCode, body)
					return
				}
				served.Add(1)
			}
		})
	}
	for n := range 20 {
		e.Load(t, config(n+1))
		for before := served.Load(); served.Load() < before+10 && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
	}
	close(stop)
	wg.Wait()
	tool.Take()
	testutil.Eventually(t, "earlier configs to let go", func() bool {
		users := 0
		for key := range toolTransports.All() {
			users += toolTransports.Users(key)
		}
		return users == 2 // maps and other20, once each
	})
}
