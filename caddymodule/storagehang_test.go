package caddymodule

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// Case 49: the storage hangs, as a network file system does whose server is gone: every file of it that is read blocks whoever
// opens it. Traffic goes on, it is logged and counted, a change and a reload that need the storage fail with the reason, and the edge ends.
func TestCase49StorageHangs(t *testing.T) {
	testutil.Slow(t)
	wiki := edgetest.NewBackend(t, nil)
	config := `{
		{GLOBAL}
		wikiveil {
			data_dir {DIR}/data
			sightings
		}
	}
	http://:{PORT} {
		client_mask
		csp {
			reports
			rollout enforce
			site wiki.test
		}
		reverse_proxy ` + wiki.Address() + `
	}`
	e := edgetest.Place(t)
	e.Load(t, config)
	post := func(source string) {
		t.Helper()
		if resp, body := edgetest.Send(t, edgetest.From(t, source), "POST", "http://"+e.Site+"/", nil); resp.StatusCode != 200 {
			t.Fatalf("POST: %d %s", resp.StatusCode, body)
		}
	}
	post("127.49.0.1")
	var pipes []string
	err := filepath.WalkDir(filepath.Join(e.Dir, "storage", "wikiveil"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		pipes = append(pipes, path)
		return errors.Join(os.Rename(path, path+".kept"), syscall.Mkfifo(path, 0o600))
	})
	if err != nil || len(pipes) == 0 {
		t.Fatalf("%d files, %v", len(pipes), err)
	}
	t.Cleanup(func() { // lets go who hangs
		for _, path := range pipes {
			if f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0); err == nil {
				f.Close()
			}
		}
	})
	if err := caddy.Load(edgetest.Adapt(t, e.Expand(strings.Replace(config, "site wiki.test", "site other.test", 1))), true); err == nil ||
		!strings.Contains(err.Error(), "the storage hangs") {
		t.Errorf("a reload that needs the storage: %v", err)
	}
	post("127.49.0.2")
	if up, known := e.Metrics(t)[`wikiveil_store_up{store="storage"}`]; !known || up != 0 {
		t.Errorf("the metric says %v, %v", up, known)
	}
	if n := strings.Count(e.ReadLog(t), `"msg":"store is down: what was read`); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
	resp, err := http.Post("http://"+e.Admin+"/wikiveil/keys/rotate", "application/json", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode < 500 {
		t.Errorf("a rotation: %d", resp.StatusCode)
	}
	post("127.49.0.3")
	if err := caddy.Stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
}
