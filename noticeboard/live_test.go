package noticeboard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

func date(t testing.TB, at time.Time) Date {
	t.Helper()
	d, err := ParseDate(at.UTC().Format(time.RFC3339))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestLookup(t *testing.T) {
	disabled, expired, direct := *mapsTool(), *mapsTool(), *mapsTool()
	disabled.Name, disabled.Disabled = "disabled", true
	expired.Name, expired.Expires = "expired", date(t, time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC))
	direct.Name, direct.Access = "direct", ByConsent
	file := toolsFile(t, `{"name": "listed"}`)
	l := mustLive(t, files(t), file, mapsTool(), &disabled, &expired, &direct)
	for _, tc := range []struct {
		name   string
		ask    func(name string) error
		reason string
		text   string
	}{
		{"nothing", nil, ReasonUnknown, "no tool of that name is declared"},
		{"listed", nil, ReasonPending, "how it may be used isn't declared yet"},
		{"disabled", nil, ReasonDisabled, "the tool is disabled"},
		{"expired", nil, ReasonExpired, "the tool's declaration expired: 2020-01-02"},
		{"direct", func(name string) error { _, err := l.ForProxy(name, "/"); return err }, ReasonAccess, "isn't declared for the proxy"},
		{"maps", func(name string) error { _, err := l.ForConsent(name); return err }, ReasonAccess, "isn't declared for direct access"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ask := tc.ask
			if ask == nil {
				ask = func(name string) error { _, err := l.Lookup(name); return err }
			}
			wantRefusal(t, ask(tc.name), tc.reason, tc.text)
		})
	}
	if e, err := l.ForProxy("maps", "/"); err != nil || e.Tool.Origin != "https://maps.example.org" || e.Hash != e.Tool.Hash() {
		t.Errorf("maps: %+v, %v", e, err)
	}
	if e, err := l.ForConsent("direct"); err != nil || e.Tool.Name != "direct" {
		t.Errorf("direct: %+v, %v", e, err)
	}
}

