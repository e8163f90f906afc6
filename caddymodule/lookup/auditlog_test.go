package lookup

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.etcd.io/bbolt"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/lookup/audit"
)

func auditFile(e *edgetest.Edge) string { return filepath.Join(e.Dir, "data", "audit.db") }

func edgeStorage(e *edgetest.Edge) *certmagic.FileStorage {
	return &certmagic.FileStorage{Path: filepath.Join(e.Dir, "storage")}
}

// aDayLater has the running edge publish as it does once a day.
func aDayLater(t *testing.T) audit.Checkpoint {
	t.Helper()
	log := runningLog(t)
	if _, err := log.Publish(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	c, err := log.publish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	log.cache.last.Store(nil)
	return c
}

// otherLog opens a log of its own with the edge's keys, as another node has, or one that takes this node's place.
func otherLog(t *testing.T, e *edgetest.Edge, node string) *audit.Log {
	t.Helper()
	keys, err := audit.OpenKeys(t.Context(), edgeStorage(e))
	if err != nil {
		t.Fatal(err)
	}
	store, err := audit.OpenBolt(filepath.Join(t.TempDir(), "audit.db"))
	if err != nil {
		t.Fatal(err)
	}
	heads := audit.StorageHeads(&certmagic.FileStorage{Path: t.TempDir()}, node)
	log, err := audit.Open(audit.Config{Store: store, Keys: keys, Heads: heads, Node: node})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return log
}

// getPublic asks what everybody may ask.
func getPublic(t *testing.T, e *edgetest.Edge, path string, into any, header ...string) (*http.Response, string) {
	t.Helper()
	h := make(http.Header)
	if header != nil {
		h.Set("Accept", header[0])
	}
	resp, body := edgetest.Send(t, edgetest.From(t, "127.8.8.8"), "GET", "http://"+e.Site+path, h)
	if into != nil {
		if err := json.Unmarshal([]byte(body), into); err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: %d %s: %v", path, resp.StatusCode, body, err)
		}
	}
	return resp, body
}

func ofNode(t *testing.T, logs publishedLogs, node string) audit.Checkpoint {
	t.Helper()
	for _, c := range logs.Checkpoints {
		if c.Node == node {
			return c
		}
	}
	t.Fatalf("no checkpoint of %s in %+v", node, logs)
	return audit.Checkpoint{}
}

