package anonproxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// heapInUse is what the process holds of memory that Go gives out, in bytes: all that
// lives, clients and tools of the test included, and stacks.
func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// wantHeap checks that no more than limit was added since before.
func wantHeap(t *testing.T, before, limit int64) {
	t.Helper()
	if grown := heapInUse() - before; grown > limit {
		t.Errorf("%d MiB of memory more than before, want at most %d", grown>>20, limit>>20)
	} else {
		t.Logf("%d MiB of memory more than before", grown>>20)
	}
}

// zeros is a tool that sends n bytes, as fast as they are taken.
func zeros(n int64) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", fmt.Sprint(n))
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.CopyN(w, zeroReader{}, n)
	}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// wantUnaffected asks another tool, which answers as ever.
func (e *edge) wantUnaffected(t *testing.T) {
	t.Helper()
	for range 5 {
		if a := e.do(t, "GET", "/.tools/other/x", "empty"); a.status != 200 || a.body != "{}" {
			t.Fatalf("another tool: got %d %q, %v", a.status, a.body, a.err)
		}
	}
}

// narrow serves with little memory of the kernel for each connection, or a thousand
// that stand still would use up what it has for all.
func narrow(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		_ = conn.(*net.TCPConn).SetWriteBuffer(32 << 10)
		return ctx
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func TestSlowClients(t *testing.T) {
	const clients, size, kept = 1000, 2 << 20, 64 << 20
	before := heapInUse()
	for _, tc := range []struct {
		name   string
		cached bool
		paths  int
	}{
		{"without a cache", false, 1},
		{"with a cache, one answer", true, 1},
		{"with a cache, each another answer", true, clients},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := narrow(t, zeros(size))
			other := newBackend(t, tooltest.Answers("application/json", "{}"))
			cfg := Config{Timeout: time.Hour, Concurrent: clients + 100} // what is bounded here is the memory
			if tc.cached {
				cfg.Cache = newCache(t, cache.Config{MaxBytes: kept})
			}
			e := newEdge(t, cfg, tool("large", b.URL), tool("other", other.URL))
			front := narrow(t, e.proxy.ServeHTTP)
			conns := make([]net.Conn, clients)
			readers := make([]*bufio.Reader, clients)
			var opening sync.WaitGroup
			for i := range conns {
				conn, err := net.Dial("tcp", front.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				conns[i] = conn
				opening.Go(func() {
					_, _ = fmt.Fprintf(conn, "GET /.tools/large/%d HTTP/1.1\r\nHost: wiki\r\n\r\n", i%tc.paths)
					in := bufio.NewReaderSize(conn, 512)
					if line, err := in.ReadString('\n'); line != "HTTP/1.1 200 OK\r\n" {
						t.Errorf("client %d: got %q, %v", i, line, err)
					}
					readers[i] = in
				})
			}
			opening.Wait()
			if t.Failed() {
				return
			}
			// All have begun and none goes on: everything that holds is held now.
			e.wantUnaffected(t)
			limit := int64(272<<20 + kept) // a quarter of a MiB each and the 16 KiB that are read from the tool at once, with what the test's own two ends take
			if raceDetector {
				limit *= 2
			}
			wantHeap(t, before, limit)
			for _, i := range []int{0, clients / 2, clients - 1} { // whoever goes on gets all
				res, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader("HTTP/1.1 200 OK\r\n"), readers[i])), nil)
				if err != nil {
					t.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, res.Body); n != size || err != nil {
					t.Errorf("client %d: got %d bytes, %v", i, n, err)
				}
			}
			for _, conn := range conns {
				conn.Close()
			}
			e.observed(t, clients+5)
		})
	}
}

func TestToolThatStalls(t *testing.T) {
	const clients = defaultConcurrent // all that one tool gets at one time
	release := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/body") {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, "begun")
			_ = http.NewResponseController(w).Flush()
		}
		<-release
	})
	other := newBackend(t, tooltest.Answers("application/json", "{}"))
	defer close(release)
	e := newEdge(t, Config{Cache: newCache(t, cache.Config{})}, tool("stalls", b.URL), tool("other", other.URL))
	before := heapInUse()
	conns := make([]net.Conn, clients)
	for i := range conns {
		conn, err := net.Dial("tcp", e.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns[i] = conn
		_, _ = fmt.Fprintf(conn, "GET /.tools/stalls/%s%d HTTP/1.1\r\nHost: wiki\r\n\r\n", []string{"head", "body"}[i%2], i)
	}
	for deadline := time.Now().Add(time.Minute); b.hits.Load() < clients; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d requests reached the tool", b.hits.Load(), clients)
		}
	}
	e.wantUnaffected(t)
	wantHeap(t, before, 128<<20)
	for _, conn := range conns {
		conn.Close()
	}
	e.observed(t, clients+5)
}

