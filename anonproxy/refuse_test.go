package anonproxy

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// killing is a hook that refuses what is under a path, and keeps what it was asked.
type killing struct {
	mu    sync.Mutex
	asked []string
}

func (k *killing) refuse(tool, path string) (int, string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, tool+" "+path)
	switch {
	case tool == "new":
		return http.StatusServiceUnavailable, "try again in a moment"
	case tool == "gone":
		return http.StatusForbidden, "it is disabled"
	case strings.HasPrefix(path, "/killed/"):
		return http.StatusForbidden, "this part is disabled"
	}
	return 0, ""
}

func (k *killing) take() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	asked := k.asked
	k.asked = nil
	return asked
}

func TestHookRefusesRequests(t *testing.T) {
	b := newBackend(t, tooltest.Answers("application/json", "{}"))
	hook := new(killing)
	e := newEdge(t, Config{Refuse: hook.refuse}, tool("maps", b.URL, noticeboard.Data), tool("new", b.URL, noticeboard.Data))
	for _, tc := range []struct {
		name, path string
		status     int
		reason     string
		asked      []string
	}{
		{"path", "/.tools/maps/killed/x", 403, "this part is disabled", []string{"maps /killed/x"}},
		{"escaped path", "/.tools/maps/%6bille%64/x", 403, "this part is disabled", []string{"maps /killed/x"}},
		{"not a declared tool", "/.tools/gone/x", 403, "it is disabled", []string{"gone /x"}},
		{"not a declared tool, without a path", "/.tools/gone", 403, "it is disabled", []string{"gone "}},
		{"unknown", "/.tools/other/x", 404, "no tool of that name is declared", []string{"other /x"}},
		{"for the moment", "/.tools/new/x", 503, "try again in a moment", []string{"new /x"}},
		{"bad path", "/.tools/maps/%2e/x", 400, "a dot segment", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := e.do(t, "GET", tc.path, "empty")
			wantRefusal(t, a, tc.status, tc.reason)
			if asked := hook.take(); !slices.Equal(asked, tc.asked) {
				t.Errorf("asked for %q, want %q", asked, tc.asked)
			}
			if later := a.header.Get("Retry-After"); (later != "") != (tc.status == 503) {
				t.Errorf("Retry-After %q", later)
			}
		})
	}
	if n := b.conns.Load(); n != 0 {
		t.Errorf("the backend got %d connections", n)
	}
	if a := e.do(t, "GET", "/.tools/maps/killer", "empty"); a.status != 200 {
		t.Errorf("what isn't refused: %d %s", a.status, a.body)
	}
}

// A redirect must not lead to what a reader may not ask for.
func TestHookRefusesRedirects(t *testing.T) {
	var location string
	friend := newBackend(t, tooltest.Answers("application/json", `"friend"`))
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/x", "/via":
			w.Header().Set("Location", location)
			if r.URL.Path == "/x" && strings.HasPrefix(location, "/via") {
				location = "/killed/x"
			}
			w.WriteHeader(http.StatusFound)
		default:
			tooltest.Answers("application/json", `"there"`)(w, r)
		}
	})
	hook := new(killing)
	declared := tool("maps", b.URL, noticeboard.Data)
	declared.Hosts = []string{strings.TrimPrefix(friend.URL, "http://")}
	e := newEdge(t, Config{Refuse: hook.refuse}, declared)
	for _, tc := range []struct {
		name, location string
		status         int
		reason         string
		asked          []string // after the request's own path
	}{
		{"path", "/killed/x", 403, "the tool redirects to what is refused: this part is disabled", []string{"maps /killed/x"}},
		{"escaped letters", "/%6billed/x", 403, "this part is disabled", []string{"maps /killed/x"}},
		{"address", b.URL + "/killed/x", 403, "this part is disabled", []string{"maps /killed/x"}},
		{"dot segments", "/a/../killed/x", 403, "this part is disabled", []string{"maps /killed/x"}},
		{"second redirect", "/via", 403, "this part is disabled", []string{"maps /via", "maps /killed/x"}},
		{"escaped dot segments", "/a/%2e%2e/killed/x", 502, "can't be checked: the path holds a dot segment", nil},
		{"escaped slash", "/killed%2fx", 403, "this part is disabled", []string{"maps /killed/x"}},
		{"escaped slash and dots", "/a%2f..%2fkilled/x", 502, "can't be checked: the path holds a dot segment", nil},
		{"parameters on dots", "/a/..;b/killed/x", 502, "can't be checked: the path holds a dot segment", nil},
		{"backslash, which is a slash to browsers", `/a\..\killed/x`, 403, "this part is disabled", []string{"maps /killed/x"}},
		{"escaped backslash", "/a%5ckilled/x", 502, "can't be checked: the path holds a control byte or a backslash", nil},
		{"empty segment", b.URL + "//killed/x", 502, "can't be checked: the path holds an empty segment", nil},
		{"elsewhere on the tool", "/fine", 200, `"there"`, []string{"maps /fine"}},
		{"no path", b.URL, 200, `"there"`, []string{"maps /"}},
		{"another host of the tool", friend.URL + "/killed/x", 200, `"friend"`, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			location = tc.location
			before := b.hits.Load()
			a := e.do(t, "GET", "/.tools/maps/x", "empty")
			asked := hook.take()
			if len(asked) == 0 || asked[0] != "maps /x" || !slices.Equal(asked[1:], tc.asked) {
				t.Errorf("asked for %q, want %q", asked, tc.asked)
			}
			if tc.status == 200 {
				if a.status != 200 || a.body != tc.reason {
					t.Errorf("got %d %q", a.status, a.body)
				}
				return
			}
			wantRefusal(t, a, tc.status, tc.reason)
			if got, want := b.hits.Load()-before, int64(max(1, len(tc.asked))); got != want {
				t.Errorf("the tool got %d requests, want %d", got, want)
			}
		})
	}
	if got := e.observed(t, 15); got[0] != "maps "+outcomes.RefusedResponse {
		t.Errorf("observed %q", got)
	}
}
