package lookup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.etcd.io/bbolt"

	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/lookup/audit"
)

// save writes what somebody has saved to a file.
func save(t *testing.T, data any) string {
	t.Helper()
	text, ok := data.(string)
	if c, is := data.(audit.Checkpoint); is {
		text = c.Note
	} else if !ok {
		text = string(mustJSON(t, data))
	}
	file := filepath.Join(t.TempDir(), "saved.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func wantLines(t *testing.T, got string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+got, "\n"+line) {
			t.Errorf("the output lacks %q:\n%s", line, got)
		}
	}
}

func TestAuditVerifyCommand(t *testing.T) {
	config := auditSite(t, "127.0.0.1:1")
	e := edgetest.New(t, config)
	verify := func(args ...string) (string, error) {
		t.Helper()
		return edgetest.Run(t, "", append([]string{"audit", "verify", "--address", e.Admin}, args...)...)
	}
	log := runningLog(t)
	append1(t, log.Log, "secretive", audit.Reveal, 1)
	append1(t, log.Log, "secretive", audit.Info, 2)
	aDayLater(t)
	saved, err := edgetest.Run(t, "", "audit", "checkpoint", "--address", e.Admin)
	if err != nil || !strings.Contains(saved, `\n2\n`) {
		t.Fatalf("checkpoint: %v %s", err, saved)
	}
	whole := save(t, saved)
	append1(t, log.Log, "secretive", audit.Reveal, 3)
	single := save(t, log.Checkpoint())
	other := save(t, publishedLogs{PublicKey: fmt.Sprintf("%x", log.PublicKey()),
		Checkpoints: []audit.Checkpoint{log.Checkpoint(), otherLog(t, e, "edge-2").Checkpoint()}})

	out, err := verify()
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, out, "The audit log of node edge-1 is intact.\n", "log:                  "+log.Checkpoint().Log.String()+"\n",
		"entries ever:         3, 2 of them reveals\n", "no longer kept:       0\n", "kept:                 from 20", "checkpoints followed: 1\n")
	out, err = verify("--checkpoint", whole, "--checkpoint", single, "--checkpoint", other)
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, out, "checkpoints followed: 4\n", "Left out: 1 checkpoints of other nodes")
	if strings.Contains(out, "proved") || strings.Contains(out, "secretive") || strings.Contains(out, auditMask(1).String()) {
		t.Errorf("the output says:\n%s", out)
	}

	foreign, err := audit.NewKeys(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ saved, want string }{
		"of another log": {save(t, otherLog(t, e, "edge-1").Checkpoint()), "audit log is not intact: the checkpoint is of log"},
		"of other nodes": {save(t, publishedLogs{PublicKey: fmt.Sprintf("%x", log.PublicKey()),
			Checkpoints: []audit.Checkpoint{otherLog(t, e, "edge-2").Checkpoint()}}), "none of the given checkpoints can be followed: of 1, 1 are of other nodes than edge-1"},
		"another key":  {save(t, strings.Replace(saved, fmt.Sprintf("%x", log.PublicKey()), fmt.Sprintf("%x", foreign.Public()), 1)), "saved with another public key"},
		"changed":      {save(t, strings.Replace(saved, "reveals 1", "reveals 0", 1)), "checkpoint of 2 entries of node edge-1: checkpoint has a wrong signature"},
		"not JSON":     {save(t, "203.0.113.9"), "neither a saved answer of /.well-known/wikiveil-audit nor a checkpoint"},
		"empty":        {save(t, `{"public_key":"","checkpoints":[]}`), "neither a saved answer"},
		"another file": {save(t, `{"version":1}`), "neither a saved answer"},
		"no file":      {filepath.Join(e.Dir, "none"), "no such file"},
	} {
		if _, err := verify("--checkpoint", c.saved); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "203.0.113.9") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}

	// The file is the running edge's.
	if _, err := verify("--file", auditFile(e)); !errors.Is(err, audit.ErrInUse) || !strings.Contains(err.Error(), "leave out --file") {
		t.Errorf("the file of the running edge: %v", err)
	}
	flipOnDisk(t, e, 1)
	if _, err := verify(); err == nil || err.Error() != "verifying the audit log: audit log is not intact: entry 1: content does not decrypt: it was changed, or the keys are not the log's" {
		t.Errorf("changed under the running edge: %v", err)
	}
	if !strings.Contains(e.ReadLog(t), "audit log is not intact") {
		t.Error("the operator's log does not tell")
	}
}

