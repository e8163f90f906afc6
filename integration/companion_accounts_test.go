//go:build integration

package integration

import (
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// readsAccounts gives the first administrator, who is a bureaucrat, the rights to read temporary accounts' masks and the log of it.
const readsAccounts = `
$wgGroupPermissions['bureaucrat']['checkuser-temporary-account-no-preference'] = true;
$wgGroupPermissions['bureaucrat']['checkuser-temporary-account-log'] = true;
`

const withCategories = "/index.php?title=Special:RecentChanges&hidecategorization=0"

// seenMask is a mask that an account acted from, and how many changes it made.
type seenMask struct {
	Mask    netip.Addr
	Changes int
}

// masksOfAccount reads the masks of a temporary account, or returns the error's code.
func (v *visitor) masksOfAccount(t *testing.T, account string) (masks []seenMask, code string) {
	t.Helper()
	var answer struct {
		TemporaryAccountMasks struct{ Masks []seenMask }
		Error                 apiError
	}
	v.api(t, &answer, "action", "temporaryaccountmasks", "user", account, "token", v.csrf(t))
	return answer.TemporaryAccountMasks.Masks, answer.Error.Code
}

// readings returns the titles of the entries of the log of readings that a visitor sees, the latest first; "" where the title is hidden.
func (v *visitor) readings(t *testing.T) []string {
	t.Helper()
	var answer struct {
		Query struct{ Logevents []struct{ Title string } }
	}
	v.api(t, &answer, "action", "query", "list", "logevents", "letype", "wikiveil-masks")
	var titles []string
	for _, e := range answer.Query.Logevents {
		titles = append(titles, e.Title)
	}
	return titles
}

// TestMasksOfTemporaryAccounts: those whom the wiki lets see temporary accounts' addresses get the masks, in sight of a log; nobody else does.
func TestMasksOfTemporaryAccounts(t *testing.T) {
	forEachWiki(t, func(t *testing.T, f front) {
		if !f.wiki.tempAccounts {
			return // it has none
		}
		s := setScene(t, f, edgeConfig{site: clientMask}, companion(t)+readsAccounts+"$wgRCWatchCategoryMembership = true;")
		a, admin, plain := s.visit(alice), s.visitAdmin(t, sysop), s.visit(dave)
		if err := s.wiki.php(filepath.Join(s.wiki.code, "maintenance/createAndPromote.php"), "--sysop", "Plain", adminPassword); err != nil {
			t.Fatal(err)
		}
		plain.loginAs(t, "Plain")
		wantSaved(t, "before", a, a)
		account := a.recentEditors(t, "Sandbox", 2)[0]
		mask := s.maskOf(t, alice)
		isShown := func(page string) bool {
			return strings.Contains(strings.ToUpper(page), "<CODE>"+strings.ToUpper(mask.String()))
		}
		page := "/index.php/Special:TemporaryAccountMasks/" + url.PathEscape(account)
		link := "Special:TemporaryAccountMasks/" + account + `"`

		// Those without the right, and those who are blocked.
		for name, v := range map[string]*visitor{"an administrator without the right": plain, "the account itself": a, "nobody": s.visit(bob)} {
			if masks, code := v.masksOfAccount(t, account); code != "wikiveil-temporary-account-no-right" || masks != nil {
				t.Errorf("%s reads %v, %q", name, masks, code)
			}
			form := url.Values{"wpUser": {account}, "wpEditToken": {v.csrf(t)}}
			if answer := v.submit(t, page, form); !strings.Contains(answer, "You may not see the masks") || isShown(answer) {
				t.Errorf("%s gets the page:\n%s", name, answer)
			}
			if strings.Contains(v.page(t, "/index.php?title=Sandbox&action=history"), "TemporaryAccountMasks") {
				t.Errorf("%s is shown a link to the page", name)
			}
		}
		if seen := admin.readings(t); seen != nil {
			t.Errorf("readings are logged before any: %q", seen)
		}

		// What jobs save of the account's edits, in anybody's request, is no change of the account's.
		a.save(t, "Sandbox", "[[Category:Watched]]")
		other := s.visit(bob)
		for deadline := time.Now().Add(20 * time.Second); !strings.Contains(other.page(t, withCategories), "Category:Watched"); {
			if time.Now().After(deadline) {
				t.Fatal("recent changes don't tell that a page came into a category")
			}
		}
		want := []seenMask{{mask, 3}}
		for range 2 {
			if masks, code := admin.masksOfAccount(t, account); code != "" || !slices.Equal(masks, want) {
				t.Errorf("the masks of %s are %v, %q, want %v", account, masks, code, want)
			}
		}
		if seen, others := admin.readings(t), plain.readings(t); !slices.Equal(seen, []string{"User:" + account}) || others != nil {
			t.Errorf("the log has the readings %q, and %q for those who may not see it; want one and none", seen, others)
		}
		for _, name := range []string{adminName, "~2026-999999", "Nobody here", mask.String()} {
			if masks, code := admin.masksOfAccount(t, name); code != "wikiveil-temporary-account-unknown" || masks != nil {
				t.Errorf("the masks of %s are %v, %q", name, masks, code)
			}
		}
		var answer struct{ Error apiError }
		admin.api(t, &answer, "action", "temporaryaccountmasks", "user", account, "token", "forged+\\")
		if answer.Error.Code != "badtoken" {
			t.Errorf("with a forged token: %+v", answer)
		}

		for _, path := range []string{"/index.php?title=Sandbox&action=history", "/index.php/Special:RecentChanges",
			"/index.php/Special:Contributions/" + account, "/index.php/Special:Block/" + account} {
			if !strings.Contains(admin.page(t, path), link) {
				t.Errorf("%s has no link to the masks of %s", path, account)
			}
		}
		if isShown(admin.page(t, page)) {
			t.Error("a link is enough to read masks")
		}
		if answer := admin.submit(t, page, url.Values{"wpUser": {account}, "wpEditToken": {admin.csrf(t)}}); !isShown(answer) {
			t.Errorf("the page doesn't show the mask:\n%s", answer)
		}

		testHiddenAccount(t, s, admin)

		// An address from before the edge is never told.
		s.wiki.query(t, "UPDATE recentchanges SET rc_ip = '203.0.113.7'")
		if masks, code := admin.masksOfAccount(t, account); code != "" || len(masks) != 0 {
			t.Errorf("of an account that has no mask: %v, %q", masks, code)
		}
		plain.block(t, adminName)
		if masks, code := admin.masksOfAccount(t, account); code == "" || masks != nil {
			t.Errorf("who is blocked reads %v, %q", masks, code)
		}
	})
}

// testHiddenAccount: only those who may hide accounts read the masks of a hidden one, and its name is in the log for them alone.
func testHiddenAccount(t *testing.T, s *scene, admin *visitor) {
	t.Helper()
	err := s.wiki.php(filepath.Join(s.wiki.code, "maintenance/createAndPromote.php"),
		"--sysop", "--bureaucrat", "--custom-groups", "suppress", "Hider", adminPassword)
	if err != nil {
		t.Fatal(err)
	}
	b, hider := s.visit(bob), s.visit(dave)
	b.save(t, "Insults", uniqueText())
	account := b.recentEditors(t, "Insults", 1)[0]
	hider.loginAs(t, "Hider")
	var answer struct{ Error apiError }
	hider.api(t, &answer, "action", "block", "user", account, "hidename", "1", "expiry", "never", "reason", "insult", "token", hider.csrf(t))
	if answer.Error.Code != "" {
		t.Fatalf("hiding %s: %+v", account, answer)
	}

	before := admin.readings(t)
	if masks, code := admin.masksOfAccount(t, account); code != "wikiveil-temporary-account-unknown" || masks != nil {
		t.Errorf("who may not hide accounts reads %v, %q of a hidden one", masks, code)
	}
	if masks, code := hider.masksOfAccount(t, account); code != "" || !slices.Equal(masks, []seenMask{{s.maskOf(t, bob), 1}}) {
		t.Errorf("who may hide accounts reads %v, %q of a hidden one", masks, code)
	}
	if seen := hider.readings(t); !slices.Equal(seen, append([]string{"User:" + account}, before...)) {
		t.Errorf("who may hide accounts sees the readings %q", seen)
	}
	if seen := admin.readings(t); !slices.Equal(seen, append([]string{""}, before...)) {
		t.Errorf("who may not hide accounts sees the readings %q", seen)
	}
	if strings.Contains(admin.page(t, "/index.php/Special:Log/wikiveil-masks"), account) {
		t.Errorf("the log shows the name of %s to who may not hide accounts", account)
	}
}
