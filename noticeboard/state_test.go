package noticeboard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
)

func TestDisableAndEnable(t *testing.T) {
	ctx, storage := context.Background(), files(t)
	here := mustLive(t, storage, "", mapsTool())
	there := mustLive(t, storage, "", mapsTool())
	before := lookUp(t, here, "maps")

	if err := here.Disable(ctx, Stop{Tool: "maps", By: "admin", Why: "it was taken over"}); err != nil {
		t.Fatal(err)
	}
	for name, ask := range map[string]func() error{
		"Lookup":     func() error { _, err := here.Lookup("maps"); return err },
		"ForProxy":   func() error { _, err := here.ForProxy("maps", "/"); return err },
		"ForConsent": func() error { _, err := here.ForConsent("maps"); return err },
	} {
		t.Run(name, func(t *testing.T) { wantRefusal(t, ask(), ReasonDisabled, "the tool is disabled: it was taken over") })
	}
	lookUp(t, there, "maps") // has not polled yet
	mustRefresh(t, there)
	_, err := there.Lookup("maps")
	wantRefusal(t, err, ReasonDisabled, "it was taken over")

	// A restart keeps it.
	_, err = mustLive(t, storage, "", mapsTool()).Lookup("maps")
	wantRefusal(t, err, ReasonDisabled, "it was taken over")

	if err := there.Enable(ctx, Stop{Tool: "maps", By: "admin", Why: "it is theirs again"}); err != nil {
		t.Fatal(err)
	}
	mustRefresh(t, here)
	if after := lookUp(t, here, "maps"); after.Hash != before.Hash {
		t.Error("the kill switch is no change of the declaration, but its hash changed")
	}
	wantConsentsEnded(t, storage, before, here, there)
	want := []string{"maps added", "maps disabled", "maps enabled"}
	if got := acts(here.state); !slices.Equal(got, want) {
		t.Errorf("log %q, want %q", got, want)
	}
	if c := here.state.Changes()[1]; c.By != "admin" || c.Why != "it was taken over" || time.Since(c.At) > time.Minute {
		t.Errorf("entry %+v", c)
	}
}

// wantConsentsEnded asserts that the consents given to an entry hold on no node, one that starts now included, and that
// no later change brings them back.
func wantConsentsEnded(t *testing.T, storage Storage, before Entry, nodes ...*Live) {
	t.Helper()
	seen := []string{before.Consent}
	now := lookUp(t, nodes[0], before.Tool.Name)
	if now.Consent == before.Consent {
		t.Error("consents given before hold again")
	}
	for _, l := range append(nodes, mustLive(t, storage, "", mapsTool())) {
		mustRefresh(t, l)
		if e := lookUp(t, l, before.Tool.Name); e.Consent != now.Consent {
			t.Errorf("nodes differ in what consents are bound to: %+v", e)
		}
	}
	seen = append(seen, now.Consent)
	other := mapsTool()
	other.Sends = "Everything"
	for _, tools := range [][]*Tool{{other}, {mapsTool()}, {}, {mapsTool()}} {
		l := mustLive(t, storage, "", tools...)
		if len(tools) == 0 {
			continue
		}
		e := lookUp(t, l, before.Tool.Name)
		if slices.Contains(seen, e.Consent) {
			t.Errorf("consents given before hold again for %+v", e.Tool)
		}
		seen = append(seen, e.Consent)
	}
}

