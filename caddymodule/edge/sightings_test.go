package edge_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
	"github.com/wikiveil/wikiveil/lookup/seal"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/lookup/sightings/boltstore"
)

func sightingsSite(options string) string {
	return `{
		{GLOBAL}
		wikiveil {
			data_dir {DIR}/data
			sightings {
				` + options + `
			}
		}
	}
	http://:{PORT} {
		client_mask
		reverse_proxy `
}

// look looks a mask up in the running edge's recorder.
func look(t *testing.T, mask string) (sightings.Record, error) {
	t.Helper()
	app, err := edge.RunningApp()
	if err != nil {
		t.Fatal(err)
	}
	records, err := app.Recorder().LookAll(context.Background(), netip.MustParseAddr(mask))
	if err != nil {
		return sightings.Record{}, err
	}
	return records[0], nil
}

func TestSightingsAreRecorded(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	db := filepath.Join(t.TempDir(), "asn.mmdb")
	edgetest.WriteASN(t, db)
	config := sightingsSite("seal local\ngeoip asn "+db) + wiki.Address() + "\n}"
	e := edgetest.New(t, config)
	visit := func(method, source string) (mask string) {
		t.Helper()
		resp, body := edgetest.Send(t, edgetest.From(t, source), method, "http://"+e.Site+"/", nil)
		if resp.StatusCode != 200 {
			t.Fatalf("%s from %s: %d %s", method, source, resp.StatusCode, body)
		}
		r := wiki.One(t)
		mask = r.Header.Get("Client-Mask")
		if method == "POST" { // the record must be there before the app is asked
			if record, err := look(t, mask); err != nil || record.Count == 0 {
				t.Fatalf("POST from %s: %+v, %v", source, record, err)
			}
		}
		// The allocation's mask travels, so that a block of it holds.
		testutil.Eventually(t, "the record of "+source, func() bool {
			record, err := look(t, mask)
			return err == nil && strings.Contains(r.Header.Get("Client-Network-Masks"), record.Allocation.Mask.String())
		})
		return mask
	}
	read, written := visit("GET", "127.0.7.1"), visit("POST", "127.130.7.1")
	record, err := look(t, written)
	if err != nil || record.Organization() != "Example Mobile (AS64501)" || record.Allocation.Bits != 15 {
		t.Fatalf("%+v, %v", record, err)
	}
	app, err := edge.RunningApp()
	if err != nil {
		t.Fatal(err)
	}
	if addr, err := seal.OpenLocal(record.Box, app.Keys().Epochs().List[0]); err != nil || addr.String() != "127.130.7.1" {
		t.Errorf("the box holds %v, %v", addr, err)
	}

	// A reload keeps the recorder, a changed one gets another on the same files.
	before := app.Recorder()
	e.Load(t, config+"\n# reloaded")
	if app, err = edge.RunningApp(); err != nil || app.Recorder() != before {
		t.Errorf("the reload made another recorder, %v", err)
	}
	e.Load(t, strings.Replace(config, "seal local", "seal local\nretention 10d", 1))
	if _, err := look(t, read); err != nil {
		t.Errorf("after a change of the recorder: %v", err)
	}

	// Nothing on the disk has the addresses, packed or written.
	needles := [][]byte{[]byte("127.130.7.1"), {127, 130, 7, 1}, []byte("127.0.7.1"), {127, 0, 7, 1}}
	for _, dir := range []string{"data", "storage", "edge.log"} {
		err := filepath.WalkDir(filepath.Join(e.Dir, dir), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			for _, needle := range needles {
				if bytes.Contains(data, needle) {
					t.Errorf("%s holds the address as %q", path, needle)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(e.Dir, "data", "sightings")); err != nil {
		t.Error(err)
	}
}

// A first request by any method but the safe ones, and one that is upgraded, waits for its record.
func TestNothingIsPublishedUnrecorded(t *testing.T) {
	redis := redistest.Start(t, redistest.Durable...)
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, sightingsSite("redis "+redis.URL)+wiki.Address()+"\n}")
	if resp, body := edgetest.Send(t, edgetest.From(t, "127.0.0.9"), "POST", "http://"+e.Site+"/", nil); resp.StatusCode != 200 {
		t.Fatalf("with Redis: %d %s", resp.StatusCode, body)
	}
	known := wiki.One(t).Header.Get("Client-Mask")
	redis.Kill()
	client := edgetest.From(t, "127.0.0.10")
	upgrade := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
	for _, tt := range []struct {
		method string
		header http.Header
		status int
	}{
		{"POST", nil, 503}, {"PUT", nil, 503}, {"DELETE", nil, 503}, {"PATCH", nil, 503}, {"BREW", nil, 503}, {"GET", upgrade, 503},
		{"GET", nil, 200}, {"HEAD", nil, 200}, {"OPTIONS", nil, 200},
	} {
		resp, body := edgetest.Send(t, client, tt.method, "http://"+e.Site+"/", tt.header)
		got := wiki.Take()
		if resp.StatusCode != tt.status || len(got) > 0 != (tt.status == 200) {
			t.Errorf("%s %v: %d %s, the app got %d requests", tt.method, tt.header, resp.StatusCode, body, len(got))
		}
		if tt.status == 503 && !strings.Contains(body, "The server can't store the record that changes need just now.") {
			t.Errorf("%s: the reason is %q", tt.method, body)
		}
	}
	redis.Start()
	testutil.Eventually(t, "recovery without a restart", func() bool {
		resp, _ := edgetest.Send(t, client, "POST", "http://"+e.Site+"/", nil)
		return resp.StatusCode == 200
	})
	for _, mask := range []string{known, wiki.Take()[0].Header.Get("Client-Mask")} {
		if _, err := look(t, mask); err != nil {
			t.Errorf("%s: %v", mask, err)
		}
	}
	if n := e.Metric(t, `wikiveil_sightings_total{outcome="failed"}`); n == "0" || n == "" {
		t.Errorf("the metric of failures is %q", n)
	}
}

// After a rotation the records go with the new masks; when the epoch is forgotten they can't be opened.
func TestRotationAndSightings(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, strings.Replace(sightingsSite("seal local"), "data_dir", "keep 1\ndata_dir", 1)+wiki.Address()+"\n}")
	post := func() string {
		t.Helper()
		if resp, body := edgetest.Send(t, edgetest.From(t, "127.0.0.9"), "POST", "http://"+e.Site+"/", nil); resp.StatusCode != 200 {
			t.Fatal(resp.StatusCode, body)
		}
		return wiki.One(t).Header.Get("Client-Mask")
	}
	first := post()
	for i, want := range []error{nil, sightings.ErrEpochDestroyed} {
		e.Rotate(t)
		mask := post()
		if record, err := look(t, mask); err != nil || mask == first {
			t.Errorf("rotation %d: %+v, %v", i, record, err)
		}
		if _, err := look(t, first); !errors.Is(err, want) {
			t.Errorf("rotation %d: the first mask: %v, want %v", i, err, want)
		}
	}
}

// A database that is replaced counts for clients that were remembered with the old one.
func TestNewGeoIPDatabase(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	db := filepath.Join(t.TempDir(), "asn.mmdb")
	edgetest.WriteASN(t, db)
	e := edgetest.New(t, sightingsSite("geoip asn "+db)+wiki.Address()+"\n}")
	client := edgetest.From(t, "127.3.0.1")
	networks := func() int {
		edgetest.Send(t, client, "GET", "http://"+e.Site+"/", nil)
		return strings.Count(wiki.One(t).Header.Get("Client-Network-Masks"), ",") + 1
	}
	if n := networks(); n != 3 {
		t.Fatalf("%d networks, want two ranges and the allocation", n)
	}
	handler, err := edge.RunningApp()
	if err != nil {
		t.Fatal(err)
	}
	edgetest.WriteASN(t, db, "127.3.0.0/24") // the same as a standard range
	if err := handler.Recorder().RefreshGeo(); err != nil {
		t.Fatal(err)
	}
	if n := networks(); n != 2 {
		t.Errorf("%d networks after the new database", n)
	}
	if age := e.Metric(t, `wikiveil_geoip_age_seconds{database="asn"}`); age == "" {
		t.Error("the age of the database is no metric")
	}
}

func TestSightingsConfigErrors(t *testing.T) {
	id, err := seal.GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := id.Secret()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ options, want string }{
		"unknown option":       {"colour red", `unknown sightings option "colour" (known: redis, retention, limit, geoip, seal), at Caddyfile:16`},
		"short retention":      {"retention 1h", "retention 1h0m0s is less than a day"},
		"negative retention":   {"retention -1d", "parsing retention"},
		"unknown seal":         {"seal some", `seal "some" is none of any, all and local`},
		"no recipients":        {"seal any", "needs recipients"},
		"not a recipient":      {"seal any wikiveil-recipient-abc", "not a recipient"},
		"recipient to local":   {"seal local " + id.Recipient().String(), "takes no recipients"},
		"identity":             {"seal any " + secret, "not a recipient"},
		"recipient twice":      {"seal all " + id.Recipient().String() + " " + id.Recipient().String(), "is given twice"},
		"no database":          {"geoip asn {DIR}/none.mmdb", "opening the ASN database"},
		"unknown database":     {"geoip planet x", `geoip "planet" is not one of`},
		"replicas and trust":   {"redis redis://127.0.0.1 {\ntrust\nreplicas 1\n}", "replicas or trust"},
		"unknown redis option": {"redis redis://127.0.0.1 {\ncolour red\n}", `unknown redis option "colour"`},
		"unset ca":             {"redis rediss://127.0.0.1 {\nca {env.TEST_NO_SUCH_CA}\n}", "ca {env.TEST_NO_SUCH_CA} is empty"},
		"no redis URL":         {"redis gopher://127.0.0.1", "redis"},
	} {
		t.Run(name, func(t *testing.T) {
			err := edgetest.Validate(t, sightingsSite(tt.options)+"127.0.0.1:1\n}")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Error("the error quotes a secret")
			}
		})
	}
}

