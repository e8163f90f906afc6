package caddymodule

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/trustedclock"
	"github.com/wikiveil/wikiveil/masking"
)

// trio is three edges, each a process of its own, on one storage.
type trio struct {
	*cluster
	nodes  []*node
	mask   string   // of the client that publishes
	seen   []string // when the client was first seen, by each node
	saved  []string // each node's checkpoint, a file
	banned string   // the address of a client that is blocked
}

func newTrio(t *testing.T) *trio {
	s := &trio{cluster: newCluster(t), banned: "127.62.0.9"}
	for range 3 {
		s.nodes = append(s.nodes, s.launch(s.place()))
	}
	s.serve()
	for i, n := range s.nodes {
		mask := edgetest.Edit(t, n.Edge, s.wiki, "127.62.0.1")
		if s.mask == "" {
			s.mask = mask
		}
		if mask != s.mask {
			t.Fatalf("node %d has another mask", i)
		}
		testutil.Eventually(t, "the record", func() bool { return s.firstSeen(n) != "" })
		s.seen = append(s.seen, s.firstSeen(n))
	}
	s.nodes[0].mustRun(s.t, "block", "add", edgetest.Edit(t, s.nodes[1].Edge, s.wiki, s.banned), "--reason", "spam")
	for _, n := range s.nodes {
		testutil.Eventually(t, "the block", func() bool { return s.blocked(n) })
		file := filepath.Join(n.Dir, "saved.json")
		checkpoint, err := edgetest.Command(t, n.Edge, "audit", "checkpoint", "--config", filepath.Join(n.Dir, "Caddyfile")).Output()
		if err == nil {
			err = os.WriteFile(file, checkpoint, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		s.saved = append(s.saved, file)
	}
	return s
}

// launch starts an edge with the cluster's storage and returns at once.
func (s *trio) launch(e *edgetest.Edge) *node {
	s.t.Helper()
	return launch(s.t, e, s.write(e, ""))
}

// write writes an edge's config, with options of the wikiveil block.
func (s *trio) write(e *edgetest.Edge, options string) string {
	s.t.Helper()
	e.Log = filepath.Join(e.Dir, "edge.log")
	file := e.WriteConfig(s.t, strings.Replace(edgetest.MaskSite(s.t, "", edgetest.MaskUsers, s.wiki.Address()), "data_dir {DIR}/data",
		"data_dir {DIR}/data\nkeep 3\nquota info 1000000\n"+options, 1))
	text, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	shared := strings.Replace(string(text), "storage file_system "+e.Dir+"/storage", "storage file_system "+s.dir+"\nmetrics", 1)
	if err := os.WriteFile(file, []byte(shared), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file
}

// firstSeen is what a node's records say of the client; "": nothing.
func (s *trio) firstSeen(n *node) string {
	header := edgetest.As("patroller", "Content-Type", "application/x-www-form-urlencoded")
	_, body := edgetest.PostForm(s.t, edgetest.From(s.t, "127.9.9.9"), "http://"+n.Site+"/.privacy/masks/", "masks="+s.mask, header)
	_, rest, _ := strings.Cut(body, `"first_seen":"`)
	at, _, _ := strings.Cut(rest, `"`)
	return at
}

func (s *trio) blocked(n *node) bool {
	resp, _ := edgetest.Send(s.t, edgetest.From(s.t, s.banned), "POST", "http://"+n.Site+"/", nil)
	s.wiki.Take()
	return resp.StatusCode == 403
}

// same wants masks, blocks, records and the audit as they were.
func (s *trio) same(when string) {
	s.t.Helper()
	for i, n := range s.nodes {
		if got := edgetest.Edit(s.t, n.Edge, s.wiki, "127.62.0.1"); got != s.mask {
			s.t.Errorf("%s, node %d: the mask is %s, was %s", when, i, got, s.mask)
		}
		s.kept(when, i)
	}
}

// kept wants a node's blocks, records and audit as they were, whatever epoch is in use.
func (s *trio) kept(when string, i int) {
	s.t.Helper()
	n := s.nodes[i]
	if !s.blocked(n) {
		s.t.Errorf("%s, node %d: the block doesn't hold", when, i)
	}
	if got := s.firstSeen(n); got != s.seen[i] {
		s.t.Errorf("%s, node %d: the client was first seen at %q, it was %q", when, i, got, s.seen[i])
	}
	if out, err := n.command(s.t, "audit", "verify", "--checkpoint", s.saved[i]); err != nil || !strings.Contains(out, "is intact") {
		s.t.Errorf("%s, node %d: the audit: %v\n%s", when, i, err, out)
	}
}

// restart ends all nodes and starts them again.
func (s *trio) restart(signal syscall.Signal, between func()) {
	s.t.Helper()
	for _, n := range s.nodes {
		n.end(signal)
	}
	between()
	for i, n := range s.nodes {
		s.nodes[i] = s.launch(n.Edge)
	}
	s.serve()
}

// serve waits until all nodes serve, and take commands.
func (s *trio) serve() {
	s.t.Helper()
	for _, n := range s.nodes {
		n.serves(s.t)
		testutil.Eventually(s.t, "the admin API", func() bool {
			resp, _ := edgetest.Send(s.t, http.DefaultClient, "GET", "http://"+n.Admin+"/wikiveil/clock", nil)
			if resp.StatusCode != 200 && resp.StatusCode != 503 {
				s.t.Fatalf("the admin API of an edge that starts: %d", resp.StatusCode)
			}
			return resp.StatusCode == 200
		})
	}
	s.wiki.Take()
}

// remember has the storage know a time as the newest that was right.
func (s *trio) remember(at time.Time) {
	s.t.Helper()
	if err := os.Remove(filepath.Join(s.dir, trustedclock.Key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	clock, err := trustedclock.OpenFrom(s.t.Context(), fileStorage(s.dir), trustedclock.NewFrom(func() (time.Time, time.Duration) { return at, 0 }))
	if err == nil {
		err = clock.Tend(s.t.Context())
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// Cases 41 to 43: three edges on one storage, checks of configs that keep less beside them, kill -9 of all, a storage that vanishes
// and comes back, and clocks years ahead and years back: masks, blocks, records and the audit are as before.
func TestThreeEdgesKeepWhatTheyKnow(t *testing.T) {
	s := newTrio(t)
	s.same("at the start")

	for i, n := range s.nodes {
		s.write(n.Edge, []string{"", "rotate 1h", "destroy_after 1d"}[i])
		n.mustRun(s.t, "validate")
		s.write(n.Edge, "")
	}
	s.same("after validate")

	s.restart(syscall.SIGKILL, func() {})
	s.same("after kill -9")

	away := s.dir + "-away"
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	move(s.dir, away)
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i, n := range s.nodes {
		testutil.Eventually(t, "the word that the ring is gone", func() bool { return n.Metric(t, "wikiveil_keyring_broken") == "1" })
		if got := edgetest.Edit(t, n.Edge, s.wiki, "127.62.0.1"); got != s.mask {
			t.Errorf("without storage, node %d: the mask is %s, was %s", i, got, s.mask)
		}
		if !s.blocked(n) {
			t.Errorf("without storage, node %d: the block doesn't hold", i)
		}
	}
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	move(away, s.dir)
	for _, n := range s.nodes {
		testutil.Eventually(t, "the word that all is well", func() bool { return n.Metric(t, "wikiveil_keyring_broken") == "0" })
	}
	s.same("after the storage came back")

	for when, off := range map[string]time.Duration{"four years ahead": -4 * 365 * edgetest.Day, "four years back": 4 * 365 * edgetest.Day} {
		s.restart(syscall.SIGTERM, func() { s.remember(time.Now().Add(off)) })
		for _, n := range s.nodes {
			testutil.Eventually(t, "the word that the clock is off", func() bool { return n.Metric(t, "wikiveil_clock_unconfirmed") == "1" })
		}
		s.same("with a clock " + when)
		s.nodes[2].mustRun(s.t, "clock", "confirm")
		s.same("with a clock " + when + ", confirmed")
	}
}

// Case 52: `keys rotate` typed on each of three nodes at once makes one new epoch, which all of them come to, and what is
// known of the old one holds.
func TestCase52RotationTypedOnEachNode(t *testing.T) {
	s := newTrio(t)
	said := make([]string, len(s.nodes))
	errs := make([]error, len(s.nodes))
	var typing sync.WaitGroup
	for i, n := range s.nodes {
		typing.Go(func() { said[i], errs[i] = n.command(s.t, "keys", "rotate") })
	}
	typing.Wait()
	done := 0
	for i, err := range errs {
		if err == nil {
			done++
		} else if !strings.Contains(said[i], "--force") {
			t.Errorf("node %d: %v\n%s", i, err, said[i])
		}
	}
	if done != 1 {
		t.Fatalf("%d of the rotations were done:\n%s", done, strings.Join(said, "\n"))
	}
	// Node by node, round by round: once one has the new mask no other has the old one.
	var now string
	for planned := time.Now().Add(masking.ManualLead); now == ""; time.Sleep(5 * time.Millisecond) {
		if mask := edgetest.Edit(t, s.nodes[0].Edge, s.wiki, "127.62.0.1"); mask != s.mask {
			now = mask
		} else if time.Since(planned) > 10*time.Second {
			t.Fatalf("no new epoch:\n%s", strings.Join(said, "\n"))
		}
	}
	var masks []string
	for _, n := range s.nodes {
		masks = append(masks, edgetest.Edit(t, n.Edge, s.wiki, "127.62.0.1"))
	}
	if masks = slices.Compact(masks); len(masks) != 1 || masks[0] != now {
		t.Errorf("after the first node had the mask %s, the nodes have %v", now, masks)
	}
	if list := s.nodes[1].mustRun(s.t, "keys", "list"); strings.Count(list, "  current\n") != 1 || strings.Count(list, "  kept\n") != 1 || strings.Contains(list, "planned") {
		t.Errorf("the epochs are:\n%s", list)
	}
	for i := range s.nodes {
		s.kept("after the rotation", i)
	}
}
