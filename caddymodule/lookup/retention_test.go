package lookup

import (
	"encoding/json"
	"net"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// A config that comes to nothing deletes no entries of the audit, however short its retention, and doesn't leave that behind.
func TestFailedConfigDeletesNoAudit(t *testing.T) {
	e := edgetest.Place(t)
	oldAudit(t, e)
	short := e.Expand(auditSite(t, "127.0.0.1:1", "node edge-1", "retention 365d"))
	var parsed caddy.Config
	if err := json.Unmarshal(edgetest.Adapt(t, short), &parsed); err != nil {
		t.Fatal(err)
	}
	if err := edgetest.ValidateConfig(&parsed); err != nil {
		t.Fatal(err)
	}

	e.Load(t, auditSite(t, "127.0.0.1:1", "node edge-1", "retention 36500d"))
	t.Cleanup(func() { caddy.Stop() })
	wantKept := func() {
		t.Helper()
		if n, err := runningLog(t).Prune(t.Context()); n != 0 || err != nil {
			t.Fatalf("%d entries were deleted, %v", n, err)
		}
		if got := entries(t); len(got) != 5 {
			t.Fatalf("%d entries are left", len(got))
		}
	}
	wantKept()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cantListen := "\nhttp://" + taken.Addr().String() + ` {
		bind 127.0.0.1
	}`
	for range 10 { // Caddy starts apps in any order, so ours has started in some
		if err := edgetest.LoadErr(t, short+cantListen); err == nil || !strings.Contains(err.Error(), "address already in use") {
			t.Fatal(err)
		}
		wantKept()
	}
	// One that starts has its way, also after those.
	e.Load(t, auditSite(t, "127.0.0.1:1", "node edge-1", "retention 365d"))
	if n, err := runningLog(t).Prune(t.Context()); n != 5 || err != nil {
		t.Errorf("%d entries were deleted, %v", n, err)
	}
}
