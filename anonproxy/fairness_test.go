package anonproxy

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// dripping is a tool whose answers begin at once and end when the test lets them.
func dripping(t *testing.T, control string) (*backend, func()) {
	release := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Cache-Control", control)
		w.Header().Set("Content-Length", fmt.Sprint(1<<20))
		if r.URL.Path != "/quick" {
			_, _ = io.WriteString(w, "begun")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-release:
			case <-r.Context().Done():
				return
			}
		}
		_, _ = io.CopyN(w, zeroReader{}, 1<<20-5)
	})
	return b, func() { close(release) }
}

// A client that leaves when a response that is kept has begun leaves a fetch behind, which still counts as
// its own: else one client could take up all that a tool does at one time.
func TestLeftFetchesCountForTheirClient(t *testing.T) {
	b, release := dripping(t, "max-age=60")
	defer release()
	const concurrent = 8 // of which one client may have 2
	e := newEdge(t, Config{Reader: masksOf, Concurrent: concurrent, Cache: newCache(t, cache.Config{Hold: 1})}, tool("maps", b.URL))
	e.proxy.cfg.Timeout = time.Minute
	for i := range concurrent {
		ctx, leave := context.WithTimeout(t.Context(), 200*time.Millisecond)
		r, _ := http.NewRequestWithContext(ctx, "GET", e.URL+fmt.Sprint("/.tools/maps/", i), nil)
		asking("alice")(r)
		if res, err := http.DefaultTransport.RoundTrip(r); err == nil {
			_, _ = io.ReadFull(res.Body, make([]byte, 1))
			leave()
			res.Body.Close()
		}
		leave()
	}
	if n := b.hits.Load(); n != concurrent/4 {
		t.Errorf("one client has %d fetches of %d under way", n, concurrent)
	}
}

// A reader who takes nothing of the response holds a place at the tool no longer than a request may take.
func TestReaderWhoTakesNothing(t *testing.T) {
	withAndWithoutCache(t, func(t *testing.T, cfg Config) {
		b := narrow(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			if r.URL.Path == "/small" {
				tooltest.Answers("text/plain", "x")(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.CopyN(w, zeroReader{}, 30<<20)
		})
		cfg.Reader, cfg.Concurrent = masksOf, 1
		declared := tool("maps", b.URL)
		declared.Timeout = noticeboard.Duration(time.Second)
		e := newEdge(t, cfg, declared)
		front := narrow(t, e.proxy.ServeHTTP)
		conn, err := net.Dial("tcp", front.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = fmt.Fprintf(conn, "GET /.tools/maps/large HTTP/1.1\r\nHost: wiki\r\n%s: alice\r\n\r\n", readerHeader)
		if _, err := io.ReadFull(conn, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		testutil.Eventually(t, "another reader's answer", func() bool {
			return e.do(t, "GET", "/.tools/maps/small", "empty", asking("bob")).status == 200
		})
	})
}

// Sites that share a tool and allow it different numbers don't forget what a client has under way.
func TestClientsSlotsAtTwoSites(t *testing.T) {
	g := newGate()
	_, one := g.client("alice", 2)
	one.free.TryAcquire(2)
	if _, other := g.client("alice", 3); other.size != 3 {
		t.Errorf("the other site gives %d", other.size)
	}
	if _, again := g.client("alice", 2); again != one {
		t.Error("the client may begin anew")
	}
}

// Whatever becomes of requests, their places are given back, once.
func TestPlacesAreGivenBack(t *testing.T) {
	withAndWithoutCache(t, func(t *testing.T, cfg Config) {
		b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
			n := len(r.URL.Path) + len(r.URL.RawQuery)
			w.Header().Set("Cache-Control", []string{"no-store", "max-age=60", "max-age=0, stale-while-revalidate=60", "no-cache"}[n%4])
			w.Header().Set("ETag", `"1"`)
			w.Header().Set("Content-Type", "text/plain")
			time.Sleep(time.Duration(rand.N(4)) * time.Millisecond)
			_, _ = io.WriteString(w, "some")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Duration(rand.N(4)) * time.Millisecond)
			if rand.N(5) == 0 {
				panic(http.ErrAbortHandler)
			}
			_, _ = io.CopyN(w, zeroReader{}, 300<<10)
		})
		cfg.Reader, cfg.Concurrent = masksOf, 16
		e := newEdge(t, cfg, tool("maps", b.URL))
		var work sync.WaitGroup
		for i := range 12 {
			work.Go(func() {
				for range 60 {
					ctx, leave := context.WithTimeout(t.Context(), time.Duration(rand.N(12))*time.Millisecond)
					r, _ := http.NewRequestWithContext(ctx, []string{"GET", "GET", "HEAD"}[rand.N(3)], e.URL+"/.tools/maps/"+strings.Repeat("x", rand.N(8)), nil)
					asking(fmt.Sprint("reader", i%3))(r)
					if rand.N(4) == 0 {
						r.Header.Set("Range", "bytes=100-200")
					}
					if res, err := http.DefaultTransport.RoundTrip(r); err == nil {
						_, _ = io.CopyN(io.Discard, res.Body, int64(rand.N(400<<10)))
						res.Body.Close()
					}
					leave()
				}
			})
		}
		work.Wait()
		defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		up := e.proxy.upstreams()["maps"]
		free := func(s *slots) {
			testutil.Eventually(t, "places that are free", func() bool { return s.free.TryAcquire(int64(s.size)) })
			if s.free.TryAcquire(1) {
				t.Error("a place was given back twice")
			}
		}
		free(up.slots)
		for i := range 3 {
			_, s := up.gate.client(fmt.Sprint("reader", i), up.share)
			free(s)
		}
	})
}
