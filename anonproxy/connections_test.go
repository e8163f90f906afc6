package anonproxy

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// connLog is a tool that notes which of its connections each request came by.
type connLog struct {
	*httptest.Server
	mu    sync.Mutex
	conns map[string]bool                // by their addresses
	came  map[string]string              // paths
	crowd atomic.Pointer[sync.WaitGroup] // whose requests are answered once all of them are here
}

func newConnLog(t *testing.T, h2 bool) *connLog {
	l := &connLog{conns: make(map[string]bool), came: make(map[string]string)}
	l.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		l.conns[r.RemoteAddr] = true
		l.came[r.URL.Path] = r.RemoteAddr
		l.mu.Unlock()
		if crowd := l.crowd.Load(); crowd != nil {
			crowd.Done()
			crowd.Wait()
		}
		if h2 != (r.ProtoMajor == 2) {
			t.Errorf("asked by %s", r.Proto)
		}
		// Without a body: its connection is free before the reader has the answer.
		w.WriteHeader(http.StatusNoContent)
	}))
	if l.EnableHTTP2 = h2; h2 {
		l.StartTLS()
	} else {
		l.Start()
	}
	t.Cleanup(l.Close)
	return l
}

// TestNoConnectionIsAReaders: two readers, each on connections of their own and from
// another address, with another cookie and user agent, take turns, and all that
// they ask goes to the tool over one connection.
func TestNoConnectionIsAReaders(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("h2=%t", h2), func(t *testing.T) {
			l := newConnLog(t, h2)
			declared := tool("maps", l.URL)
			e := newEdge(t, Config{Reader: func(r *http.Request) Reader { return Reader{Client: r.RemoteAddr} }}, declared)
			if h2 {
				trust(e, "maps", l.Certificate())
			}
			ask := func(reader, n int) {
				client := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(10+reader))}}).DialContext}
				defer client.CloseIdleConnections()
				r, _ := http.NewRequest("GET", fmt.Sprintf("%s/.tools/maps/%d/%d", e.URL, reader, n), nil)
				for name, value := range map[string]string{
					"Cookie": fmt.Sprint("session=", reader), "User-Agent": fmt.Sprint("browser ", reader),
					"Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin",
				} {
					r.Header.Set(name, value)
				}
				res, err := client.RoundTrip(r)
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
				if res.StatusCode != http.StatusNoContent {
					t.Errorf("got %s", res.Status)
				}
			}
			for n := range 20 {
				ask(n%2, n)
			}
			if len(l.conns) != 1 || len(l.came) != 20 {
				t.Fatalf("%d requests of two readers who take turns came over %d connections", len(l.came), len(l.conns))
			}
			// Many at once may need more. Whose was opened for whom says nothing
			// afterwards: who asks next takes any of them. They wait for each other at the tool, so
			// that no connection is still being opened when they are done.
			var crowd, arrived sync.WaitGroup
			arrived.Add(8)
			l.crowd.Store(&arrived)
			for n := range 8 {
				crowd.Go(func() { ask(n%2, 100+n) })
			}
			crowd.Wait()
			l.crowd.Store(nil)
			if h2 && len(l.conns) != 1 {
				t.Errorf("%d connections by HTTP/2", len(l.conns))
			}
			opened := len(l.conns)
			used := make(map[string]map[int]bool)
			for n := range 20 {
				ask(n%2, 200+n)
				conn := l.came[fmt.Sprintf("/%d/%d", n%2, 200+n)]
				if used[conn] == nil {
					used[conn] = make(map[int]bool)
				}
				used[conn][n%2] = true
			}
			if len(l.conns) != opened {
				t.Errorf("%d new connections for readers who take turns", len(l.conns)-opened)
			}
			for conn, readers := range used {
				if len(readers) != 2 {
					t.Errorf("of two readers one alone used %s", conn)
				}
			}
		})
	}
}
