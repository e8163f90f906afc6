package mask

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// gate lets requests through once as many as were expected are there.
type gate struct {
	expected atomic.Int32
	open     chan struct{}
}

func newGate(expected int32) *gate {
	g := &gate{open: make(chan struct{})}
	g.expected.Store(expected)
	return g
}

func (g *gate) pass(r *http.Request) {
	if g.expected.Add(-1) == 0 {
		close(g.open)
	}
	select {
	case <-g.open:
	case <-r.Context().Done():
	}
}

// Of 64 connections to an app that were in use at once all are used again, but where the operator says otherwise.
func TestIdleConns(t *testing.T) {
	const clients = 64
	for name, tt := range map[string]struct {
		site   string
		opened int32 // when 64 come once more
	}{
		"default transport":          {"client_mask\nreverse_proxy {APP}", 0},
		"in a handle block":          {"client_mask\nhandle /* {\nreverse_proxy {APP}\n}", 0},
		"in error routes":            {"client_mask\nhandle_errors {\nreverse_proxy {APP}\n}\nerror 404", 0},
		"in a named route":           {"client_mask\ninvoke app", 0},
		"with health checks":         {"client_mask\nreverse_proxy {APP} {\nhealth_uri /health\nhealth_interval 1h\n}", 0},
		"transport without a number": {"client_mask\nreverse_proxy {APP} {\ntransport http {\nkeepalive 1m\nread_buffer 8KiB\n}\n}", 0},
		"the operator's own":         {"client_mask\nreverse_proxy {APP} {\ntransport http {\nkeepalive_idle_conns_per_host 32\n}\n}", clients - 32},
		"without client_mask":        {"reverse_proxy {APP}", clients - 32},
	} {
		t.Run(name, func(t *testing.T) {
			var opened atomic.Int32
			var together atomic.Pointer[gate]
			app := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/health" {
					together.Load().pass(r)
				}
			}))
			app.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					opened.Add(1)
				}
			}
			app.Start()
			defer app.Close()
			e := edgetest.New(t, strings.ReplaceAll("{\n{GLOBAL}\n}\n&(app) {\nreverse_proxy {APP}\n}\nhttp://{SITE} {\n"+tt.site+"\n}", "{APP}", app.Listener.Addr().String()))
			client := edgetest.From(t, "127.61.2.3")
			all := func() {
				together.Store(newGate(clients))
				var wg sync.WaitGroup
				for range clients {
					wg.Go(func() {
						resp, err := client.Get("http://" + e.Site + "/")
						if err != nil {
							t.Error(err)
							return
						}
						resp.Body.Close()
					})
				}
				wg.Wait()
			}
			all()
			before := opened.Load()
			if before < clients {
				t.Fatalf("%d connections for %d requests at once", before, clients)
			}
			all()
			if again := opened.Load() - before; again != tt.opened {
				t.Errorf("%d more connections, want %d", again, tt.opened)
			}
		})
	}
}

// What says a number, or isn't a reverse proxy over HTTP, stays byte for byte.
func TestTuningLeavesOthers(t *testing.T) {
	for _, config := range []string{
		`{"handler": "reverse_proxy", "transport": {"protocol": "fastcgi", "root": "/srv"}}`,
		`{"handler": "reverse_proxy", "transport": {"protocol": "http", "read_buffer_size": 4096, "keep_alive": {"max_idle_conns_per_host": 8}}}`,
		`{"handler": "reverse_proxy", "transport": "of another form"}`,
		`{"handler": "reverse_proxy", "Transport": {"protocol": "http", "tls": {}}}`,
		`{"handler": "reverse_proxy", "transport": {"protocol": "http", "Read_Buffer_Size": 4096, "Keep_Alive": {"enabled": false}}}`,
		`{"handler": "reverse_proxy", "transport": {"protocol": "http", "read_buffer_size": 1, "keep_alive": {"Max_Idle_Conns_Per_Host": 8}}}`,
		`{"handler": "static_response", "body": "\u003cb>", "status_code": 1e2}`,
		`{"handler": `,
	} {
		if got := tuned(json.RawMessage(config)); string(got) != config {
			t.Errorf("got  %s\nfrom %s", got, config)
		}
	}
	got := tuned(json.RawMessage(`{"handler": "subroute", "routes": [{"handle": [{"handler": "reverse_proxy", "flush_interval": 9007199254740993}]}]}`))
	if want := `{"handler":"subroute","routes":[{"handle":[{"flush_interval":9007199254740993,"handler":"reverse_proxy",` +
		`"transport":{"keep_alive":{"max_idle_conns_per_host":256},"protocol":"http","read_buffer_size":16384}}]}]}`; string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A subroute's own error routes are in JSON only.
func TestTuningInErrorsOfASubroute(t *testing.T) {
	proxy := json.RawMessage(`{"handler": "reverse_proxy"}`)
	routes := func() caddyhttp.RouteList {
		return caddyhttp.RouteList{{HandlersRaw: []json.RawMessage{proxy}}}
	}
	site := caddyhttp.Subroute{Routes: routes(), Errors: &caddyhttp.HTTPErrorConfig{Routes: routes()}}
	tuneRoutes(site.Routes, site.Errors)
	for _, routes := range []caddyhttp.RouteList{site.Routes, site.Errors.Routes} {
		if got := string(routes[0].HandlersRaw[0]); !strings.Contains(got, `"max_idle_conns_per_host":256`) {
			t.Errorf("got %s", got)
		}
	}
}
