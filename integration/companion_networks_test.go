//go:build integration

package integration

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const botPassword = "k4q0jm0r7p1c2v9t8k4u6s5d3f1g2h7j9"

// makeBot gives the administrator a bot password that is restricted to a range of addresses.
func (w *wiki) makeBot(t *testing.T, appID, restrictedTo string) {
	t.Helper()
	err := w.php(filepath.Join(w.code, "maintenance/createBotPassword.php"), "--appid", appID, "--grants", "basic,editpage,createeditmovepage", adminName, botPassword)
	if err != nil {
		t.Fatal(err)
	}
	w.query(t, fmt.Sprintf(`UPDATE bot_passwords SET bp_restrictions = '{"IPAddresses":["%s"]}' WHERE bp_app_id = '%s'`, restrictedTo, appID))
}

// query changes something in the wiki's database.
func (w *wiki) query(t *testing.T, sql string) {
	t.Helper()
	if err := w.php(filepath.Join(w.code, "maintenance/sql.php"), "--query", sql); err != nil {
		t.Fatal(err)
	}
}

// loginBot tries a bot password.
func (v *visitor) loginBot(t *testing.T, appID string) bool {
	t.Helper()
	var answer struct {
		Login struct{ Result, Reason string }
	}
	v.api(t, &answer, "action", "login", "lgname", adminName+"@"+appID, "lgpassword", botPassword, "lgtoken", v.token(t, "login"))
	if answer.Login.Result != "Success" && answer.Login.Result != "Failed" {
		t.Fatalf("logging a bot in: %+v", answer.Login)
	}
	return answer.Login.Result == "Success"
}

// TestBotsOfARange: bots whose passwords are bound to a range log in where the edge says that they are in it, and only there.
func TestBotsOfARange(t *testing.T) {
	config := edgeConfig{site: clientMask, app: "network office " + net24 + "\nnetwork carrier 127.20.0.0/16"}
	forEachRelease(t, func(t *testing.T, f front) {
		s := setScene(t, f, config, companion(t)+"\n$wgWikiveilNetworkRanges = [ 'office' => [ '"+net24+"' ], 'carrier' => [ '100.64.0.0/10' ] ];\n")
		mask := s.maskOfRange(t, net16).String()
		for appID, restrictedTo := range map[string]string{
			"bymask": mask, "byname": net16, "half": "127.10.1.0/25", "othermask": s.maskOfRange(t, "127.20.0.0/16").String(),
			"number": "128.224.0.0/16", // starts at 80E00000, a number in PHP
		} {
			s.wiki.makeBot(t, appID, restrictedTo)
		}
		for _, tt := range []struct {
			address, appID string
			want           bool
		}{
			{carol, "bymask", true},
			{dave, "bymask", false},
			{alice, "byname", true}, // all of office is in it
			{carol, "byname", false},
			{alice, "half", false},
			{alice, "othermask", false},
			{dave, "number", false},
		} {
			if got := s.visit(tt.address).loginBot(t, tt.appID); got != tt.want {
				t.Errorf("%s logs in as a bot bound to %s: %t, want %t", tt.address, tt.appID, got, tt.want)
			}
		}

		bot, thief := s.visit(alice), s.visit(dave)
		bot.loginBot(t, "bymask")
		bot.save(t, "Sandbox", uniqueText())
		if editor := bot.history(t, "Sandbox")[0].User; editor != adminName {
			t.Errorf("a bot's edit is %s's", editor)
		}
		thief.http.Jar = bot.http.Jar
		var answer struct{ Error apiError }
		thief.api(t, &answer, "action", "query", "meta", "userinfo", "assertuser", adminName)
		if answer.Error.Code == "" {
			t.Error("a bot's session is of use outside of its range")
		}
		if !strings.Contains(string(s.wiki.dump(t)), `{"IPAddresses":["`+mask+`"]}`) {
			t.Error("what a bot is bound to is no longer stored as it was")
		}
	})
	t.Run("without the companion", func(t *testing.T) {
		s := setScene(t, fronts[0], config, "")
		s.wiki.makeBot(t, "bymask", s.maskOfRange(t, net16).String())
		if s.visit(alice).loginBot(t, "bymask") {
			t.Error("the baseline lets the bot in")
		}
	})
}

