//go:build integration

package integration

import (
	"html"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// companion returns the setting that loads contrib/mediawiki, as docs/mediawiki.md has it.
func companion(t *testing.T) string {
	t.Helper()
	manifest, err := filepath.Abs("../contrib/mediawiki/extension.json")
	if err != nil {
		t.Fatal(err)
	}
	return "\nwfLoadExtension( 'Wikiveil', '" + manifest + "' );\n"
}

// snippet returns the settings that docs/mediawiki.md gives to those who don't load the companion.
func snippet(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../docs/mediawiki.md")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "    $wg") && strings.Contains(line, "['IPv6']") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 2 {
		t.Fatalf("docs/mediawiki.md has %d lines about IPv6 ranges, want 2: %q", len(lines), lines)
	}
	return "\n" + strings.Join(lines, "")
}

// abuseFilter loads AbuseFilter with its action of blocking ranges, as some wikis have it.
const abuseFilter = "\n" + loadAbuseFilter + "$wgAbuseFilterActions['rangeblock'] = true;\n" +
	"$wgGroupPermissions['sysop']['abusefilter-modify-restricted'] = true;\n"

var filterToken = regexp.MustCompile(`value=['"]([^'"]+)['"] name=['"]wpEditToken['"]`)

// addFilter makes a filter of AbuseFilter, and must succeed.
func (v *visitor) addFilter(t *testing.T, rules, action string) {
	t.Helper()
	// 1.43 wants it where a rule has a protected variable, 1.39 knows no such thing.
	protected := strings.Contains(rules, "client_network")
	if page, ok := v.tryAddFilter(t, rules, action, protected); !ok {
		t.Fatalf("adding a filter:\n%s", page)
	}
}

