//go:build integration

package integration

import (
	"fmt"
	"testing"
)

// TestUserScriptLoadsNothingFromThirdParty puts a script on the real wiki, as a user
// or an administrator can, that tries all ways to load something from elsewhere.
func TestUserScriptLoadsNothingFromThirdParty(t *testing.T) {
	third, b := visitWithUserScript(t, "csp\n")
	b.waitForViolations(t, len(loads))
	violations, _ := b.take()

	got, want := map[string]int{}, map[string]int{}
	for _, v := range violations {
		got[v.Directive]++
	}
	for _, l := range loads {
		want[l.directive]++
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("violations: %v, want %v: %+v", got, want, violations)
	}
	if counts := third.counts(); len(counts) > 0 {
		t.Errorf("requests reached the third party: %v", counts)
	}
}

// TestUserScriptWithoutPolicy is the baseline: without the policy each request arrives.
func TestUserScriptWithoutPolicy(t *testing.T) {
	third, b := visitWithUserScript(t, "")
	// The answers to these are not awaited by anyone.
	third.waitFor(t, "beacon")
	counts := third.counts()
	for kind := range loads {
		if counts[kind] == 0 {
			t.Errorf("the %s's request did not arrive", kind)
		}
	}
	if violations, _ := b.take(); len(violations) > 0 {
		t.Errorf("violations without a policy: %+v", violations)
	}
}

// visitWithUserScript opens a page of a wiki with the user script and waits until the
// browser is done with all the script's loads.
func visitWithUserScript(t *testing.T, directives string) (*thirdParty, *browser) {
	t.Helper()
	third := startThirdParty(t)
	s := setScene(t, fronts[0], edgeConfig{site: clientMask + directives}, "")
	s.visitAdmin(t, sysop).save(t, "MediaWiki:Common.js", third.userScript())

	b := startBrowser(t)
	b.open(t, s.url+"/index.php/Main_Page")
	b.waitFor(t, fmt.Sprintf("window.settled && settled.length === %d", len(loads)))
	return third, b
}
