package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/wikiveil/wikiveil/bench/internal/peers"
)

const (
	pageSize = 10 << 10
	longSize = 512 << 10
	// numberField names the client to the wiki, so that it can tell whether two have one mask. It is no address.
	numberField = "Soak-Client"
)

// receiver is a server behind the edge that looks through all it is sent.
type receiver struct {
	*httptest.Server
	name   string
	finder *finder
	fail   func(string, ...any)
}

func newReceiver(name string, f *finder, fail func(string, ...any), answer http.Handler) *receiver {
	r := &receiver{name: name, finder: f, fail: fail}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.look(req)
		answer.ServeHTTP(w, req)
	}))
	return r
}

func (r *receiver) look(req *http.Request) {
	head, err := httputil.DumpRequest(req, false)
	if err != nil {
		r.fail("the %s can't read a request: %v", r.name, err)
		return
	}
	if found := r.finder.find(string(head)); found != "" {
		r.fail("the %s got a client's address, %s, in:\n%s", r.name, found, head)
	}
}

// address is host:port.
func (r *receiver) address() string { return r.Listener.Addr().String() }

// closeIdle ends connections without a request, and takes new ones.
func (r *receiver) closeIdle() {
	r.Config.SetKeepAlivesEnabled(false)
	r.Config.SetKeepAlivesEnabled(true)
}

// masks knows whose they are.
type masks struct {
	mu    sync.Mutex
	owner map[string]string
}

// check wants each request to have the mask of one client alone.
func (m *masks) check(r *http.Request) error {
	mask, client := r.Header.Get("Client-Mask"), r.Header.Get(numberField)
	addr, err := netip.ParseAddr(mask)
	if err != nil || !netip.MustParsePrefix("2001:2f::/32").Contains(addr) {
		return fmt.Errorf("the wiki got the mask %q", mask)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if owner, known := m.owner[mask]; known && owner != client {
		return fmt.Errorf("clients %s and %s have one mask, %s", owner, client, mask)
	}
	m.owner[mask] = client
	return nil
}

func newWiki(f *finder, fail func(string, ...any)) *receiver {
	known := &masks{owner: make(map[string]string)}
	page, long := strings.Repeat("<p>text</p>\n", pageSize/12), strings.Repeat("0123456789abcde\n", longSize/16)
	mux := http.NewServeMux()
	mux.HandleFunc("/wiki/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, page)
	})
	mux.HandleFunc("/long", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, long) })
	mux.HandleFunc("/edit", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the client may leave
	})
	mux.HandleFunc("/events", serveEvents)
	mux.HandleFunc("/socket", serveSocket)
	return newReceiver("wiki", f, fail, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := known.check(r); err != nil {
			fail("%v", err)
		}
		mux.ServeHTTP(w, r)
	}))
}

func newTool(f *finder, fail func(string, ...any)) (*receiver, error) {
	image, err := peers.NewTool(2000)
	if err != nil {
		return nil, err
	}
	return newReceiver("tool", f, fail, image), nil
}

// events is how many an event stream has.
const events = 8

func serveEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for n := range events {
		fmt.Fprintf(w, "data: %d\n\n", n)
		_ = http.NewResponseController(w).Flush() // it fails where the client left
		if !sleep(r.Context(), 100*time.Millisecond) {
			return
		}
	}
}

// serveSocket echoes what comes over an upgraded connection.
func serveSocket(w http.ResponseWriter, _ *http.Request) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	lines := bufio.NewScanner(buffered)
	for lines.Scan() {
		if _, err := fmt.Fprintln(conn, lines.Text()); err != nil {
			return
		}
	}
}
