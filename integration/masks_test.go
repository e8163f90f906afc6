//go:build integration

package integration

import (
	"net/netip"
	"strings"
	"testing"
)

func TestEditIsAttributedToMask(t *testing.T) {
	forEachWiki(t, func(t *testing.T, f front) {
		s := setScene(t, f, edgeConfig{site: clientMask}, "")
		a, d := s.visit(alice), s.visit(dave)
		wantSaved(t, "first edits", a, a, d)

		history, recent := a.history(t, "Sandbox"), a.recentEditors(t, "Sandbox", 3)
		if len(history) != 3 {
			t.Fatalf("the history has %d edits, want 3: %+v", len(history), history)
		}
		for i, address := range []string{dave, alice, alice} {
			wantEditor(t, f, "history", history[i].User, s.maskOf(t, address))
			wantEditor(t, f, "recent changes", recent[i], s.maskOf(t, address))
		}
		if history[1].User != history[2].User || history[0].User == history[1].User {
			t.Errorf("want two edits of one client and one of another, got %+v", history)
		}
		if mask := s.maskOf(t, alice).String(); !strings.HasPrefix(mask, "2001:2f:") {
			t.Errorf("%s is no mask of a client", mask)
		}
	})
}

// TestUnmaskedEdit is the baseline: without the directive the wiki shows addresses.
func TestUnmaskedEdit(t *testing.T) {
	forEachWiki(t, func(t *testing.T, f front) {
		s := setScene(t, f, edgeConfig{unmasked: true}, "")
		v := s.visit(mallory)
		wantSaved(t, "an edit", v)
		wantEditor(t, f, "history", v.history(t, "Sandbox")[0].User, netip.MustParseAddr(mallory))
	})
}

func TestThrottleCountsByMask(t *testing.T) {
	forEachWiki(t, func(t *testing.T, f front) {
		s := setScene(t, f, edgeConfig{site: clientMask}, f.wiki.limitEdits("ip", 2))
		a, b := s.visit(alice), s.visit(bob)
		wantSaved(t, "two edits of alice, one of bob", a, a, b)
		wantRefused(t, "the third of alice", "ratelimited", a)
		wantSaved(t, "the second of bob", b)
		wantRefused(t, "the third of bob", "ratelimited", b)
	})
}

// wantSaved asserts that each of the visitors can save an edit.
func wantSaved(t *testing.T, when string, visitors ...*visitor) {
	t.Helper()
	wantRefused(t, when, "", visitors...)
}

// wantRefused asserts that the wiki refuses the visitors' edits with an API error code.
func wantRefused(t *testing.T, when, code string, visitors ...*visitor) {
	t.Helper()
	for _, v := range visitors {
		if got := v.edit(t, "Sandbox", uniqueText()); got != code {
			t.Errorf("%s: an edit from %s is %s, want %s", when, v.address, outcome(got), outcome(code))
		}
	}
}

func outcome(code string) string {
	if code == "" {
		return "saved"
	}
	return "refused as " + code
}

// wantEditor asserts that the wiki shows an address, masks being addresses, as the author of an edit, or a temporary
// account where it gives those. MediaWiki writes IPv6 addresses in capitals and without "::".
func wantEditor(t *testing.T, f front, where, user string, want netip.Addr) {
	t.Helper()
	if f.wiki.tempAccounts {
		if !strings.HasPrefix(user, "~2") {
			t.Errorf("%s: the editor is %q, want a temporary account", where, user)
		}
		return
	}
	got, err := netip.ParseAddr(user)
	if err != nil || got != want {
		t.Errorf("%s: the editor is %q, want %s", where, user, want)
	}
}
