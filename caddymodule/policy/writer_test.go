package policy

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/csp"
)

// newCSP returns a handler as Provision leaves it.
func newCSP(t testing.TB, c CSP) *CSP {
	t.Helper()
	if err := c.compile(); err != nil {
		t.Fatal(err)
	}
	count := func() prometheus.Counter { return prometheus.NewCounter(prometheus.CounterOpts{Name: "counter"}) }
	c.sent[cspEnforced], c.sent[cspReportOnly], c.refused = count(), count(), count()
	c.maxHeader = 16 << 10
	return &c
}

// The header goes out by many ways; each must settle it first.
func TestPolicyWriterSettlesOnEveryWay(t *testing.T) {
	own := edgetest.Preset(t, "mediawiki")
	for name, answer := range map[string]func(w http.ResponseWriter){
		"status":            func(w http.ResponseWriter) { w.WriteHeader(404) },
		"status twice":      func(w http.ResponseWriter) { w.WriteHeader(404); w.WriteHeader(200) },
		"body":              func(w http.ResponseWriter) { io.WriteString(w, "page") },
		"body from reader":  func(w http.ResponseWriter) { w.(io.ReaderFrom).ReadFrom(strings.NewReader("page")) },
		"flush":             func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"flush, controller": func(w http.ResponseWriter) { http.NewResponseController(w).Flush() },
		"nothing":           func(w http.ResponseWriter) {},
	} {
		for edit, change := range map[string]func(h http.Header){
			"nothing":       func(h http.Header) {},
			"set":           func(h http.Header) { h.Set(policyHeader, foreignPolicy) },
			"add":           func(h http.Header) { h.Add(policyHeader, foreignPolicy) },
			"before":        func(h http.Header) { h[policyHeader] = []string{foreignPolicy, own} },
			"delete":        func(h http.Header) { h.Del(policyHeader) },
			"clear":         func(h http.Header) { clear(h) },
			"edit in place": func(h http.Header) { h[policyHeader][0] = "" },
			"twice":         func(h http.Header) { h.Add(policyHeader, own) },
		} {
			for _, upstream := range []string{cspKeep, cspDrop} {
				c := newCSP(t, CSP{Upstream: upstream})
				w := httptest.NewRecorder()
				serveCSP(t, c, w, func(w http.ResponseWriter) {
					change(w.Header())
					answer(w)
				})
				got := w.Result().Header[policyHeader]
				if len(got) == 0 || got[0] != own || slices.Contains(got[1:], own) {
					t.Errorf("%s, %s, %s: policies %q", name, edit, upstream, got)
				}
				if upstream == cspDrop && len(got) > 1 {
					t.Errorf("%s, %s: not dropped: %q", name, edit, got)
				}
				if upstream == cspKeep && slices.Contains([]string{"set", "add", "before"}, edit) && !slices.Equal(got, []string{own, foreignPolicy}) {
					t.Errorf("%s, %s: not kept: %q", name, edit, got)
				}
			}
		}
	}
}

// An interim response is sent before handlers are done with the header.
func TestPolicyWriterSettlesAfterInterimResponses(t *testing.T) {
	final := policySink{make(http.Header)}
	serveCSP(t, newCSP(t, CSP{}), final, func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set(policyHeader, foreignPolicy)
		w.Header().Set("Service-Worker-Allowed", "/")
		w.WriteHeader(http.StatusOK)
	})
	if got := final.h[policyHeader]; !slices.Equal(got, []string{edgetest.Preset(t, "mediawiki"), foreignPolicy}) || final.h["Service-Worker-Allowed"] != nil {
		t.Errorf("the final header is %v", final.h)
	}
}

// What one response does to its header must not reach the next.
func TestPolicyWriterSharesNothing(t *testing.T) {
	c := newCSP(t, CSP{})
	serveCSP(t, c, httptest.NewRecorder(), func(w http.ResponseWriter) {
		w.Header()[policyHeader][0] = "edited"
		w.Header()[policyHeader] = append(w.Header()[policyHeader], "appended")
	})
	w := httptest.NewRecorder()
	serveCSP(t, c, w, func(w http.ResponseWriter) {
		if got := w.Header()[policyHeader]; !slices.Equal(got, []string{edgetest.Preset(t, "mediawiki")}) {
			t.Errorf("the second response starts with %q", got)
		}
	})
}