func TestPublishedCheckpoints(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, auditSite(t, wiki.Address()))
	testutil.Eventually(t, "the first checkpoint", func() bool { return edgeStorage(e).Exists(t.Context(), checkpointKey("edge-1")) })
	other := otherLog(t, e, "edge-2")
	append1(t, other, "somebody", audit.Reveal, 1)
	published, err := other.Publish(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := edgeStorage(e).Store(t.Context(), checkpointKey("edge-2"), []byte(published.Note)); err != nil {
		t.Fatal(err)
	}

	var before publishedLogs
	resp, _ := getPublic(t, e, checkpointPath, &before)
	if resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Cache-Control") != "public, max-age=3600" || resp.Header.Get("Vary") != "Accept, Accept-Language" {
		t.Errorf("headers %v", resp.Header)
	}
	key, err := hex.DecodeString(before.PublicKey)
	if err != nil || len(before.Checkpoints) != 2 || before.Proof != proofPath {
		t.Fatalf("%+v, %v", before, err)
	}
	for _, c := range before.Checkpoints {
		if err := c.Verify(key); err != nil {
			t.Errorf("%s: %v", c.Node, err)
		}
	}
	if c := ofNode(t, before, "edge-2"); c.Reveals != 1 {
		t.Errorf("%+v", c)
	}

	// Strangers don't load the storage.
	if err := edgeStorage(e).Delete(t.Context(), checkpointKey("edge-2")); err != nil {
		t.Fatal(err)
	}
	var again publishedLogs
	if getPublic(t, e, checkpointPath, &again); len(again.Checkpoints) != 2 {
		t.Errorf("the storage was read again within a minute: %+v", again)
	}

	// Nobody sees within a day that they are looked up.
	mask := edgetest.Edit(t, e, wiki, "127.130.7.1")
	edgetest.AskMasks(t, e, "patroller", mask, nil)
	append1(t, runningLog(t).Log, "patroller", audit.Reveal, 5)
	runningLog(t).cache.last.Store(nil)
	own := ofNode(t, before, "edge-1")
	proof := fmt.Sprintf("%s?node=edge-1&log=%v&entries=", proofPath, own.Log)
	var some proofResponse
	getPublic(t, e, checkpointPath, &again)
	getPublic(t, e, proof+"1", &some)
	if now := ofNode(t, again, "edge-1"); now.Entries != 0 || now.Reveals != 0 || now.Head != own.Head || len(some.Proof) != 0 || some.Checkpoint != own {
		t.Errorf("within a day: %+v, proof %+v", now, some)
	}

	// And later everybody sees that nothing vanished.
	aDayLater(t)
	getPublic(t, e, checkpointPath, &again)
	now := ofNode(t, again, "edge-1")
	resp, body := getPublic(t, e, proof+"0", &some)
	if now.Entries != 2 || now.Reveals != 1 || some.Checkpoint != now || now.Follows(own, some.Proof) != nil {
		t.Errorf("a day later: %+v, proof %s", now, body)
	}
	if resp.Header.Get("Cache-Control") != "public, max-age=60" {
		t.Errorf("Cache-Control of a proof: %q", resp.Header.Get("Cache-Control"))
	}
	if getPublic(t, e, proof+"1", &some); len(some.Proof) == 0 {
		t.Errorf("from one to two there is no proof: %+v", some)
	}
	if getPublic(t, e, proof+"99", &some); len(some.Proof) != 0 || some.Checkpoint != now {
		t.Errorf("a proof beyond the end: %+v", some)
	}

	resp, body = getPublic(t, e, checkpointPath, nil, "text/html,*/*;q=0.8")
	if resp.StatusCode != 200 || !strings.Contains(body, "Reveals ever: 1\n") || !strings.Contains(body, "<strong>edge-1</strong>: reveals 1, entries 2, as of <time") ||
		!strings.Contains(body, `href="`+checkpointPath+`?format=json"`) || strings.Contains(body, "<script") || strings.Contains(body, "patroller") {
		t.Errorf("the page: %d %s", resp.StatusCode, body)
	}
	if resp, _ := edgetest.Send(t, edgetest.From(t, "127.8.8.8"), "HEAD", "http://"+e.Site+checkpointPath, nil); resp.StatusCode != 200 || resp.ContentLength < 100 {
		t.Errorf("HEAD: %d, length %d", resp.StatusCode, resp.ContentLength)
	}

	// Who did what to which mask is nowhere to be read.
	as16 := netip.MustParseAddr(mask).As16()
	made := auditMask(5).As16()
	for _, dir := range []string{auditFile(e), edgeStorage(e).Path} {
		search(t, dir, []byte("patroller"), []byte(mask), as16[:], []byte(auditMask(5).String()), made[:], []byte("for the test"))
	}
}

// search fails the test where a file holds one of the needles.
func search(t *testing.T, dir string, needles ...[]byte) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		for _, needle := range needles {
			if bytes.Contains(data, needle) {
				t.Errorf("%s holds %q", path, needle)
			}
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("searching %d files in %s: %v", files, dir, err)
	}
}

