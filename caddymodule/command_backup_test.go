package caddymodule

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/backup"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/bolttest"
)

// backupScene is an edge in a process of its own, with a wiki behind it.
type backupScene struct {
	*node
	t      *testing.T
	wiki   *edgetest.Backend
	config string // a file
}

func newBackupScene(t *testing.T) *backupScene {
	s := &backupScene{t: t, wiki: edgetest.NewBackend(t, nil)}
	s.node, s.config = &node{Edge: s.place()}, ""
	s.config = s.configure(s.Edge)
	s.start(s.Edge)
	return s
}

func (s *backupScene) place() *edgetest.Edge {
	e := edgetest.Place(s.t)
	return e
}

func (s *backupScene) configure(e *edgetest.Edge) string {
	text := strings.NewReplacer("data_dir {DIR}/data", "data_dir {DIR}/data\nquota info 1000000",
		"csp strict", "csp strict {\nreports\n}").Replace(edgetest.MaskSite(s.t, "", edgetest.MaskUsers, s.wiki.Address()))
	return e.WriteConfig(s.t, text)
}

// start runs an edge in place of the one before.
func (s *backupScene) start(e *edgetest.Edge) {
	s.t.Helper()
	s.config = s.configure(e)
	s.node = launch(s.t, e, s.config)
	s.serves(s.t)
	s.wiki.Take()
}

func (s *backupScene) wantRefusal(what string, args ...string) {
	s.t.Helper()
	if out, err := s.command(s.t, args...); err == nil || !strings.Contains(out, what) {
		s.t.Errorf("%v: %v, want %q\n%s", args, err, what, out)
	}
}

// lookUp asks about a mask, and returns what is known of it.
func (s *backupScene) lookUp(client *http.Client, mask string) (status int, body string, err error) {
	r, err := http.NewRequest("POST", "http://"+s.Site+"/.privacy/masks/", strings.NewReader("masks="+mask))
	if err != nil {
		return 0, "", err
	}
	r.Header = edgetest.As("patroller", "Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), err
}

// load has clients publish, and patrollers look masks up, until end is called. It returns what counts both.
func (s *backupScene) load(mask string) (posts, lookUps *atomic.Int64, end func()) {
	posts, lookUps = new(atomic.Int64), new(atomic.Int64)
	stop, workers := make(chan struct{}), sync.WaitGroup{}
	for i := range 4 {
		var clients []*http.Client
		for j := range 16 {
			clients = append(clients, edgetest.From(s.t, fmt.Sprintf("127.50.%d.%d", 10+i, 1+j)))
		}
		workers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				client := clients[n%len(clients)]
				if i%2 == 0 {
					resp, err := client.Post("http://"+s.Site+"/", "text/plain", nil)
					if err == nil {
						resp.Body.Close()
					}
					if err != nil || resp.StatusCode != 200 {
						s.t.Errorf("publishing under load: %v %v", resp, err)
						return
					}
					posts.Add(1)
				} else if status, body, err := s.lookUp(clients[0], mask); err != nil || status != 200 {
					s.t.Errorf("looking up under load: %d %s %v", status, body, err)
					return
				} else {
					lookUps.Add(1)
				}
			}
		})
	}
	return posts, lookUps, sync.OnceFunc(func() { close(stop); workers.Wait() })
}

// Case 50: ten backups of an edge that publishes, looks up and blocks. All of them can be used; one is restored into an
// empty data_dir and storage, and the edge there goes on as the other did.
func TestCase50BackupUnderLoadAndRestore(t *testing.T) {
	s := newBackupScene(t)
	before, blocked := edgetest.Edit(t, s.Edge, s.wiki, "127.50.0.1"), edgetest.Edit(t, s.Edge, s.wiki, "127.50.0.2")
	testutil.Eventually(t, "the record", func() bool {
		status, body, err := s.lookUp(edgetest.From(t, "127.9.9.9"), before)
		return err == nil && status == 200 && strings.Contains(body, "first_seen")
	})
	s.mustRun(s.t, "block", "add", blocked, "--reason", "spam")

	posts, lookUps, end := s.load(before)
	defer end()
	var backups []string
	for i := range 10 {
		since := lookUps.Load()
		file := filepath.Join(s.Dir, fmt.Sprintf("backup-%d.tar", i))
		if out := s.mustRun(s.t, "backup", "--output", file); !strings.Contains(out, "It holds secrets") || strings.Contains(out, "damaged") {
			t.Errorf("backup says: %s", out)
		}
		s.mustRun(s.t, "block", "add", edit50(t, s, i), "--reason", "under load")
		testutil.Eventually(t, "look-ups to go on", func() bool { return lookUps.Load() > since })
		backups = append(backups, file)
	}
	end()
	t.Logf("%d look-ups and %d edits during ten backups", lookUps.Load(), posts.Load())
	if posts.Load() == 0 {
		t.Error("nobody published")
	}
	for _, file := range backups {
		checkBackup(t, file)
	}
	for name := range files(t, filepath.Join(s.Dir, "data")) {
		if strings.Contains(name, ".tmp") || strings.Contains(name, backup.StagePrefix) {
			t.Errorf("%s is left", name)
		}
	}

	s.wantRefusal("an edge is running with the data_dir", "restore", "--force", backups[9])
	s.end(syscall.SIGTERM)
	e := s.place()
	s.node, s.config = &node{Edge: e}, s.configure(e)
	if out := s.mustRun(s.t, "restore", backups[9]); !strings.Contains(out, "Restored as of ") {
		t.Errorf("restore says: %s", out)
	}
	wantPrivate(t, filepath.Join(e.Dir, "data"))
	wantPrivate(t, filepath.Join(e.Dir, "storage"))
	s.wantRefusal("--force to move them aside", "restore", backups[9])
	s.start(e)
	if got := edgetest.Edit(t, e, s.wiki, "127.50.0.1"); got != before {
		t.Errorf("after the restore the client has the mask %s, before it had %s", got, before)
	}
	if resp, body := edgetest.Send(t, edgetest.From(t, "127.50.0.2"), "POST", "http://"+e.Site+"/", nil); resp.StatusCode != 403 || len(s.wiki.Take()) != 0 {
		t.Errorf("the blocked one: %d %s", resp.StatusCode, body)
	}
	if status, body, err := s.lookUp(edgetest.From(t, "127.9.9.9"), before); err != nil || status != 200 || !strings.Contains(body, "first_seen") {
		t.Errorf("the record from before: %d %s %v", status, body, err)
	}
	out := s.mustRun(s.t, "audit", "verify")
	if !strings.Contains(out, "is intact") || strings.Contains(out, "entries ever:         0,") {
		t.Errorf("the audit log: %s", out)
	}
}

