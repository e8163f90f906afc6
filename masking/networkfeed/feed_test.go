package networkfeed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/goleak"

	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/masking/networkfeed"
	"github.com/wikiveil/wikiveil/masking/networklist"
)

func TestMain(m *testing.M) {
	// It ends some seconds after its lock is let go.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"))
}

// world is a set with its files and its log.
type world struct {
	t      *testing.T
	dir    string
	log    lockedBuffer
	config networkfeed.Config
	set    *networkfeed.Set
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func newWorld(t *testing.T, networks ...networkfeed.Network) *world {
	w := &world{t: t, dir: t.TempDir()}
	w.config = networkfeed.Config{
		Networks: networks, Poll: time.Millisecond, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		Storage: &certmagic.FileStorage{Path: filepath.Join(w.dir, "storage")},
	}
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// write puts a list in a file's place, as programs that are careful do.
func (w *world) write(name, list string) string {
	w.t.Helper()
	if err := os.WriteFile(w.path(name+".new"), []byte(list), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(w.path(name+".new"), w.path(name)); err != nil {
		w.t.Fatal(err)
	}
	return w.path(name)
}

// open opens the set, and has it followed until the function that is returned is called.
func (w *world) open() (end func()) {
	w.t.Helper()
	set, err := networkfeed.Open(w.t.Context(), w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.set = set
	set.Begin(w.t.Context())
	ctx, stop := context.WithCancel(w.t.Context())
	var following sync.WaitGroup
	following.Go(func() { set.Follow(ctx) })
	return func() { stop(); following.Wait() }
}

func (w *world) in(addr string) string {
	var names []string
	for _, name := range w.set.Networks().Of(netip.MustParseAddr(addr)) {
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func (w *world) refused() map[string]uint64 {
	counts := make(map[string]uint64)
	w.set.Refusals(func(r networkfeed.Refused, n uint64) { counts[r.Network+" "+r.Reason] = n })
	return counts
}

func exits(n int) string {
	var list strings.Builder
	for i := range n {
		fmt.Fprintf(&list, "203.0.113.%d\n", i)
	}
	return list.String()
}

// A list that is no good is refused for its reason, and the last good one stays in use; also over a restart.
func TestBadListsAreRefused(t *testing.T) {
	w := newWorld(t)
	w.config.Networks = []networkfeed.Network{
		{Name: "tor", MinShare: 0.5, Sources: []networkfeed.Source{{From: w.write("tor.txt", exits(100))}}},
		{Name: "school", Fixed: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/25"), netip.MustParsePrefix("192.0.2.0/24")}},
	}
	end := w.open()
	if got := w.in("203.0.113.99") + ", " + w.in("203.0.113.100") + ", " + w.in("192.0.2.1"); got != "tor school, school, school" {
		t.Fatalf("in %s", got)
	}
	for reason, list := range map[string]string{
		"empty": "# none\n", "html": "<!DOCTYPE html>\n203.0.113.1\n", "shrunken": exits(49), "unreadable": exits(99) + "203.0.113.\n",
		"cut": `{"relays":[{"or_addresses":["203.0.113.1:1"]},`,
	} {
		w.write("tor.txt", list)
		testutil.Eventually(t, reason+" refused", func() bool { return w.refused()["tor "+reason] > 0 })
		if w.in("203.0.113.99") != "tor school" {
			t.Fatalf("%s: the last good list isn't in use", reason)
		}
	}
	os.Remove(w.path("tor.txt"))
	testutil.Eventually(t, "the missing file refused", func() bool { return w.refused()["tor unreachable"] > 0 })
	if !strings.Contains(w.log.String(), "the last good one stays in use") || !strings.Contains(w.log.String(), "reason=shrunken") {
		t.Errorf("the log says %s", w.log.String())
	}
	end()

	// As the process begins anew: nothing but the storage and a broken file.
	w.write("tor.txt", "<html>")
	end = w.open()
	defer end()
	if got := w.in("203.0.113.99"); got != "tor school" {
		t.Fatalf("after a restart in %q", got)
	}
	w.write("tor.txt", exits(60)+"198.51.100.1\n2001:db8::/64\n")
	testutil.Eventually(t, "the new list in use", func() bool { return w.in("2001:db8::9") == "tor" })
	if got := w.in("203.0.113.99"); got != "school" {
		t.Errorf("what the new list lacks is in %q", got)
	}
	if s := w.set.Status(); len(s) != 1 || s[0].Ranges != 62 || s[0].Missing != 0 || s[0].Age < 0 || s[0].Age > time.Hour {
		t.Errorf("status %+v", s)
	}
}

// Where a file is no good and there is no list from before, that is said, and nothing is written.
func TestNoListAtAll(t *testing.T) {
	w := newWorld(t)
	for name, list := range map[string]string{"empty": "", "html": "<html>", "none": "none"} {
		path := w.path("gone.txt")
		if list != "none" {
			path = w.write(name, list)
		}
		w.config.Networks = []networkfeed.Network{{Name: "tor", Sources: []networkfeed.Source{{From: path}}}}
		if _, err := networkfeed.Open(t.Context(), w.config); err == nil || !strings.Contains(err.Error(), `network "tor":`) || !strings.Contains(err.Error(), "put a good list there") {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.config.Networks = []networkfeed.Network{{Name: "tor", Sources: []networkfeed.Source{{From: w.write("good", exits(9))}}}}
	if _, err := networkfeed.Open(t.Context(), w.config); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(w.path("storage")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("opening writes: %v", err)
	}
}

// Lists in several formats make one network, and none of them may be longer than all together.
func TestListsAreMerged(t *testing.T) {
	w := newWorld(t)
	w.config.Most = 100
	w.config.Networks = []networkfeed.Network{{Name: "tor", MinShare: 0.5, Sources: []networkfeed.Source{
		{From: w.write("bulk", exits(5))}, {From: w.write("exits", "ExitNode A\nExitAddress 192.0.2.1 2026-11-30 10:00:00\n")},
		{From: w.write("details", `{"relays":[{"or_addresses":["[2001:db8::7]:443"]}]}`), Format: networklist.Onionoo},
	}}}
	defer w.open()()
	for _, addr := range []string{"203.0.113.4", "192.0.2.1", "2001:db8::7"} {
		if w.in(addr) != "tor" {
			t.Errorf("%s is in %q", addr, w.in(addr))
		}
	}
	w.write("bulk", exits(99)+"192.0.2.9\n")
	testutil.Eventually(t, "the long list refused", func() bool { return w.refused()["tor too_long"] > 0 })
	if w.in("203.0.113.4") != "tor" || w.in("192.0.2.9") != "" {
		t.Error("the last good list isn't in use")
	}
}

// A list is fetched when it's due, with what the server said of it; what it answers badly is refused.
func TestFetchedLists(t *testing.T) {
	var answer atomic.Pointer[http.HandlerFunc]
	var asked, unchanged atomic.Int32
	say := func(f http.HandlerFunc) { answer.Store(&f) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Header.Get("User-Agent") != "Wikiveil" || len(r.Header) > 5 {
			t.Errorf("asked with %v", r.Header)
		}
		(*answer.Load())(w, r)
	}))
	defer server.Close()
	list := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"`+fmt.Sprint(len(text))+`"`)
			w.Header().Set("Last-Modified", "Mon, 30 Nov 2026 10:00:00 GMT")
			if r.Header.Get("If-None-Match") == w.Header().Get("ETag") && r.Header.Get("If-Modified-Since") != "" {
				unchanged.Add(1)
				w.WriteHeader(http.StatusNotModified)
				return
			}
			fmt.Fprint(w, text)
		}
	}
	w := newWorld(t)
	w.config.Networks = []networkfeed.Network{{Name: "tor", MinShare: 0.5, Refresh: 5 * time.Millisecond,
		Sources: []networkfeed.Source{{From: server.URL + "/exits?key=hidden", Loopback: true}}}}

	say(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	end := w.open()
	if w.in("203.0.113.1") != "" || w.set.Status()[0].Missing != 1 || !strings.Contains(w.log.String(), "there is NO list of a network") {
		t.Errorf("without a list: %+v, %s", w.set.Status(), w.log.String())
	}
	say(list(exits(100)))
	testutil.Eventually(t, "the first list", func() bool { return w.in("203.0.113.99") == "tor" })
	testutil.Eventually(t, "a list that is unchanged", func() bool { return unchanged.Load() > 1 })
	for reason, bad := range map[string]http.HandlerFunc{
		"unreadable": list("\x00\x01"), "empty": list(""), "html": list("<html>"), "shrunken": list(exits(30)), "unreachable": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10000")
			fmt.Fprint(w, exits(90))
		},
		"blocked": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://10.0.0.1/exits", http.StatusFound)
		},
	} {
		say(bad)
		before := w.refused()["tor "+reason]
		testutil.Eventually(t, reason+" refused", func() bool { return w.refused()["tor "+reason] > before })
		if w.in("203.0.113.99") != "tor" {
			t.Fatalf("%s: the last good list isn't in use", reason)
		}
	}
	// A server that closes where its list ends could have been cut off at any place.
	say(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprintf(conn, "HTTP/1.0 200 OK\r\n\r\n%s", exits(80))
		conn.Close()
	})
	testutil.Eventually(t, "an open end refused", func() bool { return strings.Contains(w.log.String(), "where it ends") })
	if w.in("203.0.113.99") != "tor" {
		t.Error("a list with an open end is in use")
	}
	end()
	if strings.Contains(w.log.String(), "hidden") {
		t.Errorf("the log has the address's query: %s", w.log.String())
	}
	// With the server away the list of before is there from the start.
	server.Close()
	end = w.open()
	defer end()
	if w.in("203.0.113.99") != "tor" {
		t.Error("the list isn't there after a restart")
	}
}

// Not from loopback, unless that is allowed, nor without https.
func TestFetchedFromPublicAddressesAlone(t *testing.T) {
	var asked atomic.Bool
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) }))
	defer server.Close()
	w := newWorld(t)
	w.config.Networks = []networkfeed.Network{{Name: "tor", Sources: []networkfeed.Source{{From: server.URL}}}}
	defer w.open()()
	if w.refused()["tor blocked"] == 0 || asked.Load() {
		t.Errorf("refused %v, asked %v", w.refused(), asked.Load())
	}
}

// While lists change, every look-up sees a whole one.
func TestSwapUnderLoad(t *testing.T) {
	w := newWorld(t)
	a, b := exits(64), strings.ReplaceAll(exits(64), "203.0.113", "198.51.100")
	w.config.Networks = []networkfeed.Network{{Name: "tor", Sources: []networkfeed.Source{{From: w.write("tor.txt", a)}}}}
	defer w.open()()
	ctx, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for range 2 {
		asking.Go(func() {
			for ctx.Err() == nil {
				now := w.set.Networks()
				var first, second bool
				for range now.Of(netip.MustParseAddr("203.0.113.63")) {
					first = true
				}
				for range now.Of(netip.MustParseAddr("198.51.100.0")) {
					second = true
				}
				if first == second {
					t.Error("half a list")
					return
				}
			}
		})
	}
	for i := range 10 {
		list, addr := b, "198.51.100.7"
		if i%2 > 0 {
			list, addr = a, "203.0.113.7"
		}
		w.write("tor.txt", list)
		testutil.Eventually(t, "the new list", func() bool { return w.in(addr) == "tor" })
	}
	stop()
	asking.Wait()
}
