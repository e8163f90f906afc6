package caddymodule

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/masking/sightings"
	"github.com/wikiveil/wikiveil/masking/sightings/boltstore"
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
func oldSightings(t *testing.T, e *edge) string {
	t.Helper()
	dir := filepath.Join(e.dir, "data", "sightings")
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
	wiki := newApp(t, nil)
	e := &edge{dir: t.TempDir(), admin: freePort(t), site: freePort(t)}
	e.log = filepath.Join(e.dir, "edge.log")
	file := oldSightings(t, e)
	wantKept := func() {
		t.Helper()
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
	short := e.expand(sightingsSite("retention 1d") + wiki.address() + "\n}")

	var parsed caddy.Config
	if err := json.Unmarshal(adapt(t, short), &parsed); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&parsed); err != nil {
		t.Fatal(err)
	}
	wantKept()

	e.load(t, sightingsSite("")+wiki.address()+"\n}")
	t.Cleanup(func() { caddy.Stop() })
	if err := loadErr(t, short+unfit); err == nil || !strings.Contains(err.Error(), "/nowhere.pem") {
		t.Fatal(err)
	}
	wantKept()
}
