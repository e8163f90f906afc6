package caddymodule

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/caddytest"
)

// wikiveilCommand has this test binary be `wikiveil`, with the arguments that follow.
const wikiveilCommand = "WIKIVEIL_TEST_COMMAND"

// testMain runs the tests of a package, away from the files of the user who runs them, or a command for one of its tests.
func testMain(m *testing.M) {
	if os.Getenv(wikiveilCommand) != "" {
		caddycmd.Main()
		return
	}
	remove := caddytest.Isolate()
	code := m.Run()
	remove()
	os.Exit(code)
}

// node is an edge in a process of its own.
type node struct {
	*edge
	process *exec.Cmd
	output  syncBuffer
	exited  chan error
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// cluster is edges that share a storage.
type cluster struct {
	t    *testing.T
	dir  string // of the storage
	wiki *app
}

func newCluster(t *testing.T) *cluster {
	return &cluster{t, filepath.Join(t.TempDir(), "shared"), newApp(t, nil)}
}

// config is the Caddyfile of a node; options are those of the wikiveil block.
func (c *cluster) config(e *edge, options string) string {
	c.t.Helper()
	file := filepath.Join(e.dir, "Caddyfile")
	text := e.expand(fmt.Sprintf(`{
	admin %[1]s
	storage file_system %[2]s
	persist_config off
	auto_https off
	skip_install_trust
	grace_period 1s
	metrics
	wikiveil {
		data_dir {DIR}/data
		sightings {
			seal local
		}
		audit {
			node n{PORT}
		}
		%[3]s
	}
	log {
		format masked json
	}
}
http://{SITE} {
	client_mask
	csp {
		reports
		rollout enforce
	}
	route /.privacy/masks/* {
		mask_info {
			user alice info audit
		}
	}
	reverse_proxy %[4]s
}`, e.admin, c.dir, strings.ReplaceAll(options, "; ", "\n\t\t"), c.wiki.address()))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return file
}

func (c *cluster) place() *edge {
	return place(c.t)
}

func command(t *testing.T, e *edge, args ...string) *exec.Cmd {
	testutil.Slow(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), wikiveilCommand+"=1", "XDG_CONFIG_HOME="+e.dir+"/xdg", "XDG_DATA_HOME="+e.dir+"/xdg")
	return cmd
}

// command runs one for the node to its end, as an operator does, and returns all it says.
func (n *node) command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := command(t, n.edge, append(args, "--config", filepath.Join(n.dir, "Caddyfile"))...).CombinedOutput()
	return string(out), err
}

func (n *node) mustRun(t *testing.T, args ...string) string {
	t.Helper()
	out, err := n.command(t, args...)
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

// launch starts a process and doesn't wait for what becomes of it.
func (c *cluster) launch(e *edge, options string) *node {
	c.t.Helper()
	return launch(c.t, e, c.config(e, options))
}

func launch(t *testing.T, e *edge, config string) *node {
	t.Helper()
	n := &node{edge: e, exited: make(chan error, 1)}
	n.process = command(t, e, "run", "--config", config)
	n.process.Stdout, n.process.Stderr = &n.output, &n.output
	if err := n.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { n.exited <- n.process.Wait() }()
	t.Cleanup(n.kill)
	return n
}

// run starts a node and waits until it serves.
func (c *cluster) run(e *edge, options string) *node {
	c.t.Helper()
	n := c.launch(e, options)
	n.serves(c.t)
	c.wiki.take()
	return n
}

// serves waits until a node does.
func (n *node) serves(t *testing.T) {
	t.Helper()
	eventually(t, "the node", func() bool {
		select {
		case err := <-n.exited:
			n.exited <- err
			log, _ := os.ReadFile(n.log)
			t.Fatalf("the node ended: %v\n%s\n%s", err, n.output.String(), log)
		default:
		}
		resp, err := http.Get("http://" + n.site + "/")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == 200
	})
}

// fails starts a process that must end by itself, and returns what it said.
func (c *cluster) fails(e *edge, options string) string {
	c.t.Helper()
	n := c.launch(e, options)
	select {
	case err := <-n.exited:
		n.exited <- err
		if err == nil {
			c.t.Error("it ended well")
		}
	case <-time.After(time.Minute):
		c.t.Errorf("it runs:\n%s", n.output.String())
	}
	return n.output.String()
}

func (n *node) kill() { n.end(syscall.SIGKILL) }

func (n *node) end(signal os.Signal) {
	n.process.Process.Signal(signal)
	n.exited <- <-n.exited
}

// mask publishes something as one client and returns the masks that the app saw, the client's first.
func (c *cluster) masks(n *node) []string {
	c.t.Helper()
	resp, body := send(c.t, from(c.t, "127.61.2.3"), "POST", "http://"+n.site+"/", nil)
	if resp.StatusCode != 200 {
		c.t.Fatalf("publishing: %d %s\n%s", resp.StatusCode, body, n.output.String())
	}
	h := c.wiki.one(c.t).Header
	return append([]string{h.Get("Client-Mask")}, strings.Split(h.Get("Client-Network-Masks"), ", ")...)
}

// files are all files under a directory with what is in them.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.Type().IsRegular() {
			all[path] = entry.Type().String()
			return nil
		}
		data, err := os.ReadFile(path)
		all[path] = string(data)
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return all
}

// wantSame reports which files are others than they were.
func wantSame(t *testing.T, when string, before, after map[string]string) {
	t.Helper()
	for name, content := range after {
		if was, ok := before[name]; !ok {
			t.Errorf("%s: %s was made", when, name)
		} else if was != content {
			t.Errorf("%s: %s has changed", when, name)
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			t.Errorf("%s: %s is gone", when, name)
		}
	}
}

// ring is the stored ring, but for which node saw it last.
func (c *cluster) ring() string {
	c.t.Helper()
	data, err := os.ReadFile(filepath.Join(c.dir, "wikiveil/keyring.json"))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(data)
}
