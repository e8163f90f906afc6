package storetest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"
)

// Durable are the settings of a Redis that loses nothing it acknowledged.
var Durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

// A Redis is a real server for tests, on a socket of its own.
type Redis struct {
	URL string
	Dir string // where its data are

	t      testing.TB
	args   []string
	cmd    *exec.Cmd
	output bytes.Buffer
}

func init() { logging.Disable() } // a server that is killed on purpose would fill the tests' output

// StartRedis starts a server, which ends with the test. One that can't be started fails the test.
func StartRedis(t testing.TB, args ...string) *Redis {
	t.Helper()
	dir, err := os.MkdirTemp("", "redis") // a socket's path must be short, unlike t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "socket")
	r := &Redis{URL: "unix://" + socket, Dir: dir, t: t}
	r.args = append([]string{"--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "", "--rdbcompression", "no"}, args...)
	t.Cleanup(func() {
		r.Kill()
		os.RemoveAll(dir)
	})
	r.Start()
	return r
}

// Start starts the server (again) and waits until it answers. Further arguments outweigh the earlier ones.
func (r *Redis) Start(args ...string) {
	r.t.Helper()
	r.cmd = exec.Command("redis-server", append(r.args, args...)...)
	r.cmd.Stdout, r.cmd.Stderr = &r.output, &r.output
	if err := r.cmd.Start(); err != nil {
		r.t.Fatalf("starting redis-server: %v (Debian: apt-get install redis-server)", err)
	}
	socket := filepath.Join(r.Dir, "socket")
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		out, _ := exec.Command("redis-cli", "-s", socket, "ping").Output()
		if answer := strings.TrimSpace(string(out)); answer == "PONG" || strings.HasPrefix(answer, "NOAUTH") {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("redis-server does not answer:\n%s", r.output.String())
		}
	}
}

// Kill ends the server at once, as a crash does.
func (r *Redis) Kill() {
	if r.cmd != nil {
		r.cmd.Process.Kill()
		r.cmd.Wait()
		r.cmd = nil
	}
}

// Pause makes the server hang; Resume lets it go on.
func (r *Redis) Pause() { r.signal(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (r *Redis) Resume() { r.signal(syscall.SIGCONT) }

func (r *Redis) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// Command runs a command by redis-cli and returns its answer.
func (r *Redis) Command(args ...string) string {
	r.t.Helper()
	out, err := exec.Command("redis-cli", append([]string{"-s", filepath.Join(r.Dir, "socket")}, args...)...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("redis-cli %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}
