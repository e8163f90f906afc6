package tools

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// limitedSite is a site with the tools of a file, whose proxy has options.
func limitedSite(options string) string {
	return strings.Replace(boardSite, "anonproxy", "anonproxy {\n"+options+"\n}", 1)
}

// askFrom fetches from a tool as a reader's page does.
func askFrom(t *testing.T, e *edgetest.Edge, source, path string) (*http.Response, string) {
	t.Helper()
	client := edgetest.From(t, source)
	defer client.CloseIdleConnections()
	return edgetest.Send(t, client, http.MethodGet, "http://"+e.Site+"/.tools/"+path, edgetest.Browser("empty", "alice"))
}

func metricsText(t *testing.T, e *edgetest.Edge) string {
	t.Helper()
	_, text := edgetest.Send(t, http.DefaultClient, http.MethodGet, "http://"+e.Admin+"/metrics", nil)
	return text
}

// A client's limit is the mask's, and neither a reload nor a change of the noticeboard takes
// back what was counted.
func TestToolLimitsOverReloads(t *testing.T) {
	testutil.Slow(t)
	maps := edgetest.JSONTool(t)
	e := boardEdge(t, fileTool("maps", maps, ""))
	e.Load(t, limitedSite("client_limit 3/1h"))
	want := func(source string, status int, reason string) {
		t.Helper()
		resp, body := askFrom(t, e, source, "maps/x")
		if resp.StatusCode != status || !strings.Contains(body, reason) {
			t.Errorf("%s: got %d %q, want %d %q", source, resp.StatusCode, body, status, reason)
		}
		if n := len(maps.Take()); n != map[bool]int{true: 1, false: 0}[status == 200] {
			t.Errorf("%s: the tool was asked %d times", source, n)
		}
		if later, _ := strconv.Atoi(resp.Header.Get("Retry-After")); status != 200 && (later < 1000 || later > 1200) {
			t.Errorf("%s: Retry-After %d", source, later)
		}
	}
	for range 3 {
		want("127.61.2.1", 200, `{"a":1}`)
	}
	want("127.61.2.1", 429, "you have made this wiki ask the tool too often; try again in ")
	want("127.61.2.2", 200, `{"a":1}`)

	e.Load(t, limitedSite("client_limit 3/1h\ntimeout 10s"))
	want("127.61.2.1", 429, "too often")
	want("127.61.2.2", 200, `{"a":1}`)

	edgetest.WriteTools(t, e.Dir, fileTool("maps", maps, `, "purpose": "Another"`), fileTool("more", maps, ""))
	testutil.Eventually(t, "the new noticeboard", func() bool {
		_, list := boardPage(t, e)
		return strings.Contains(list, `"more"`) && strings.Count(list, `"standing": "usable"`) == 2 // once they are stored
	})
	want("127.61.2.1", 429, "too often")
	want("127.61.2.2", 200, `{"a":1}`)
	want("127.61.2.2", 429, "too often")

	metrics := metricsText(t, e)
	for _, line := range []string{
		`wikiveil_tool_requests_total{outcome="limited_client",tool="maps"} 4`, `wikiveil_tool_breaker_state{tool="maps"} 0`,
		`wikiveil_tool_breaker_state{tool="more"} 0`,
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
	for _, secret := range []string{"127.61.2.", "2001:2f:"} {
		if strings.Contains(metrics, secret) {
			t.Errorf("the metrics hold %q", secret)
		}
	}
}

// A breaker stays open over a reload, and the tool's own limit comes before the proxy's.
func TestToolBreakerOverReloads(t *testing.T) {
	var failing atomic.Bool
	maps := edgetest.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		if failing.Load() {
			w.Header().Set("Retry-After", "200")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.Header().Set("Content-Type", "application/json")
	})
	other := edgetest.JSONTool(t)
	e := boardEdge(t, fileTool("maps", maps, ""), fileTool("other", other, `, "limit": "1/1h"`))
	failing.Store(true)
	if resp, _ := askFrom(t, e, "127.61.2.1", "maps/x"); resp.StatusCode != 429 || len(maps.Take()) != 1 {
		t.Fatalf("got %d", resp.StatusCode)
	}
	for range 2 {
		resp, body := askFrom(t, e, "127.61.2.2", "maps/x")
		if resp.StatusCode != 503 || !strings.Contains(body, "the tool has asked for a pause; it is asked again in ") || len(maps.Take()) != 0 {
			t.Errorf("got %d %q", resp.StatusCode, body)
		}
		if later, _ := strconv.Atoi(resp.Header.Get("Retry-After")); later < 150 || later > 200 {
			t.Errorf("Retry-After %d", later)
		}
		e.Load(t, limitedSite("limit 100/1s"))
	}
	for i, want := range []int{200, 503} {
		if resp, body := askFrom(t, e, "127.61.2.2", "other/x"); resp.StatusCode != want {
			t.Errorf("other tool, request %d: %d %s", i, resp.StatusCode, body)
		}
	}
	metrics := metricsText(t, e)
	for _, line := range []string{
		`wikiveil_tool_breaker_state{tool="maps"} 2`, `wikiveil_tool_breaker_state{tool="other"} 0`,
		`wikiveil_tool_requests_total{outcome="breaker_open",tool="maps"} 2`, `wikiveil_tool_requests_total{outcome="limited_tool",tool="other"} 1`,
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
}

// A thousand clients at a real edge have a limit each.
func TestThousandClientsOfATool(t *testing.T) {
	maps := edgetest.JSONTool(t)
	e := boardEdge(t, fileTool("maps", maps, `, "client_limit": "1/1h", "limit": "1000000/1h"`))
	for round, want := range []int{200, 429} {
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for i := worker; i < 1000; i += 8 {
					if resp, body := askFrom(t, e, fmt.Sprintf("127.62.%d.%d", i/250, 1+i%250), "maps/x"); resp.StatusCode != want {
						t.Errorf("round %d, client %d: %d %s", round, i, resp.StatusCode, body)
						return
					}
				}
			})
		}
		wg.Wait()
		if n := len(maps.Take()); n != 1000*(1-round) {
			t.Errorf("round %d: the tool was asked %d times", round, n)
		}
	}
}

// Tools have limits though nobody sets any.
func TestDefaultToolLimits(t *testing.T) {
	if got := new(AnonProxy).config(); got.ClientLimit.String() != "600/1m0s" || got.Limit.String() != "6000/1m0s" {
		t.Errorf("by default %v and %v", got.ClientLimit, got.Limit)
	}
	rate := noticeboard.Rate{Count: 1, Per: 1e9}
	if got := (&AnonProxy{ClientLimit: rate, Limit: rate, Concurrent: 7}).config(); got.ClientLimit != rate || got.Limit != rate || got.Concurrent != 7 {
		t.Errorf("given, %+v", got)
	}
}

// A tool that moves has two transports for a moment; one value is shown, the worse.
func TestBreakerMetricOfAToolThatMoves(t *testing.T) {
	for _, origin := range []string{"https://a.example.org", "https://b.example.org"} {
		_, release := transportOf(&noticeboard.Tool{Name: "moving", Origin: origin})
		defer release()
	}
	e := edgetest.New(t, "{\n{GLOBAL}\nmetrics\nwikiveil {\ntool moving https://a.example.org\n}\n}\nhttp://{SITE} {\nanonproxy\n}\n")
	if n := strings.Count(metricsText(t, e), `wikiveil_tool_breaker_state{tool="moving"}`); n != 1 {
		t.Errorf("%d values", n)
	}
}
