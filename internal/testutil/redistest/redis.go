// Package redistest starts real Redis servers for tests: one ([Start]), a master with its replica and Sentinels
// ([StartSentinels]), or a Cluster ([StartCluster]).
package redistest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9/logging"

	"github.com/wikiveil/wikiveil/internal/testutil"
)

// Without is the environment variable by which scripts/test says that this machine has no Redis, which it then tells of. Elsewhere a
// test that can't start one fails.
const Without = "WIKIVEIL_TEST_WITHOUT_REDIS"

// Durable are the settings of a Redis that loses nothing it acknowledged.
var Durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

// A Server is a real one for tests, on a socket of its own.
type Server struct {
	URL string
	Dir string // where its data are

	t      testing.TB
	args   []string
	cmd    *exec.Cmd
	output bytes.Buffer
}

func init() { logging.Disable() } // a server that is killed on purpose would fill the tests' output

// Start starts a server, which ends with the test. One that can't be started fails the test.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	testutil.Slow(t)
	dir, err := os.MkdirTemp("", "redis") // a socket's path must be short, unlike t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "socket")
	s := &Server{URL: "unix://" + socket, Dir: dir, t: t}
	s.args = append([]string{"--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "", "--rdbcompression", "no"}, args...)
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() && s.output.Len() > 0 {
			t.Logf("redis-server said:\n%s", s.output.String())
		}
		os.RemoveAll(dir)
	})
	s.Start()
	return s
}

// Start starts the server (again) and waits until it answers. Further arguments outweigh the earlier ones.
func (s *Server) Start(args ...string) {
	s.t.Helper()
	cmd := exec.Command("redis-server", append(s.args, args...)...)
	cmd.Stdout, cmd.Stderr = &s.output, &s.output
	run(s.t, cmd)
	s.cmd = cmd
	testutil.Eventually(s.t, "redis-server answers", func() bool {
		out, _ := exec.Command("redis-cli", "-s", filepath.Join(s.Dir, "socket"), "ping").Output()
		answer := strings.TrimSpace(string(out))
		return answer == "PONG" || strings.HasPrefix(answer, "NOAUTH")
	})
}

// run starts a server's process.
func run(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	err := cmd.Start()
	if errors.Is(err, exec.ErrNotFound) && os.Getenv(Without) != "" {
		t.Skip("left out, for want of Redis")
	}
	if err != nil {
		t.Fatalf("this test needs Redis (Debian: apt-get install redis-server): %v", err)
	}
}

// Kill ends the server at once, as a crash does.
func (s *Server) Kill() {
	if s.cmd != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		s.cmd = nil
	}
}

// Pause makes the server hang; Resume lets it go on.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Command runs a command by redis-cli and returns its answer.
func (s *Server) Command(args ...string) string {
	s.t.Helper()
	out, err := exec.Command("redis-cli", append([]string{"-s", filepath.Join(s.Dir, "socket")}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("redis-cli %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}
