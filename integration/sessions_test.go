//go:build integration

package integration

import (
	"encoding/base64"
	"net/netip"
	"net/url"
	"testing"
)

// TestBlockedSessionStopsThatBrowserAlone has two people behind one exit: the wiki blocks one by the mask that it shows, and the other edits. A block
// of the exit's own mask, or of its network's, stops both.
func TestBlockedSessionStopsThatBrowserAlone(t *testing.T) {
	forEachRelease(t, func(t *testing.T, f front) {
		s := setScene(t, f, edgeConfig{https: true, app: "network school " + net24, site: "client_mask {\nnetworks xff\nmask_by session school\n}\n"}, "")
		vandal, pupil := s.visit(alice), s.visit(alice)
		admin := s.visitAdmin(t, sysop)
		wantSaved(t, "before", vandal, pupil)

		mask := s.sessionOf(t, vandal)
		if !f.wiki.tempAccounts {
			wantEditor(t, f, "the first editor", admin.history(t, "Sandbox")[1].User, mask)
			wantEditor(t, f, "the second editor", admin.history(t, "Sandbox")[0].User, s.sessionOf(t, pupil))
		}
		admin.block(t, mask.String())
		wantRefused(t, "blocked", "blocked", vandal)
		wantSaved(t, "another blocked", pupil)
		admin.unblock(t, mask.String())

		for _, mask := range []netip.Addr{s.maskOf(t, alice), s.maskOfRange(t, net24)} {
			wantSaved(t, "unblocked", pupil)
			admin.block(t, mask.String())
			wantRefused(t, "behind a blocked network", "blocked", vandal, pupil)
			admin.unblock(t, mask.String())
		}
	})
}

// sessionOf returns the mask of the session that a visitor's cookie holds.
func (e *edge) sessionOf(t *testing.T, v *visitor) netip.Addr {
	t.Helper()
	at, err := url.Parse(v.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.http.Jar.Cookies(at) {
		if c.Name != "__Host-Http-wikiveil-session" {
			continue
		}
		raw, err := base64.RawURLEncoding.DecodeString(c.Value)
		if err != nil || len(raw) < 18 || raw[1] != 1 {
			t.Fatalf("the visitor's session isn't granted: %v", err)
		}
		mask, err := e.masker(t).Session(raw[2:18])
		if err != nil {
			t.Fatal(err)
		}
		return mask
	}
	t.Fatal("the visitor has no session")
	return netip.Addr{}
}
