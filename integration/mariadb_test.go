//go:build integration

package integration

import (
	_ "embed"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mariaDB is a server of its own, without the system's tables and so without accounts: who reaches its socket may do anything.
type mariaDB struct {
	process     *os.Process
	dir, socket string
	queries     string // the file where each query is written down
}

//go:embed testdata/dump-mariadb.php
var dumpMariaDB string

// startMariaDB runs a server until the test ends.
func startMariaDB(t *testing.T) *mariaDB {
	t.Helper()
	dir, err := os.MkdirTemp(shared.dir, "mariadb") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	m := &mariaDB{dir: dir, socket: filepath.Join(dir, "socket"), queries: filepath.Join(dir, "queries.log")}
	// It dies with the tests, even with those that are killed: with the thread that started it.
	runtime.LockOSThread()
	m.start(t)
	t.Cleanup(func() {
		m.process.Signal(syscall.SIGTERM)
		m.process.Wait()
		runtime.UnlockOSThread()
	})
	return m
}

// stop ends it with a signal. By SIGKILL it has no time to write down what it holds.
func (m *mariaDB) stop(t *testing.T, signal syscall.Signal) {
	t.Helper()
	m.process.Signal(signal)
	m.process.Wait()
	if err := os.Remove(m.socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

// start starts it, and waits until it can be asked.
func (m *mariaDB) start(t *testing.T) {
	t.Helper()
	cmd := exec.Command("/usr/sbin/mariadbd", "--no-defaults", "--user=root", "--skip-grant-tables", "--skip-networking", "--datadir="+m.dir,
		"--socket="+m.socket, "--pid-file="+filepath.Join(m.dir, "pid"), "--general-log=1", "--general-log-file="+m.queries, "--innodb-log-file-size=4M",
		"--innodb-data-file-path=ibdata1:5M:autoextend", "--innodb-temp-data-file-path=ibtmp1:5M:autoextend")
	output, err := os.Create(filepath.Join(m.dir, "output.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: `scripts/install-test-programs` installs it", err)
	}
	m.process = cmd.Process
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		_, err := os.Stat(m.socket)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			said, _ := os.ReadFile(output.Name())
			t.Fatalf("mariadbd doesn't start:\n%s", said)
		}
	}
}

// query returns the first value of the first row that a query finds.
func (m *mariaDB) query(t *testing.T, sql string) string {
	t.Helper()
	const script = `$r = (new mysqli(null, 'root', '', null, 0, $argv[1]))->query($argv[2]); echo $r instanceof mysqli_result ? $r->fetch_row()[0] ?? '' : '';`
	out, err := exec.Command("php", "-r", script, m.socket, sql).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", sql, err, out)
	}
	return string(out)
}

// dump returns each value of each row of a database.
func (m *mariaDB) dump(t *testing.T, database string) []byte {
	t.Helper()
	cmd := exec.Command("php", "--", m.socket, database)
	cmd.Stdin = strings.NewReader(dumpMariaDB)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("dumping the database: %v\n%s", err, out)
	}
	return out
}