// edit50 has a client publish under load and returns its mask.
func edit50(t *testing.T, s *backupScene, i int) string {
	t.Helper()
	source := fmt.Sprintf("127.50.1.%d", i+1)
	var mask string
	if resp, body := edgetest.Send(t, edgetest.From(t, source), "POST", "http://"+s.Site+"/"+source, nil); resp.StatusCode != 200 {
		t.Fatalf("POST from %s: %d %s", source, resp.StatusCode, body)
	}
	for _, r := range s.wiki.Take() {
		if r.URL.Path == "/"+source {
			mask = r.Header.Get("Client-Mask")
		}
	}
	return mask
}

// checkBackup has a backup's databases walked through, each page of them.
func checkBackup(t *testing.T, file string) {
	t.Helper()
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dir := t.TempDir()
	staged, err := backup.Stage(f, dir)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if err := staged.Place(); err != nil {
		t.Fatal(err)
	}
	names, err := backup.DataFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, name := range names {
		if ext := filepath.Ext(name); ext != ".json" && ext != "" {
			kinds[ext] = true
			bolttest.Check(t, filepath.Join(dir, name))
		}
	}
	if !kinds[".db"] || !kinds[".sightings"] || staged.Values["wikiveil/keyring.json"] == nil || staged.Values["wikiveil/blocks.json"] == nil {
		t.Errorf("%s has only %v", file, names)
	}
}

// wantPrivate wants that nobody but the owner can read what is in a directory.
func wantPrivate(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := d.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Case 50: without its admin API a running edge isn't backed up; one that doesn't run is. What is in the way of a restore is
// moved aside, and nothing of it is lost.
func TestCase50BackupWithoutAnEdge(t *testing.T) {
	s := newBackupScene(t)
	mask := edgetest.Edit(t, s.Edge, s.wiki, "127.50.0.1")
	file := filepath.Join(s.Dir, "backup.tar")
	s.wantRefusal("file is in use by another process", "backup", "--output", file, "--address", edgetest.FreePort(t))
	for _, left := range []string{file, file + ".partial"} {
		if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", left, err)
		}
	}
	s.wantRefusal("stop the edge first", "restore", "--address", edgetest.FreePort(t), emptyBackup(t))
	s.end(syscall.SIGTERM)
	s.mustRun(s.t, "backup", "--output", file)
	checkDirect(t, file)
	s.wantRefusal("file already exists", "backup", "--output", file)

	stored := files(t, filepath.Join(s.Dir, "storage", "wikiveil"))
	log, err := os.ReadFile(filepath.Join(s.Dir, "data", "audit.db"))
	if err != nil {
		t.Fatal(err)
	}
	s.mustRun(s.t, "restore", "--force", file)
	aside, err := filepath.Glob(filepath.Join(s.Dir, "data", backup.AsidePrefix+"*", "audit.db"))
	if err != nil || len(aside) != 1 {
		t.Fatalf("%v %v", aside, err)
	}
	if old, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(old, log) {
		t.Errorf("the old log isn't kept: %v", err)
	}
	asideKeys := filepath.Join(s.Dir, "storage", "wikiveil-"+filepath.Base(filepath.Dir(aside[0])))
	if got := files(t, asideKeys); len(got) != len(stored) {
		t.Errorf("%d values of %d are kept", len(got), len(stored))
	}
	s.start(s.Edge)
	if got := edgetest.Edit(t, s.Edge, s.wiki, "127.50.0.1"); got != mask {
		t.Errorf("the mask is %s, was %s", got, mask)
	}
	s.mustRun(s.t, "audit", "verify")
}

