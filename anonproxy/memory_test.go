package anonproxy

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// entry is a line of a tool's log.
type entry struct {
	at   time.Time
	done time.Time
	path string
	conn int
	head bool
}

// memoryTool is a tool's server in memory, for tests in a bubble of time. It answers
// data that may be kept for an hour, unless told otherwise.
type memoryTool struct {
	answer func(w http.ResponseWriter, r *http.Request)

	mu       sync.Mutex
	log      []entry
	conns    int
	accepted chan net.Conn
	closed   chan struct{}
	server   *http.Server
	serving  sync.WaitGroup
}

type connKey struct{}

func newMemoryTool(t *testing.T, answer http.HandlerFunc) *memoryTool {
	m := &memoryTool{answer: answer, accepted: make(chan net.Conn), closed: make(chan struct{})}
	m.server = &http.Server{
		Handler: http.HandlerFunc(m.serve),
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.conns++
			return context.WithValue(ctx, connKey{}, m.conns)
		},
	}
	go func() { _ = m.server.Serve(m) }()
	t.Cleanup(func() {
		m.server.Close()
		m.serving.Wait()
	})
	return m
}

func (m *memoryTool) serve(w http.ResponseWriter, r *http.Request) {
	m.serving.Add(1)
	defer m.serving.Done()
	e := entry{at: time.Now(), path: r.RequestURI, conn: r.Context().Value(connKey{}).(int), head: r.Method == http.MethodHead}
	if m.answer != nil {
		m.answer(w, r)
	} else {
		keepable(time.Hour)(w, r)
	}
	e.done = time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = append(m.log, e)
}

// keepable answers data, or an image, that may be kept for a time.
func keepable(lifetime time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", fmt.Sprintf("max-age=%d", int(lifetime.Seconds())))
		if strings.HasPrefix(r.Header.Get("Accept"), "image/") {
			w.Header().Set("Content-Type", "image/png")
		}
		_, _ = io.WriteString(w, "{}")
	}
}

// entries are what the tool was asked, by time.
func (m *memoryTool) entries() []entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Clone(m.log)
	slices.SortStableFunc(list, func(a, b entry) int { return a.at.Compare(b.at) })
	return list
}

func (m *memoryTool) count() int { return len(m.entries()) }

// Accept implements net.Listener.
func (m *memoryTool) Accept() (net.Conn, error) {
	select {
	case c := <-m.accepted:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (m *memoryTool) Close() error {
	close(m.closed)
	return nil
}

// Addr implements net.Listener.
func (m *memoryTool) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// transport is a real one but for where it connects.
func (m *memoryTool) transport(t *testing.T, tool *noticeboard.Tool) *Transport {
	transport := NewTransport(tool)
	transport.HTTP.DialContext = func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		select {
		case m.accepted <- there:
			return here, nil
		case <-m.closed:
			return nil, net.ErrClosed
		}
	}
	t.Cleanup(transport.Close)
	return transport
}

// memoryEdge is a proxy for tools in memory.
type memoryEdge struct {
	*Proxy
	t    *testing.T
	logs *lockedBuffer
}

// newMemoryEdge makes a proxy whose tools are all the one in memory.
func newMemoryEdge(t *testing.T, m *memoryTool, c *cache.Cache, change func(*Config), tools ...*noticeboard.Tool) *memoryEdge {
	t.Helper()
	board, err := noticeboard.New(tools)
	if err != nil {
		t.Fatal(err)
	}
	e := &memoryEdge{t: t, logs: new(lockedBuffer)}
	cfg := Config{Cache: c, Logger: slog.New(slog.NewTextHandler(e.logs, nil))}
	cfg.Transport = func(tool *noticeboard.Tool) (*Transport, func()) { return m.transport(t, tool), func() {} }
	if change != nil {
		change(&cfg)
	}
	if e.Proxy, err = New(board, cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Proxy.Close() })
	return e
}

// asked is what a reader got, and how long it took.
type asked struct {
	status int
	body   string
	took   time.Duration
}

// ask asks as a reader's browser does for data, unless dest is something else.
func (e *memoryEdge) ask(ctx context.Context, method, path, dest string) asked {
	r := httptest.NewRequestWithContext(ctx, method, path, nil)
	r.Header.Set("Sec-Fetch-Dest", dest)
	r.Header.Set("Sec-Fetch-Mode", "cors")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w, start := httptest.NewRecorder(), time.Now()
	func() {
		defer func() { // what breaks off
			if v := recover(); v != nil && v != http.ErrAbortHandler {
				panic(v)
			}
		}()
		e.ServeHTTP(w, r)
	}()
	return asked{w.Code, w.Body.String(), time.Since(start)}
}

func (e *memoryEdge) get(path string) asked { return e.ask(e.t.Context(), "GET", path, "empty") }

// crowd has readers ask at the same time, and returns what they got in the end.
type crowd struct {
	wg  sync.WaitGroup
	mu  sync.Mutex
	got []asked
}

func (c *crowd) ask(ctx context.Context, e *memoryEdge, method, path, dest string) {
	c.wg.Go(func() {
		a := e.ask(ctx, method, path, dest)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got = append(c.got, a)
	})
}

func (c *crowd) all() []asked {
	c.wg.Wait()
	return c.got
}

// pagesTool is a tool for tests in memory.
func pagesTool(change func(*noticeboard.Tool)) *noticeboard.Tool {
	t := &noticeboard.Tool{Name: "pages", Origin: "http://127.0.0.1:1", AllowLoopback: true}
	if change != nil {
		change(t)
	}
	return t
}

// Interface guard
var _ net.Listener = (*memoryTool)(nil)
