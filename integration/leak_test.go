//go:build integration

package integration

import (
	"net/http"
	"net/netip"
	"net/url"
	"testing"
)

// Where a client's address would be without masks.
const (
	answers       = "the answers"
	databases     = "the databases"
	databaseFiles = "the database files"
	wikiLog       = "the wiki's log"
	wikiFiles     = "the wiki's files"
	edgeLogs      = "the edge's logs"
	edgeStorage   = "the edge's storage"
	adminAnswers  = "the admin API's answers"
	phpLogs       = "PHP's logs"
)

// knowClient are the places of these that are sure to have the address, or its mask.
var knowClient = []string{answers, databases, databaseFiles, wikiLog, edgeLogs, phpLogs}

// TestNoAddressInAnswersDatabasesLogs has visitors do what a wiki keeps addresses for,
// and then looks for those addresses wherever the wiki and the edge wrote something.
func TestNoAddressInAnswersDatabasesLogs(t *testing.T) {
	visitors := []string{alice, bob, sysop}
	forEachRelease(t, func(t *testing.T, f front) {
		s := setScene(t, f, edgeConfig{site: clientMask}, "")
		left := s.tour(t, alice, bob, sysop)
		raw := make([]netip.Addr, len(visitors))
		for i, address := range visitors {
			raw[i] = netip.MustParseAddr(address)
		}
		left[adminAnswers] = s.adminAnswers(t)
		for where, what := range left {
			wantNoTrace(t, where, what, raw...)
		}

		// They were all written to: there is the mask.
		mask := s.maskOf(t, alice)
		for _, where := range knowClient {
			wantTrace(t, where, left[where], mask)
		}
	})
}

// TestAddressesWithoutMasks is the baseline of the search above.
func TestAddressesWithoutMasks(t *testing.T) {
	forEachRelease(t, func(t *testing.T, f front) {
		s := setScene(t, f, edgeConfig{unmasked: true}, "")
		left := s.tour(t, mallory, "127.66.6.7", "127.66.6.8")
		for _, where := range knowClient {
			wantTrace(t, where, left[where], netip.MustParseAddr(mallory))
		}
	})
}

// tour edits, logs in, fails to log in, makes an account, blocks and reads, and
// returns all that this left behind.
func (s *scene) tour(t *testing.T, editor, other, administrator string) map[string][]byte {
	t.Helper()
	a, b, admin := s.visit(editor), s.visit(other), s.visitAdmin(t, administrator)
	vandal := anonymous(t, a) // before the edit that gives it a temporary account
	wantSaved(t, "an edit", a, b, admin)
	a.failLogin(t)
	b.createAccount(t, "Newcomer")
	wantSaved(t, "an edit with an account", b)

	admin.block(t, vandal)
	wantRefused(t, "blocked", "blocked", a)
	for _, path := range []string{
		"/index.php?title=Sandbox&action=edit", "/index.php?title=Sandbox&action=history", "/index.php/Special:MyContributions",
		"/index.php/Special:RecentChanges", "/index.php/Special:Log", "/index.php/Special:BlockList", "/index.php/Special:UserLogin",
		"/index.php/Special:Contributions/" + vandal, "/index.php/User_talk:" + url.PathEscape(vandal) + "?action=edit",
		"/api.php?action=query&format=json&list=blocks|logevents|recentchanges&meta=userinfo&uiprop=*&bkprop=id|user|by|range|flags",
	} {
		for _, v := range []*visitor{a, b, admin} {
			v.read(t, path)
		}
	}
	// The last requests of each have been written down when this one's edit shows.
	a.recentEditors(t, "Sandbox", 4)

	return map[string][]byte{
		answers:       s.seen.all(),
		databases:     s.wiki.dump(t),
		databaseFiles: filesUnder(t, s.wiki.data()),
		wikiLog:       filesUnder(t, s.wiki.dir+"/debug.log"),
		wikiFiles:     filesUnder(t, s.wiki.dir),
		edgeLogs:      filesUnder(t, s.edge.dir+"/logs"),
		edgeStorage:   filesUnder(t, s.edge.dir+"/storage"),
		phpLogs:       filesUnder(t, shared.php.logs),
	}
}

// anonymous returns the name that the wiki has for a visitor without an account.
func anonymous(t *testing.T, v *visitor) string {
	t.Helper()
	var answer struct {
		Query struct {
			UserInfo struct {
				Name string
				Anon bool
			}
		}
	}
	v.api(t, &answer, "action", "query", "meta", "userinfo")
	if !answer.Query.UserInfo.Anon {
		t.Fatalf("%s is not anonymous: %+v", v.address, answer)
	}
	return answer.Query.UserInfo.Name
}

// read gets a page whatever its status: some are forbidden to some.
func (v *visitor) read(t *testing.T, path string) {
	t.Helper()
	resp, err := v.http.Get(v.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusInternalServerError {
		t.Errorf("%s as %s: %s", path, v.address, resp.Status)
	}
}
