package publish_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/checkup"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

type migration struct {
	Phase    string
	Left     int
	Findings []checkup.Finding
}

// mends returns what is to be done, by check.
func (m migration) mends() map[string]string {
	mends := map[string]string{}
	for _, f := range m.Findings {
		if f.Bad() {
			mends[f.Check] = f.Mend
		}
	}
	return mends
}

// From phase to phase each next line is named, and once it's done, the next one is.
func TestMigrateStatus(t *testing.T) {
	site := func(options string) string {
		return "{\n{GLOBAL}\n}\nhttp://{SITE} {\n" + options + "\nrespond ok\n}\n"
	}
	rejecting := site("client_mask {\nreject_ip_input\n}")
	e := edgetest.New(t, rejecting)
	dir := t.TempDir()
	log := filepath.Join(dir, "access.log")
	if err := os.WriteFile(log, []byte("198.51.100.7 - - [01/Dec/2026:04:00:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"Chrome/120.0.0.0\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	status := func(config string, args ...string) migration {
		t.Helper()
		out, err := edgetest.Run(t, "", append([]string{"migrate", "status", "--json", "--config", e.WriteConfig(t, config)}, args...)...)
		var m migration
		if unread := json.Unmarshal([]byte(out), &m); unread != nil || (err == nil) != (m.Left == 0) {
			t.Fatalf("%v, %v: %s", unread, err, out)
		}
		if strings.Contains(out, "198.51.100.7") {
			t.Errorf("it prints an address: %s", out)
		}
		return m
	}
	for _, c := range []struct{ options, phase, check, mend string }{
		{"", "none", "config", "client_mask { mode observe }"},
		{"client_mask {\nmode observe\n}", "observe", "config", "client_mask { mode mask }"},
		{"client_mask", "mask", "input", "client_mask { reject_ip_input }"},
		{"client_mask {\nreject_ip_input\n}", "reject_ip_input", "", ""},
	} {
		if m := status(site(c.options)); m.Phase != c.phase || m.mends()[c.check] != c.mend || m.Left != len(strings.Fields(c.check)) {
			t.Errorf("%s: %+v", c.phase, m)
		}
	}
	if m := status(rejecting, log); !strings.HasSuffix(m.mends()["logs"], "--output "+log+".masked "+log) {
		t.Errorf("with a log: %+v", m)
	}
	if _, err := edgetest.Run(t, "", "scrub", "--config", e.WriteConfig(t, rejecting), "--output", log+".masked", log); err != nil {
		t.Fatal(err)
	}
	// The ring now knows that masks of its epoch are published.
	m := status(rejecting, log+".masked")
	if m.Left != 1 || m.mends()["keys"] != "wikiveil keys rotate" {
		t.Errorf("after scrub: %+v", m)
	}
	if status, body := e.Post(t, "/wikiveil/keys/rotate", nil); status != 200 {
		t.Fatalf("rotating: %d %s", status, body)
	}
	id := ""
	testutil.Eventually(t, "the next epoch", func() bool {
		mend := status(rejecting, log+".masked").mends()["keys"]
		id, _ = strings.CutPrefix(mend, "wikiveil keys remove ")
		return id != mend
	})
	if status, body := e.Post(t, "/wikiveil/keys/remove", map[string]any{"id": id, "now": true}); status != 200 {
		t.Fatalf("removing: %d %s", status, body)
	}
	if m := status(rejecting, log+".masked"); m.Phase != "published" || m.Left != 0 {
		t.Errorf("at last: %+v", m)
	}
	for _, args := range [][]string{{"--config", "/nowhere/Caddyfile"}, {"--config", e.WriteConfig(t, rejecting), "--dsn", "sqlite:/nowhere/wiki.sqlite"},
		{"--config", e.WriteConfig(t, rejecting), "/nowhere/access.log"}, {}} {
		if out, err := edgetest.Run(t, "", append([]string{"migrate", "status"}, args...)...); err == nil || strings.Contains(out, "phase") {
			t.Errorf("%v: %v %s", args, err, out)
		}
	}
}