func TestUnpublishedToolsAreOutOfReach(t *testing.T) {
	storage := files(t)
	l, err := NewLive(LiveConfig{Tools: []*Tool{mapsTool()}, State: mustState(t, storage)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Lookup("maps")
	wantRefusal(t, err, ReasonPending, "not recorded yet")
	if storage.Exists(context.Background(), StateKey) {
		t.Error("something was stored before the board was published")
	}
	mustPublish(t, l)
	lookUp(t, l, "maps")
}

// A change that is taken back must not bring back the consents given before it.
func TestChangeAndChangeBack(t *testing.T) {
	storage := files(t)
	changed := mapsTool()
	changed.Sends = "Everything"
	seen := make(map[string]int)
	var last uint64
	for i, tool := range []*Tool{mapsTool(), changed, mapsTool(), changed} {
		e := lookUp(t, mustLive(t, storage, "", tool), "maps")
		if before, dup := seen[e.Hash]; dup {
			t.Errorf("declaration %d has the hash of declaration %d", i, before)
		}
		if e.Tool.Revision <= last {
			t.Errorf("revision %d follows %d", e.Tool.Revision, last)
		}
		seen[e.Hash], last = i, e.Tool.Revision
		// What is not changed keeps its hash over restarts and on other nodes.
		if again := lookUp(t, mustLive(t, storage, "", tool), "maps"); again.Hash != e.Hash {
			t.Errorf("declaration %d: a restart changed the hash", i)
		}
	}
	want := []string{"maps added", "maps changed sends", "maps changed sends", "maps changed sends"}
	if got := acts(mustState(t, storage)); !slices.Equal(got, want) {
		t.Errorf("log %q, want %q", got, want)
	}
}

// Consents outlast a change of what nobody agreed to, over restarts and on nodes that have the older declaration still.
func TestConsentsOutlast(t *testing.T) {
	storage := files(t)
	live := func(change func(*Tool)) *Live {
		tool := mapsTool()
		change(tool)
		return mustLive(t, storage, "", tool)
	}
	old := live(func(*Tool) {})
	first := lookUp(t, old, "maps")
	for _, change := range []func(*Tool){
		func(t *Tool) { t.Contact = "b" }, func(t *Tool) { t.Reviewed, _ = ParseDate("2026-07-01"); t.Timeout = Duration(time.Second) }, func(*Tool) {},
	} {
		if e := lookUp(t, live(change), "maps"); e.Consent != first.Consent || e.Tool.Revision <= first.Tool.Revision {
			t.Errorf("consents ended: %+v", e)
		}
		mustRefresh(t, old)
		if e := lookUp(t, old, "maps"); e.Consent != first.Consent {
			t.Errorf("on a node with the older declaration consents ended: %+v", e)
		}
	}
	seen := []string{first.Consent}
	for _, change := range []func(*Tool){
		func(t *Tool) { t.Sends = "Everything" }, func(*Tool) {}, func(t *Tool) { t.Contact, t.Hosts = "b", []string{"b.example.org"} },
		func(t *Tool) { t.Contact = "b" }, func(t *Tool) { t.Contact, t.Revision = "b", 7 },
	} {
		e := lookUp(t, live(change), "maps")
		if slices.Contains(seen, e.Consent) {
			t.Errorf("consents given to another declaration hold for %+v", e.Tool)
		}
		seen = append(seen, e.Consent)
	}
	mustRefresh(t, old)
	if e := lookUp(t, old, "maps"); e.Consent != first.Consent { // its declaration is its own
		t.Errorf("the old node has %+v", e)
	}
}

func TestRemovedAndBack(t *testing.T) {
	storage := files(t)
	first := lookUp(t, mustLive(t, storage, "", mapsTool()), "maps")
	mustLive(t, storage, "")
	second := lookUp(t, mustLive(t, storage, "", mapsTool()), "maps")
	if second.Tool.Revision <= first.Tool.Revision || second.Hash == first.Hash || second.Consent == first.Consent {
		t.Errorf("revisions %d and %d", first.Tool.Revision, second.Tool.Revision)
	}
	if got := acts(mustState(t, storage)); !slices.Equal(got, []string{"maps added", "maps removed", "maps added"}) {
		t.Errorf("log %q", got)
	}
}

func TestRevisions(t *testing.T) {
	storage := files(t)
	today := datedRevision(time.Now())
	given := func(n uint64) *Tool { tool := mapsTool(); tool.Revision = n; return tool }
	if got := lookUp(t, mustLive(t, storage, "", given(3)), "maps").Tool.Revision; got < today || got > today+100 {
		t.Errorf("revision %d, want today's", got)
	}
	if got := lookUp(t, mustLive(t, storage, "", given(9e9)), "maps").Tool.Revision; got != 9e9 {
		t.Errorf("revision %d, want the one given", got)
	}
	if got := lookUp(t, mustLive(t, storage, "", given(8e9)), "maps").Tool.Revision; got != 9e9+1 {
		t.Errorf("revision %d, want the next", got)
	}
	if got := datedRevision(time.Date(2026, 7, 1, 23, 0, 0, 0, time.FixedZone("west", -2*3600))); got != 2026070201 {
		t.Errorf("dated revision %d", got)
	}
}

// A node with another declaration goes by its own, and takes over what is counted for it.
func TestNodesThatDiffer(t *testing.T) {
	storage := files(t)
	changed := mapsTool()
	changed.Sends = "Everything"
	old := mustLive(t, storage, "", mapsTool())
	first := lookUp(t, old, "maps")
	mustLive(t, storage, "", changed)
	mustRefresh(t, old)
	if got := lookUp(t, old, "maps"); got != first {
		t.Errorf("the old node's declaration became %+v", got)
	}
	back := lookUp(t, mustLive(t, storage, "", mapsTool()), "maps")
	mustRefresh(t, old)
	if got := lookUp(t, old, "maps"); got.Hash != back.Hash || got.Hash == first.Hash || got.Consent != back.Consent || got.Consent == first.Consent {
		t.Error("the old node holds on to consents that have lapsed elsewhere")
	}
}

func TestFollowFile(t *testing.T) {
	entry := func(more string) string {
		return `{"name": "maps", "wikiveil": {"origin": "https://maps.example.org"` + more + `}}`
	}
	file := toolsFile(t, entry(""))
	own := mapsTool()
	own.Name = "own"
	l := mustLive(t, files(t), file, own)
	first, board, loaded := lookUp(t, l, "maps"), l.Board(), l.Status().Loaded
	if loaded.IsZero() {
		t.Error("the status tells no time")
	}
	mustRefresh(t, l)
	if l.Board() != board {
		t.Error("the board changed for nothing")
	}

	for _, tc := range []struct{ name, content, reason string }{
		{"half", entry("")[:30], "isn't whole JSON"},
		{"no object", `"maps"`, "must be a JSON object"},
		{"too large", strings.Repeat(" ", maxFile+1), "larger than"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			writeFile(t, file, tc.content)
			if err := l.Refresh(context.Background()); err == nil || !strings.Contains(err.Error(), tc.reason) {
				t.Errorf("error %v, want one that says %q", err, tc.reason)
			}
			if s := l.Status(); s.FileErr == nil || !strings.Contains(s.FileErr.Error(), tc.reason) || !s.Loaded.Equal(loaded) || s.Tools != 2 {
				t.Errorf("status %+v", s)
			}
			if lookUp(t, l, "maps") != first || l.Board() != board {
				t.Error("the last good one isn't kept")
			}
		})
	}
	// Case 27: an entry that can't be used is told, and what it said last goes on to hold.
	for _, tc := range []struct{ name, content, reason string }{
		{"wildcard", entry(`, "hosts": ["*"]`), "is a wildcard"},
		{"unknown member", entry(`, "colour": "red"`), `unknown field "colour"`},
		{"other type", entry(`, "hosts": 5`), "hosts can't be a JSON number"},
		{"member twice", entry(`, "sends": "a", "sends": "b"`), "is given twice"},
		{"name of the configuration", "[" + entry("") + `, {"name": "own", "title": "Not own"}]`, `tool "own" is declared twice, first in the configuration (tool 1)`},
		{"twice", "[" + entry("") + "," + entry(`, "sends": "Everything"`) + "]", `tool "maps" is declared twice, first in ` + file + ":1"},
		{"empty texts", "[" + entry("") + `, {"name": "", "title": "", "description": "", "url": ""}]`, "a tool's name must be"},
		{"null", "[null," + entry("") + "]", "a tool must be a JSON object"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			writeFile(t, file, tc.content)
			mustRefresh(t, l)
			s := l.Status()
			if s.FileErr != nil || len(s.LeftOut) != 1 || !strings.Contains(s.LeftOut[0].Error(), tc.reason) || s.Tools != 2 || s.Pending != 0 {
				t.Errorf("status %+v", s)
			}
			if lookUp(t, l, "maps") != first || lookUp(t, l, "own").Tool.Title == "Not own" {
				t.Error("the last good one isn't kept")
			}
		})
	}
	t.Run("gone", func(t *testing.T) {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := l.Refresh(context.Background()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("error %v", err)
		}
		lookUp(t, l, "maps")
	})
	t.Run("back", func(t *testing.T) {
		writeFile(t, file, entry(""))
		mustRefresh(t, l)
		if l.Status().FileErr != nil || lookUp(t, l, "maps").Hash != first.Hash {
			t.Errorf("status %+v", l.Status())
		}
	})
	t.Run("changed", func(t *testing.T) {
		writeFile(t, file, entry(`, "sends": "Coordinates"`))
		mustRefresh(t, l)
		if e := lookUp(t, l, "maps"); e.Tool.Sends != "Coordinates" || e.Tool.Revision <= first.Tool.Revision || l.Board() == board {
			t.Errorf("got %+v", e.Tool)
		}
	})
	t.Run("disabled", func(t *testing.T) {
		writeFile(t, file, entry(`, "sends": "Coordinates", "disabled": true`))
		mustRefresh(t, l)
		_, err := l.Lookup("maps")
		wantRefusal(t, err, ReasonDisabled, "the tool is disabled")
	})
	t.Run("emptied", func(t *testing.T) {
		writeFile(t, file, "[]")
		mustRefresh(t, l)
		_, err := l.Lookup("maps")
		wantRefusal(t, err, ReasonUnknown, "no tool of that name")
	})
	want := []string{"own added", "maps added", "maps changed sends", "maps disabled disabled", "maps removed"}
	if got := acts(l.state); !slices.Equal(got, want) {
		t.Errorf("log %q, want %q", got, want)
	}
}

