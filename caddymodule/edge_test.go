package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
)

// edge is a real Caddy in this process, with its files in a directory of its own.
type edge struct {
	dir, log, admin, site string // site is host:port
}

// place is an edge that isn't started yet.
func place(t testing.TB) *edge {
	t.Helper()
	e := &edge{dir: t.TempDir(), admin: freePort(t), site: freePort(t)}
	e.log = filepath.Join(e.dir, "edge.log")
	return e
}

// newEdge starts Caddy. In the Caddyfile, {SITE} is a free host:port, {PORT} its port, {DIR} the
// directory; {GLOBAL} stands for the global options that every test wants.
func newEdge(t *testing.T, caddyfile string) *edge {
	t.Helper()
	e := place(t)
	e.load(t, caddyfile)
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
		// A config that ended while a look-up was under way closes its files after that.
		eventually(t, "the audit log to be closed", func() bool { return len(pool.Left("audit logs")) == 0 })
	})
	return e
}

func (e *edge) expand(caddyfile string) string {
	return strings.NewReplacer(
		"{GLOBAL}", "admin "+e.admin+"\nstorage file_system "+e.dir+`/storage
			persist_config off
			skip_install_trust
			auto_https off
			grace_period 1s
			log {
				output file `+e.log+`
				format masked json
				level DEBUG
			}`,
		"{SITE}", e.site, "{PORT}", e.port(), "{DIR}", e.dir,
	).Replace(caddyfile)
}

func (e *edge) port() string { return e.site[strings.LastIndexByte(e.site, ':')+1:] }

func (e *edge) load(t *testing.T, caddyfile string) {
	t.Helper()
	before := listeners(t, e.port())
	if err := caddy.Load(adapt(t, e.expand(caddyfile)), true); err != nil {
		t.Fatalf("loading: %v", err)
	}
	settled(t)
	// What connects while the listener of the config before is being closed may be cut off.
	// These tables are no snapshot: one that changes meanwhile may lack a socket that is there, so three looks must agree.
	agreed := 0
	for end := time.Now().Add(2 * time.Second); before > 0 && agreed < 3 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if agreed++; listeners(t, e.port()) > before {
			agreed = 0
		}
	}
}

// overReload tries again what met the end of a listener of the config before, see TestReloadsUnderLoad.
func overReload[T any](do func() (T, error)) (value T, err error) {
	for range 5 {
		if value, err = do(); err == nil {
			break
		}
	}
	return value, err
}

// listeners counts the sockets that listen on a port.
func listeners(t *testing.T, port string) (n int) {
	t.Helper()
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	// What has been closed stands in these tables for a minute too, which makes them long.
	for table, nobody := range map[string]string{"/proc/net/tcp": strings.Repeat("0", 8), "/proc/net/tcp6": strings.Repeat("0", 32)} {
		data, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		n += bytes.Count(data, fmt.Appendf(nil, ":%04X %s:0000 0A ", number, nobody))
	}
	return n
}

// settled waits until the config is the one that runs, and what it does then is done.
func settled(t testing.TB) {
	t.Helper()
	if app, err := caddy.ActiveContext().AppIfConfigured("wikiveil"); err == nil {
		eventually(t, "the config in use", app.(interface{ Settled() bool }).Settled)
	}
}

