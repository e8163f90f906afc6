//go:build integration

package integration

import (
	_ "embed"
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
	cmd := exec.Command("/usr/sbin/mariadbd", "--no-defaults", "--user=root", "--skip-grant-tables", "--skip-networking", "--datadir="+dir,
		"--socket="+m.socket, "--pid-file="+filepath.Join(dir, "pid"), "--general-log=1", "--general-log-file="+m.queries, "--innodb-log-file-size=4M",
		"--innodb-data-file-path=ibdata1:5M:autoextend", "--innodb-temp-data-file-path=ibtmp1:5M:autoextend")
	output, err := os.Create(filepath.Join(dir, "output.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	// It dies with the tests, even with those that are killed: with the thread that started it.
	runtime.LockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: `scripts/install-test-programs` installs it", err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		runtime.UnlockOSThread()
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		_, err := os.Stat(m.socket)
		if err == nil {
			return m
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
