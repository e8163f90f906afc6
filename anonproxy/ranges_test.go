package anonproxy

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func TestRangesWithoutACache(t *testing.T) {
	const text = "0123456789"
	var asked []string
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Range")+r.Header.Get("If-Range"))
		w.Header().Set("Content-Type", "video/webm")
		w.Header().Set("Cache-Control", "max-age=60")
		switch r.URL.Path {
		case "/unknown":
			_, _ = io.WriteString(w, text[:5])
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, text[5:])
		case "/short":
			w.Header().Set("Content-Length", "20")
			_, _ = io.WriteString(w, text)
		case "/error":
			w.WriteHeader(404)
			_, _ = io.WriteString(w, text)
		default:
			_, _ = io.WriteString(w, text)
		}
	})
	for _, tc := range []struct {
		name, path, ranges string
		change             func(*http.Request)
		method             string
		status             int
		body, text, reason string
	}{
		{"all from the start", "/x", "bytes=0-", nil, "GET", 206, text, "bytes 0-9/10", ""},
		{"a part", "/x", "bytes=2-4", nil, "GET", 206, "234", "bytes 2-4/10", ""},
		{"from the middle", "/x", "bytes=7-", nil, "GET", 206, "789", "bytes 7-9/10", ""},
		{"beyond the end", "/x", "bytes=7-99", nil, "GET", 206, "789", "bytes 7-9/10", ""},
		{"the last", "/x", "bytes=-1", nil, "GET", 206, "9", "bytes 9-9/10", ""},
		{"past the end", "/x", "bytes=10-", nil, "GET", 416, "", "bytes */10", "past the end"},
		{"several", "/x", "bytes=0-1,3-4", nil, "GET", 200, text, "", ""},
		{"another unit", "/x", "lines=0-1", nil, "GET", 200, text, "", ""},
		{"only if unchanged", "/x", "bytes=2-4", func(r *http.Request) { r.Header.Set("If-Range", `"x"`) }, "GET", 200, text, "", ""},
		{"HEAD", "/x", "bytes=2-4", nil, "HEAD", 200, "", "", ""},
		{"unknown length", "/unknown", "bytes=2-4", nil, "GET", 200, text, "", ""},
		{"an error", "/error", "bytes=2-4", nil, "GET", 404, text, "", ""},
		{"within what comes", "/short", "bytes=2-4", nil, "GET", 206, "234", "bytes 2-4/20", ""},
		{"malformed", "/never", "bytes=4-2", nil, "GET", 416, "", "", "malformed"},
		{"words", "/never", "bytes=a-b", nil, "GET", 416, "", "", "malformed"},
		{"malformed in a list", "/never", "bytes=0-1,4-2", nil, "GET", 416, "", "", "malformed"},
		{"twice", "/never", "bytes=0-1", func(r *http.Request) { r.Header.Add("Range", "bytes=0-1") }, "GET", 416, "", "", "malformed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEdge(t, Config{}, tool("films", b.URL, noticeboard.Media))
			hits := b.hits.Load()
			a := e.do(t, tc.method, "/.tools/films"+tc.path, "video", func(r *http.Request) {
				r.Header.Set("Range", tc.ranges)
				if tc.change != nil {
					tc.change(r)
				}
			})
			if tc.reason != "" {
				wantRefusal(t, a, tc.status, tc.reason)
			} else if a.status != tc.status || a.body != tc.body || a.err != nil {
				t.Errorf("got %d %q, %v", a.status, a.body, a.err)
			}
			if got := a.header.Get("Content-Range"); got != tc.text {
				t.Errorf("Content-Range %q, want %q", got, tc.text)
			}
			if tc.status == 206 && (a.header.Get("Accept-Ranges") != "bytes" || a.header.Get("Content-Length") != fmt.Sprint(len(tc.body))) {
				t.Errorf("header %v", a.header)
			}
			if tc.path == "/never" && b.hits.Load() != hits {
				t.Error("the tool was asked")
			}
		})
	}
	t.Run("of what ends before", func(t *testing.T) {
		e := newEdge(t, Config{}, tool("films", b.URL, noticeboard.Media))
		for _, ranges := range []string{"bytes=5-15", "bytes=15-"} {
			a := e.do(t, "GET", "/.tools/films/short", "video", func(r *http.Request) { r.Header.Set("Range", ranges) })
			if a.err == nil {
				t.Errorf("the reader took %q of %s for whole", a.body, ranges)
			}
		}
	})
	t.Run("of what the cache doesn't keep", func(t *testing.T) {
		e := newEdge(t, Config{Cache: newCache(t, cache.Config{MaxObject: 5})}, tool("films", b.URL, noticeboard.Media))
		for range 2 {
			a := e.do(t, "GET", "/.tools/films/x", "video", func(r *http.Request) { r.Header.Set("Range", "bytes=2-4") })
			if a.status != 206 || a.body != "234" || a.header.Get("Content-Range") != "bytes 2-4/10" || a.header.Get("Content-Length") != "3" {
				t.Errorf("got %d %q %v", a.status, a.body, a.header)
			}
		}
		wantRefusal(t, e.do(t, "GET", "/.tools/films/x", "video", func(r *http.Request) { r.Header.Set("Range", "bytes=10-") }), 416, "past the end")
		if a := e.do(t, "GET", "/.tools/films/x", "video", func(r *http.Request) {
			r.Header.Set("Range", "bytes=2-4")
			r.Header.Set("If-Range", `"x"`)
		}); a.status != 200 || a.body != text {
			t.Errorf("got %d %q of a range if nothing has changed", a.status, a.body)
		}
		if a := e.do(t, "GET", "/.tools/films/x", "video"); a.status != 200 || a.body != text {
			t.Errorf("got %d %q of the whole", a.status, a.body)
		}
	})
	if slices.ContainsFunc(asked, func(s string) bool { return s != "" }) {
		t.Errorf("the tool was told %q", asked)
	}
}