// writeConfig writes the edge's config to a file, for commands.
func writeConfig(t *testing.T, e *edge, caddyfile string) string {
	t.Helper()
	file := filepath.Join(e.dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(e.expand(caddyfile)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// loadErr loads a config that may be refused.
func loadErr(t *testing.T, caddyfile string) error {
	t.Helper()
	return caddy.Load(adapt(t, caddyfile), true)
}

func adapt(t *testing.T, caddyfile string) []byte {
	t.Helper()
	config, _, err := adaptWarnings(caddyfile)
	if err != nil {
		t.Fatalf("adapting: %v", err)
	}
	return config
}

var adapting sync.Mutex

// adaptWarnings adapts a Caddyfile as commands do, from a file, and returns all warnings, those that are logged too.
func adaptWarnings(caddyfile string) ([]byte, []caddyconfig.Warning, error) {
	dir, err := os.MkdirTemp("", "caddyfile")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(caddyfile), 0o600); err != nil {
		return nil, nil, err
	}
	adapting.Lock() // Log is for all
	defer adapting.Unlock()
	core, logs := observer.New(zap.WarnLevel)
	defer func(before func() *zap.Logger) { configcheck.Log = before }(configcheck.Log)
	configcheck.Log = func() *zap.Logger { return zap.New(core) }
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": file})
	if err != nil {
		err = errors.New(strings.ReplaceAll(err.Error(), dir+"/", ""))
	}
	for _, entry := range logs.All() {
		said := entry.ContextMap()
		warnings = append(warnings, caddyconfig.Warning{File: filepath.Base(said["file"].(string)), Line: int(said["line"].(int64)), Message: entry.Message})
	}
	return config, warnings, err
}

// validate does what `wikiveil validate` does.
func validate(t *testing.T, caddyfile string) error {
	t.Helper()
	e := place(t)
	data, _, err := adaptWarnings(e.expand(caddyfile))
	if err != nil {
		return err
	}
	var config caddy.Config
	if err := json.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	return caddy.Validate(&config)
}

// validateConfig validates a config in JSON. One that says nothing of logs gets them masked.
func validateConfig(config *caddy.Config) error {
	if config.Logging == nil {
		config.Logging = &caddy.Logging{Logs: map[string]*caddy.CustomLog{
			caddy.DefaultLoggerName: {BaseLog: caddy.BaseLog{EncoderRaw: json.RawMessage(`{"format": "masked"}`)}},
		}}
	}
	return caddy.Validate(config)
}

// readLog returns all that was logged so far.
func (e *edge) readLog(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(e.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// metric returns the value of a series as text, empty if there is none.
func (e *edge) metric(t *testing.T, series string) string {
	t.Helper()
	_, body := send(t, http.DefaultClient, "GET", "http://"+e.admin+"/metrics", nil)
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), series+" "); ok {
			return value
		}
	}
	return ""
}

var nextPort atomic.Int32

// freePort returns a free host:port. The ports are below those that the kernel gives
// to outgoing connections, which would otherwise take one before Caddy does.
func freePort(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := 10000 + (os.Getpid()*37+int(nextPort.Add(1)))%20000
		if l, err := net.Listen("tcp", fmt.Sprintf(":%d", port)); err == nil {
			l.Close()
			return fmt.Sprintf("127.0.0.1:%d", port)
		}
	}
	t.Fatal("no free port")
	return ""
}

// from returns an HTTP client whose connections come from a loopback address.
func from(t *testing.T, source string) *http.Client {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: 5 * time.Second}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, addr)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport: transport, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// send does a request and returns the response with its body read.
func send(t *testing.T, client *http.Client, method, url string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		if name == "Host" {
			r.Host = values[0]
		}
		r.Header[name] = values
	}
	return exchange(t, client, r)
}

// exchange does a request and returns the response with its body read.
func exchange(t *testing.T, client *http.Client, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// app is a backend that keeps what it was sent.
type app struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

func newApp(t *testing.T, answer http.HandlerFunc) *app {
	t.Helper()
	a := new(app)
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.keep(r)
		if answer != nil {
			answer(w, r)
			return
		}
		fmt.Fprint(w, "the app")
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *app) keep(r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = append(a.requests, r)
}

func (a *app) address() string { return a.Listener.Addr().String() }

// take returns the requests since the last call.
func (a *app) take() []*http.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	requests := a.requests
	a.requests = nil
	return requests
}

// one returns the one request since the last call.
func (a *app) one(t *testing.T) *http.Request {
	t.Helper()
	requests := a.take()
	if len(requests) != 1 {
		t.Fatalf("the app got %d requests, want 1", len(requests))
	}
	return requests[0]
}
