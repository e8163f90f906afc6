// Package edgetest has what tests of several packages of the edge need: an edge in the test's own process, apps behind it,
// clients before it, and what they look for. Only tests import it, and it imports none of those packages.
package edgetest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// Day is how long keys and records count in.
const Day = 24 * time.Hour

// Edge is a real Caddy in this process, with its files in a directory of its own.
type Edge struct {
	Dir, Log, Admin, Site string // site is host:port
}

// Place is an edge that isn't started yet.
func Place(t testing.TB) *Edge {
	t.Helper()
	e := &Edge{Dir: t.TempDir(), Admin: FreePort(t), Site: FreePort(t)}
	e.Log = filepath.Join(e.Dir, "edge.log")
	return e
}

// New starts Caddy. In the Caddyfile, {SITE} is a free host:port, {PORT} its port, {DIR} the
// directory; {GLOBAL} stands for the global options that every test wants.
func New(t testing.TB, caddyfile string) *Edge {
	t.Helper()
	e := Place(t)
	e.Load(t, caddyfile)
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
		// A config that ended while a look-up was under way closes its files, and the key ring, after that.
		testutil.Eventually(t, "all to be let go", func() bool { return len(pool.Left()) == 0 })
	})
	return e
}

// Expand fills a Caddyfile in, see [New].
func (e *Edge) Expand(caddyfile string) string {
	return strings.NewReplacer(
		"{GLOBAL}", "admin "+e.Admin+"\nstorage file_system "+e.Dir+`/storage
			persist_config off
			skip_install_trust
			auto_https off
			grace_period 1s
			log {
				output file `+e.Log+`
				format masked json
				level DEBUG
			}`,
		"{SITE}", e.Site, "{PORT}", e.Port(), "{DIR}", e.Dir,
	).Replace(caddyfile)
}

// Port is the site's.
func (e *Edge) Port() string { return e.Site[strings.LastIndexByte(e.Site, ':')+1:] }

// Load has a Caddyfile be the running config, and waits until it is.
func (e *Edge) Load(t testing.TB, caddyfile string) {
	t.Helper()
	before := Listeners(t, e.Port())
	if err := caddy.Load(Adapt(t, e.Expand(caddyfile)), true); err != nil {
		t.Fatalf("loading: %v", err)
	}
	Settled(t)
	// What connects while the listener of the config before is being closed may be cut off.
	// These tables are no snapshot: one that changes meanwhile may lack a socket that is there, so three looks must agree.
	agreed := 0
	for end := time.Now().Add(2 * time.Second); before > 0 && agreed < 3 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if agreed++; Listeners(t, e.Port()) > before {
			agreed = 0
		}
	}
}

// Listeners counts the sockets that listen on a port.
func Listeners(t testing.TB, port string) (n int) {
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

// Settled waits until the config is the one that runs, and what it does then is done.
func Settled(t testing.TB) {
	t.Helper()
	if app, err := caddy.ActiveContext().AppIfConfigured("wikiveil"); err == nil {
		testutil.Eventually(t, "the config in use", app.(interface{ Settled() bool }).Settled)
	}
}

// WriteConfig writes the edge's config to a file, for commands.
func (e *Edge) WriteConfig(t testing.TB, caddyfile string) string {
	t.Helper()
	file := filepath.Join(e.Dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(e.Expand(caddyfile)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// ReadFile returns what is in a file of the edge's directory; if there is none, nothing.
func (e *Edge) ReadFile(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(e.Dir, name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(data)
}

// ReadLog returns all that was logged so far.
func (e *Edge) ReadLog(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile(e.Log)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var nextPort atomic.Int32

// FreePort returns a free host:port. The ports are below those that the kernel gives
// to outgoing connections, which would otherwise take one before Caddy does.
func FreePort(t testing.TB) string {
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
