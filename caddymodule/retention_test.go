package caddymodule

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/lookup/sightings/boltstore"
)

// unfit is a site that can't be provisioned.
const unfit = `
	http://:65000 {
		reverse_proxy https://127.0.0.1:1 {
			transport http {
				tls_trust_pool file /nowhere.pem
			}
		}
	}`

// oldSightings are records of thirty days ago. It returns their file.
func oldSightings(t *testing.T, e *edgetest.Edge) string {
	t.Helper()
	dir := filepath.Join(e.Dir, "data", "sightings")
	store, err := boltstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	part := sightings.Part{Day: sightings.DayOf(time.Now()) - 30, Epoch: "00aa"}
	if err := store.Append(t.Context(), []sightings.Entry{{Ref: sightings.Ref{Part: part}, Value: []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, part.String()+".sightings")
}

// A config that comes to nothing deletes nothing, however short its retention.
func TestFailedConfigDeletesNoSightings(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.Place(t)
	file := oldSightings(t, e)
	wantKept := func() {
		t.Helper()
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
	short := e.Expand(sightingsSite("retention 1d") + wiki.Address() + "\n}")

	var parsed caddy.Config
	if err := json.Unmarshal(edgetest.Adapt(t, short), &parsed); err != nil {
		t.Fatal(err)
	}
	if err := edgetest.ValidateConfig(&parsed); err != nil {
		t.Fatal(err)
	}
	wantKept()

	e.Load(t, sightingsSite("")+wiki.Address()+"\n}")
	t.Cleanup(func() { caddy.Stop() })
	if err := edgetest.LoadErr(t, short+unfit); err == nil || !strings.Contains(err.Error(), "/nowhere.pem") {
		t.Fatal(err)
	}
	wantKept()
}

// Nor does it delete entries of the audit, or leave its retention behind.
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
