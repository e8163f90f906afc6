//go:build integration

package integration

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// wikiHost is the wiki's name. Browsers resolve names under localhost to
// loopback addresses and trust their origins without TLS, and no address in it
// can be mistaken for a client's.
const wikiHost = "wiki.localhost"

// edgeConfig is what tests choose of an edge's Caddyfile.
type edgeConfig struct {
	global string // global options
	app    string // inside the wikiveil block
	site   string // inside the site block
	others string // site blocks beside it; EDGE stands for the edge's address
	// unmasked leaves out the log format, for the baselines of leak tests.
	unmasked bool
	// https serves the wiki over TLS, with a certificate that nobody vouches for.
	https bool
}

// edge is a real Caddy in this process. There can be one at a time.
type edge struct {
	url   string // of the wiki: scheme, host and port
	addr  string // that it listens at
	admin string // URL of the admin API
	dir   string // storage and logs
}

const edgeCaddyfile = `
{
	admin %[1]s
	auto_https off
	persist_config off
	skip_install_trust
	storage file_system %[2]s/storage
	log {
		output file %[2]s/logs/caddy.log
		format %[3]s
		level DEBUG
	}
	%[4]s
}

%[5]s {
	bind 127.0.0.1
	log {
		output file %[2]s/logs/access.log
		format %[3]s
	}
	%[6]s
}

%[7]s
`

// startEdge runs Caddy until the test ends.
func startEdge(t *testing.T, config edgeConfig) *edge {
	t.Helper()
	e := &edge{addr: freeAddr(t, "127.0.0.1"), dir: t.TempDir()}
	if err := os.Mkdir(filepath.Join(e.dir, "storage"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(e.addr)
	e.url = "http://" + wikiHost + ":" + port
	if config.https {
		e.url = "https://" + wikiHost + ":" + port
		config.site = wikiCertificate(t) + config.site
	}
	adminAddr := freeAddr(t, "127.0.0.1")
	e.admin = "http://" + adminAddr

	format, app := "masked json", ""
	if config.unmasked {
		format = "raw json"
	}
	if config.app != "" {
		app = "wikiveil {\n" + config.app + "\n}"
	}
	config.others = strings.ReplaceAll(config.others, "EDGE", e.addr)
	loadCaddyfile(t, fmt.Sprintf(edgeCaddyfile, adminAddr, e.dir, format, config.global+app, e.url, config.site, config.others))
	return e
}

// wikiCertificate returns the directive that gives the wiki a certificate.
func wikiCertificate(t *testing.T) string {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(toolPair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for kind, der := range map[string][]byte{"CERTIFICATE": toolPair.Certificate[0], "PRIVATE KEY": key} {
		file := filepath.Join(dir, strings.ReplaceAll(kind, " ", "-")+".pem")
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return "tls " + filepath.Join(dir, "CERTIFICATE.pem") + " " + filepath.Join(dir, "PRIVATE-KEY.pem") + "\n"
}

func loadCaddyfile(t *testing.T, caddyfile string) {
	t.Helper()
	reloadCaddyfile(t, caddyfile)
	t.Cleanup(func() { stopEdge(t) })
}

func reloadCaddyfile(t *testing.T, caddyfile string) {
	t.Helper()
	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").
		Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatalf("adapting: %v\n%s", err, caddyfile)
	}
	for _, warning := range warnings {
		if !strings.Contains(warning.Message, "not formatted") {
			t.Logf("adapting: %s", warning)
		}
	}
	if err := caddy.Load(adapted, true); err != nil {
		t.Fatalf("loading: %v\n%s", err, caddyfile)
	}
}

func stopEdge(t *testing.T) {
	if err := caddy.Stop(); err != nil {
		t.Errorf("stopping the edge: %v", err)
	}
}

// ports counts up below the range that systems take clients' ports from: no outgoing
// connection can take a port between the look and the use. Processes start apart.
var ports atomic.Uint32

func init() { ports.Store(10_000 + uint32(os.Getpid()%200)*100) }

// freeAddr returns an address on host with a port that nobody listens at.
func freeAddr(t *testing.T, host string) string {
	t.Helper()
	for range 1000 {
		addr := net.JoinHostPort(host, strconv.Itoa(int(ports.Add(1))))
		if listener, err := net.Listen("tcp", addr); err == nil {
			listener.Close()
			return addr
		}
	}
	t.Fatalf("no free port on %s", host)
	return ""
}

// rotateKeys starts a new epoch through the admin API, as `wikiveil keys rotate` does, and waits until it is in use.
func (e *edge) rotateKeys(t *testing.T) {
	t.Helper()
	ask := func(method, path, body string) (newest struct{ ID, State string }) {
		t.Helper()
		r, err := http.NewRequest(method, e.admin+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, _ := io.ReadAll(resp.Body)
		var list struct {
			Epochs []struct{ ID, State string }
		}
		if err := json.Unmarshal(answer, &list); err != nil || resp.StatusCode >= 300 || len(list.Epochs) == 0 {
			t.Fatalf("%s %s: %s: %s %v", method, path, resp.Status, answer, err)
		}
		return list.Epochs[0]
	}
	planned := ask(http.MethodPost, "/wikiveil/keys/rotate", `{"force": true}`)
	for end := time.Now().Add(time.Minute); ask(http.MethodGet, "/wikiveil/keys", "") != (struct{ ID, State string }{planned.ID, "current"}); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the new epoch doesn't start")
		}
	}
}

// adminAnswers returns what the admin API tells about keys, config and metrics.
func (e *edge) adminAnswers(t *testing.T) []byte {
	t.Helper()
	var all []byte
	for _, path := range []string{"/config/", "/wikiveil/keys", "/metrics", "/reverse_proxy/upstreams"} {
		resp, err := http.Get(e.admin + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("asking the admin API for %s: %s %v", path, resp.Status, err)
		}
		all = append(all, body...)
	}
	return all
}