// An entry that leads gadgets from where another does already is left out alone: what else the file says holds, such as what it disables.
func TestFileOfSharedAddresses(t *testing.T) {
	entry := func(name, host, more string) string {
		return fmt.Sprintf(`{"name": %q, "wikiveil": {"origin": "https://%s"%s}}`, name, host, more)
	}
	const rewrite = `, "rewrite": true`
	mirror := func(name, more string) string {
		return entry(name, "files.example.org", `, "kinds": ["img"], "mirror": [{"path": "/a.png", "integrity": "`+testIntegrity+`"}]`+more)
	}
	own := &Tool{Name: "own", Origin: "https://own.example.org", Rewrite: true}
	bad, gone := entry("evil", "evil.example.org", ""), entry("evil", "evil.example.org", `, "disabled": true`)
	for name, tc := range map[string]struct {
		before, after []string // entries, besides the one that is to be disabled
		leftOut       []string // why
		led           string   // the tools that lead gadgets to the proxy, from the file
		declared      string   // all tools of the file
	}{
		"two of the file":       {nil, []string{entry("a", "a.example.org", rewrite), entry("b", "A.example.org:443", rewrite)}, []string{`tools "a" and "b" both lead gadgets from https://a.example.org`}, "a", "a evil"},
		"the configuration's":   {nil, []string{entry("a", "own.example.org", rewrite)}, []string{`tools "own" and "a" both lead`}, "", "evil"},
		"two mirrors of a file": {nil, []string{mirror("a", rewrite), mirror("b", rewrite)}, []string{`tools "a" and "b" both lead gadgets from https://files.example.org/a.png`}, "a", "a evil"},
		"one doesn't lead":      {nil, []string{mirror("a", ""), mirror("b", rewrite)}, nil, "b", "a b evil"},
		"one is disabled":       {nil, []string{entry("a", "a.example.org", rewrite+`, "disabled": true`), entry("b", "a.example.org", rewrite)}, nil, "a b", "a b evil"},
		"what it said holds": {
			[]string{entry("a", "a.example.org", rewrite), entry("b", "b.example.org", "")}, []string{entry("a", "a.example.org", rewrite), entry("b", "a.example.org", rewrite)},
			[]string{`tools "a" and "b" both lead`}, "a", "a b evil",
		},
		"what it said is another's by now": {
			[]string{entry("a", "a.example.org", rewrite), entry("b", "b.example.org", rewrite)},
			[]string{entry("a", "b.example.org", rewrite), entry("b", "own.example.org", rewrite)},
			[]string{`tools "own" and "b" both lead`}, "a", "a evil",
		},
		"what a broken entry said": {
			[]string{entry("a", "a.example.org", rewrite)}, []string{entry("a", "a.example.org", `, "colour": "red"`), entry("b", "a.example.org", rewrite)},
			[]string{`unknown field "colour"`, `tools "b" and "a" both lead`}, "b", "b evil",
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := toolsFile(t, "["+strings.Join(append(tc.before, bad), ",")+"]")
			l := mustLive(t, files(t), file, own)
			lookUp(t, l, "evil")
			writeFile(t, file, "["+strings.Join(append(tc.after, gone), ",")+"]")
			mustRefresh(t, l)
			_, err := l.Lookup("evil")
			wantRefusal(t, err, ReasonDisabled, "the tool is disabled")
			s := l.Status()
			if s.FileErr != nil || len(s.LeftOut) != len(tc.leftOut) {
				t.Fatalf("status %+v", s)
			}
			for i, why := range tc.leftOut {
				if !strings.Contains(s.LeftOut[i].Error(), why) || !strings.Contains(s.LeftOut[i].Error(), file+":1") {
					t.Errorf("left out: %v", s.LeftOut[i])
				}
			}
			var led, declared []string
			for tool := range l.Board().All() {
				if tool.Name == "own" {
					continue
				}
				if declared = append(declared, tool.Name); tool.Rewrite {
					led = append(led, tool.Name)
				}
			}
			slices.Sort(led)
			slices.Sort(declared)
			if strings.Join(led, " ") != tc.led || strings.Join(declared, " ") != tc.declared {
				t.Errorf("declared are %q, of which %q lead", declared, led)
			}
			// A node that starts now knows nothing from before.
			if again, err := NewLive(LiveConfig{Tools: []*Tool{own}, File: file, State: l.state}); err != nil || len(again.Status().LeftOut) == 0 != (len(tc.leftOut) == 0) {
				t.Errorf("a start with that file: %v", err)
			}
		})
	}
}