// Each time that a tool is enabled again, by command or by its declaration, readers are asked anew.
func TestEnabledToolIsAskedForAnew(t *testing.T) {
	storage := files(t)
	disabled := mapsTool()
	disabled.Disabled = true
	l := mustLive(t, storage, "", mapsTool())
	seen := []string{lookUp(t, l, "maps").Consent}
	for i := range 6 {
		if i%2 == 0 {
			for _, prefix := range []string{"", "/a"}[i/2%2:] {
				if err := l.Disable(t.Context(), Stop{Tool: "maps", Prefix: prefix, By: "a"}); err != nil {
					t.Fatal(err)
				}
				if err := l.Enable(t.Context(), Stop{Tool: "maps", Prefix: prefix, By: "a"}); err != nil {
					t.Fatal(err)
				}
			}
		} else {
			mustLive(t, storage, "", disabled)
			l = mustLive(t, storage, "", mapsTool())
		}
		e := lookUp(t, l, "maps")
		if slices.Contains(seen, e.Consent) {
			t.Errorf("after %d times consents given before hold again", i+1)
		}
		seen = append(seen, e.Consent)
	}
	// A change of what nobody agreed to brings none back either.
	contact := mapsTool()
	contact.Contact = "b"
	if e := lookUp(t, mustLive(t, storage, "", contact), "maps"); e.Consent != seen[len(seen)-1] {
		t.Error("another contact ended consents")
	}
}

// A change is one also where the short sums of the field, which are for the log, don't tell it.
func TestConsentsGoByWholeHashes(t *testing.T) {
	byShort, pair := make(map[string]string), [2]string{}
	for i := 0; pair[0] == ""; i++ {
		text := fmt.Sprintf("Text %d", i)
		short := (&Tool{Sends: text}).fieldSums()["sends"]
		if other, found := byShort[short]; found {
			pair = [2]string{other, text}
		}
		byShort[short] = text
	}
	storage := files(t)
	var consents []string
	for _, text := range []string{pair[0], pair[1], pair[0]} {
		tool := mapsTool()
		tool.Sends = text
		consents = append(consents, lookUp(t, mustLive(t, storage, "", tool), "maps").Consent)
	}
	if consents[0] == consents[1] || consents[0] == consents[2] {
		t.Errorf("consents to %q hold for %q, or where that is taken back", pair[0], pair[1])
	}
}