func TestPublicRefusals(t *testing.T) {
	e := edgetest.New(t, auditSite(t, "127.0.0.1:1"))
	other := otherLog(t, e, "edge-2")
	if err := edgeStorage(e).Store(t.Context(), checkpointKey("edge-2"), []byte(other.Checkpoint().Note)); err != nil {
		t.Fatal(err)
	}
	own := runningLog(t).Checkpoint()
	good := fmt.Sprintf("node=edge-1&log=%v", own.Log)
	for name, c := range map[string]struct {
		query  string
		status int
		want   string
	}{
		"no log":         {"", 400, "Say which log is meant"},
		"no id":          {"node=edge-1", 400, "Say which log is meant"},
		"another node":   {"node=edge-2&log=" + other.Checkpoint().Log.String(), 421, "This is node edge-1"},
		"unknown node":   {"node=edge-3&log=" + own.Log.String(), 404, "There is no node of that name"},
		"log of old":     {"node=edge-1&log=" + other.Checkpoint().Log.String(), 404, "it was begun anew"},
		"entries":        {good + "&entries=x", 400, "Entries is not the number of an entry"},
		"negative":       {good + "&entries=-1", 400, "Entries is not the number of an entry"},
		"huge":           {good + "&entries=99999999999999999999", 400, "Entries is not the number of an entry"},
		"hostile":        {"node=%3Cscript%3E&log=203.0.113.9", 404, "There is no node of that name"},
		"query in parts": {good + "&entries=%zz", 200, `"proof":[]`},
	} {
		resp, body := getPublic(t, e, proofPath+"?"+c.query, nil, "text/html")
		if resp.StatusCode != c.status || !strings.Contains(body, c.want) || strings.Contains(body, "203.0.113.9") || strings.Contains(body, "script") {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
		if c.status != 200 && resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control %q", name, resp.Header.Get("Cache-Control"))
		}
	}
	for _, path := range []string{checkpointPath, proofPath} {
		if resp, body := edgetest.Send(t, edgetest.From(t, "127.8.8.8"), "POST", "http://"+e.Site+path, nil); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %d %s", path, resp.StatusCode, body)
		}
	}

	// A node's damaged checkpoint takes nothing from the others'.
	log := runningLog(t)
	if err := edgeStorage(e).Store(t.Context(), checkpointKey("edge-2"), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	log.cache.last.Store(nil)
	if resp, body := getPublic(t, e, checkpointPath, nil); resp.StatusCode != 200 || !strings.Contains(body, "edge-1") || strings.Contains(body, "edge-2") {
		t.Errorf("a damaged checkpoint: %d %s", resp.StatusCode, body)
	}
	if n := strings.Count(e.ReadLog(t), "a node's published checkpoint is damaged"); n != 1 {
		t.Errorf("the damage is logged %d times", n)
	}

	// A storage that fails says so plainly, and is not asked by each stranger.
	file := filepath.Join(edgeStorage(e).Path, filepath.FromSlash(checkpointKey("edge-2")))
	if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o700)); err != nil {
		t.Fatal(err)
	}
	log.cache.last.Store(nil)
	for range 2 {
		if resp, body := getPublic(t, e, checkpointPath, nil); resp.StatusCode != 503 || !strings.Contains(body, "try again in a minute") || strings.Contains(body, "edge-2") {
			t.Errorf("a storage that fails: %d %s", resp.StatusCode, body)
		}
	}
	if n := strings.Count(e.ReadLog(t), "the published checkpoints can't be shown"); n != 1 {
		t.Errorf("%d failures are logged", n)
	}
}

