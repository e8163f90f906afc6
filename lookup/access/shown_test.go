package access

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

// contributors answers list=usercontribs as MediaWiki does: at most so many contributions as were asked for, and as the visitor may
// have at once, of one user after the other, with masks in its own spelling, and whether there are more.
func contributors(most int, of map[string]int) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		var items []map[string]any
		most, more := most, false
		if asked, err := strconv.Atoi(r.FormValue("uclimit")); err == nil {
			most = min(most, asked)
		}
		for _, name := range strings.Split(r.FormValue("ucuser"), "|") {
			for n := range of[name] {
				if more = len(items) == most; more {
					break
				}
				items = append(items, map[string]any{"userid": 0, "user": strings.ToUpper(netip.MustParseAddr(name).StringExpanded()), "pageid": 1, "revid": n})
			}
		}
		if items == nil {
			items = []map[string]any{}
		}
		form := map[string]any{"query": map[string]any{"usercontribs": items}}
		if more {
			form["continue"] = map[string]any{"uccontinue": "x", "continue": "-||"}
		}
		rw.Header().Set("Content-Type", "application/json")
		json.NewEncoder(rw).Encode(form)
	}
}

func TestShown(t *testing.T) {
	var masks []netip.Addr
	for n := range 200 {
		masks = append(masks, netip.MustParseAddr(fmt.Sprintf("2001:2f::%x", n+1)))
	}
	edits := map[string]int{"2001:2f::1": 1, "2001:2f::2": 1200, "2001:2f::9": 3, "2001:2f::32": 1, "2001:2f::c8": 2}
	for _, tt := range []struct {
		enough int
		want   []string
	}{
		{50, []string{"2001:2f::1", "2001:2f::2", "2001:2f::9", "2001:2f::32", "2001:2f::c8"}}, // who has many hides nobody
		{2, []string{"2001:2f::1", "2001:2f::2"}},
	} {
		w := startWiki(t, contributors(500, edits))
		m := resolver(t, MediaWikiConfig{API: w.URL + "/api.php"})
		shown, err := m.Shown(visitor("admin"), masks, tt.enough)
		if got := fmt.Sprint(shown); err != nil || got != fmt.Sprint(tt.want) {
			t.Errorf("%v, %v, want %v", got, err, tt.want)
		}
		for _, q := range w.questions() {
			if c, err := q.Cookie("wiki_session"); err != nil || c.Value != "admin" || len(q.Cookies()) != 1 || q.Method != "POST" || q.URL.RawQuery != "" {
				t.Errorf("the wiki was sent %v", q.Header)
			}
		}
	}
	w := startWiki(t, contributors(500, nil))
	m := resolver(t, MediaWikiConfig{API: w.URL + "/api.php"})
	if shown, err := m.Shown(visitor("admin"), masks, 50); err != nil || len(shown) != 0 || len(w.questions()) != 4 {
		t.Errorf("nobody's: %v, %v", shown, err)
	}
}

// On an active wiki an administrator, who may have 5000 contributions at once, is told as well whom it shows.
func TestShownOfManyContributions(t *testing.T) {
	var masks []netip.Addr
	edits := make(map[string]int)
	for n := range usersAtOnce {
		mask := netip.AddrFrom16([16]byte{0x20, 0x01, 0x00, 0x2f, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x12, 0x34, 0x56, byte(n)})
		masks = append(masks, mask)
		edits[mask.String()] = 5000 / usersAtOnce
	}
	w := startWiki(t, contributors(5000, edits))
	m := resolver(t, MediaWikiConfig{API: w.URL + "/api.php"})
	if shown, err := m.Shown(visitor("admin"), masks, usersAtOnce); err != nil || len(shown) != usersAtOnce {
		t.Errorf("%d of %d are shown, %v", len(shown), usersAtOnce, err)
	}
}

// Whatever the wiki says that is not of its form, nobody is shown.
func TestShownFails(t *testing.T) {
	masks := []netip.Addr{netip.MustParseAddr("2001:2f::1"), netip.MustParseAddr("2001:2f::2")}
	for name, answer := range map[string]string{
		"nothing":            ``,
		"another form":       `{"query":{"userinfo":{}}}`,
		"an error":           `{"error":{"code":"readapidenied","info":"secret"}}`,
		"errors":             `{"errors":[],"query":{"usercontribs":[]}}`,
		"another's":          `{"query":{"usercontribs":[{"user":"2001:2f::1"},{"user":"2001:2f::3"}]}}`,
		"an account's":       `{"query":{"usercontribs":[{"user":"Admin"}]}}`,
		"more, and nobody's": `{"continue":{"uccontinue":"x"},"query":{"usercontribs":[]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := startWiki(t, func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Content-Type", "application/json")
				rw.Write([]byte(answer))
			})
			m := resolver(t, MediaWikiConfig{API: w.URL + "/api.php"})
			shown, err := m.Shown(visitor("s3ss10n"), masks, 50)
			if shown != nil || reasonOf(t, err) != Unavailable || !strings.Contains(err.Error(), "whose contributions") {
				t.Errorf("%v, %v", shown, err)
			}
			holdsNone(t, err, "s3ss10n", "secret")
		})
	}
	w := startWiki(t, contributors(500, map[string]int{"2001:2f::1": 1}))
	m := resolver(t, MediaWikiConfig{API: w.URL + "/api.php"})
	if shown, err := m.Shown(visitor(""), masks, 50); shown != nil || reasonOf(t, err) != Anonymous || len(w.questions()) != 0 {
		t.Errorf("without a session: %v, %v", shown, err)
	}
	m.Close()
	if shown, err := m.Shown(visitor("admin"), masks, 50); shown != nil || reasonOf(t, err) != Unavailable {
		t.Errorf("closed: %v, %v", shown, err)
	}
}

func FuzzParseContributions(f *testing.F) {
	f.Add([]byte(`{"query":{"usercontribs":[{"user":"2001:2F:0:0:0:0:0:1"}]},"continue":{}}`))
	f.Add([]byte(`{"error":{"code":"x"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		users, more, err := parseContributions(data)
		if err != nil && (users != nil || more) {
			t.Fatalf("%v, %v with %v", users, more, err)
		}
		for user := range users {
			if !user.IsValid() {
				t.Fatal("an address that is none")
			}
		}
	})
}