func TestDisablePath(t *testing.T) {
	ctx := context.Background()
	both := mapsTool()
	both.Access = ByBoth
	l := mustLive(t, files(t), "", both)
	if err := l.Disable(ctx, Stop{Tool: "maps", Prefix: "https://Maps.example.org:443/t%69les/a", By: "admin", Why: "leaks"}); err != nil {
		t.Fatal(err)
	}
	if stops := l.state.Stops(); len(stops) != 1 || stops[0].Prefix != "/tiles/a" {
		t.Fatalf("stops %+v", stops)
	}
	for path, stops := range map[string]bool{
		"/": false, "/tiles": false, "/tiles/": false, "/tiles/b": false, "/x/tiles/a": false, "/til\u0307es/a": false,
		"/tiles/a": true, "/tiles/a/1": true, "/tiles/ab": true, "/Tiles/A": true, "/tiles;x=1/a": true, "/tiles/a;x": true, "/tile\u017f/a": true,
	} {
		_, err := l.ForProxy("maps", path)
		switch {
		case stops:
			wantRefusal(t, err, ReasonDisabled, "this part of the tool is disabled: leaks")
		case err != nil:
			t.Errorf("%s: %v", path, err)
		}
	}
	_, err := l.ForConsent("maps")
	wantRefusal(t, err, ReasonDisabled, "a part of the tool is disabled, and with it all direct access: leaks")
	lookUp(t, l, "maps")
	if err := l.Enable(ctx, Stop{Tool: "maps", By: "admin"}); !errors.Is(err, ErrNotStopped) {
		t.Errorf("enabling the whole: %v", err)
	}
	if err := l.Enable(ctx, Stop{Tool: "maps", Prefix: "/tiles/a", By: "admin"}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.ForProxy("maps", "/tiles/a"); err != nil {
		t.Error(err)
	}
	if got := acts(l.state); !slices.Equal(got[1:], []string{"maps disabled /tiles/a", "maps enabled /tiles/a"}) {
		t.Errorf("log %q", got)
	}
}

// Case 64: a stop holds for whatever a server may take for the path.
func TestDisableHoldsInAllReadings(t *testing.T) {
	l := mustLive(t, files(t), "", mapsTool())
	if err := l.Disable(t.Context(), Stop{Tool: "maps", Prefix: "/users/", By: "admin"}); err != nil {
		t.Fatal(err)
	}
	for path, stops := range map[string]bool{
		"/users": true, "/users/": true, "/users/a": true, "/USERS/a": true, "/;/users/a": true, "/;x=1/users;y/a": true, "/users;": true,
		"//users/a": true, "/users//a": true, "/./users/a": true, "/%2e/users/a": true, "/users%2Fa": true, "/%75sers/a": true,
		"/%2575sers/a": true, "/users%252Fa": true, `/users\a`: true, "/users%5Ca": true, "/users./a": true, "/users%20/a": true, "/users .": true,
		"/%2Fusers": true, "/\uff55sers/a": true, "/users\uff0fa": true, "/users\xc0\xafa": true, "/%EF%BC%8Fusers/a": true,
		"/users%09/a": true, "/users%00": true, "/users\x00.png/a": true, "/users%3Fa": true, "/users#a": true, "/x%3F/../users/": false, "/users+/a": true, "/%2Busers/": false,
		"/users\u200b/a": true, "/us%C2%ADers/a": true, "/x%3Fusers": false, "/x;/users/a": false,
		"/usersx": false, "/user": false, "/x/users/": false, "/user%2Fs": false, "/;users/a": false, "/": false, "/u/sers/": false, "/%users": false,
	} {
		if _, err := l.ForProxy("maps", path); (err != nil) != stops {
			t.Errorf("%q: %v, want stopped: %t", path, err, stops)
		}
	}
	// What an escaped slash stands in can be stopped, too.
	if err := l.Disable(t.Context(), Stop{Tool: "maps", Prefix: "/cite/https%3A%2F%2Fexample.org%2F", By: "admin"}); err != nil {
		t.Fatal(err)
	}
	for path, stops := range map[string]bool{"/cite/https://example.org/a": true, "/cite/https://example.org": true, "/cite/https://example.com/": false} {
		if _, err := l.ForProxy("maps", path); (err != nil) != stops {
			t.Errorf("%q: %v, want stopped: %t", path, err, stops)
		}
	}
}

func TestParsePrefix(t *testing.T) {
	for _, tc := range []struct{ in, want, reason string }{
		{in: "", want: ""}, {in: "/", want: ""}, {in: "https://maps.example.org", want: ""}, {in: "https://maps.example.org/", want: ""},
		{in: "/a b", want: "/a b"}, {in: "/a%20b", want: "/a b"}, {in: "https://maps.example.org/a%20b/", want: "/a b/"},
		{in: "https://other.example.org/a", reason: "not one at the tool's origin"},
		{in: "http://maps.example.org/a", reason: "not one at the tool's origin"},
		{in: "https://maps.example.org:8443/a", reason: "not one at the tool's origin"},
		{in: "https://maps.example.org@evil.example.org/a", reason: ErrPrefix.Error()},
		{in: "a", reason: ErrPrefix.Error()}, {in: "/a?b", reason: ErrPrefix.Error()}, {in: "/a#b", reason: ErrPrefix.Error()},
		{in: "https://maps.example.org?b", reason: ErrPrefix.Error()},
		{in: "/a/../b", reason: ErrPrefix.Error()}, {in: "/a/%2e%2e/b", reason: ErrPrefix.Error()}, {in: "/a/..;x/b", reason: ErrPrefix.Error()}, {in: "/a/..%2Fb", reason: ErrPrefix.Error()}, {in: "/%252e%252e/b", reason: ErrPrefix.Error()},
		{in: "/AC%2FDC", want: "/AC/DC"}, {in: "/https%3A%2F%2Fexample.org", want: "/https://example.org"},
		{in: "//a", reason: ErrPrefix.Error()}, {in: `/a\b`, reason: ErrPrefix.Error()}, {in: "/a%zz", reason: ErrPrefix.Error()},
		{in: "/a%00", reason: ErrPrefix.Error()}, {in: "/a%ff", reason: ErrPrefix.Error()}, {in: "/" + strings.Repeat("a", 2000), reason: ErrPrefix.Error()},
	} {
		got, err := ParsePrefix(mapsTool(), tc.in)
		if tc.reason == "" && err != nil || tc.reason != "" && (err == nil || !strings.Contains(err.Error(), tc.reason)) || got != tc.want {
			t.Errorf("%q: got %q, %v; want %q, %s", tc.in, got, err, tc.want, tc.reason)
		}
	}
}

func TestBadDisable(t *testing.T) {
	l := mustLive(t, files(t), "", mapsTool())
	for _, tc := range []struct {
		name string
		stop Stop
		want error
	}{
		{"unknown tool", Stop{Tool: "map", By: "admin"}, errUnknown},
		{"nobody", Stop{Tool: "maps"}, ErrBy},
		{"control byte in who", Stop{Tool: "maps", By: "a\n"}, ErrBy},
		{"long who", Stop{Tool: "maps", By: strings.Repeat("a", 256)}, ErrBy},
		{"long reason", Stop{Tool: "maps", By: "a", Why: strings.Repeat("a", 501)}, ErrWhy},
		{"turned reason", Stop{Tool: "maps", By: "a", Why: "\u202e"}, ErrWhy},
		{"bad path", Stop{Tool: "maps", By: "a", Prefix: "/../"}, ErrPrefix},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := l.Disable(context.Background(), tc.stop); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			lookUp(t, l, "maps")
		})
	}
	if err := l.state.Disable(context.Background(), Stop{Tool: "a b", By: "a"}); !errors.Is(err, ErrStopName) {
		t.Errorf("got %v", err)
	}
	disabled := mapsTool()
	disabled.Disabled = true
	l = mustLive(t, files(t), "", disabled)
	if err := l.Enable(context.Background(), Stop{Tool: "maps", By: "a"}); !errors.Is(err, ErrNotStopped) || !strings.Contains(err.Error(), "in its declaration") {
		t.Errorf("enabling what is disabled elsewhere: %v", err)
	}
}