// Case 50: an edge lost its disk, and the storage that it shares is newer than the backup. The log says then what is lost.
func TestCase50RestoreBesideANewerStorage(t *testing.T) {
	s := newBackupScene(t)
	mask := edgetest.Edit(t, s.Edge, s.wiki, "127.50.0.1")
	file := filepath.Join(s.Dir, "backup.tar")
	s.mustRun(s.t, "backup", "--output", file)
	testutil.Eventually(t, "a look-up", func() bool {
		status, _, err := s.lookUp(edgetest.From(t, "127.9.9.9"), mask)
		return err == nil && status == 200
	})
	s.end(syscall.SIGTERM)
	stored := files(t, filepath.Join(s.Dir, "storage", "wikiveil"))
	if err := os.RemoveAll(filepath.Join(s.Dir, "data")); err != nil {
		t.Fatal(err)
	}
	s.wantRefusal("--force to move them aside", "restore", file)
	if out := s.mustRun(s.t, "restore", "--data-only", file); !strings.Contains(out, "and 0 values of the storage") {
		t.Errorf("restore says: %s", out)
	}
	wantSame(t, "restoring the data alone", stored, files(t, filepath.Join(s.Dir, "storage", "wikiveil")))
	failed := launch(t, s.Edge, s.config)
	err := <-failed.exited
	failed.exited <- err
	if said := failed.output.String() + s.ReadLog(t); err == nil || !strings.Contains(said, "accept-loss") {
		t.Errorf("it starts with an older log: %v\n%s", err, said)
	}
	s.mustRun(s.t, "audit", "accept-loss", "--reason", "its disk is lost")
	s.start(s.Edge)
	s.mustRun(s.t, "audit", "verify")
}

// checkDirect wants all that the edge has in a backup.
func checkDirect(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := backup.Verify(f)
	if err != nil {
		t.Fatal(err)
	}
	// The log's head is never ahead of the log, nor what the data_dir knows of the key ring ahead of that.
	var order []string
	for _, f := range m.Files {
		for _, part := range []string{"audit_heads/", "keyring-known.json", "data/audit.db", "wikiveil/keyring.json"} {
			if strings.Contains(f.Name, part) {
				order = append(order, part)
			}
		}
	}
	if got := strings.Join(order, " "); got != "audit_heads/ keyring-known.json data/audit.db wikiveil/keyring.json" {
		t.Errorf("the order is %s", got)
	}
	all, _ := json.Marshal(m)
	for _, name := range []string{"data/audit.db", "data/node_id", "data/keyring-known.json", "data/quotas.db", "data/sightings/",
		"storage/wikiveil/keyring.json", "storage/wikiveil/audit_keys.json", "storage/wikiveil/audit_heads/"} {
		if !strings.Contains(string(all), name) {
			t.Errorf("%s isn't in %s", name, all)
		}
	}
}

// emptyBackup is a valid one.
func emptyBackup(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "empty.tar")
	var b bytes.Buffer
	if err := backup.NewWriter(&b).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Case 50: by default the data_dir is in the storage, secrets beside it. None of them crosses the admin API.
func TestCase50NoSecretCrossesTheAdminAPI(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, strings.Replace(edgetest.MaskSite(t, "", edgetest.MaskUsers, wiki.Address()), "data_dir {DIR}/data", "data_dir {DIR}/storage/wikiveil", 1))
	edgetest.Edit(t, e, wiki, "127.50.0.1")
	ask := func(dir string) (*http.Response, string) {
		body, _ := json.Marshal(edgetest.JSON{"data_dir": dir})
		resp, err := http.Post("http://"+e.Admin+"/wikiveil/backup", "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(data)
	}
	if resp, body := ask("/elsewhere"); resp.StatusCode != 409 || !strings.Contains(body, "is it the right config") {
		t.Errorf("another data_dir: %d %s", resp.StatusCode, body)
	}
	resp, body := ask(filepath.Join(e.Dir, "storage", "wikiveil"))
	if resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	var names []string
	for archive := tar.NewReader(strings.NewReader(body)); ; {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
	}
	if got := strings.Join(names, " "); strings.Contains(got, "keyring.") || strings.Contains(got, "_keys") || !strings.HasSuffix(got, "data/audit.db manifest.json") {
		t.Errorf("the edge hands out %s", got)
	}
	// The command's own part: no file of the data_dir is taken for a value of the storage.
	file := filepath.Join(e.Dir, "backup.tar")
	config := e.WriteConfig(t, strings.Replace(edgetest.MaskSite(t, "", edgetest.MaskUsers, wiki.Address()), "data_dir {DIR}/data", "data_dir {DIR}/storage/wikiveil", 1))
	if _, err := edgetest.Run(t, "", "backup", "--config", config, "--output", file); err != nil {
		t.Fatal(err)
	}
	checkDirect(t, file)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"storage/wikiveil/audit.db", "storage/wikiveil/keyring-known.json", "storage/wikiveil/sightings"} {
		if bytes.Contains(data, []byte(name)) {
			t.Errorf("%s is in the backup", name)
		}
	}
}
