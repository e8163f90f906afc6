//go:build integration

package integration

import (
	"bytes"
	"net/url"
	"testing"
)

func TestBlockedMaskStopsThatClientAlone(t *testing.T) {
	forEachWiki(t, func(t *testing.T, f front) {
		s := setScene(t, f, edgeConfig{site: clientMask}, "")
		a, b, admin := s.visit(alice), s.visit(bob), s.visitAdmin(t, sysop)
		wantSaved(t, "before", a)

		// An administrator blocks whom the history shows, or where it shows a temporary account, its mask.
		vandal := admin.history(t, "Sandbox")[0].User
		if f.wiki.tempAccounts {
			vandal = s.maskOf(t, alice).String()
		}
		admin.block(t, vandal)
		wantRefused(t, "blocked", "blocked", a)
		wantSaved(t, "another blocked", b)

		admin.unblock(t, vandal)
		wantSaved(t, "unblocked", a, b)
	})
}

func TestBlockedNetworkMaskStopsThatNetworkAlone(t *testing.T) {
	forEachWiki(t, func(t *testing.T, f front) {
		s := setScene(t, f, edgeConfig{site: clientMask}, "")
		a, b, c, d := s.visit(alice), s.visit(bob), s.visit(carol), s.visit(dave)
		admin := s.visitAdmin(t, sysop)
		small, large := s.maskOfRange(t, net24), s.maskOfRange(t, net16)
		wantSaved(t, "before", a, b, c, d)

		admin.block(t, small.String())
		wantRefused(t, "its /24 blocked", "blocked", a, b)
		wantSaved(t, "another /24 blocked", c, d)
		admin.unblock(t, small.String())

		admin.block(t, large.String())
		wantRefused(t, "its /16 blocked", "blocked", a, b, c)
		wantSaved(t, "another /16 blocked", d)

		// Blocked visitors and others read on, and see of no editor the networks.
		for _, v := range []*visitor{a, d} {
			history := v.history(t, "Sandbox")
			public := publicPages(t, v, history[len(history)-1].User) // alice
			wantNoTrace(t, "the article's public pages", public, small, large)
		}
		admin.unblock(t, large.String())
		wantSaved(t, "unblocked", a, b, c, d)
	})
}

// TestNetworkMasksOnlyWithXFF is the baseline of the one above: it is the network
// masks in X-Forwarded-For that the wiki's block stops.
func TestNetworkMasksOnlyWithXFF(t *testing.T) {
	forEachWiki(t, func(t *testing.T, f front) {
		s := setScene(t, f, edgeConfig{site: "client_mask\n"}, "")
		a, admin := s.visit(alice), s.visitAdmin(t, sysop)
		admin.block(t, s.maskOfRange(t, net24).String())
		wantSaved(t, "its /24 blocked", a)
	})
}

func TestOldBlockHoldsAfterRotation(t *testing.T) {
	forEachRelease(t, func(t *testing.T, f front) {
		s := setScene(t, f, edgeConfig{site: clientMask, app: "keep 1"}, "")
		a, b, admin := s.visit(alice), s.visit(bob), s.visitAdmin(t, sysop)
		old := s.maskOf(t, alice)
		admin.block(t, old.String())
		wantRefused(t, "blocked", "blocked", a)
		wantSaved(t, "another blocked", b)

		s.rotateKeys(t)
		if s.maskOf(t, alice) == old {
			t.Fatal("the rotation left the mask as it was")
		}
		wantRefused(t, "blocked before a rotation", "blocked", a)
		wantSaved(t, "another blocked before a rotation", b)
		wantEditor(t, f, "history after a rotation", b.history(t, "Sandbox")[0].User, s.maskOf(t, bob))

		// The second rotation forgets the block's epoch, and so the block.
		s.rotateKeys(t)
		wantSaved(t, "blocked before two rotations", a)
	})
}

// publicPages returns what anyone can read about Sandbox and one of its editors.
func publicPages(t *testing.T, v *visitor, editor string) []byte {
	t.Helper()
	var all []byte
	for _, path := range []string{
		"/index.php/Sandbox",
		"/index.php?title=Sandbox&action=history",
		"/index.php?title=Sandbox&action=history&feed=atom",
		"/index.php?title=Sandbox&action=info",
		"/index.php?title=Sandbox&diff=prev",
		"/index.php?title=Sandbox&action=raw",
		// The log of blocks names its blockees, in public as ever.
		"/index.php?title=Special:RecentChanges&hidelog=1",
		"/index.php/Special:Contributions/" + editor,
		"/index.php/Special:Export/Sandbox",
		"/api.php?action=query&format=json&prop=revisions&titles=Sandbox&rvlimit=max&rvprop=ids|user|comment|content|tags&rvslots=main",
		"/api.php?action=query&format=json&list=recentchanges|usercontribs&rctype=edit|new&rcprop=user|comment&ucuser=" + url.QueryEscape(editor),
	} {
		page := v.page(t, path)
		if page == "" {
			t.Fatalf("%s is empty", path)
		}
		all = append(all, page...)
	}
	// That a search finds nothing says something only where it can find an editor.
	if !bytes.Contains(all, []byte(editor)) {
		t.Fatalf("the editor %s is in no public page", editor)
	}
	return all
}
