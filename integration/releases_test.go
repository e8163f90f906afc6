//go:build integration

package integration

import (
	"fmt"
	"os"
	"slices"
	"testing"
)

// release is a MediaWiki that tests run on: a version, and settings in PHP that change what it does with addresses.
type release struct {
	name, version, settings string
	// pings is how often throttles count one edit by the API: 1.43 asks for the right to edit, which counts, and then asks the throttle.
	pings int
	// tempAccounts is whether who edits without an account gets a temporary one.
	tempAccounts bool
}

const tempAccounts = "\n$wgAutoCreateTempUser['enabled'] = true;\n"

// releases are MediaWiki's two long-term releases. Tests that don't care run on the first.
var releases = slices.DeleteFunc([]release{
	{name: "1.39", version: "1.39", pings: 1},
	{name: "1.43", version: "1.43", pings: 2},
	{name: "1.43 with temporary accounts", version: "1.43", pings: 2, settings: tempAccounts, tempAccounts: true},
}, func(r release) bool { return r.version == "1.43" && os.Getenv(withoutMediaWiki143) != "" })

// limitEdits returns the setting that lets as many edits an hour pass by what throttles count by, such as "ip".
func (r release) limitEdits(by string, edits int) string {
	return "\n$wgRateLimits = [ 'edit' => [ " + r.limit(by, edits) + " ] ];\n"
}

func (r release) limit(by string, edits int) string {
	return fmt.Sprintf("'%s' => [ %d, 3600 ]", by, edits*r.pings)
}

// withoutMediaWiki143 leaves out 1.43. Only scripts/test sets it, where it can't be had, and says so.
const withoutMediaWiki143 = "WIKIVEIL_TEST_WITHOUT_MEDIAWIKI_143"

// forEachWiki runs a test with each release of MediaWiki behind each front.
func forEachWiki(t *testing.T, test func(t *testing.T, f front)) {
	for _, r := range releases {
		for _, f := range fronts {
			f.wiki = r
			t.Run(r.name+"/"+f.name, func(t *testing.T) { test(t, f) })
		}
	}
}

// forEachRelease runs a slow test with each release, behind the fronts in turn.
func forEachRelease(t *testing.T, test func(t *testing.T, f front)) {
	for i, r := range releases {
		f := fronts[i%len(fronts)]
		f.wiki = r
		t.Run(r.name+"/"+f.name, func(t *testing.T) { test(t, f) })
	}
}
