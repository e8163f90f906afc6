package anonproxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// BenchmarkCacheHit is the handler alone, as BenchmarkProxy measures it.
func BenchmarkCacheHit(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		proxy := benchProxy(b, size, newCache(b, cache.Config{}))
		for _, parallel := range []int{8, 64} {
			b.Run(fmt.Sprintf("%dKiB/parallel=%d", size>>10, parallel), func(b *testing.B) { benchmark(b, proxy, parallel) })
		}
	}
}

func benchProxy(b *testing.B, size int, c *cache.Cache) *Proxy {
	answer := cacheable("application/json", strings.Repeat("x", size))
	back := newBackend(b, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(size))
		answer(w, r)
	})
	board, err := noticeboard.New([]*noticeboard.Tool{tool("maps", back.URL)})
	if err != nil {
		b.Fatal(err)
	}
	proxy, err := New(board, Config{Cache: c})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = proxy.Close() })
	return proxy
}

// BenchmarkCacheOverSockets asks by 64 kept connections with and without a cache in
// turn, the tool on loopback, and tells the ratio of requests a second.
func BenchmarkCacheOverSockets(b *testing.B) {
	const connections = 64
	for _, size := range []int{1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			var conns [2][]*client
			for i, c := range []*cache.Cache{nil, newCache(b, cache.Config{})} {
				server := httptest.NewServer(benchProxy(b, size, c))
				defer server.Close()
				for range connections {
					conns[i] = append(conns[i], dial(b, server.Listener.Addr().String()))
				}
				run(b, conns[i], 2*connections) // warm
			}
			b.ReportAllocs()
			b.ResetTimer()
			var took [2]time.Duration
			const rounds = 10
			for range rounds {
				for i := range conns {
					start := time.Now()
					run(b, conns[i], max(connections, b.N/rounds))
					took[i] += time.Since(start)
				}
			}
			b.StopTimer()
			for i := range conns {
				for _, c := range conns[i] {
					c.Close()
				}
			}
			n := float64(rounds * max(connections, b.N/rounds))
			b.ReportMetric(n/took[0].Seconds(), "plain-req/s")
			b.ReportMetric(n/took[1].Seconds(), "cached-req/s")
			b.ReportMetric(took[0].Seconds()/took[1].Seconds(), "ratio")
		})
	}
}

type client struct {
	net.Conn
	r *bufio.Reader
}

func dial(b *testing.B, address string) *client {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	return &client{conn, bufio.NewReaderSize(conn, 64<<10)}
}

// run sends n requests over all the connections.
func run(b *testing.B, clients []*client, n int) {
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				_, _ = io.WriteString(c, "GET /.tools/maps/path?query HTTP/1.1\r\nHost: wiki\r\nCookie: a=b; c=d\r\nSec-Fetch-Dest: empty\r\n"+
					"Sec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\r\n")
				if err := c.answer(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// answer reads an answer of known length, with little work of its own.
func (c *client) answer() error {
	for length := 0; ; {
		line, err := c.r.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case length == 0 && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")):
			return fmt.Errorf("got %q", line)
		case len(line) == 2:
			_, err := c.r.Discard(length)
			return err
		}
		length = max(length, 1)
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
}
