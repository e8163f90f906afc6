package anonproxy

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// BenchmarkProxy compares the proxy with a bare httputil.ReverseProxy that has
// as many idle connections, before the same server and without a client's
// server in front of either.
func BenchmarkProxy(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		back := newBackend(b, tooltest.Answers("application/json", strings.Repeat("x", size)))
		board, err := noticeboard.New([]*noticeboard.Tool{tool("maps", back.URL)})
		if err != nil {
			b.Fatal(err)
		}
		proxy, err := New(board, Config{})
		if err != nil {
			b.Fatal(err)
		}
		origin, err := url.Parse(back.URL)
		if err != nil {
			b.Fatal(err)
		}
		plain := httputil.NewSingleHostReverseProxy(origin)
		transport := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
		plain.Transport = transport
		plain.BufferPool = bufferPool{}
		for _, parallel := range []int{8, 64} {
			for _, handler := range []struct {
				name string
				http.Handler
			}{{"anonproxy", proxy}, {"ReverseProxy", plain}} {
				b.Run(fmt.Sprintf("%dKiB/parallel=%d/%s", size>>10, parallel, handler.name), func(b *testing.B) {
					benchmark(b, handler, parallel)
				})
			}
		}
		transport.CloseIdleConnections()
		if err := proxy.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmark(b *testing.B, handler http.Handler, parallel int) {
	r, err := http.NewRequest("GET", "http://wiki/.tools/maps/path?query", nil)
	if err != nil {
		b.Fatal(err)
	}
	for name, value := range map[string]string{
		"Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Cookie": "a=b; c=d",
		"User-Agent": "Mozilla/5.0", "Accept": "*/*", "Accept-Language": "en", "Accept-Encoding": "gzip", "Referer": "http://wiki/",
	} {
		r.Header.Set(name, value)
	}
	r.RemoteAddr = "127.0.0.1:1"
	b.ReportAllocs()
	b.SetParallelism(max(1, parallel/runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			w := &discarder{header: make(http.Header, 16)}
			handler.ServeHTTP(w, r)
			if w.status != http.StatusOK || w.size == 0 {
				b.Errorf("got %d and %d bytes", w.status, w.size)
				return
			}
		}
	})
}

// bufferPool gives the bare proxy what ours has.
type bufferPool struct{}

func (bufferPool) Get() []byte { return buffers.Get().(*[32 << 10]byte)[:] }

func (bufferPool) Put(b []byte) { buffers.Put((*[32 << 10]byte)(b)) }

// discarder takes an answer and keeps nothing.
type discarder struct {
	header       http.Header
	status, size int
}

func (d *discarder) Header() http.Header { return d.header }

func (d *discarder) WriteHeader(status int) { d.status = status }

func (d *discarder) Flush() {}

func (d *discarder) Write(p []byte) (int, error) {
	d.size += len(p)
	return len(p), nil
}