// tryAddFilter makes a filter as an administrator does, by AbuseFilter's form. It returns the page that answers, and whether it was made.
func (v *visitor) tryAddFilter(t *testing.T, rules, action string, protected bool) (page string, ok bool) {
	t.Helper()
	const path = "/index.php?title=Special:AbuseFilter/new"
	token := filterToken.FindStringSubmatch(v.page(t, path))
	if token == nil {
		t.Fatal("the form of a new filter has no token")
	}
	form := url.Values{
		"wpEditToken": {html.UnescapeString(token[1])}, "wpFilterDescription": {rules}, "wpFilterRules": {rules}, "wpFilterGroup": {"default"},
		"wpFilterEnabled": {"1"}, "wpFilterAction" + action: {"1"}, "wpFilterDisallowMessage": {"abusefilter-disallowed"},
	}
	if protected {
		form.Set("wpFilterProtected", "1")
	}
	resp, err := v.http.Post(v.url+path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	return bodyOf(t, resp), resp.Request.URL.Query().Get("result") == "success"
}

// TestWideBlocks: all masks lie in one /28, so a block of a range, by an administrator or by a filter, hits every client. With
// the companion, and with the snippet, it is refused, or hits the one that it is meant for.
func TestWideBlocks(t *testing.T) {
	for _, defence := range []struct {
		name, settings string
		hitsAll        bool
		forEach        func(*testing.T, func(*testing.T, front))
	}{
		{"nothing", "", true, forEachRelease}, // the baseline
		{"snippet", snippet(t), false, forEachWiki},
		{"companion", companion(t), false, forEachWiki},
	} {
		t.Run(defence.name, func(t *testing.T) {
			defence.forEach(t, func(t *testing.T, f front) {
				s := setScene(t, f, edgeConfig{site: clientMask}, abuseFilter+defence.settings)
				a, b, d, admin := s.visit(alice), s.visit(bob), s.visit(dave), s.visitAdmin(t, sysop)
				admin.addFilter(t, `added_lines contains "buy masks"`, "Rangeblock")
				wantSaved(t, "before", a, b, d)

				wide, want := s.maskOf(t, alice).String()+"/32", "ip_range_toolarge"
				if defence.hitsAll {
					want = ""
				}
				if code := admin.tryBlock(t, wide); code != want {
					t.Errorf("a block of %s is %s, want %s", wide, outcome(code), outcome(want))
				}
				if defence.hitsAll {
					wantRefused(t, "a /32 blocked", "blocked", a, b, d)
					admin.unblock(t, wide)
				}
				wantSaved(t, "between", a, b, d)

				if a.edit(t, "Sandbox", "Come and buy masks here.") == "" {
					t.Error("the filter lets through what it is for")
				}
				wantRefused(t, "who tripped the filter", "blocked", a)
				if defence.hitsAll {
					wantRefused(t, "who did nothing", "blocked", b, d)
				} else {
					wantSaved(t, "who did nothing", b, d)
				}
			})
		})
	}
}

// TestCompanionRefusesWideBlocks: where the settings are lost, the companion itself refuses a range of masks, and says why.
func TestCompanionRefusesWideBlocks(t *testing.T) {
	const lost = `
$wgExtensionFunctions[] = static function () {
	$GLOBALS['wgBlockCIDRLimit']['IPv6'] = $GLOBALS['wgAbuseFilterRangeBlockSize']['IPv6'] = 19;
};
`
	forEachRelease(t, func(t *testing.T, f front) {
		s := setScene(t, f, edgeConfig{site: clientMask}, abuseFilter+companion(t)+lost)
		a, d, admin := s.visit(alice), s.visit(dave), s.visitAdmin(t, sysop)
		for target, want := range map[string]string{
			s.maskOf(t, alice).String() + "/32":        "wikiveil-range-too-wide",
			s.maskOfRange(t, net24).String() + "/63":   "wikiveil-range-too-wide",
			"2001::/19":                                "wikiveil-range-too-wide", // around all masks
			"2001:db8::/32":                            "",
			s.maskOf(t, alice).String() + "/64":        "",
			s.maskOfRange(t, "127.20.0.0/16").String(): "",
		} {
			if code := admin.tryBlock(t, target); code != want {
				t.Errorf("a block of %s is %s, want %s", target, outcome(code), outcome(want))
			}
		}
		wantRefused(t, "its /64 and its network blocked", "blocked", a, d)

		form := url.Values{"wpTarget": {s.maskOf(t, bob).String() + "/32"}, "wpExpiry": {"infinity"}, "wpEditToken": {admin.csrf(t)}}
		if page := admin.submit(t, "/index.php?title=Special:Block", form); !strings.Contains(page, "a range of masks can be no wider than /64") {
			t.Errorf("Special:Block doesn't say why a /32 is refused:\n%s", page)
		}

		b := s.visit(bob)
		admin.addFilter(t, `added_lines contains "buy masks"`, "Rangeblock")
		b.edit(t, "Sandbox", "Come and buy masks here.")
		wantSaved(t, "a filter would block a /19", b, s.visit(carol))
	})
}

// TestStricterLimitStays: what an operator set narrower than the companion would.
func TestStricterLimitStays(t *testing.T) {
	forEachRelease(t, func(t *testing.T, f front) {
		s := setScene(t, f, edgeConfig{site: clientMask}, companion(t)+"$wgBlockCIDRLimit['IPv6'] = 112;\n")
		admin, mask := s.visitAdmin(t, sysop), s.maskOf(t, alice).String()
		if code := admin.tryBlock(t, mask+"/64"); code != "ip_range_toolarge" {
			t.Errorf("a block of a /64 is %s", outcome(code))
		}
		admin.block(t, mask+"/112")
	})
}

// TestAutoblockHoldsAfterRotation: who is autoblocked stays so when a rotation gives them another mask; core alone lets them in.
func TestAutoblockHoldsAfterRotation(t *testing.T) {
	test := func(t *testing.T, f front, settings, afterRotation string) {
		s := setScene(t, f, edgeConfig{site: clientMask, app: "keep 1"}, settings)
		a, b, admin := s.visit(alice), s.visit(bob), s.visitAdmin(t, alice) // exempt, at the vandal's own address
		vandal := s.visit(alice)
		vandal.createAccount(t, "Vandal")
		vandal.loginAs(t, "Vandal")
		wantSaved(t, "before", vandal, a, b)
		vandal.recentEditors(t, "Sandbox", 3) // by which the wiki knows where the account was
		var answer struct{ Error apiError }
		admin.api(t, &answer, "action", "block", "user", "Vandal", "autoblock", "1", "expiry", "never", "token", admin.csrf(t))
		if answer.Error.Code != "" {
			t.Fatalf("blocking an account: %+v", answer.Error)
		}
		wantRefused(t, "autoblocked", "autoblocked", a)
		s.rotateKeys(t)
		wantRefused(t, "autoblocked before a rotation", afterRotation, a)
		wantSaved(t, "another autoblocked before a rotation", b, admin)
	}
	forEachRelease(t, func(t *testing.T, f front) { test(t, f, companion(t), "autoblocked") })
	t.Run("without the companion", func(t *testing.T) { test(t, fronts[0], "", "") })
}

// TestNetworkBlockStopsAccounts: who is logged in can't make accounts from a network whose mask is blocked from it.
func TestNetworkBlockStopsAccounts(t *testing.T) {
	for name, settings := range map[string]string{"without the companion": "", "companion": companion(t)} {
		t.Run(name, func(t *testing.T) {
			forEachRelease(t, func(t *testing.T, f front) {
				s := setScene(t, f, edgeConfig{site: clientMask}, settings)
				inside, outside, admin := s.visit(alice), s.visit(dave), s.visitAdmin(t, bob)
				for _, v := range []*visitor{inside, outside} {
					name := "Member " + v.address[7:8]
					v.createAccount(t, name)
					v.loginAs(t, name)
				}
				admin.block(t, s.maskOfRange(t, net24).String())
				wantSaved(t, "a block of those without an account", inside)
				code := inside.tryCreateAccount(t, "Puppet")
				if settings == "" && code != "" {
					t.Errorf("the baseline refuses an account: %s", code)
				}
				if settings != "" && code != "blocked" {
					t.Errorf("an account made from a blocked network is %s, want blocked", outcome(code))
				}
				outside.createAccount(t, "Newcomer")
				admin.createAccount(t, "Invited") // may, whatever is blocked
			})
		})
	}
}

// TestSubnetThrottle: what limits a /24 counts by the /24's mask with the companion; core alone counts each client by itself.
func TestSubnetThrottle(t *testing.T) {
	for name, settings := range map[string]string{"without the companion": "", "companion": companion(t)} {
		t.Run(name, func(t *testing.T) {
			forEachRelease(t, func(t *testing.T, f front) {
				limits := strings.Replace(f.wiki.limitEdits("subnet", 3), "'subnet'", f.wiki.limit("ip", 2)+", 'subnet'", 1)
				s := setScene(t, f, edgeConfig{site: clientMask, app: "network office " + net24}, settings+limits)
				a, b, c := s.visit(alice), s.visit(bob), s.visit(carol)
				wantSaved(t, "two of alice", a, a)
				// What is refused to her takes nothing from her neighbours.
				wantRefused(t, "more of alice", "ratelimited", a, a, a)
				wantSaved(t, "the third of the /24", b)
				if settings == "" {
					wantSaved(t, "the fourth of the /24", b)
				} else {
					wantRefused(t, "the fourth of the /24", "ratelimited", b)
				}
				wantSaved(t, "another /24", c, c)
			})
		})
	}
}

// aJob runs filters for another user in each request for a page, as a job does that edits for its owner, and says there what came of it.
const aJob = `
$wgHooks['BeforePageDisplay'][] = static function ( $out ) {
	$vars = MediaWiki\Extension\AbuseFilter\Variables\VariableHolder::newFromArray( [ 'action' => 'edit' ] );
	$status = MediaWiki\Extension\AbuseFilter\AbuseFilterServices::getFilterRunnerFactory()
		->newRunner( User::newSystemUser( 'Messenger', [ 'steal' => true ] ), $out->getTitle(), $vars, 'default' )->run();
	$out->addHTML( $status->isOK() ? 'the job passed' : 'the job was refused' );
};
`

// TestFiltersKnowNetworks: AbuseFilter's rules can ask for the client's networks.
func TestFiltersKnowNetworks(t *testing.T) {
	forEachRelease(t, func(t *testing.T, f front) {
		networks := "network office " + net24 + "\nnetwork home-office 127.20.0.0/16" // dave's
		s := setScene(t, f, edgeConfig{site: clientMask, app: networks}, abuseFilter+companion(t)+aJob)
		a, c, d, admin := s.visit(alice), s.visit(carol), s.visit(dave), s.visitAdmin(t, sysop)
		wantSaved(t, "before", a, c, d)
		ofName, ofMask := `client_networks rlike "(?m)^office$"`, `"`+s.maskOfRange(t, net16).String()+`" in client_network_masks`
		if f.wiki.version == "1.43" {
			for _, rules := range []string{ofName, ofMask} {
				if _, ok := admin.tryAddFilter(t, rules, "Disallow", false); ok {
					t.Errorf("all who see filters see who trips %s", rules)
				}
			}
		}
		admin.addFilter(t, ofName, "Disallow")
		wantRefused(t, "in the named network", "abusefilter-disallowed", a)
		// AbuseFilter has no variables of a user where somebody without an account makes one.
		if code := s.visit(alice).tryCreateAccount(t, "Puppet"); code != "abusefilter-disallowed" {
			t.Errorf("an account made in the named network is %s", outcome(code))
		}
		if !strings.Contains(a.page(t, "/index.php/Special:Version"), "the job passed") {
			t.Error("a job is filtered by the networks of the client whose request it ends")
		}
		wantSaved(t, "outside of it", c, d)
		d.createAccount(t, "Newcomer")
		admin.addFilter(t, ofMask, "Disallow")
		wantRefused(t, "in the /16", "abusefilter-disallowed", c)
		wantSaved(t, "outside of it", d)
	})
}

// forging adds headers to each request.
type forging struct {
	http.RoundTripper
	header http.Header
}

func (f forging) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, values := range f.header {
		r.Header[name] = values
	}
	return f.RoundTripper.RoundTrip(r)
}