// withBolt changes the log's file as somebody can who has the disk.
func withBolt(t *testing.T, file string, change func(state, records *bbolt.Bucket) error) {
	t.Helper()
	db, err := bbolt.Open(file, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return change(tx.Bucket([]byte("state")), tx.Bucket([]byte("records"))) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// flipLast changes the last byte of an entry.
func flipLast(t *testing.T, file string, n byte) {
	t.Helper()
	withBolt(t, file, func(_, records *bbolt.Bucket) error {
		key := []byte{7: n}
		data := bytes.Clone(records.Get(key))
		data[len(data)-1] ^= 1
		return records.Put(key, data)
	})
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Each row is what somebody does who can write the disk but has no keys. The edge then
// doesn't start, says what to do, and leaves the file as it is.
func TestTamperedAuditIsRefused(t *testing.T) {
	testutil.Slow(t)
	const putBack = "it was left as it is: put the right file back."
	const accept = "wikiveil audit accept-loss --config FILE --reason TEXT"
	head := func(e *edgetest.Edge) string {
		return filepath.Join(edgeStorage(e).Path, "wikiveil", "audit_heads", "edge-1.checkpoint")
	}
	for name, c := range map[string]struct {
		tamper func(t *testing.T, e *edgetest.Edge, older string)
		want   []string
	}{
		"last entry cut": {func(t *testing.T, e *edgetest.Edge, _ string) {
			withBolt(t, auditFile(e), func(_, records *bbolt.Bucket) error { return records.Delete([]byte{7: 3}) })
		}, []string{"entry 3: it and all to 3 are missing", putBack}},
		"middle entry cut": {func(t *testing.T, e *edgetest.Edge, _ string) {
			withBolt(t, auditFile(e), func(_, records *bbolt.Bucket) error { return records.Delete([]byte{7: 2}) })
		}, []string{"entry 2: it is missing, 3 comes next", putBack}},
		"a bit flipped": {func(t *testing.T, e *edgetest.Edge, _ string) { flipLast(t, auditFile(e), 2) }, []string{"entry 2: content does not decrypt", putBack}},
		"the last bit":  {func(t *testing.T, e *edgetest.Edge, _ string) { flipLast(t, auditFile(e), 3) }, []string{"entry 3", putBack}},
		"half the file": {func(t *testing.T, e *edgetest.Edge, _ string) {
			info, err := os.Stat(auditFile(e))
			if err == nil {
				err = os.Truncate(auditFile(e), info.Size()/2)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, []string{"audit log is damaged", "it was left as it is: restore"}},
		"an older copy": {func(t *testing.T, e *edgetest.Edge, older string) { copyFile(t, older, auditFile(e)) },
			[]string{"it is an older copy, of 1 entries, 0 of them reveals: its head in the storage counts 3 entries, 1 of them reveals", putBack, accept}},
		"begun anew": {func(t *testing.T, e *edgetest.Edge, _ string) {
			if err := os.Remove(auditFile(e)); err != nil {
				t.Fatal(err)
			}
		}, []string{"it is gone: its head in the storage counts 3 entries, 1 of them reveals", putBack, accept}},
		"head changed": {func(t *testing.T, e *edgetest.Edge, _ string) {
			data, err := os.ReadFile(head(e))
			if err == nil {
				err = os.WriteFile(head(e), bytes.Replace(data, []byte("reveals 1"), []byte("reveals 0"), 1), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, []string{"checkpoint has a wrong signature", putBack, accept}},
		"head damaged": {func(t *testing.T, e *edgetest.Edge, _ string) {
			if err := os.WriteFile(head(e), []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"the log's head wikiveil/audit_heads/edge-1.checkpoint in the storage: checkpoint is not of its form", putBack, accept}},
		"head taken away": {func(t *testing.T, e *edgetest.Edge, _ string) {
			if err := os.Remove(head(e)); err != nil {
				t.Fatal(err)
			}
		}, []string{"its head isn't in the storage any more", putBack, accept}},
		"keys lost": {func(t *testing.T, e *edgetest.Edge, _ string) {
			if err := edgeStorage(e).Delete(t.Context(), audit.KeysKey); err != nil {
				t.Fatal(err)
			}
		}, []string{audit.ErrWrongKeys.Error(), "restore wikiveil/audit_keys.json"}},
	} {
		t.Run(name, func(t *testing.T) {
			config := auditSite(t, "127.0.0.1:1")
			e := edgetest.New(t, config)
			stop := func() {
				t.Helper()
				if err := caddy.Stop(); err != nil {
					t.Fatal(err)
				}
			}
			append1(t, runningLog(t).Log, "1", audit.Info, 1)
			stop()
			older, whole := filepath.Join(e.Dir, "older.db"), filepath.Join(e.Dir, "whole.db")
			copyFile(t, auditFile(e), older)
			e.Load(t, config)
			append1(t, runningLog(t).Log, "2", audit.Reveal, 2)
			append1(t, runningLog(t).Log, "3", audit.Info, 3)
			aDayLater(t)
			stop()
			copyFile(t, auditFile(e), whole)

			c.tamper(t, e, older)
			before, missing := os.ReadFile(auditFile(e))
			err := edgetest.LoadErr(t, e.Expand(config))
			if err == nil {
				t.Fatal("the edge started")
			}
			for _, want := range append(c.want, auditFile(e)) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
			if after, err := os.ReadFile(auditFile(e)); missing == nil && (err != nil || !bytes.Equal(before, after)) {
				t.Errorf("the file was changed (%v)", err)
			}
			if strings.HasPrefix(name, "head") || name == "keys lost" {
				return
			}
			copyFile(t, whole, auditFile(e))
			e.Load(t, config)
			if got := entries(t); len(got) != 3 {
				t.Errorf("with the log put back: %+v", got)
			}
		})
	}
}

// oldAudit is the log of edge-1 with five entries, two of them reveals, as it was written in the year 2000. It
// returns the checkpoint of its first two.
func oldAudit(t *testing.T, e *edgetest.Edge) (two audit.Checkpoint) {
	t.Helper()
	keys, err := audit.OpenKeys(t.Context(), edgeStorage(e))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		store, err := audit.OpenBolt(auditFile(e))
		if err != nil {
			t.Fatal(err)
		}
		log, err := audit.Open(audit.Config{Store: store, Keys: keys, Heads: audit.StorageHeads(edgeStorage(e), "edge-1"), Node: "edge-1"})
		if err != nil {
			t.Fatal(err)
		}
		for n, action := range []audit.Action{audit.Info, audit.Reveal, audit.Info, audit.Reveal, audit.Compare} {
			append1(t, log, "1", action, n)
			if n == 1 {
				two = log.Checkpoint()
			}
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	})
	return two
}

func TestAuditNodeAndRetentionByReload(t *testing.T) {
	e := edgetest.Place(t)
	tooOld := oldAudit(t, e)
	const century = "retention 36500d"
	config := auditSite(t, "127.0.0.1:1", "node edge-1", century)
	e.Load(t, config)
	t.Cleanup(func() { caddy.Stop() })
	first := runningLog(t)
	if got := entries(t); len(got) != 5 || got[0].Time.Year() != 2000 {
		t.Fatalf("the old entries are %+v", got)
	}
	saved := aDayLater(t)

	// A node has its own log.
	err := edgetest.LoadErr(t, e.Expand(auditSite(t, "127.0.0.1:1", "node edge-2", century)))
	if err == nil || !strings.Contains(err.Error(), "the running log is that of node edge-1, and a node can't be renamed: leave out audit { node }, or move "+auditFile(e)+" away and restart") {
		t.Errorf("renaming by a reload: %v", err)
	}
	if _, _, view := readPage(t, e, "admin", ""); view.Total != 6 || runningLog(t) != first {
		t.Errorf("after the refused reload: %+v", view)
	}

	// The keys are in the storage, so it can't be changed under a running log, to be found out at the next start.
	err = edgetest.LoadErr(t, strings.Replace(e.Expand(config), "storage file_system "+e.Dir+"/storage", "storage file_system "+e.Dir+"/other", 1))
	if err == nil || !strings.Contains(err.Error(), "the running log has its keys in another storage: copy "+audit.KeysKey) {
		t.Errorf("another storage by a reload: %v", err)
	}

	// Another retention holds at once, for the same log.
	e.Load(t, auditSite(t, "127.0.0.1:1", "node edge-1", "retention 365d"))
	log := runningLog(t)
	if log != first {
		t.Error("the reload opened the log again")
	}
	if n, err := log.Prune(t.Context()); n != 5 || err != nil {
		t.Errorf("%d entries were older than the new retention, %v", n, err)
	}
	_, body, view := readPage(t, e, "admin", "after=0")
	if view.Total != 6 || view.Pruned != 5 || len(view.Entries) != 1 || view.Older != 0 {
		t.Errorf("the page after pruning: %s", body)
	}
	if _, body, _ := readPage(t, e, "admin", "", "Accept", "text/html"); !strings.Contains(body, "Of these the oldest 5 are no longer kept.") {
		t.Errorf("the page after pruning: %s", body)
	}
	// So is a checkpoint from before what is kept.
	key := hex.EncodeToString(log.PublicKey())
	report, err := log.verifyRunning(publishedLogs{key, []audit.Checkpoint{saved, tooOld}, ""})
	if err != nil || !report.Intact || report.TooOld != 1 || report.Followed != 2 || report.Pruned != 5 || report.From != report.To {
		t.Errorf("%+v, %v", report, err)
	}
	if report, err = log.verifyRunning(publishedLogs{key, []audit.Checkpoint{tooOld}, ""}); !errors.Is(err, audit.ErrNoneFollowed) || !strings.Contains(err.Error(), "1 from before what is kept") {
		t.Errorf("%+v, %v", report, err)
	}
	// Proofs that are gone are said to be; those of what is kept go on.
	aDayLater(t)
	proof := fmt.Sprintf("%s?node=edge-1&log=%v&entries=", proofPath, saved.Log)
	if resp, body := getPublic(t, e, proof+"4", nil); resp.StatusCode != 410 || !strings.Contains(body, "Entries of that age are no longer kept.") {
		t.Errorf("a proof from what is pruned: %d %s", resp.StatusCode, body)
	}
	var logs publishedLogs
	var some proofResponse
	getPublic(t, e, checkpointPath, &logs)
	getPublic(t, e, proof+"5", &some)
	now := ofNode(t, logs, "edge-1")
	if err := now.Follows(saved, some.Proof); err != nil || now.Pruned != 5 || now.Reveals != 2 {
		t.Errorf("%+v: %v", now, err)
	}

	// At a start another name is refused too.
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	err = edgetest.LoadErr(t, e.Expand(auditSite(t, "127.0.0.1:1", "node edge-2")))
	if err == nil || !strings.Contains(err.Error(), "is for the log of node edge-1, and a node can't be renamed to edge-2") {
		t.Errorf("renaming by a restart: %v", err)
	}
	e.Load(t, config)
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