// savesExternal has requests with `external` save a change of another wiki's, as jobs of Wikibase do in anybody's request.
const savesExternal = `
$wgHooks['BeforePageDisplay'][] = static function ( $out ) {
	if ( $out->getRequest()->getCheck( 'external' ) ) {
		$change = new RecentChange;
		$change->setAttribs( [
			'rc_timestamp' => wfTimestampNow(), 'rc_namespace' => NS_MAIN, 'rc_title' => 'Sandbox', 'rc_type' => RC_EXTERNAL,
			'rc_source' => 'wb', 'rc_minor' => 0, 'rc_cur_id' => 0, 'rc_user' => 0, 'rc_user_text' => 'repo>Somebody', 'rc_comment' => '',
			'rc_this_oldid' => 0, 'rc_last_oldid' => 0, 'rc_bot' => 0, 'rc_ip' => '', 'rc_patrolled' => 0, 'rc_new' => 0,
			'rc_old_len' => null, 'rc_new_len' => null, 'rc_deleted' => 0, 'rc_logid' => 0, 'rc_log_type' => null, 'rc_log_action' => '',
			'rc_params' => '',
		] );
		$change->save();
	}
};
`

// changeTags returns the tags of the sandbox's recent changes of types, the oldest first.
func (v *visitor) changeTags(t *testing.T, types string) (tags [][]string) {
	t.Helper()
	var answer struct {
		Query struct {
			Recentchanges []struct{ Tags []string }
		}
	}
	v.api(t, &answer, "action", "query", "list", "recentchanges", "rctitle", "Sandbox", "rctype", types, "rcprop", "tags", "rcdir", "newer")
	for _, c := range answer.Query.Recentchanges {
		tags = append(tags, c.Tags)
	}
	return tags
}

// TestGroupsAndTagsByNetwork: users are in a group as long as they are in a network, and edits from one carry a tag.
func TestGroupsAndTagsByNetwork(t *testing.T) {
	forEachRelease(t, func(t *testing.T, f front) {
		s := setScene(t, f, edgeConfig{site: clientMask, app: "network office " + net24 + "\nnetwork lab " + net16}, companion(t)+`
$wgAutopromote['insider'] = [ 'wikiveil-network', 'office' ];
$wgAutopromote['outsider'] = [ '!', [ 'wikiveil-network', 'lab', 'tor' ] ];
$wgWikiveilTaggedNetworks = [ 'office' ];
`+savesExternal)
		a, c, d := s.visit(alice), s.visit(carol), s.visit(dave)
		wantSaved(t, "before", a, c)
		a.createAccount(t, "Member")
		for _, tt := range []struct {
			v                 *visitor
			insider, outsider bool
		}{{a, true, false}, {c, false, false}, {d, false, true}} {
			tt.v.loginAs(t, "Member")
			var answer struct {
				Query struct {
					Userinfo struct{ Groups []string }
				}
			}
			tt.v.api(t, &answer, "action", "query", "meta", "userinfo", "uiprop", "groups")
			groups := answer.Query.Userinfo.Groups
			if slices.Contains(groups, "insider") != tt.insider || slices.Contains(groups, "outsider") != tt.outsider {
				t.Errorf("%s is in the groups %q", tt.v.address, groups)
			}
			// load.php knows groups without a session.
			if styles := tt.v.page(t, "/load.php?modules=user.styles&user=Member&only=styles"); strings.Contains(styles, "Problematic modules") {
				t.Errorf("the styles of Member:\n%s", styles)
			}
		}
		wantSaved(t, "logged in", a, d)
		d.recentEditors(t, "Sandbox", 4)
		edits := d.changeTags(t, "edit|new")
		for i, want := range []bool{true, false, true, false} { // alice, carol, alice, dave
			if slices.Contains(edits[i], "wikiveil-network-office") != want || slices.Contains(edits[i], "wikiveil-network-lab") {
				t.Errorf("edit %d has the tags %q", i+1, edits[i])
			}
		}
		a.page(t, "/index.php?title=Sandbox&external")
		if external := d.changeTags(t, "external"); len(external) != 1 || len(external[0]) != 0 {
			t.Errorf("a change of another wiki's has the tags %q", external)
		}
	})
}