// TestCompanionBelievesTheEdgeAlone: where a request doesn't come from a mask, it didn't come through the edge, and what it says of networks counts nothing.
func TestCompanionBelievesTheEdgeAlone(t *testing.T) {
	forEachRelease(t, func(t *testing.T, f front) {
		s := setScene(t, f, edgeConfig{unmasked: true}, abuseFilter+companion(t))
		v, admin := s.visit(mallory), s.visitAdmin(t, "127.66.6.8")
		const mask = "2001:2f:7c1e:a94:d3b2:f05e:61c8:29b7"
		v.http.Transport = forging{v.http.Transport, http.Header{
			"Client-Mask": {mask}, "X-Forwarded-For": {mask}, "Client-Network": {"office"}, "Client-Network-Masks": {"2001:2e::1"},
		}}
		admin.addFilter(t, `"office" in client_networks | "2001:2e::1" in client_network_masks`, "Disallow")
		wantSaved(t, "forged networks", v)
	})
}

// TestLinksToMaskPage: those who may block find the mask page where they look at a mask.
func TestLinksToMaskPage(t *testing.T) {
	forEachRelease(t, func(t *testing.T, f front) {
		s := setScene(t, f, edgeConfig{site: clientMask}, companion(t))
		a, admin := s.visit(alice), s.visitAdmin(t, sysop)
		wantSaved(t, "before", a)
		mask := strings.ToUpper(s.maskOf(t, alice).String())
		link := `href="/.privacy/masks/?masks=` + url.QueryEscape(mask)
		paths := []string{"/index.php/Special:Contributions/" + mask, "/index.php/Special:Block/" + mask}
		if !f.wiki.tempAccounts {
			a.recentEditors(t, "Sandbox", 1)
			paths = append(paths, "/index.php?title=Sandbox&action=history", "/index.php/Special:RecentChanges")
		}
		for _, path := range paths {
			if page := admin.page(t, path); !strings.Contains(strings.ToUpper(page), strings.ToUpper(link)) {
				t.Errorf("%s has no link to the mask page", path)
			}
		}
		const contributions, popups = "/index.php/Special:Contributions/", "ext.wikiveil.masks"
		if page := a.page(t, contributions+mask); strings.Contains(page, "/.privacy/masks/") || strings.Contains(page, popups) {
			t.Error("who may not block is shown a link to the mask page, or its popups")
		}
		before := admin.page(t, contributions+mask)
		admin.setOption(t, "wikiveil-popups", "0")
		if after := admin.page(t, contributions+mask); !strings.Contains(before, popups) || strings.Contains(after, popups) {
			t.Error("popups are not for those who may block, or can't be turned off")
		}
	})
}

// TestFooterLinksToMaskPage: the interface message of docs/mediawiki.md does so without the companion.
func TestFooterLinksToMaskPage(t *testing.T) {
	page, err := os.ReadFile("../docs/mediawiki.md")
	if err != nil {
		t.Fatal(err)
	}
	message := regexp.MustCompile(`(?m)^    (\[\{\{SERVER\}\}.*)$`).FindStringSubmatch(string(page))
	if message == nil {
		t.Fatal("docs/mediawiki.md has no message")
	}
	forEachRelease(t, func(t *testing.T, f front) {
		s := setScene(t, f, edgeConfig{site: clientMask}, "")
		a, admin := s.visit(alice), s.visitAdmin(t, sysop)
		wantSaved(t, "before", a)
		admin.save(t, "MediaWiki:Sp-contributions-footer-anon", message[1])
		mask := strings.ToUpper(s.maskOf(t, alice).String())
		if page := admin.page(t, "/index.php/Special:Contributions/"+mask); !strings.Contains(page, s.url+"/.privacy/masks/?masks="+mask) {
			t.Error("Special:Contributions has no link to the mask page")
		}
	})
}
