package caddymodule

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// Case 49: an edge whose storage hangs goes on with its masks, and SIGTERM ends it.
func TestCase49SigtermEndsAnEdgeWhoseStorageHangs(t *testing.T) {
	c := newCluster(t)
	n := c.run(c.place(), "keep 1")
	want := c.masks(n)
	err := filepath.WalkDir(filepath.Join(c.dir, "wikiveil"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return errors.Join(os.Rename(path, path+".kept"), syscall.Mkfifo(path, 0o600))
	})
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); n.Metric(t, `wikiveil_store_up{store="storage"}`) != "0"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the metric says that all is well")
		}
	}
	if got := c.masks(n); !slices.Equal(got, want) {
		t.Errorf("the masks are %v, were %v", got, want)
	}
	n.process.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-n.exited:
		n.exited <- err
		if err != nil {
			t.Errorf("it ended with %v\n%s", err, n.output.String())
		}
	case <-time.After(2 * time.Minute):
		t.Errorf("it doesn't end:\n%s", n.output.String())
	}
}

// Case 50: kill -9 of the edge amid a backup, and of restore amid its work, lose nothing: the edge goes on, a backup is whole or isn't
// there, and restore does it again.
func TestCase50KillsAmidBackupAndRestore(t *testing.T) {
	s := newBackupScene(t)
	mask := edgetest.Edit(t, s.Edge, s.wiki, "127.50.0.1")
	known := func() bool {
		status, body, err := s.lookUp(edgetest.From(t, "127.9.9.9"), mask)
		return err == nil && status == 200 && strings.Contains(body, "first_seen")
	}
	same := func(when string) {
		t.Helper()
		if got := edgetest.Edit(t, s.Edge, s.wiki, "127.50.0.1"); got != mask {
			t.Errorf("%s: the mask is %s, was %s", when, got, mask)
		}
		if !known() {
			t.Errorf("%s: the record is gone", when)
		}
		if out, err := s.command(s.t, "audit", "verify"); err != nil || !strings.Contains(out, "is intact") {
			t.Errorf("%s: the audit: %v\n%s", when, err, out)
		}
	}
	testutil.Eventually(t, "the record", known)
	s.mustRun(s.t, "block", "add", edgetest.Edit(t, s.Edge, s.wiki, "127.50.0.2"), "--reason", "spam")

	for i := range 4 {
		file := filepath.Join(s.Dir, "killed.tar")
		cmd := edgetest.Command(t, s.Edge, "backup", "--output", file, "--config", s.config)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		testutil.Eventually(t, "the backup to begin", func() bool {
			parts, _ := filepath.Glob(file + "*")
			return len(parts) > 0 || len(ended) > 0
		})
		time.Sleep(time.Duration(i) * 2 * time.Millisecond)
		s.kill()
		if err := <-ended; err == nil {
			checkBackup(t, file)
			os.Remove(file)
		} else if _, err := os.Stat(file); err == nil {
			t.Error("a backup that was cut off is there under its name")
		}
		s.start(s.Edge)
		testutil.Eventually(t, "commands to be taken", func() bool { _, err := s.command(s.t, "keys", "list"); return err == nil })
		same("after a kill amid a backup")
	}

	good := filepath.Join(s.Dir, "good.tar")
	s.mustRun(s.t, "backup", "--output", good)
	s.end(syscall.SIGTERM)
	restore := func(e *edgetest.Edge, config string, after time.Duration) time.Duration {
		t.Helper()
		cmd := edgetest.Command(t, e, "restore", "--force", good, "--config", config)
		start := time.Now()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if after > 0 {
			defer time.AfterFunc(after, func() { cmd.Process.Kill() }).Stop()
		}
		if err := cmd.Wait(); err != nil && after == 0 {
			t.Errorf("restore: %v", err)
		}
		return time.Since(start)
	}
	e := s.place()
	config := s.configure(e)
	took := restore(e, config, 0)
	for i := range 8 {
		restore(e, config, took*time.Duration(i+4)/12)
	}
	s.node, s.config = &node{Edge: e}, config
	restore(e, config, 0)
	s.start(e)
	testutil.Eventually(t, "commands to be taken", func() bool { _, err := s.command(s.t, "keys", "list"); return err == nil })
	same("after kills amid restores")
}
