//go:build integration

package integration

import (
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// readsAccounts gives the first administrator, who is a bureaucrat, the rights to read temporary accounts' masks and the log of it.
const readsAccounts = `
$wgGroupPermissions['bureaucrat']['checkuser-temporary-account-no-preference'] = true;
$wgGroupPermissions['bureaucrat']['checkuser-temporary-account-log'] = true;
`

// masksOfAccount reads the masks of a temporary account, or returns the error's code.
func (v *visitor) masksOfAccount(t *testing.T, account string) (masks []netip.Addr, code string) {
	t.Helper()
	var answer struct {
		TemporaryAccountMasks struct {
			Masks []struct {
				Mask    netip.Addr
				Changes int
			}
		}
		Error apiError
	}
	v.api(t, &answer, "action", "temporaryaccountmasks", "user", account, "token", v.csrf(t))
	for _, m := range answer.TemporaryAccountMasks.Masks {
		masks = append(masks, m.Mask)
	}
	return masks, answer.Error.Code
}

// readings counts the entries of the log of readings that a visitor sees.
func (v *visitor) readings(t *testing.T) int {
	t.Helper()
	var answer struct {
		Query struct{ Logevents []struct{} }
	}
	v.api(t, &answer, "action", "query", "list", "logevents", "letype", "wikiveil-masks")
	return len(answer.Query.Logevents)
}

// TestMasksOfTemporaryAccounts: those whom the wiki lets see temporary accounts' addresses get the masks, in sight of a log; nobody else does.
func TestMasksOfTemporaryAccounts(t *testing.T) {
	forEachWiki(t, func(t *testing.T, f front) {
		if !f.wiki.tempAccounts {
			return // it has none
		}
		s := setScene(t, f, edgeConfig{site: clientMask}, companion(t)+readsAccounts)
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
		if n := admin.readings(t); n != 0 {
			t.Errorf("%d readings are logged before any", n)
		}

		for range 2 {
			if masks, code := admin.masksOfAccount(t, account); code != "" || len(masks) != 1 || masks[0] != mask {
				t.Errorf("the masks of %s are %v, %q, want %v", account, masks, code, mask)
			}
		}
		if seen, others := admin.readings(t), plain.readings(t); seen != 1 || others != 0 {
			t.Errorf("the log has %d readings, and %d for those who may not see it; want 1 and 0", seen, others)
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

		// An address from before the edge is never told.
		s.wiki.query(t, "UPDATE recentchanges SET rc_ip = '203.0.113.7'")
		if masks, code := admin.masksOfAccount(t, account); code != "" || masks != nil {
			t.Errorf("of an account that has no mask: %v, %q", masks, code)
		}
		plain.block(t, adminName)
		if masks, code := admin.masksOfAccount(t, account); code == "" || masks != nil {
			t.Errorf("who is blocked reads %v, %q", masks, code)
		}
	})
}
