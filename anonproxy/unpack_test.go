package anonproxy

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sony/gobreaker/v2"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
)

// packed compresses a text.
func packed(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestUnpack(t *testing.T) {
	noise := make([]byte, 3000) // doesn't pack
	for i := range noise {
		noise[i] = byte(rand.IntN(256))
	}
	const tooLarge, broken = "too large", "isn't compressed as it says"
	body := packed(t, `{"a":1}`)
	for _, tc := range []struct {
		name, coding, body string
		status             int
		want, reason       string // want is the body, or its beginning where it is broken off
		outcome            string
	}{
		{"gzip", "gzip", body, 200, `{"a":1}`, "", outcomes.OK},
		{"capitals", "GZip", body, 200, `{"a":1}`, "", outcomes.OK},
		{"old name", "x-gzip", body, 200, `{"a":1}`, "", outcomes.OK},
		{"two members", "gzip", body + packed(t, "more"), 200, `{"a":1}more`, "", outcomes.OK},
		{"no body", "gzip", "", 200, "", "", outcomes.OK},
		{"an empty text", "gzip", packed(t, ""), 200, "", "", outcomes.OK},
		{"packs well", "gzip", packed(t, strings.Repeat("0", 900_000)), 200, strings.Repeat("0", 900_000), "", outcomes.OK},
		{"something behind the end", "gzip", body + "<script>", 200, `{"a":1}`, "", outcomes.OK},
		{"zeros behind the end", "gzip", body + packed(t, "more") + strings.Repeat("\x00", 9000), 200, `{"a":1}more`, "", outcomes.OK},
		{"a byte behind the end", "gzip", body + "\x1f", 200, `{"a":1}`, "", outcomes.OK},
		{"another member cut off", "gzip", body + body[:5], 200, "", "", outcomes.Unreachable},
		{"cut off", "gzip", body[:len(body)-1], 200, "", "", outcomes.Unreachable},
		{"another sum", "gzip", body[:len(body)-8] + "12345678", 200, "", "", outcomes.Unreachable},
		{"too large inside", "gzip", packed(t, string(bytes.Repeat(noise, 700))), 200, "", "", outcomes.TooLarge},
		{"a bomb", "gzip", packed(t, strings.Repeat("0", 1_900_000)), 200, "", "", outcomes.TooLarge},
		{"plain", "gzip", `{"a":1}`, 502, "", broken, outcomes.RefusedResponse},
		{"half a header", "gzip", body[:5], 502, "", broken, outcomes.RefusedResponse},
		{"deflate", "deflate", body, 502, "", "compresses what was asked for plain", outcomes.RefusedResponse},
		{"brotli", "br", body, 502, "", "compresses what was asked for plain", outcomes.RefusedResponse},
		{"zstd", "zstd", body, 502, "", "compresses what was asked for plain", outcomes.RefusedResponse},
		{"twice", "gzip, gzip", body, 502, "", "compresses what was asked for plain", outcomes.RefusedResponse},
		{"two fields", "gzip\r\nContent-Encoding: gzip", body, 502, "", "compresses what was asked for plain", outcomes.RefusedResponse},
		{"twice with another between", "gzip, none, gzip", body, 502, "", "compresses what was asked for plain", outcomes.RefusedResponse},
		// Case 23: codings that browsers take for none.
		{"empty", "", `{"a":1}`, 200, `{"a":1}`, "", outcomes.OK},
		{"a charset", "UTF-8", `{"a":1}`, 200, `{"a":1}`, "", outcomes.OK},
		{"none", "none", `{"a":1}`, 200, `{"a":1}`, "", outcomes.OK},
		{"binary", "binary", `{"a":1}`, 200, `{"a":1}`, "", outcomes.OK},
		{"aws-chunked", "aws-chunked", `{"a":1}`, 200, `{"a":1}`, "", outcomes.OK},
		{"two of no meaning", "identity, 8bit\r\nContent-Encoding: ", `{"a":1}`, 200, `{"a":1}`, "", outcomes.OK},
		{"gzip and identity", "gzip, identity", body, 200, `{"a":1}`, "", outcomes.OK},
		{"gzip and aws-chunked", "GZIP,aws-chunked", body, 200, `{"a":1}`, "", outcomes.OK},
	} {
		for _, cached := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, cached %t", tc.name, cached), func(t *testing.T) {
				declared := tool("maps", says(t, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: max-age=60\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s",
					tc.coding, len(tc.body), tc.body)))
				declared.MaxSize = 2_000_000
				var cfg Config
				if cached {
					cfg.Cache = newCache(t, cache.Config{})
				}
				e := newEdge(t, cfg, declared)
				a := e.do(t, "GET", "/.tools/maps/x", "empty")
				switch {
				case tc.reason != "":
					wantRefusal(t, a, tc.status, tc.reason)
				case tc.outcome == outcomes.OK:
					if a.status != tc.status || a.body != tc.want || a.err != nil || a.header["Content-Encoding"] != nil {
						t.Errorf("got %d %d bytes, %v, %v", a.status, len(a.body), a.err, a.header)
					}
				case a.status == 200 && a.err == nil:
					t.Errorf("the reader took %d bytes for whole", len(a.body))
				case len(a.body) > 2_000_000:
					t.Errorf("got %d bytes", len(a.body))
				}
				if got := e.observed(t, 1); !slices.Equal(got, []string{"maps " + tc.outcome}) {
					t.Errorf("observed %q, want %q", got, tc.outcome)
				}
			})
		}
	}
}