// A damaged file is left as it is, and nothing is published without a record.
func TestDamagedSightings(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	config := sightingsSite("") + wiki.Address() + "\n}"
	e := edgetest.New(t, config)
	edgetest.Send(t, edgetest.From(t, "127.0.0.9"), "POST", "http://"+e.Site+"/", nil)
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(e.Dir, "data", "sightings", "*.sightings"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	garbage := []byte("not a database any more")
	if err := os.WriteFile(files[0], garbage, 0o600); err != nil {
		t.Fatal(err)
	}
	e.Load(t, config)
	wiki.Take()
	if resp, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.9"), "POST", "http://"+e.Site+"/", nil); resp.StatusCode != http.StatusServiceUnavailable || len(wiki.Take()) > 0 {
		t.Errorf("a POST got %s", resp.Status)
	}
	if data, _ := os.ReadFile(files[0]); !bytes.Equal(data, garbage) {
		t.Error("the file was written to")
	}
}

// A config is validated beside a running edge, which has the files; a second edge with them does not start.
func TestFilesInUse(t *testing.T) {
	testutil.Slow(t)
	wiki := edgetest.NewBackend(t, nil)
	config := strings.Replace(edgetest.MaskSite(t, "", edgetest.MaskUsers, wiki.Address()), "csp strict", `csp strict {
		reports
		consent https://wiki.example https://wiki.example:9443
	}`, 1)
	for _, held := range []string{"sightings/*.sightings", "audit.db", "quotas.db", "csp-reports/*.db"} {
		t.Run(held, func(t *testing.T) {
			e := edgetest.New(t, config)
			edgetest.Edit(t, e, wiki, "127.0.0.9")
			if err := caddy.Stop(); err != nil {
				t.Fatal(err)
			}
			hold(t, filepath.Join(e.Dir, "data", held))
			var parsed caddy.Config
			if err := json.Unmarshal(edgetest.Adapt(t, e.Expand(config)), &parsed); err != nil {
				t.Fatal(err)
			}
			if err := edgetest.ValidateConfig(&parsed); err != nil {
				t.Errorf("validating: %v", err)
			}
			if err := edgetest.LoadErr(t, e.Expand(config)); err == nil || !strings.Contains(err.Error(), "in use by another process") {
				t.Errorf("a second edge: %v", err)
			}
		})
	}
}

// hold has another process hold the lock of the bbolt file that a pattern finds.
func hold(t *testing.T, pattern string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) != 1 {
		t.Fatalf("%s: %q, %v", pattern, files, err)
	}
	path := files[0]
	cmd := exec.Command("flock", "--no-fork", "--exclusive", "--nonblock", path, "sh", "-c", "echo held; exec sleep 300")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "held\n" {
		t.Fatalf("holding %s: %q, %v", path, line, err)
	}
}

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
