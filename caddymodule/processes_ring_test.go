package caddymodule

import (
	"bytes"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/trustedclock"
	"github.com/wikiveil/wikiveil/masking"
)

// age makes a storage's ring one of n epochs, all of them long in use.
func (c *cluster) age(n int) {
	c.t.Helper()
	clock := &movedClock{now: time.Now().Add(-time.Duration(n) * edgetest.Day)}
	storage := fileStorage(c.dir)
	k := masking.NewKeeper(masking.KeeperConfig{Storage: storage, Clock: clock})
	if _, err := k.Open(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	for range n - 1 {
		clock.now = clock.now.Add(edgetest.Day)
		if _, err := k.Rotate(c.t.Context(), false); err != nil {
			c.t.Fatal(err)
		}
	}
}

func fileStorage(dir string) *certmagic.FileStorage { return &certmagic.FileStorage{Path: dir} }

type movedClock struct{ now time.Time }

func (c *movedClock) Now() time.Time    { return c.now }
func (c *movedClock) Passed() time.Time { return c.now }

// Case 41: an edge with four epochs runs. Checking configs that keep less, a reload that is refused, a process that
// dies of a data_dir in use, and a node that keeps less change neither its ring nor anybody's mask.
func TestCase41NothingButTheConfigInUseChangesTheRing(t *testing.T) {
	c := newCluster(t)
	c.age(4)
	first := c.run(c.place(), "keep 3; rotate 90d")
	want := c.masks(first)
	block := want[0]
	if status, body := first.Post(t, "/wikiveil/blocks", edgetest.JSON{"mask": block, "expires": time.Now().Add(time.Hour)}); status != 200 {
		t.Fatal(status, body)
	}
	blocked := func(n *node) bool {
		resp, _ := edgetest.Send(t, edgetest.From(t, "127.61.2.3"), "GET", "http://"+n.Site+"/", nil)
		return resp.StatusCode == http.StatusForbidden
	}
	if !blocked(first) {
		t.Fatal("the block doesn't hold")
	}
	ring := c.ring()
	same := func(when string) {
		t.Helper()
		if c.ring() != ring {
			t.Fatalf("%s: the ring has changed", when)
		}
		if !blocked(first) {
			t.Errorf("%s: the block doesn't hold", when)
		}
	}

	// validate, with the same data_dir and another.
	other := c.place()
	for _, options := range []string{"keep 0", "rotate 1h", "keep 0; rotate 1h; destroy_after 1d"} {
		for _, place := range []*edgetest.Edge{first.Edge, other} {
			file := c.config(place, options)
			if out, err := edgetest.Command(t, place, "validate", "--config", file).CombinedOutput(); err != nil || !strings.Contains(string(out), "Valid configuration") {
				t.Errorf("validate with %q: %v\n%s", options, err, out)
			}
			same("validate with " + options)
		}
	}
	// A reload that is refused: another app's port is in use.
	bad := c.config(first.Edge, "keep 0; rotate 1h")
	data, err := os.ReadFile(bad)
	if err != nil {
		t.Fatal(err)
	}
	taken := c.run(c.place(), "keep 3; rotate 90d")
	refused := filepath.Join(first.Dir, "Refused")
	if err := os.WriteFile(refused, append(data, "\nhttp://:"+taken.Port()+" {\nbind 192.0.2.1\n}\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := edgetest.Command(t, first.Edge, "reload", "--config", refused).CombinedOutput(); err == nil {
		t.Errorf("the reload did well: %s", out)
	}
	same("a refused reload")
	// A process with the same data_dir.
	twin := c.place()
	twin.Dir = first.Dir
	if out := c.fails(twin, "keep 0; rotate 1h"); !strings.Contains(out, "in use") {
		t.Errorf("a second process with the data_dir: %s", out)
	}
	same("a second process with the data_dir")
	// A node that keeps less joins, and goes on for a while.
	less := c.run(c.place(), "keep 0; rotate 1h; destroy_after 1d")
	testutil.Eventually(t, "the word that nodes disagree", func() bool {
		return less.Metric(t, "wikiveil_keyring_disagree") == "1" && first.Metric(t, "wikiveil_keyring_disagree") == "1"
	})
	if !strings.Contains(first.output.String(), "the longest of each holds") || !strings.Contains(less.output.String(), "the longest of each holds") {
		t.Error("the logs don't tell")
	}
	same("a node that keeps less")
	if !blocked(less) {
		t.Error("the node that keeps less doesn't hold the block")
	}
	// In its own view old masks count no more.
	if status, _ := first.Post(t, "/wikiveil/blocks/remove", edgetest.JSON{"mask": block}); status != 200 {
		t.Fatal(status)
	}
	testutil.Eventually(t, "the end of the block", func() bool { return !blocked(less) })
	c.wiki.Take()
	if got := c.masks(less); got[0] != want[0] || len(got) >= len(want) {
		t.Errorf("the node that keeps less has masks %v, of %v", got, want)
	}
	if got := c.masks(first); !slices.Equal(got, want) {
		t.Errorf("the masks are %v, were %v", got, want)
	}
	// It goes, and the disagreement with it.
	less.end(syscall.SIGTERM)
	testutil.Eventually(t, "agreement", func() bool { return first.Metric(t, "wikiveil_keyring_disagree") == "0" })
	if c.ring() != ring {
		t.Error("after all, the ring has changed")
	}
}

// Case 41: on an empty storage validate makes nothing at all, and beside a running edge it changes no file.
func TestCase41ValidateChangesNothing(t *testing.T) {
	c := newCluster(t)
	e := c.place()
	file := c.config(e, `mirror_dir {DIR}/mirrors; tool maps https://maps.example`)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, bytes.Replace(text, []byte("	reverse_proxy"), []byte("	anonproxy\n	reverse_proxy"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		if out, err := edgetest.Command(t, e, "validate", "--config", file).CombinedOutput(); err != nil || !strings.Contains(string(out), "Valid configuration") {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	before := files(t, e.Dir)
	check()
	wantSame(t, "validate on nothing", before, files(t, e.Dir))
	wantSame(t, "validate on nothing", nil, files(t, c.dir))
	if entries, _ := os.ReadDir(e.Dir); len(entries) > 1 {
		t.Errorf("validate made %v", entries)
	}

	n := c.run(e, "keep 3; rotate 90d")
	c.masks(n)
	settle := func() map[string]string { // but for the locks of the moment
		all := files(t, c.dir)
		maps.DeleteFunc(all, func(name, _ string) bool { return strings.Contains(name, "/locks/") })
		maps.Copy(all, files(t, filepath.Join(e.Dir, "data")))
		return all
	}
	testutil.Eventually(t, "rest", func() bool {
		before = settle()
		time.Sleep(masking.RefreshEvery)
		return maps.Equal(before, settle())
	})
	for _, options := range []string{"keep 0", "rotate 1h", "keep 0; destroy_after 1d"} {
		file = c.config(e, options)
		check()
	}
	wantSame(t, "validate beside the running edge", before, settle())
}

// Case 42: the storage vanishes under a running edge, and an empty one is in its place; then it is back. The edge goes on with
// its masks, says so, and makes no ring; nor does it, or a reload, after a restart on the empty one.
func TestCase42TheStorageVanishes(t *testing.T) {
	c := newCluster(t)
	n := c.run(c.place(), "keep 1; rotate 90d")
	want := c.masks(n)
	ring := c.ring()
	away := c.dir + "-away"
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	move(c.dir, away)
	if err := os.Mkdir(c.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the word that the ring is gone", func() bool { return n.Metric(t, "wikiveil_keyring_broken") == "1" })
	if !strings.Contains(n.output.String(), "the last good one goes on to hold") {
		t.Error("the log doesn't tell")
	}
	noRing := func(when string) {
		t.Helper()
		for _, key := range []string{masking.RingKey, masking.RingCopyKey} {
			if _, err := os.Stat(filepath.Join(c.dir, key)); err == nil {
				t.Fatalf("%s: there is a new ring", when)
			}
		}
	}
	if got := c.masks(n); !slices.Equal(got, want) {
		t.Errorf("without storage the masks are %v, were %v", got, want)
	}
	if status, _, _ := n.Keys(t, "POST", "/wikiveil/keys/rotate"); status != 500 {
		t.Errorf("rotating without storage: %d", status)
	}
	noRing("while it runs")
	// A reload; it goes on with the ring that it knows, or is refused.
	edgetest.Command(t, n.Edge, "reload", "--config", c.config(n.Edge, "keep 2; rotate 90d")).CombinedOutput()
	if got := c.masks(n); got[0] != want[0] {
		t.Errorf("after a reload without storage the mask is %v, was %v", got[0], want[0])
	}
	noRing("after a reload")
	// A restart on the empty storage.
	n.end(syscall.SIGTERM)
	known := filepath.Join("data", "keyring-known.json") // the directory's name has numbers, which logs hide
	for _, what := range []string{"validate", "run"} {
		out, err := edgetest.Command(t, n.Edge, what, "--config", c.config(n.Edge, "keep 1")).CombinedOutput()
		if err == nil || !strings.Contains(string(out), known) {
			t.Errorf("%s on the empty storage: %v\n%s", what, err, out)
		}
	}
	noRing("after a restart")
	if err := os.RemoveAll(c.dir); err != nil {
		t.Fatal(err)
	}
	move(away, c.dir)
	n = c.run(n.Edge, "keep 1; rotate 90d")
	if got := c.masks(n); !slices.Equal(got, want) {
		t.Errorf("back again, the masks are %v, were %v", got, want)
	}
	if c.ring() != ring {
		t.Error("the ring has changed")
	}
	// An older copy of the storage under the running edge.
	status, body := n.Post(t, "/wikiveil/keys/rotate", edgetest.JSON{"force": true})
	if status != 200 {
		t.Fatal(status, body)
	}
	newer := c.ring()
	if err := os.WriteFile(filepath.Join(c.dir, masking.RingKey), []byte(ring), 0o600); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the word that the ring is old", func() bool { return n.Metric(t, "wikiveil_keyring_broken") == "1" })
	if err := os.WriteFile(filepath.Join(c.dir, masking.RingKey), []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the word that all is well", func() bool { return n.Metric(t, "wikiveil_keyring_broken") == "0" })
}

// Case 43: a start with a clock 400 days ahead of what the storage knows plans and destroys nothing, until an operator
// confirms the clock.
func TestCase43StartWithAClockFarAhead(t *testing.T) {
	c := newCluster(t)
	past := time.Now().Add(-400 * edgetest.Day)
	wrong := trustedclock.NewFrom(func() (time.Time, time.Duration) { return past, 0 })
	clock, err := trustedclock.OpenFrom(t.Context(), fileStorage(c.dir), wrong)
	if err == nil {
		err = clock.Tend(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	moved := &movedClock{now: past.Add(-10 * edgetest.Day)}
	k := masking.NewKeeper(masking.KeeperConfig{Storage: fileStorage(c.dir), Clock: moved})
	if _, err := k.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	moved.now = past.Add(-3 * edgetest.Day)
	if _, err := k.Rotate(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	moved.now = past.Add(-time.Hour)
	if _, err := k.Tend(t.Context(), masking.Policy{Keep: 0, Grace: edgetest.Day}); err != nil { // marks the first
		t.Fatal(err)
	}
	ring := c.ring()
	n := c.run(c.place(), "keep 0; rotate 90d; destroy_after 1d")
	want := c.masks(n)
	testutil.Eventually(t, "the word that the clock is off", func() bool { return n.Metric(t, "wikiveil_clock_unconfirmed") == "1" })
	n.end(syscall.SIGTERM)
	n = c.run(n.Edge, "keep 0; rotate 90d; destroy_after 1d")
	if c.ring() != ring {
		t.Fatal("the ring has changed")
	}
	if got := c.masks(n); !slices.Equal(got, want) {
		t.Errorf("the masks are %v, were %v", got, want)
	}
	if !strings.Contains(n.output.String(), "wikiveil clock confirm") {
		t.Error("the log doesn't tell the way out")
	}
	if out, err := edgetest.Command(t, n.Edge, "clock", "show", "--config", filepath.Join(n.Dir, "Caddyfile")).CombinedOutput(); err == nil {
		t.Errorf("clock show: %s", out)
	}
	if out, err := edgetest.Command(t, n.Edge, "clock", "confirm", "--config", filepath.Join(n.Dir, "Caddyfile")).CombinedOutput(); err != nil {
		t.Errorf("clock confirm: %v %s", err, out)
	}
	// Now what was due happens: the rotation, and the end of the marked epoch.
	testutil.Eventually(t, "what was due", func() bool { return c.ring() != ring && strings.Contains(n.output.String(), "has been destroyed") })
}
