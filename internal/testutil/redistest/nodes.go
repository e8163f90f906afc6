package redistest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/wikiveil/wikiveil/internal/testutil"
)

// A Node is a real server of several that belong together, on a loopback port.
type Node struct {
	Addr string // host:port

	t      testing.TB
	secure *Secure
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the process has ended
}

// URL is the node's, without a login.
func (n *Node) URL() string {
	if n.secure != nil {
		return "rediss://" + n.Addr
	}
	return "redis://" + n.Addr
}

// StartNode starts a server with a configuration file of these lines; {PORT} and {DIR} in them are its own.
func StartNode(t testing.TB, lines ...string) *Node {
	t.Helper()
	return (*Secure)(nil).StartNode(t, lines...)
}

// StartNode starts a secure server.
func (s *Secure) StartNode(t testing.TB, lines ...string) *Node {
	t.Helper()
	testutil.Slow(t)
	// "sentinel monitor" must stand before what else is said of the master.
	lines = append(slices.Clone(lines), s.lines(isSentinel(lines))...)
	for range 10 {
		n := &Node{Addr: freeAddr(t), t: t, secure: s}
		if n.start(lines) {
			return n
		}
	}
	t.Fatal("ten Redis servers ended at their start")
	return nil
}

// start reports whether the server answers. One that ends at once found its port, or that of the cluster bus, taken
// in the meantime.
func (n *Node) start(lines []string) bool {
	n.t.Helper()
	port, dir := n.Addr[strings.LastIndexByte(n.Addr, ':')+1:], n.t.TempDir()
	config := append([]string{"port {PORT}", "bind 127.0.0.1", "dir {DIR}", "logfile {DIR}/log", "protected-mode no"}, lines...)
	file := filepath.Join(dir, "conf")
	if err := os.WriteFile(file, []byte(strings.NewReplacer("{PORT}", port, "{DIR}", dir).Replace(strings.Join(config, "\n"))+"\n"), 0o600); err != nil {
		n.t.Fatal(err)
	}
	args := []string{file}
	if isSentinel(lines) {
		args = append(args, "--sentinel")
	}
	n.cmd = exec.Command("redis-server", args...)
	run(n.t, n.cmd)
	n.ended = make(chan struct{})
	go func() {
		n.cmd.Wait()
		close(n.ended)
	}()
	n.t.Cleanup(n.Kill)
	up := false
	testutil.Eventually(n.t, "a Redis on "+n.Addr, func() bool {
		up = !n.hasEnded() && strings.Contains(n.try("ping"), "PONG")
		return up || n.hasEnded()
	})
	if !up {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		n.t.Logf("a Redis on %s ended at its start:\n%s", n.Addr, log)
	}
	return up
}

func isSentinel(lines []string) bool {
	return strings.Contains(strings.Join(lines, "\n"), "sentinel monitor")
}

func (n *Node) hasEnded() bool {
	select {
	case <-n.ended:
		return true
	default:
		return false
	}
}

// freeAddr is a port whose cluster bus port, ten thousand higher, is most likely free too.
func freeAddr(t testing.TB) string {
	t.Helper()
	for range 1000 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		if _, port, _ := net.SplitHostPort(l.Addr().String()); len(port) == 5 && port < "55000" {
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

// Kill ends the server at once, as a crash does.
func (n *Node) Kill() {
	if n.cmd != nil {
		n.cmd.Process.Signal(syscall.SIGKILL)
		<-n.ended
		n.cmd = nil
	}
}

// Command runs a command by redis-cli and returns its answer.
func (n *Node) Command(args ...string) string {
	n.t.Helper()
	out, err := n.run(args)
	if err != nil {
		n.t.Fatalf("redis-cli %v: %v\n%s", args, err, out)
	}
	return out
}

func (n *Node) try(args ...string) string {
	out, _ := n.run(args)
	return out
}

func (n *Node) run(args []string) (string, error) {
	host, port, _ := net.SplitHostPort(n.Addr)
	cli := append([]string{"-h", host, "-p", port}, n.secure.cli()...)
	out, err := exec.Command("redis-cli", append(cli, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Sentinels are three Sentinels and the servers that they watch under the name "wiki", a master and a replica.
type Sentinels struct {
	URLs            []string
	Master, Replica *Node
}

// StartSentinels starts them, with further lines of configuration for the servers.
func StartSentinels(t testing.TB, lines ...string) *Sentinels {
	t.Helper()
	return (*Secure)(nil).StartSentinels(t, lines...)
}

// StartSentinels starts secure ones.
func (secure *Secure) StartSentinels(t testing.TB, lines ...string) *Sentinels {
	t.Helper()
	s := &Sentinels{Master: secure.StartNode(t, lines...)}
	host, port, _ := net.SplitHostPort(s.Master.Addr)
	s.Replica = secure.StartNode(t, append([]string{"replicaof " + host + " " + port, "repl-diskless-sync-delay 0"}, lines...)...)
	testutil.Eventually(t, "the replica follows", func() bool {
		return strings.Contains(s.Replica.try("info", "replication"), "master_link_status:up")
	})
	var sentinels []*Node
	for range 3 {
		n := secure.StartNode(t, "sentinel monitor wiki "+host+" "+port+" 2", "sentinel down-after-milliseconds wiki 500",
			"sentinel failover-timeout wiki 2000", "sentinel resolve-hostnames no")
		sentinels = append(sentinels, n)
		s.URLs = append(s.URLs, n.URL())
	}
	for _, n := range sentinels {
		testutil.Eventually(t, "the Sentinels know each other and the replica", func() bool {
			info := n.try("info", "sentinel")
			return strings.Contains(info, "slaves=1,sentinels=3")
		})
	}
	return s
}

// StartCluster starts a Cluster of three masters, with further lines of configuration, and returns its nodes.
func StartCluster(t testing.TB, lines ...string) []*Node {
	t.Helper()
	return (*Secure)(nil).StartCluster(t, lines...)
}

// StartCluster starts a secure one.
func (s *Secure) StartCluster(t testing.TB, lines ...string) []*Node {
	t.Helper()
	var nodes []*Node
	var addrs []string
	for range 3 {
		n := s.StartNode(t, append([]string{"cluster-enabled yes", "cluster-config-file {DIR}/nodes", "cluster-node-timeout 2000",
			"cluster-require-full-coverage no"}, lines...)...)
		nodes, addrs = append(nodes, n), append(addrs, n.Addr)
	}
	args := slices.Concat(s.cli(), []string{"--cluster", "create"}, addrs, []string{"--cluster-yes"})
	if out, err := exec.Command("redis-cli", args...).CombinedOutput(); err != nil {
		t.Fatalf("redis-cli %v: %v\n%s", args, err, out)
	}
	for _, n := range nodes {
		testutil.Eventually(t, "the Cluster stands", func() bool {
			info := n.try("cluster", "info")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_size:%d", len(nodes)))
		})
	}
	return nodes
}

// MigrateSlot moves the keys of a slot that is already migrating.
func (n *Node) MigrateSlot(to *Node, slot string) {
	n.t.Helper()
	host, port, _ := net.SplitHostPort(to.Addr)
	keys := strings.Fields(n.Command("CLUSTER", "GETKEYSINSLOT", slot, "100"))
	answer := n.Command(append([]string{"MIGRATE", host, port, "", "0", "5000", "KEYS"}, keys...)...)
	if answer != "OK" {
		n.t.Fatalf("migrating: %s", answer)
	}
}
