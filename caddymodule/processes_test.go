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

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// node is an edge in a process of its own.
type node struct {
	*edgetest.Edge
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
	wiki *edgetest.Backend
}

func newCluster(t *testing.T) *cluster {
	return &cluster{t, filepath.Join(t.TempDir(), "shared"), edgetest.NewBackend(t, nil)}
}

// config is the Caddyfile of a node; options are those of the wikiveil block.
func (c *cluster) config(e *edgetest.Edge, options string) string {
	c.t.Helper()
	file := filepath.Join(e.Dir, "Caddyfile")
	text := e.Expand(fmt.Sprintf(`{
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
}`, e.Admin, c.dir, strings.ReplaceAll(options, "; ", "\n\t\t"), c.wiki.Address()))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return file
}

func (c *cluster) place() *edgetest.Edge {
	return edgetest.Place(c.t)
}

// command runs one for the node to its end, as an operator does, and returns all it says.
func (n *node) command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := edgetest.Command(t, n.Edge, append(args, "--config", filepath.Join(n.Dir, "Caddyfile"))...).CombinedOutput()
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
func (c *cluster) launch(e *edgetest.Edge, options string) *node {
	c.t.Helper()
	return launch(c.t, e, c.config(e, options))
}

func launch(t *testing.T, e *edgetest.Edge, config string) *node {
	t.Helper()
	n := &node{Edge: e, exited: make(chan error, 1)}
	n.process = edgetest.Command(t, e, "run", "--config", config)
	n.process.Stdout, n.process.Stderr = &n.output, &n.output
	if err := n.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { n.exited <- n.process.Wait() }()
	t.Cleanup(n.kill)
	return n
}

// run starts a node and waits until it serves.
func (c *cluster) run(e *edgetest.Edge, options string) *node {
	c.t.Helper()
	n := c.launch(e, options)
	n.serves(c.t)
	c.wiki.Take()
	return n
}

// serves waits until a node does.
func (n *node) serves(t *testing.T) {
	t.Helper()
	testutil.Eventually(t, "the node", func() bool {
		select {
		case err := <-n.exited:
			n.exited <- err
			log, _ := os.ReadFile(n.Log)
			t.Fatalf("the node ended: %v\n%s\n%s", err, n.output.String(), log)
		default:
		}
		resp, err := http.Get("http://" + n.Site + "/")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == 200
	})
}

// fails starts a process that must end by itself, and returns what it said.
func (c *cluster) fails(e *edgetest.Edge, options string) string {
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
	resp, body := edgetest.Send(c.t, edgetest.From(c.t, "127.61.2.3"), "POST", "http://"+n.Site+"/", nil)
	if resp.StatusCode != 200 {
		c.t.Fatalf("publishing: %d %s\n%s", resp.StatusCode, body, n.output.String())
	}
	h := c.wiki.One(c.t).Header
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