// The kill switch acts whatever the storage does.
func TestDisableWithoutStorage(t *testing.T) {
	ctx, storage := context.Background(), &failing{Storage: files(t)}
	l := mustLive(t, storage, "", mapsTool())
	storage.broken.Store(true)
	err := l.Disable(ctx, Stop{Tool: "maps", By: "admin", Why: "now"})
	if !errors.Is(err, ErrThisNodeOnly) || !errors.Is(err, errStorage) {
		t.Errorf("error %v", err)
	}
	_, err = l.Lookup("maps")
	wantRefusal(t, err, ReasonDisabled, "now")
	if err := l.Enable(ctx, Stop{Tool: "maps", By: "admin"}); !errors.Is(err, errStorage) {
		t.Errorf("enabling: %v", err)
	}
	_, err = l.Lookup("maps")
	wantRefusal(t, err, ReasonDisabled, "now")

	storage.broken.Store(false)
	mustRefresh(t, l)
	_, err = mustLive(t, storage, "", mapsTool()).Lookup("maps")
	wantRefusal(t, err, ReasonDisabled, "now")
	if got := acts(l.state); !slices.Equal(got, []string{"maps added", "maps disabled"}) {
		t.Errorf("log %q", got)
	}
}

func TestDamagedState(t *testing.T) {
	ctx, storage := context.Background(), files(t)
	l := mustLive(t, storage, "", mapsTool())
	good, err := storage.Load(ctx, StateKey)
	if err != nil {
		t.Fatal(err)
	}
	stop, err := stateForm.Encode(stateBody{Stops: []Stop{{Tool: "maps", By: "a", Prefix: "/../"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, data, reason string }{
		{"empty", "", "first line"},
		{"cut", string(good[:len(good)-1]), "checksum"},
		{"changed", strings.Replace(string(good), "maps", "mops", 1), "checksum"},
		{"later version", `{"version":2}` + "\n{}", "unknown version 2"},
		{"not JSON", "x\ny", "first line"},
		{"bad stop", string(stop), "a stop of a tool"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := storage.Store(ctx, StateKey, []byte(tc.data)); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenState(ctx, storage); !errors.Is(err, shareddoc.ErrDamaged) || !strings.Contains(err.Error(), tc.reason) {
				t.Errorf("opening: %v", err)
			}
			if err := l.Refresh(ctx); !errors.Is(err, shareddoc.ErrDamaged) || !errors.Is(l.Status().StateErr, shareddoc.ErrDamaged) {
				t.Errorf("refreshing: %v, status %v", err, l.Status().StateErr)
			}
			lookUp(t, l, "maps")
			if err := l.Disable(ctx, Stop{Tool: "maps", Prefix: "/x", By: "a"}); !errors.Is(err, shareddoc.ErrDamaged) {
				t.Errorf("writing: %v", err)
			}
			if now, err := storage.Load(ctx, StateKey); err != nil || string(now) != tc.data {
				t.Errorf("it was overwritten: %q, %v", now, err)
			}
		})
	}
	if err := storage.Delete(ctx, StateKey); err != nil {
		t.Fatal(err)
	}
	if err := l.Refresh(ctx); !errors.Is(err, shareddoc.ErrVanished) {
		t.Errorf("vanished: %v", err)
	}
	if _, err := storage.Load(ctx, StateKey); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a vanished state was made anew: %v", err)
	}
}

func TestLogIsBounded(t *testing.T) {
	var b stateBody
	for i := range MaxChanges + 5 {
		b.log(Change{Tool: fmt.Sprint(i), Act: Added})
	}
	if len(b.Changes) != MaxChanges || b.Changes[0].Tool != "5" || b.Changes[MaxChanges-1].Tool != "1004" {
		t.Errorf("%d entries, first %+v", len(b.Changes), b.Changes[0])
	}
}

func TestKillsAreBounded(t *testing.T) {
	ctx, storage := context.Background(), files(t)
	var b stateBody
	for i := range MaxStops {
		b.Stops = append(b.Stops, Stop{Tool: "maps", Prefix: fmt.Sprintf("/%d", i), By: "a"})
	}
	data, err := stateForm.Encode(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := storage.Store(ctx, StateKey, data); err != nil {
		t.Fatal(err)
	}
	s := mustState(t, storage)
	if err := s.Disable(ctx, Stop{Tool: "maps", By: "a"}); !errors.Is(err, ErrFull) {
		t.Errorf("got %v", err)
	}
}

func TestConcurrentNodes(t *testing.T) {
	ctx, storage := context.Background(), files(t)
	var wait sync.WaitGroup
	for n := range 4 {
		s := mustState(t, storage)
		wait.Go(func() {
			for i := range 5 {
				if err := s.Disable(ctx, Stop{Tool: fmt.Sprintf("t%d-%d", n, i), By: "a"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if stops := mustState(t, storage).Stops(); len(stops) != 20 {
		t.Errorf("%d stops, want 20", len(stops))
	}
}

func FuzzState(f *testing.F) {
	good, err := stateForm.Encode(stateBody{Stops: []Stop{{Tool: "maps", By: "a"}}, Tools: map[string]record{"maps": {Revision: 1}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("{\"version\":1}\n"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		body, err := stateForm.Decode(data)
		if err != nil {
			if !errors.Is(err, shareddoc.ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		if _, err := stateForm.Encode(body); err != nil {
			t.Fatal(err)
		}
	})
}