func TestCSPHandsErrorsOn(t *testing.T) {
	boom := errors.New("boom")
	w := httptest.NewRecorder()
	err := newCSP(t, CSP{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil), caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Del(policyHeader)
		w.Header().Set("Service-Worker-Allowed", "/")
		return boom
	}))
	if err != boom {
		t.Errorf("got error %v", err)
	}
	if w.Header().Get(policyHeader) == "" || w.Header().Get("Service-Worker-Allowed") != "" {
		t.Errorf("the error's response starts with %v", w.Header())
	}
}

func TestPolicyWriterKeepsVary(t *testing.T) {
	for before, want := range map[string]string{
		"":                                "Service-Worker",
		"Accept-Encoding":                 "Accept-Encoding|Service-Worker",
		"Accept-Encoding, SERVICE-worker": "Accept-Encoding, SERVICE-worker",
		"*":                               "*",
	} {
		w := httptest.NewRecorder()
		serveCSP(t, newCSP(t, CSP{}), w, func(w http.ResponseWriter) {
			if before != "" {
				w.Header().Set("Vary", before)
			}
			w.Header().Set("Content-Type", "Application/X-JavaScript")
			w.WriteHeader(200)
		})
		if got := strings.Join(w.Header()["Vary"], "|"); got != want {
			t.Errorf("%q became %q, want %q", before, got, want)
		}
	}
}

// FuzzIsScript shows that the quick look at a type misses no script.
func FuzzIsScript(f *testing.F) {
	for _, mediaType := range []string{
		"", "text/html; charset=UTF-8", "text/JavaScript", "application/x-ecmascript; a=b", "TEXT/LIVESCRIPT", "text/jscriPt", "text/html, text/javascript",
		"application/json", "Pp",
	} {
		f.Add(mediaType)
	}
	f.Fuzz(func(t *testing.T, mediaType string) {
		lower := strings.ToLower(mediaType)
		want := strings.Contains(lower, "javascript") || strings.Contains(lower, "ecmascript") || strings.Contains(lower, "jscript") || strings.Contains(lower, "livescript")
		if got := isScript(http.Header{"Content-Type": {mediaType, "text/javascript"}}); got != want {
			t.Errorf("%q: %v", mediaType, got)
		}
	})
}

func serveCSP(t testing.TB, c *CSP, w http.ResponseWriter, answer func(http.ResponseWriter)) {
	t.Helper()
	err := c.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil), caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		answer(w)
		return nil
	}))
	if err != nil {
		t.Error(err)
	}
}

// policySink is a response writer that costs nothing itself.
type policySink struct{ h http.Header }

func (s policySink) Header() http.Header         { return s.h }
func (s policySink) WriteHeader(int)             {}
func (s policySink) Write(b []byte) (int, error) { return len(b), nil }

func BenchmarkCSP(b *testing.B) {
	page := []byte("page")
	own, html := []string{foreignPolicy}, []string{"text/html"}
	answer := func(upstream []string) caddyhttp.Handler {
		return caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			h := w.Header()
			h["Content-Type"] = html
			if upstream != nil {
				h[policyHeader] = append(h[policyHeader], upstream...)
			}
			w.WriteHeader(http.StatusOK)
			_, err := w.Write(page)
			return err
		})
	}
	for name, bench := range map[string]struct {
		handler CSP
		next    caddyhttp.Handler
	}{
		"enforce":       {CSP{}, answer(nil)},
		"both modes":    {CSP{ReportOnly: &CSPPolicy{Preset: "static"}}, answer(nil)},
		"upstream keep": {CSP{}, answer(own)},
		"upstream drop": {CSP{Upstream: cspDrop}, answer(own)},
	} {
		b.Run(name, func(b *testing.B) {
			c := newCSP(b, bench.handler)
			w := policySink{make(http.Header)}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			b.ReportAllocs()
			for b.Loop() {
				clear(w.h)
				if err := c.ServeHTTP(w, r, bench.next); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The aim: two allocations a request, where there is no nonce.
func TestCSPAllocations(t *testing.T) {
	c := newCSP(t, CSP{ReportOnly: &CSPPolicy{Preset: "static"}})
	w := policySink{make(http.Header)}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusOK)
		return nil
	})
	if n := testing.AllocsPerRun(100, func() {
		clear(w.h)
		_ = c.ServeHTTP(w, r, next)
	}); n > 2 {
		t.Errorf("%v allocations a request", n)
	}
	if len(w.h[policyHeader]) != 1 || w.h[policyHeader][0] == "" || csp.Budget < len(w.h[policyHeader][0]) {
		t.Errorf("policies %q", w.h[policyHeader])
	}
}