// flipOnDisk changes an entry in the file that the edge has open.
func flipOnDisk(t *testing.T, e *edgetest.Edge, n byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "copy.db")
	copyFile(t, auditFile(e), file)
	var record []byte
	withBolt(t, file, func(_, records *bbolt.Bucket) error {
		record = bytes.Clone(records.Get([]byte{7: n}))
		return nil
	})
	data, err := os.ReadFile(auditFile(e))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(auditFile(e), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	count := 0
	for at := 0; ; count++ { // older pages hold it too
		i := bytes.Index(data[at:], record)
		if i < 0 {
			break
		}
		at += i + len(record)
		if _, err := f.WriteAt([]byte{data[at-1] ^ 1}, int64(at-1)); err != nil {
			t.Fatal(err)
		}
	}
	if count == 0 {
		t.Fatal("the entry is not in the file")
	}
}

func TestAuditVerifyFile(t *testing.T) {
	site := auditSite(t, "127.0.0.1:1")
	e := edgetest.New(t, site)
	config := e.WriteConfig(t, site)
	log := runningLog(t)
	append1(t, log.Log, "1", audit.Reveal, 1)
	append1(t, log.Log, "1", audit.Info, 2)
	aDayLater(t)
	saved, err := edgetest.Run(t, "", "audit", "checkpoint", "--config", config)
	if err != nil {
		t.Fatal(err)
	}
	whole, single := save(t, saved), save(t, log.Checkpoint())
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	verify := func(args ...string) (string, error) {
		t.Helper()
		return edgetest.Run(t, "", append([]string{"audit", "verify", "--file", auditFile(e)}, args...)...)
	}
	const unproved = "What the entries hold was not proved"
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"alone":           {nil, []string{"The audit log of node edge-1 is intact.", "entries ever:         2, 1 of them reveals", "checkpoints followed: 0", "No checkpoint was given", unproved}},
		"with keys":       {[]string{"--config", config}, []string{"checkpoints followed: 1\n"}},
		"with checkpoint": {[]string{"--checkpoint", whole}, []string{"checkpoints followed: 1\n", unproved}},
		"with both":       {[]string{"--checkpoint", whole, "--checkpoint", single, "--config", config}, []string{"checkpoints followed: 3\n"}},
	} {
		out, err := verify(c.args...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantLines(t, out, c.want...)
		if strings.Contains(out, unproved) != (c.want[len(c.want)-1] == unproved) {
			t.Errorf("%s:\n%s", name, out)
		}
	}
	// Without the keys in the storage, none are made.
	empty := filepath.Join(t.TempDir(), "Caddyfile")
	elsewhere := t.TempDir()
	if err := os.WriteFile(empty, []byte("{\nstorage file_system "+elsewhere+"\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := verify("--config", empty); err == nil || !strings.Contains(err.Error(), "there are no audit keys (wikiveil/audit_keys.json)") {
		t.Errorf("without keys: %v", err)
	}
	if made, _ := os.ReadDir(elsewhere); len(made) > 0 {
		t.Errorf("verifying made %v", made)
	}
	if _, err := verify("--checkpoint", single); err == nil || !strings.Contains(err.Error(), "has no public key in it: give --config too") {
		t.Errorf("a single checkpoint: %v", err)
	}
	none := filepath.Join(e.Dir, "none.db")
	if _, err := edgetest.Run(t, "", "audit", "verify", "--file", none); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("no file: %v", err)
	}
	if _, err := os.Stat(none); err == nil {
		t.Error("verifying made the file")
	}

	good, err := os.ReadFile(auditFile(e))
	if err != nil {
		t.Fatal(err)
	}
	cut := func(state, records *bbolt.Bucket) error { return records.Delete([]byte{7: 2}) }
	for name, c := range map[string]struct {
		tamper func()
		args   []string
		want   string
	}{
		"cut":     {func() { withBolt(t, auditFile(e), cut) }, nil, "entry 2: it and all to 2 are missing"},
		"flipped": {func() { flipLast(t, auditFile(e), 1) }, []string{"--config", config}, "entry 1: content does not decrypt"},
		"garbage": {func() {
			if err := os.WriteFile(auditFile(e), []byte("not a log"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, nil, "audit log is damaged"},
	} {
		c.tamper()
		before, _ := os.ReadFile(auditFile(e))
		if _, err := verify(c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if after, _ := os.ReadFile(auditFile(e)); !bytes.Equal(before, after) {
			t.Errorf("%s: verifying wrote to the file", name)
		}
		if err := os.WriteFile(auditFile(e), good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := edgeStorage(e).Delete(t.Context(), audit.KeysKey); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.OpenKeys(t.Context(), edgeStorage(e)); err != nil { // new ones
		t.Fatal(err)
	}
	if _, err := verify("--config", config); err == nil || !strings.Contains(err.Error(), audit.ErrWrongKeys.Error()) {
		t.Errorf("other keys: %v", err)
	}
}

func TestAuditAdminRefusals(t *testing.T) {
	e := edgetest.New(t, auditSite(t, "127.0.0.1:1"))
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		want               string
	}{
		"method of verify":     {"GET", adminAuditVerify, "", 405, "GET is not allowed"},
		"method of checkpoint": {"POST", adminAuditCheckpoint, "", 405, "POST is not allowed"},
		"no body":              {"POST", adminAuditVerify, "", 200, `"intact":true`},
		"empty object":         {"POST", adminAuditVerify, "{}", 200, `"intact":true`},
		"not JSON":             {"POST", adminAuditVerify, "203.0.113.9", 400, "not one JSON object"},
		"unknown field":        {"POST", adminAuditVerify, `{"address":"203.0.113.9"}`, 400, "not one JSON object"},
		"two objects":          {"POST", adminAuditVerify, `{}{}`, 400, "not one JSON object"},
		"bad checkpoint":       {"POST", adminAuditVerify, `{"checkpoints":["203.0.113.9\n"]}`, 400, "checkpoint is not of its form"},
		"huge":                 {"POST", adminAuditVerify, `{"public_key":"` + strings.Repeat("x", maxAuditBody) + `"}`, 400, "not one JSON object"},
	} {
		r, err := http.NewRequest(c.method, "http://"+e.Admin+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		rec := httptest.NewRecorder()
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		rec.Body.ReadFrom(resp.Body)
		resp.Body.Close()
		if body := rec.Body.String(); resp.StatusCode != c.status || !strings.Contains(body, c.want) || strings.Contains(body, "203.0.113.9") {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
	e.Load(t, edgetest.PlainSite+"127.0.0.1:1\n}")
	for _, args := range [][]string{{"verify"}, {"checkpoint"}} {
		if _, err := edgetest.Run(t, "", append([]string{"audit"}, append(args, "--address", e.Admin)...)...); err == nil || !strings.Contains(err.Error(), "no site has mask_info or mask_reveal") {
			t.Errorf("%v without a log: %v", args, err)
		}
	}
}

func TestAuditFollowCommand(t *testing.T) {
	testutil.Slow(t)
	e := edgetest.New(t, auditSite(t, "127.0.0.1:1"))
	site := "http://" + e.Site
	log := runningLog(t)
	append1(t, log.Log, "1", audit.Reveal, 1)
	aDayLater(t)
	_, saved := getPublic(t, e, checkpointPath, nil)
	for n := range 1005 {
		append1(t, log.Log, "1", []audit.Action{audit.Block, audit.Reveal}[n&1], n+2)
	}
	follow := func(args ...string) (string, error) {
		t.Helper()
		return edgetest.Run(t, "", append([]string{"audit", "follow"}, args...)...)
	}
	if out, err := follow(site, "--checkpoint", save(t, saved)); err != nil || !strings.Contains(out, "node edge-1: 0 entries, 0 of them reveals, since ") {
		t.Errorf("at once: %s %v", out, err)
	}
	aDayLater(t)
	_, later := getPublic(t, e, checkpointPath, nil)
	out, err := follow(site, "--checkpoint", save(t, saved))
	if err != nil || !strings.Contains(out, "node edge-1: 1005 entries, 502 of them reveals, since ") || !strings.Contains(out, "nothing has vanished (1006 entries, 503 reveals ever)") {
		t.Errorf("later: %s %v", out, err)
	}
	if out, err := follow(site, "--checkpoint", save(t, log.Checkpoint())); err == nil || !strings.Contains(err.Error(), "the site shows an older checkpoint") {
		t.Errorf("one that is not shown yet: %s %v", out, err)
	}

	// A site that shows something else than its log's true story.
	lie := func(change func(path string, query string, body []byte) (int, []byte)) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			resp, body := getPublic(t, e, r.URL.RequestURI(), nil)
			status, data := change(r.URL.Path, r.URL.RawQuery, []byte(body))
			if status == 0 {
				status = resp.StatusCode
			}
			w.WriteHeader(status)
			w.Write(data)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	with := func(path, was, is string) string {
		return lie(func(asked, _ string, body []byte) (int, []byte) {
			if asked == path {
				body = bytes.Replace(body, []byte(was), []byte(is), 1)
			}
			return 0, body
		})
	}
	inProof := func(change func(*proofResponse)) func(string, string, []byte) (int, []byte) {
		return func(path, _ string, body []byte) (int, []byte) {
			var answer proofResponse
			if path == proofPath && json.Unmarshal(body, &answer) == nil {
				change(&answer)
				body = mustJSON(t, answer)
			}
			return 0, body
		}
	}
	misdirected := 0
	for name, c := range map[string]struct{ site, saved, want string }{
		"a reveal less":                {with(checkpointPath, "reveals 503", "reveals 502"), saved, "what the site shows: checkpoint has a wrong signature"},
		"an older one again":           {lie(func(path, _ string, body []byte) (int, []byte) { return 0, []byte(saved) }), later, "the site shows an older checkpoint"},
		"another proof":                {lie(inProof(func(a *proofResponse) { a.Proof[0][0] ^= 1 })), saved, "the proof does not lead from one to the other"},
		"no proof":                     {lie(inProof(func(a *proofResponse) { a.Proof = nil })), saved, "the proof does not lead from one to the other"},
		"a proof of what is not shown": {lie(inProof(func(a *proofResponse) { a.Checkpoint = log.Checkpoint() })), saved, "the site proves another checkpoint than it shows"},
		"the node gone": {lie(func(path, _ string, body []byte) (int, []byte) {
			var logs publishedLogs
			if json.Unmarshal(body, &logs) == nil && logs.Checkpoints != nil {
				logs.Checkpoints = []audit.Checkpoint{}
				body, _ = json.Marshal(logs)
			}
			return 0, body
		}), saved, "no longer shows a log of that node"},
		"begun anew":    {site, otherLog(t, e, "edge-1").Checkpoint().Note, "the site shows an older checkpoint"},
		"saved changed": {site, strings.Replace(saved, `\n1\n`, `\n2\n`, 1), "what was saved: checkpoint has a wrong signature"},
		"another key":   {site, strings.Replace(saved, fmt.Sprintf("%x", log.PublicKey()), strings.Repeat("ab", 32), 1), "another public key"},
		"pruned": {lie(func(path, _ string, body []byte) (int, []byte) {
			if path == proofPath {
				return 410, []byte(`{}`)
			}
			return 0, body
		}), saved, "entries of that age are no longer kept"},
		"never the right node": {lie(func(path, _ string, body []byte) (int, []byte) {
			if path == proofPath {
				misdirected++
				return 421, []byte(`{"error":"This is node b"}`)
			}
			return 0, body
		}), saved, `421: "This is node b"`},
		"not the software": {lie(func(string, string, []byte) (int, []byte) { return 200, []byte("<html>") }), saved, "is not of its form"},
		"no key":           {lie(func(string, string, []byte) (int, []byte) { return 200, []byte("{}") }), saved, "shows no public key"},
		"no such page":     {lie(func(string, string, []byte) (int, []byte) { return 404, nil }), saved, `404: "Not Found"`},
		"not a site":       {"wiki.example", saved, "the site is not an address"},
		"nothing saved":    {site, `{"version":1}`, "neither a saved answer"},
	} {
		if out, err := follow(c.site, "--checkpoint", save(t, c.saved)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %s %v, want %q", name, out, err, c.want)
		}
	}
	if misdirected != followTries {
		t.Errorf("the right node was asked for %d times", misdirected)
	}
	if _, err := follow(site); err == nil || !strings.Contains(err.Error(), "give the checkpoints to follow by --checkpoint") {
		t.Errorf("without --checkpoint: %v", err)
	}
	// One of several nodes answers at last.
	tries := 0
	behind := lie(func(path, _ string, body []byte) (int, []byte) {
		if tries++; path == proofPath && tries%3 != 0 {
			return 421, []byte(`{}`)
		}
		return 0, body
	})
	if out, err := follow(behind, "--checkpoint", save(t, saved)); err != nil || !strings.Contains(out, "nothing has vanished") {
		t.Errorf("behind a balancer: %s %v", out, err)
	}
}

// Who follows can be a witness: what is saved is cosigned, and can be followed again.
func TestAuditFollowAsWitness(t *testing.T) {
	e := edgetest.New(t, auditSite(t, "127.0.0.1:1"))
	log := runningLog(t)
	append1(t, log.Log, "1", audit.Reveal, 1)
	aDayLater(t)
	_, first := getPublic(t, e, checkpointPath, nil)
	saved, key := save(t, first), filepath.Join(t.TempDir(), "witness.key")
	follow := func(args ...string) (string, error) {
		return edgetest.Run(t, "", append([]string{"audit", "follow", "http://" + e.Site, "--checkpoint", saved}, args...)...)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no key":    {[]string{"--save", saved, "--witness", "w.example"}, "both --witness and --key"},
		"no name":   {[]string{"--save", saved, "--key", key}, "both --witness and --key"},
		"no place":  {[]string{"--witness", "w.example", "--key", key}, "say by --save"},
		"bad name":  {[]string{"--save", saved, "--witness", "w example", "--key", key}, "printable ASCII"},
		"not a key": {[]string{"--save", saved, "--witness", "w.example", "--key", saved}, "not a witness's key"},
	} {
		if _, err := follow(c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	var keys []string
	for n := range 2 {
		append1(t, log.Log, "1", audit.Reveal, n+2)
		now := aDayLater(t)
		out, err := follow("--save", saved, "--witness", "w.example", "--key", key)
		if err != nil {
			t.Fatal(out, err)
		}
		_, cosigned, ok := strings.Cut(out, "cosigned by w.example+")
		if !ok {
			t.Fatal(out)
		}
		keys = append(keys, cosigned)
		data, err := os.ReadFile(saved)
		if err != nil {
			t.Fatal(err)
		}
		logs, err := parseSaved(data)
		if err != nil || len(logs.Checkpoints) != 1 || logs.Checkpoints[0].Entries != now.Entries ||
			strings.Count(logs.Checkpoints[0].Note, "— w.example ") != 1 || logs.Checkpoints[0].Verify(log.PublicKey()) != nil {
			t.Errorf("saved %s: %v", data, err)
		}
	}
	if keys[0] != keys[1] {
		t.Errorf("two keys: %q", keys)
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode: %v, %v", info.Mode(), err)
	}
}

func FuzzParseSaved(f *testing.F) {
	keys, err := audit.NewKeys(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	store, err := audit.OpenBolt(filepath.Join(f.TempDir(), "audit.db"))
	if err != nil {
		f.Fatal(err)
	}
	heads := audit.StorageHeads(&certmagic.FileStorage{Path: f.TempDir()}, "edge-1")
	log, err := audit.Open(audit.Config{Store: store, Keys: keys, Heads: heads, Node: "edge-1"})
	if err != nil {
		f.Fatal(err)
	}
	c := log.Checkpoint()
	log.Close()
	f.Add([]byte(c.Note))
	for _, seed := range []any{c, publishedLogs{PublicKey: fmt.Sprintf("%x", keys.Public()), Checkpoints: []audit.Checkpoint{c}, Proof: proofPath}, []any{c}, nil} {
		data, err := json.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		saved, err := parseSaved(data)
		if err != nil {
			return
		}
		if len(saved.Checkpoints) == 0 || saved.PublicKey != "" && len(saved.PublicKey) != 64 {
			t.Errorf("%q gives %+v", data, saved)
		}
		again, err := json.Marshal(saved)
		if err != nil {
			t.Fatal(err)
		}
		if saved.PublicKey != "" {
			if _, err := parseSaved(again); err != nil {
				t.Errorf("%s: %v", again, err)
			}
		}
	})
}

// Who blocks what stands in the audit before it holds.
func TestBlocksAreAudited(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, auditSite(t, wiki.Address()))
	mask := edgetest.Edit(t, e, wiki, "127.130.7.1")
	visit := func() int {
		t.Helper()
		resp, _ := edgetest.Send(t, edgetest.From(t, "127.130.7.1"), "GET", "http://"+e.Site+"/", nil)
		wiki.Take()
		return resp.StatusCode
	}
	reason, by := strings.Repeat("ü", 250), strings.Repeat("b", 255-len("admin:")) // the most that a block may have
	if status, body := e.Post(t, "/wikiveil/blocks", edgetest.JSON{"mask": mask, "reason": reason, "by": by}); status != 200 {
		t.Fatalf("blocking: %d %s", status, body)
	}
	if _, err := edgetest.Run(t, "", "block", "remove", mask, "--reason", "was a mistake", "--address", e.Admin); err != nil {
		t.Fatal(err)
	}
	if _, err := edgetest.Run(t, "", "block", "add", mask, "--reason", "spam", "--address", e.Admin); err != nil {
		t.Fatal(err)
	}
	if status, body := e.Post(t, "/wikiveil/blocks/remove", edgetest.JSON{"mask": mask}); status != 200 {
		t.Fatalf("removing: %d %s", status, body)
	}
	// What is refused is no entry.
	for name, c := range map[string]struct {
		path string
		body any
	}{
		"not blocked":      {"/wikiveil/blocks/remove", edgetest.JSON{"mask": mask}},
		"long reason":      {"/wikiveil/blocks", edgetest.JSON{"mask": mask, "reason": reason + "x"}},
		"long name":        {"/wikiveil/blocks", edgetest.JSON{"mask": mask, "by": by + "x"}},
		"not a mask":       {"/wikiveil/blocks", edgetest.JSON{"mask": "203.0.113.9"}},
		"unprintable name": {"/wikiveil/blocks", edgetest.JSON{"mask": mask, "by": "a\nb"}},
	} {
		if status, body := e.Post(t, c.path, c.body); status != 400 && status != 404 {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	var told []string
	for _, entry := range entries(t) {
		if len(entry.Masks) != 1 || entry.Masks[0].String() != mask {
			t.Errorf("%+v", entry)
		}
		told = append(told, fmt.Sprintf("%v by %s: %s", entry.Action, entry.Performer, entry.Reason))
	}
	me := "admin:" + admin.WhoRuns()
	want := []string{"block by admin:" + by + ": " + reason, "unblock by " + me + ": was a mistake", "block by " + me + ": spam", "unblock by admin:API: "}
	if strings.Join(told, "\n") != strings.Join(want, "\n") {
		t.Errorf("the audit has\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}

	// Where it can't be written, nothing changes.
	if status, body := e.Post(t, "/wikiveil/blocks", edgetest.JSON{"mask": mask}); status != 200 {
		t.Fatalf("blocking: %d %s", status, body)
	}
	fullDisk(t)
	if status, body := e.Post(t, "/wikiveil/blocks/remove", edgetest.JSON{"mask": mask, "reason": "a way out"}); status != 503 || !strings.Contains(body, "nothing was changed") || visit() != 403 {
		t.Errorf("removing without an audit: %d %s", status, body)
	}
	other := auditMask(9).String()
	if status, body := e.Post(t, "/wikiveil/blocks", edgetest.JSON{"mask": other}); status != 503 || !strings.Contains(body, "nothing was changed") {
		t.Errorf("blocking without an audit: %d %s", status, body)
	}
	if _, list := edgetest.Send(t, http.DefaultClient, "GET", "http://"+e.Admin+"/wikiveil/blocks", nil); strings.Contains(list, other) {
		t.Errorf("the list is %s", list)
	}
}
