package lookup

import (
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/lookup/audit"
)

var receiptShown = regexp.MustCompile(`(?s)<label>Receipt <textarea [^>]*>(.*?)</textarea>`)

// Case 29: a copy of audit.db from before a reveal is put back. The edge doesn't start; what its performer holds and
// the head in the storage show it to `audit verify`, and the way out is written to the log.
func TestCase29AuditPutBack(t *testing.T) {
	testutil.Slow(t)
	s := newRevealScene(t, revealOptions{seal: "local", gate: wikiGate, there: wikiGate})
	mask := s.publish(s.wiki, writerAddr)
	file := filepath.Join(filepath.Dir(runningLog(t).file), "audit.db")
	aDayLater(t)
	older, right := filepath.Join(t.TempDir(), "older.db"), filepath.Join(t.TempDir(), "right.db")
	copyFile(t, file, older) // while it runs
	p := s.browser(checkerAddr, "checker").open(mask)
	waitToRead()
	a := p.send(p.form("why"), nil)
	shown := receiptShown.FindStringSubmatch(a.body)
	if a.StatusCode != 200 || shown == nil {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	receipt := html.UnescapeString(shown[1])
	head, err := audit.ParseCheckpoint([]byte(receipt))
	if err != nil || head.Verify(runningLog(t).PublicKey()) != nil || head.Reveals != 1 {
		t.Fatalf("receipt %s: %v", receipt, err)
	}
	if strings.Contains(receipt, mask) || strings.Contains(receipt, writerAddr) {
		t.Errorf("the receipt tells what was revealed: %s", receipt)
	}
	config := s.Edge.WriteConfig(t, s.config)
	held := save(t, receipt)
	verify := func(args ...string) (string, error) {
		return edgetest.Run(t, "", append([]string{"audit", "verify"}, args...)...)
	}
	if out, err := verify("--config", config, "--receipt", held); err != nil || !strings.Contains(out, "checkpoints followed: 2\n") {
		t.Errorf("the right log: %s %v", out, err)
	}
	copyFile(t, file, right)

	// Already while it runs: a restart would find another file.
	moved := file + ".moved"
	if err := os.Rename(file, moved); err != nil {
		t.Fatal(err)
	}
	copyFile(t, older, file)
	if out, err := verify("--config", config); err == nil || !strings.Contains(err.Error(), "another file is in its place") {
		t.Errorf("replaced while it runs: %s %v", out, err)
	}
	if _, err := runningLog(t).publish(t.Context()); err == nil {
		t.Error("it goes on to be published")
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	err = edgetest.LoadErr(t, s.Expand(s.config))
	for _, want := range []string{"it is an older copy, of 0 entries, 0 of them reveals: its head in the storage counts 1 entries, 1 of them reveals",
		"wikiveil audit accept-loss --config FILE --reason TEXT", file} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("starting with the copy: %v, want %q", err, want)
		}
	}
	for name, args := range map[string][]string{"head": {"--config", config}, "receipt": {"--config", config, "--receipt", held}} {
		if out, err := verify(append(args, "--file", file)...); err == nil || !strings.Contains(err.Error(), "entry 1: it and all to 1 are missing") {
			t.Errorf("verify with the %s: %s %v", name, out, err)
		}
	}

	// The right file is taken without a word.
	copyFile(t, right, file)
	s.Load(t, s.config)
	if got := entries(t); len(got) != 1 {
		t.Errorf("with the right file: %+v", got)
	}
	if out, err := edgetest.Run(t, "", "audit", "accept-loss", "--config", config, "--reason", "none"); err == nil || !strings.Contains(err.Error(), "stop the edge first") {
		t.Errorf("accepting under a running edge: %s %v", out, err)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := edgetest.Run(t, "", "audit", "accept-loss", "--config", config, "--reason", "none"); err == nil || !strings.Contains(err.Error(), "nothing is lost") {
		t.Errorf("accepting nothing: %v", err)
	}

	// A backup is restored on purpose.
	copyFile(t, older, file)
	if _, err := edgetest.Run(t, "", "audit", "accept-loss", "--config", config); err == nil || !strings.Contains(err.Error(), "a reason is needed") {
		t.Errorf("accepting without a reason: %v", err)
	}
	if out, err := edgetest.Run(t, "", "audit", "accept-loss", "--config", config, "--reason", "disk failed"); err != nil || !strings.Contains(out, "Lost: 1 entries, 1 of them reveals.") {
		t.Fatalf("accepting: %s %v", out, err)
	}
	s.Load(t, s.config)
	got := entries(t)
	if len(got) != 1 || got[0].Action != audit.Loss || got[0].Reason != "lost: 1 entries, 1 of them reveals; disk failed" || got[0].Performer != "admin:"+admin.WhoRuns() {
		t.Errorf("the log says %+v", got)
	}
	if out, err := verify("--config", config); err != nil {
		t.Errorf("the accepted log: %s %v", out, err)
	}
	if out, err := verify("--config", config, "--receipt", held); err == nil || !strings.Contains(err.Error(), "the log is not that of the checkpoint") {
		t.Errorf("who holds the receipt: %s %v", out, err)
	}
	aDayLater(t)
	saved := publishedLogs{Checkpoints: []audit.Checkpoint{head}}
	if err := (&follower{site: nil}).followShown(t, saved); err == nil {
		t.Error("whoever follows with the receipt sees nothing")
	}
}

// followShown follows what the running log shows now.
func (f *follower) followShown(t *testing.T, saved publishedLogs) error {
	t.Helper()
	shown, err := runningLog(t).publishedLogs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.one(t.Context(), runningLog(t).PublicKey(), shown.Checkpoints, saved.Checkpoints[0])
	return err
}

// Case 31: each reveal is written and counted, whatever was revealed that day.
func TestCase31EachRevealCounts(t *testing.T) {
	testutil.Slow(t)
	s := newRevealScene(t, revealOptions{seal: "local", gate: wikiGate, there: wikiGate})
	mask := s.publish(s.wiki, writerAddr)
	checker := s.browser(checkerAddr, "checker")
	for _, reason := range []string{"threats", "asked by the police"} {
		p := checker.open(mask)
		waitToRead()
		if a := p.send(p.form(reason), nil); a.StatusCode != 200 {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
	}
	all := reveals(t)
	if len(all) != 2 || all[0].Reason == all[1].Reason {
		t.Errorf("the audit has %+v", all)
	}
	if c := runningLog(t).Checkpoint(); c.Reveals != 2 {
		t.Errorf("%d reveals are counted", c.Reveals)
	}
}

// A reveal whose head can't be stored is not answered.
func TestRevealWithoutStorageIsRefused(t *testing.T) {
	s := newRevealScene(t, revealOptions{seal: "local", gate: wikiGate, there: wikiGate})
	mask := s.publish(s.wiki, writerAddr)
	p := s.browser(checkerAddr, "checker").open(mask)
	waitToRead()
	heads := filepath.Join(edgeStorage(s.Edge).Path, "wikiveil", "audit_heads")
	if err := os.RemoveAll(heads); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(heads, nil, 0o600); err != nil { // in the directory's place: root may write anywhere
		t.Fatal(err)
	}
	if a := p.send(p.form("why"), nil); a.StatusCode != 503 || strings.Contains(a.body, writerAddr) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// Case 47: what a node is called goes with its data, not with the host: two on one host never meet, and a container that
// is made anew goes on.
func TestCase47NodeGoesWithTheData(t *testing.T) {
	config := auditSite(t, "127.0.0.1:1", "retention 400d") // and no node
	e := edgetest.New(t, config)
	first := runningLog(t)
	host, err := os.Hostname()
	if err != nil || first.node == edge.PlainName(host) || len(first.node) != 16 {
		t.Fatalf("the node is %q on host %q, %v", first.node, host, err)
	}
	append1(t, first.Log, "1", audit.Reveal, 1)
	aDayLater(t)
	e.Load(t, strings.Replace(config, "data_dir {DIR}/data", "data_dir {DIR}/second", 1)) // on the same host and storage
	second := runningLog(t)
	append1(t, second.Log, "1", audit.Info, 1)
	aDayLater(t)
	if second.node == first.node {
		t.Fatal("two nodes have one name")
	}
	e.Load(t, config)
	if got := runningLog(t); got.node != first.node || len(entries(t)) != 1 {
		t.Errorf("after a restart it is node %s with %+v", got.node, entries(t))
	}
	shown, err := runningLog(t).publishedLogs(t.Context())
	if err != nil || ofNode(t, shown, first.node).Entries != 1 || ofNode(t, shown, second.node).Entries != 1 {
		t.Errorf("%+v, %v", shown, err)
	}

	// The name alone is in the log too; without either it would be another node's.
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	place := filepath.Join(e.Dir, "data", nodeFile)
	if err := os.Remove(place); err != nil {
		t.Fatal(err)
	}
	e.Load(t, config)
	if got, err := os.ReadFile(place); err != nil || strings.TrimSpace(string(got)) != first.node {
		t.Errorf("node_id is %q, %v", got, err)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	for content, want := range map[string]string{second.node: "put the right one of them back", "a b": "is damaged"} {
		if err := os.WriteFile(place, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := edgetest.LoadErr(t, e.Expand(config)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("node_id of %q: %v, want %q", content, err, want)
		}
	}
	if err := os.WriteFile(place, []byte(first.node), 0o600); err != nil {
		t.Fatal(err)
	}
	// The log alone is gone: the name tells that there was one.
	if err := os.Remove(auditFile(e)); err != nil {
		t.Fatal(err)
	}
	if err := edgetest.LoadErr(t, e.Expand(config)); err == nil || !strings.Contains(err.Error(), "it is gone: its head in the storage counts 1 entries, 1 of them reveals") {
		t.Errorf("without the log: %v", err)
	}
}

// Two edges that were given one name are told so.
func TestOneNameForTwoNodes(t *testing.T) {
	config := auditSite(t, "127.0.0.1:1")
	e := edgetest.New(t, config)
	append1(t, runningLog(t).Log, "1", audit.Reveal, 1)
	err := edgetest.LoadErr(t, e.Expand(strings.Replace(config, "data_dir {DIR}/data", "data_dir {DIR}/second", 1)))
	if err == nil || !strings.Contains(err.Error(), "If another edge that shares the storage has the name edge-1, too, give each its own, or leave out audit { node }") {
		t.Errorf("got %v", err)
	}
	if c := runningLog(t).Checkpoint(); c.Entries != 1 {
		t.Errorf("the first has %+v", c)
	}
}