func TestUnpackedIsCached(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Content-Encoding", "gzip")
		h.Set("Cache-Control", "max-age=60")
		h.Set("Etag", `"packed"`)
		_, _ = io.WriteString(w, packed(t, "0123456789"))
	})
	e := newEdge(t, Config{Cache: newCache(t, cache.Config{})}, tool("maps", b.URL))
	for range 2 {
		if a := e.do(t, "GET", "/.tools/maps/x", "empty"); a.body != "0123456789" || a.err != nil {
			t.Fatalf("got %q, %v", a.body, a.err)
		}
	}
	if a := e.do(t, "GET", "/.tools/maps/x", "empty", func(r *http.Request) { r.Header.Set("Range", "bytes=2-4") }); a.status != 206 || a.body != "234" {
		t.Errorf("got %d %q of a range", a.status, a.body)
	}
	if b.hits.Load() != 1 {
		t.Errorf("the tool was asked %d times", b.hits.Load())
	}
}

func TestHeadOfPacked(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Length", "99")
	})
	e := newEdge(t, Config{}, tool("maps", b.URL))
	if a := e.do(t, "HEAD", "/.tools/maps/x", "empty"); a.status != 200 || a.header["Content-Length"] != nil || a.header["Content-Encoding"] != nil {
		t.Errorf("got %d %v", a.status, a.header)
	}
}

func FuzzUnpack(f *testing.F) {
	for _, seed := range []string{"", packed(f, "text"), packed(f, "a") + packed(f, "b"), packed(f, strings.Repeat("0", 1<<20)), "\x1f\x8b\x08\x1f", "{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		const limit = 1 << 16
		u := &unpacked{packed: io.NopCloser(bytes.NewReader(body)), limit: limit}
		if u.begin() != nil {
			return
		}
		n, err := io.Copy(io.Discard, u)
		if u.in > limit+4096 || err == nil && n > maxRatioFrom && n/maxRatio > u.in {
			t.Fatalf("%d bytes of %d were unpacked", n, u.in)
		}
		if err != nil || len(body) == 0 {
			return
		}
		again, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if m, err := io.Copy(io.Discard, again); err != nil || m != n {
			t.Fatalf("unpacked %d bytes, gzip says %d and %v", n, m, err)
		}
	})
}

// An error counts, its page doesn't: also one that is compressed in a way that isn't passed on, or broken.
func TestErrorsThatAreCompressed(t *testing.T) {
	for _, coding := range []string{"br", "gzip"} {
		t.Run(coding, func(t *testing.T) {
			var failing atomic.Bool
			b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				if failing.Load() {
					w.Header().Set("Content-Encoding", coding)
					w.WriteHeader(500)
					_, _ = io.WriteString(w, "not of that coding")
					return
				}
				w.Header().Set("Cache-Control", "max-age=0, stale-if-error=600")
				w.Header().Set("ETag", `"1"`)
				_, _ = io.WriteString(w, "kept")
			})
			e := newEdge(t, Config{Cache: newCache(t, cache.Config{})}, tool("maps", b.URL))
			if a := e.do(t, "GET", "/.tools/maps/x", "empty"); a.body != "kept" {
				t.Fatalf("got %d %q", a.status, a.body)
			}
			failing.Store(true)
			if a := e.do(t, "GET", "/.tools/maps/x", "empty"); a.body != "kept" {
				t.Errorf("got %d %q in place of what is kept", a.status, a.body)
			}
			wantRefusal(t, e.do(t, "GET", "/.tools/maps/other", "empty"), 500, "the tool answers with status 500")
			for i := range failureRun {
				e.do(t, "GET", fmt.Sprint("/.tools/maps/", i), "empty")
			}
			if got := e.proxy.upstreams()["maps"].transport.Breaker(); got != gobreaker.StateOpen {
				t.Errorf("the breaker took it for well: state %d", got)
			}
		})
	}
}
