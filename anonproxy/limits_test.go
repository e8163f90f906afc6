package anonproxy

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func TestSizeLimit(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		cut        bool
	}{
		{"at the limit", strings.Repeat("x", 100_000), false},
		{"over the limit", strings.Repeat("x", 100_001), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			declared := tool("maps", says(t, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"+tc.body))
			declared.MaxSize = 100_000
			e := newEdge(t, Config{}, declared)
			a := e.do(t, "GET", "/.tools/maps/x", "empty")
			outcome := outcomes.OK
			if tc.cut {
				outcome = outcomes.TooLarge
			}
			if (a.err != nil) != tc.cut || len(a.body) > 100_000 || !tc.cut && a.body != tc.body {
				t.Errorf("got %d bytes, %v", len(a.body), a.err)
			}
			if got := e.observed(t, 1); !slices.Equal(got, []string{"maps " + outcome}) {
				t.Errorf("observed %q, want %q", got, outcome)
			}
		})
	}
}

func TestBrokenAnswers(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
	for _, tc := range []struct{ name, response string }{
		{"short of its length", head + "Content-Length: 10\r\n\r\nshort"},
		{"bad chunk", head + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n"},
		{"chunks that don't end", head + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEdge(t, Config{}, tool("maps", says(t, tc.response)))
			if a := e.do(t, "GET", "/.tools/maps/x", "empty"); a.err == nil {
				t.Errorf("the reader took %q for whole", a.body)
			}
			if got := e.observed(t, 1); !slices.Equal(got, []string{"maps " + outcomes.Unreachable}) {
				t.Errorf("observed %q", got)
			}
		})
	}
	t.Run("longer than its length", func(t *testing.T) {
		e := newEdge(t, Config{}, tool("maps", says(t, head+"Content-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n\r\nsmuggled")))
		for range 2 {
			if a := e.do(t, "GET", "/.tools/maps/x", "empty"); a.body != "{}" || a.err != nil {
				t.Errorf("got %q, %v", a.body, a.err)
			}
		}
	})
}

func TestTimeouts(t *testing.T) {
	const far = time.Hour
	stall := func(before func(w http.ResponseWriter, r *http.Request)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			before(w, r)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	}
	begin := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "begun")
	}
	drip := func(w http.ResponseWriter, r *http.Request) {
		begin(w, r)
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, ".")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Millisecond)
		}
	}
	for _, tc := range []struct {
		name    string
		handler http.HandlerFunc
		cfg     Config
		tool    time.Duration
		begun   bool
	}{
		{"no header", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, Config{Timeout: far, HeaderTimeout: 50 * time.Millisecond, IdleTimeout: far}, 0, false},
		{"no header, tool's limit", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, Config{Timeout: far, HeaderTimeout: far, IdleTimeout: far}, 50 * time.Millisecond, false},
		{"redirect that stalls", stall(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/x")
			w.WriteHeader(302)
		}), Config{Timeout: 100 * time.Millisecond, HeaderTimeout: far, IdleTimeout: 30 * time.Millisecond}, 0, false},
		{"body that stalls", stall(begin), Config{Timeout: far, HeaderTimeout: far, IdleTimeout: 500 * time.Millisecond}, 0, true},
		{"body that drips", drip, Config{Timeout: time.Second, HeaderTimeout: far, IdleTimeout: far}, 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBackend(t, tc.handler)
			declared := tool("maps", b.URL)
			declared.Timeout = noticeboard.Duration(tc.tool)
			e := newEdge(t, tc.cfg, declared)
			a := e.do(t, "GET", "/.tools/maps/x", "empty")
			if tc.begun {
				if a.err == nil || !strings.HasPrefix(a.body, "begun") {
					t.Errorf("got %q, %v; want it broken off", a.body, a.err)
				}
			} else {
				wantRefusal(t, a, 504, "took too long")
			}
			if got := e.observed(t, 1); !slices.Equal(got, []string{"maps " + outcomes.Timeout}) {
				t.Errorf("observed %q", got)
			}
		})
	}
}

func TestStreaming(t *testing.T) {
	proceed := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		if r.URL.Path == "/known" {
			w.Header().Set("Content-Length", "9")
		}
		for _, part := range []string{"one", "two", "six"} {
			_, _ = io.WriteString(w, part)
			_ = http.NewResponseController(w).Flush()
			<-proceed
		}
	})
	e := newEdge(t, Config{}, tool("maps", b.URL))
	for _, path := range []string{"/known", "/unknown"} {
		t.Run(path, func(t *testing.T) {
			r, err := http.NewRequest("GET", e.URL+"/.tools/maps"+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			buf := make([]byte, 3)
			for _, part := range []string{"one", "two", "six"} {
				// The tool waits for us, so this returns only if nothing is held back.
				if _, err := io.ReadFull(res.Body, buf); err != nil || string(buf) != part {
					t.Fatalf("got %q, %v", buf, err)
				}
				proceed <- struct{}{}
			}
			if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
				t.Errorf("then %q, %v", rest, err)
			}
		})
	}
}

func TestReaderLeaves(t *testing.T) {
	left := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		if r.URL.Path == "/midway" {
			_, _ = io.WriteString(w, "begun")
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
		left <- struct{}{}
	})
	e := newEdge(t, Config{}, tool("maps", b.URL))
	for i, path := range []string{"/midway", "/before"} {
		t.Run(path, func(t *testing.T) {
			hits := b.hits.Load()
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				for b.hits.Load() == hits {
					time.Sleep(time.Millisecond)
				}
				cancel()
			}()
			r, err := http.NewRequestWithContext(ctx, "GET", e.URL+"/.tools/maps"+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r); err == nil {
				_, _ = io.ReadAll(res.Body)
				res.Body.Close()
			}
			<-left // the tool is no longer kept busy
			if got := e.observed(t, i+1); got[i] != "maps "+outcomes.Canceled {
				t.Errorf("observed %q", got)
			}
			if logs := e.logs.String(); strings.Contains(logs, "refusing") {
				t.Errorf("readers who leave are logged: %s", logs)
			}
		})
	}
}

func TestLargeBody(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	b := newBackend(t, tooltest.Answers("text/plain", body))
	e := newEdge(t, Config{}, tool("maps", b.URL))
	if a := e.do(t, "GET", "/.tools/maps/x", "empty"); a.status != 200 || a.body != body {
		t.Errorf("got %d and %d bytes", a.status, len(a.body))
	}
}