// A file system's clock may stand still over two changes.
func TestFileChangedWithinATick(t *testing.T) {
	file := toolsFile(t, `[{"name": "a"}]`)
	now := time.Now()
	if err := os.Chtimes(file, now, now); err != nil {
		t.Fatal(err)
	}
	l := mustLive(t, files(t), file)
	if err := os.WriteFile(file, []byte(`[{"name": "b"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, now, now); err != nil {
		t.Fatal(err)
	}
	mustRefresh(t, l)
	if !l.Board().isListed("b") {
		t.Error("a change of the same size and time wasn't seen")
	}
}

// What the file disables stops without the storage too; what it changes waits.
func TestFileWithoutStorage(t *testing.T) {
	storage := &failing{Storage: files(t)}
	file := toolsFile(t, `[{"name":"a","wikiveil":{"origin":"https://a.example.org"}},{"name":"b","wikiveil":{"origin":"https://b.example.org"}},`+
		`{"name":"c","wikiveil":{"origin":"https://c.example.org"}}]`)
	l := mustLive(t, storage, file)
	before := lookUp(t, l, "c")
	storage.broken.Store(true)
	writeFile(t, file, `[{"name":"a","wikiveil":{"origin":"https://a.example.org","disabled":true}},{"name":"b","wikiveil":{"origin":"https://evil.example.org"}},`+
		`{"name":"c","wikiveil":{"origin":"https://c.example.org"}}]`)
	if err := l.Refresh(context.Background()); !errors.Is(err, errStorage) || !errors.Is(l.Status().StateErr, errStorage) {
		t.Errorf("error %v", err)
	}
	_, err := l.Lookup("a")
	wantRefusal(t, err, ReasonDisabled, "disabled")
	_, err = l.Lookup("b")
	wantRefusal(t, err, ReasonPending, "not recorded yet")
	if lookUp(t, l, "c") != before {
		t.Error("the tool that didn't change did")
	}
	storage.broken.Store(false)
	mustRefresh(t, l)
	if e := lookUp(t, l, "b"); e.Tool.Origin != "https://evil.example.org" || l.Status().StateErr != nil {
		t.Errorf("got %+v", e.Tool)
	}
}

// Case 27: a board starts without the entries that can't be used.
func TestCase27StartsWithoutBadEntries(t *testing.T) {
	file := toolsFile(t, "\ufeff"+`[
		{"name": "a", "title": "A"}, {"name": "a", "title": "Again"}, {"name": "", "title": "", "description": "", "url": ""},
		{"name": "maps", "title": "Not the configuration's"}, {"name": "bad", "wikiveil": {"origin": "https://tool.lan"}}, 5,
		{"name": "latin", "title": "Caf`+"\xe9"+`"},
		{"name": "good", "wikiveil": {"origin": "https://good.example.org"}}
	]`)
	l := mustLive(t, files(t), file, mapsTool())
	s := l.Status()
	if s.Tools != 2 || s.Pending != 1 || len(s.LeftOut) != 6 || s.FileErr != nil {
		t.Fatalf("status %+v", s)
	}
	for i, want := range []string{"tools.json:2: a tool's name must be", `.lan is no top-level domain`, "must be a JSON object", "tools.json:4: it isn't UTF-8", `:2: tool "a" is declared twice`, `tool "maps" is declared twice`} {
		if !strings.Contains(s.LeftOut[i].Error(), want) {
			t.Errorf("%v, want %s", s.LeftOut[i], want)
		}
	}
	lookUp(t, l, "good")
	_, err := l.Lookup("bad")
	wantRefusal(t, err, ReasonUnknown, "no tool of that name")
	// Whoever follows is told of what is left out later.
	ctx, cancel := context.WithCancel(t.Context())
	told := make(chan error, 9)
	done := make(chan struct{})
	go func() { defer close(done); l.Follow(ctx, time.Millisecond, func(err error) { told <- err }) }()
	writeFile(t, file, `[{"name": "later", "wikiveil": {"origin": "http://plain.example.org"}}]`)
	if left, ok := errors.AsType[*LeftOutError](<-told); !ok || !strings.Contains(left.Error(), "isn't https") {
		t.Errorf("told of %v", left)
	}
	cancel()
	<-done
}

func TestBadLive(t *testing.T) {
	state := mustState(t, files(t))
	for _, tc := range []struct {
		name   string
		cfg    LiveConfig
		reason string
	}{
		{"no state", LiveConfig{}, "needs a state"},
		{"bad tool", LiveConfig{State: state, Tools: []*Tool{{Name: "a"}}}, `tool "a": origin`},
		{"no file", LiveConfig{State: state, File: t.TempDir() + "/none.json"}, "no such file"},
		{"folder", LiveConfig{State: state, File: t.TempDir()}, "isn't a file"},
		{"bad file", LiveConfig{State: state, File: toolsFile(t, "{")}, "isn't whole JSON"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, err := NewLive(tc.cfg)
			if err == nil || !strings.Contains(err.Error(), tc.reason) || l != nil {
				t.Errorf("got %v, %v; want an error that says %q", l, err, tc.reason)
			}
		})
	}
}

// lockLinger is longer than certmagic's file lock keeps a goroutine after its end.
const lockLinger = 10 * time.Second

// Expiry acts at its moment, without any poll; the log has it once.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(lockLinger)
		time.Sleep(30 * 365 * 24 * time.Hour) // the bubble starts in 2000
		storage := files(t)
		tool := mapsTool()
		tool.Expires = date(t, time.Now().Add(time.Hour))
		l := mustLive(t, storage, "", tool)
		time.Sleep(time.Hour - time.Nanosecond)
		lookUp(t, l, "maps")
		time.Sleep(time.Nanosecond)
		_, err := l.Lookup("maps")
		wantRefusal(t, err, ReasonExpired, "the tool's declaration expired: ")
		for range 3 {
			mustRefresh(t, l)
		}
		mustRefresh(t, mustLive(t, storage, "", tool))
		if got := acts(l.state); !slices.Equal(got, []string{"maps added", "maps expired"}) {
			t.Errorf("log %q", got)
		}
		tool.Expires = date(t, time.Now().Add(time.Hour))
		lookUp(t, mustLive(t, storage, "", tool), "maps")
	})
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(lockLinger)
		storage := &failing{Storage: files(t)}
		l, err := NewLive(LiveConfig{Tools: []*Tool{mapsTool()}, State: mustState(t, storage)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		var errs []error
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.Follow(ctx, 0, func(err error) { errs = append(errs, err) })
		}()
		time.Sleep(DefaultPoll)
		synctest.Wait()
		lookUp(t, l, "maps") // published by the way

		if err := mustState(t, storage).Disable(ctx, Stop{Tool: "maps", By: "a"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(DefaultPoll)
		synctest.Wait()
		_, err = l.Lookup("maps")
		wantRefusal(t, err, ReasonDisabled, "disabled")

		storage.broken.Store(true)
		time.Sleep(5 * DefaultPoll)
		synctest.Wait()
		if len(errs) != 1 || !errors.Is(errs[0], errStorage) {
			t.Errorf("reported %v, want the failure once", errs)
		}
		stop()
		<-ended
	})
}

func BenchmarkForProxy(b *testing.B) {
	var tools []*Tool
	for _, name := range []string{"a", "b", "maps"} {
		tools = append(tools, &Tool{Name: name, Origin: "https://maps.example.org"})
	}
	l := mustLive(b, files(b), "", tools...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.ForProxy("maps", "/tiles/12/1/2.png"); err != nil {
			b.Fatal(err)
		}
	}
}

// Look-ups, pages, the file, the kill switch and other nodes at once: for the race detector.
func TestConcurrentUse(t *testing.T) {
	storage := files(t)
	file := toolsFile(t, `{"name":"maps","wikiveil":{"origin":"https://maps.example.org"}}`)
	l := mustLive(t, storage, file)
	other := mustState(t, storage)
	page, err := l.Page(PageOptions{Prefix: "/.tools/"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				_, err := l.ForProxy("maps", "/a")
				if refused, ok := errors.AsType[*refusal.Refusal](err); err != nil && (!ok || refused.Reason == ReasonUnknown) {
					t.Error(err)
					return
				}
				if w := get(page, "GET", "/.tools/", ""); w.Code != 200 {
					t.Errorf("page: %d", w.Code)
					return
				}
			}
		})
	}
	for i := range 20 {
		writeFile(t, file, fmt.Sprintf(`{"name":"maps","wikiveil":{"origin":"https://maps.example.org","sends":"%d"}}`, i))
		if err := other.Disable(t.Context(), Stop{Tool: "maps", By: "a", Prefix: fmt.Sprintf("/%d", i)}); err != nil {
			t.Fatal(err)
		}
		mustRefresh(t, l)
		if i%5 == 0 {
			if err := l.Disable(t.Context(), Stop{Tool: "maps", By: "a"}); err != nil {
				t.Fatal(err)
			}
			if err := l.Enable(t.Context(), Stop{Tool: "maps", By: "a"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(done)
	wait.Wait()
	if e := lookUp(t, l, "maps"); e.Tool.Sends != "19" || len(l.state.Stops()) != 20 {
		t.Errorf("at the end: %+v, %d stops", e.Tool, len(l.state.Stops()))
	}
}

// A board as large as they come.
func BenchmarkLargeBoard(b *testing.B) {
	var tools []*Tool
	for i := range maxTools {
		tools = append(tools, &Tool{Name: fmt.Sprintf("t%d", i), Origin: "https://maps.example.org", Purpose: strings.Repeat("a", 500)})
	}
	l := mustLive(b, files(b), "", tools...)
	b.Run("view", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l.mu.Lock()
			v := l.current.Load()
			l.build(v.declared, v.contents, v.state)
			l.mu.Unlock()
		}
	})
	b.Run("page", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			now := time.Now()
			if _, err := renderPage(PageOptions{Prefix: "/.tools/", Withdraw: ""}, l.Listings(now), l.state.Changes(), now); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// A stop that another node began and ended between two looks is told of, once.
func TestStopBetweenLooksIsToldOf(t *testing.T) {
	storage := files(t)
	var told []string
	live, err := NewLive(LiveConfig{Tools: []*Tool{mapsTool()}, State: mustState(t, storage), OnStops: func(tool string) { told = append(told, tool) }})
	if err != nil {
		t.Fatal(err)
	}
	mustPublish(t, live)
	other := mustLive(t, storage, "", mapsTool())
	for range 2 {
		for range 2 { // in the same second, and in the same words
			if err := other.Disable(t.Context(), Stop{Tool: "maps", By: "a"}); err != nil {
				t.Fatal(err)
			}
			if err := other.Enable(t.Context(), Stop{Tool: "maps", By: "a"}); err != nil {
				t.Fatal(err)
			}
		}
		told = nil
		mustRefresh(t, live)
		live.Board()
		if len(told) != 1 || told[0] != "maps" {
			t.Errorf("told of %q", told)
		}
	}
	told = nil
	mustRefresh(t, live)
	if live.Board(); len(told) != 0 {
		t.Errorf("told again of %q", told)
	}
}