// TestTenGigabytes: what is too much is cut off at the limit, and what isn't takes
// no memory. Under the race detector, which is slow, it is a twentieth.
func TestTenGigabytes(t *testing.T) {
	size := int64(10_000_000_000)
	if raceDetector {
		size /= 20
	}
	var sent atomic.Int64
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		buf := make([]byte, 256<<10)
		for n := int64(0); n < size; {
			m, err := w.Write(buf[:min(int64(len(buf)), size-n)])
			n += int64(m)
			sent.Add(int64(m))
			if err != nil {
				return
			}
		}
	})
	other := newBackend(t, tooltest.Answers("application/json", "{}"))
	generous := tool("generous", b.URL)
	generous.MaxSize = 1 << 40
	for _, cached := range []bool{false, true} {
		t.Run(fmt.Sprintf("over the limit, cached %t", cached), func(t *testing.T) {
			var cfg Config
			if cached {
				cfg.Cache = newCache(t, cache.Config{})
			}
			e := newEdge(t, cfg, tool("large", b.URL), tool("other", other.URL))
			before := sent.Load()
			n, err := e.drain(t, "/.tools/large/x")
			if n > defaultMaxSize || err == nil {
				t.Errorf("got %d bytes, %v", n, err)
			}
			if got := sent.Load() - before; got > defaultMaxSize+64<<20 { // what was on the way
				t.Errorf("the tool got rid of %d bytes", got)
			}
			if got := e.observed(t, 1); got[0] != "large "+outcomes.TooLarge {
				t.Errorf("observed %q", got)
			}
			e.wantUnaffected(t)
		})
	}
	t.Run("within the limit", func(t *testing.T) {
		e := newEdge(t, Config{Cache: newCache(t, cache.Config{})}, generous, tool("other", other.URL))
		before := heapInUse()
		done := make(chan struct{})
		go func() {
			defer close(done)
			if n, err := e.drain(t, "/.tools/generous/x"); n != size || err != nil {
				t.Errorf("got %d bytes, %v", n, err)
			}
		}()
		for tick := time.NewTicker(200 * time.Millisecond); ; {
			select {
			case <-done:
				return
			case <-tick.C:
				wantHeap(t, before, 96<<20)
				e.wantUnaffected(t)
			}
		}
	})
}

// drain reads an answer and counts it.
func (e *edge) drain(t *testing.T, path string) (int64, error) {
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(newRequest(t, e.URL+path))
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	return io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, make([]byte, 256<<10))
}

func newRequest(t *testing.T, address string) *http.Request {
	r, err := http.NewRequest("GET", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestToolsThatLieAboutLengths(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
	long := strings.Repeat("x", 100_000)
	for _, tc := range []struct {
		name, response string
		broken, gone   bool   // refused; or begun and broken off
		body           string // or all of it
	}{
		{"less than said", head + "Content-Length: 100001\r\n\r\n" + long, false, true, ""},
		{"far less than said", head + "Content-Length: 30000000\r\n\r\n" + long, false, true, ""},
		{"nothing of what was said", head + "Content-Length: 5\r\n\r\n", false, true, ""},
		{"more than said", head + "Content-Length: 5\r\n\r\n" + long, false, false, "xxxxx"},
		{"another answer behind", head + "Content-Length: 5\r\n\r\nxxxxx" + head + "Content-Length: 4\r\n\r\nevil", false, false, "xxxxx"},
		{"more than there can be", head + "Content-Length: 99999999999999999999\r\n\r\n" + long, true, false, ""},
		{"over the limit", head + "Content-Length: 9223372036854775807\r\n\r\n" + long, true, false, ""},
		{"negative", head + "Content-Length: -5\r\n\r\n" + long, true, false, ""},
		{"words", head + "Content-Length: many\r\n\r\n" + long, true, false, ""},
		{"a sign", head + "Content-Length: +5\r\n\r\n" + long, true, false, ""},
		{"hexadecimal", head + "Content-Length: 0x5\r\n\r\n" + long, true, false, ""},
		{"two lengths", head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + long, true, false, ""},
		{"two lengths in one", head + "Content-Length: 5, 6\r\n\r\n" + long, true, false, ""},
		{"chunks and a length", head + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nxxxxx\r\n0\r\n\r\n", false, false, "xxxxx"},
		{"two codings", head + "Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nxxxxx\r\n0\r\n\r\n", true, false, ""},
		{"an unheard-of coding", head + "Transfer-Encoding: zip\r\n\r\n" + long, true, false, ""},
		{"a chunk larger than it is", head + "Transfer-Encoding: chunked\r\n\r\nffff\r\nxxxxx\r\n0\r\n\r\n", false, true, ""},
		{"a chunk smaller than it is", head + "Transfer-Encoding: chunked\r\n\r\n2\r\nxxxxx\r\n0\r\n\r\n", false, true, ""},
		{"a huge chunk", head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx", false, true, ""},
		{"a negative chunk", head + "Transfer-Encoding: chunked\r\n\r\n-5\r\nxxxxx\r\n0\r\n\r\n", false, true, ""},
		{"no last chunk", head + "Transfer-Encoding: chunked\r\n\r\n5\r\nxxxxx\r\n", false, true, ""},
		{"an endless extension", head + "Transfer-Encoding: chunked\r\n\r\n5;" + strings.Repeat("x", 1<<20) + "\r\nxxxxx\r\n0\r\n\r\n", false, true, ""},
		{"endless trailers", head + "Transfer-Encoding: chunked\r\n\r\n5\r\nxxxxx\r\n0\r\n" + strings.Repeat("X: y\r\n", 1<<17) + "\r\n", false, true, ""},
	} {
		for _, cached := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, cached %t", tc.name, cached), func(t *testing.T) {
				other := newBackend(t, tooltest.Answers("application/json", "{}"))
				cfg := Config{}
				if cached {
					cfg.Cache = newCache(t, cache.Config{})
				}
				e := newEdge(t, cfg, tool("lies", says(t, tc.response), noticeboard.Data), tool("other", other.URL))
				before := heapInUse()
				var asking sync.WaitGroup
				for range 10 {
					asking.Go(func() {
						a := e.do(t, "GET", "/.tools/lies/x", "empty")
						switch {
						case tc.broken && a.status != 502,
							tc.gone && a.status == 200 && a.err == nil,
							!tc.broken && !tc.gone && (a.status != 200 || a.body != tc.body || a.err != nil):
							t.Errorf("got %d, %d bytes, %v", a.status, len(a.body), a.err)
						}
					})
				}
				asking.Wait()
				wantHeap(t, before, 64<<20)
				e.wantUnaffected(t)
			})
		}
	}
}
