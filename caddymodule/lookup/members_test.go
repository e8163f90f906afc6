package lookup

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/lookup/access"
	"github.com/wikiveil/wikiveil/lookup/audit"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/masking"
)

// membersSite is a MaskSite whose masks are those of [edgetest.Secret], so that earlier days can be made up.
func membersSite(t testing.TB, options, users, upstream string) string {
	return strings.Replace(edgetest.MaskSite(t, "", users, upstream), "data_dir", "secret "+edgetest.Secret+"\n"+options+"data_dir", 1)
}

// sawDaysAgo has clients publish that many days ago.
func sawDaysAgo(t testing.TB, days int, addrs ...string) {
	t.Helper()
	app, err := edge.RunningApp()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := hex.DecodeString(edgetest.Secret)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := masking.ConfiguredRing(secret)
	if err != nil {
		t.Fatal(err)
	}
	site, err := sightings.NewSite(ring.Epochs()[0], masking.SiteConfig{V4Ranges: masking.DefaultV4Ranges, V6Ranges: masking.DefaultV6Ranges})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		addr := netip.MustParseAddr(a)
		s := sightings.Sighting{Mask: netip.MustParseAddr(edgetest.ClientMask(t, a)), Addr: addr, Time: time.Now().AddDate(0, 0, -days), Site: site}
		if err := app.Recorder().RecordDurably(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
}

func row(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s%d", prefix, i+1))
	}
	return all
}

// askMembers asks for a network's members, with a reason after "&reason=".
func askMembers(t testing.TB, e *edgetest.Edge, user, network string, into any) (int, string) {
	t.Helper()
	resp, body := edgetest.PostForm(t, edgetest.From(t, "127.9.9.9"), "http://"+e.Site+"/.privacy/masks/members", "network="+network, edgetest.As(user))
	if err := json.Unmarshal([]byte(body), into); err != nil && into != nil {
		t.Fatalf("%s: %d %s: %v", network, resp.StatusCode, body, err)
	}
	return resp.StatusCode, body
}

// What a block hits is told of whole days, in ranges; of a small network nobody is named, nor where no wiki says whom it shows.
func TestMembers(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, membersSite(t, "", edgetest.MaskUsers, wiki.Address()))
	small, large := edgetest.Edit(t, e, wiki, "127.0.3.1"), edgetest.Edit(t, e, wiki, "127.0.4.1")
	sawDaysAgo(t, 2, row("127.0.3.", 3)...)
	sawDaysAgo(t, 3, row("127.0.4.", 60)...)
	sawDaysAgo(t, 30, row("127.0.4.", 200)...)
	network := func(mask string) string {
		t.Helper()
		var info infoView
		if status := edgetest.AskMasks(t, e, "patroller", mask, &info); status != 200 {
			t.Fatal(status)
		}
		return info.Ranges[1].Mask.String()
	}
	before := len(entries(t))

	var view membersView
	if status, body := askMembers(t, e, "patroller", network(small)+"&reason=vandals", &view); status != 200 || view.Members == nil ||
		view.Collateral.Clients != "fewer than 10" || view.Collateral.Published != "fewer than 10" || !strings.Contains(view.NotNamed, "too small") || len(view.Members) != 0 {
		t.Errorf("a small network: %d %s", status, body)
	}
	if want := "A block of this network hits fewer than 10 clients of the last 7 days, of whom fewer than 10 sent something"; !strings.HasPrefix(view.Collateral.Text, want) {
		t.Errorf("it is told as %q", view.Collateral.Text)
	}
	if status, body := askMembers(t, e, "patroller", network(large), &view); status != 200 || len(view.Members) != 0 || !strings.Contains(view.NotNamed, "asks no wiki") ||
		!slices.Contains([]string{"40 to 79", "20 to 39"}, view.Collateral.Clients) || view.Network.PrefixLength != 24 ||
		view.Collateral.Until != time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly) {
		t.Errorf("a large one: %d %s", status, body)
	}
	if status, body := askMembers(t, e, "patroller", "tor", &view); status != 200 || view.Name != "tor" || view.Collateral.Clients != "fewer than 10" {
		t.Errorf("a named network: %d %s", status, body)
	}
	var known networkMaskView
	if status := edgetest.AskMasks(t, e, "patroller", view.Mask.String(), &known); status != 200 || known.Name != "tor" {
		t.Errorf("the mask of the named network: %d %+v", status, known)
	}
	var told []string
	for _, entry := range entries(t)[before:] {
		if entry.Action == audit.Members {
			told = append(told, fmt.Sprintf("%s %v %s", entry.Performer, entry.Masks, entry.Reason))
		}
	}
	if want := []string{
		fmt.Sprintf("user:patroller [%s] vandals", edgetest.RangeMask(t, "127.0.3.0/24")),
		fmt.Sprintf("user:patroller [%s] ", edgetest.RangeMask(t, "127.0.4.0/24")), fmt.Sprintf("user:patroller [%v] ", view.Mask),
	}; !slices.Equal(told, want) {
		t.Errorf("audit %q, want %q", told, want)
	}

	// The page, which has a way there from a look-up, says the same.
	header := edgetest.As("patroller")
	header.Set("Accept", "text/html")
	_, body := edgetest.PostForm(t, edgetest.From(t, "127.9.9.9"), "http://"+e.Site+"/.privacy/masks/", "masks="+large, header)
	if !strings.Contains(body, `action="/.privacy/masks/members"><button name="network" value="`+edgetest.RangeMask(t, "127.0.4.0/24")+`"`) {
		t.Error("no way leads to the members:", body)
	}
	resp, body := edgetest.PostForm(t, edgetest.From(t, "127.9.9.9"), "http://"+e.Site+"/.privacy/masks/members", "network="+network(large), header)
	if resp.StatusCode != 200 || !strings.Contains(body, "A block of this network hits about") || !strings.Contains(body, "asks no wiki") ||
		strings.Contains(body, "127.0.4.") || strings.Contains(body, "ZgotmplZ") || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
	}
	if n := len(wiki.Take()); n != 0 {
		t.Errorf("the app got %d requests", n)
	}
}

// Who may not look up is told nothing, nor who has used their quota up; neither leaves anything in the audit. The app sees none of it.
func TestMembersRefusals(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, membersSite(t, "quota info 3\n", edgetest.MaskUsers, wiki.Address()))
	var info infoView
	if status := edgetest.AskMasks(t, e, "admin", edgetest.Edit(t, e, wiki, "127.0.3.1"), &info); status != 200 {
		t.Fatal(status)
	}
	network := info.Ranges[1].Mask.String()
	noUser := http.Header{"Accept": {"application/json"}, "Sec-Fetch-Site": {"same-origin"}}
	unsaid := edgetest.As("admin")
	unsaid.Del("Sec-Fetch-Site")
	before := len(entries(t))
	for _, tt := range []struct {
		name, network string
		header        http.Header
		status        int
		want          string
	}{
		{"nobody", network, noUser, 401, ""},
		{"plain user", network, edgetest.As("plain"), 403, `"right"`},
		{"nothing", "", edgetest.As("admin"), 400, "A network is given by its mask"},
		{"a client's mask", info.Mask.String(), edgetest.As("admin"), 400, "client's mask"},
		{"an address", "192.0.2.7", edgetest.As("admin"), 400, "A network is given by its mask"},
		{"an address as a number", "0300.0.2.7", edgetest.As("admin"), 400, "A network is given by its mask"},
		{"a range", "192.0.2.0/24", edgetest.As("admin"), 400, "A network is given by its mask"},
		{"another address", "2001:db8::1", edgetest.As("admin"), 400, "A network is given by its mask"},
		{"with a length", network + "/64", edgetest.As("admin"), 400, "A network is given by its mask"},
		{"nonsense", "%3Cscript%3E", edgetest.As("admin"), 400, "A network is given by its mask"},
		{"several", network + "+tor", edgetest.As("admin"), 400, "A network is given by its mask"},
		{"an address in the reason", network + "&reason=sock+of+192.0.2.7", edgetest.As("admin"), 400, "eason has an IP address in it"},
		{"loaded ahead", network, edgetest.As("admin", "Sec-Purpose", "prefetch"), 403, "not loaded ahead"},
		{"another site", network, edgetest.As("admin", "Sec-Fetch-Site", "cross-site"), 403, "Another site's page led here"},
		{"a browser that says nothing", network, unsaid, 403, "doesn't say where it comes from"},
	} {
		for _, accept := range []string{"application/json", "text/html"} {
			header := tt.header.Clone()
			header.Set("Accept", accept)
			resp, body := edgetest.PostForm(t, edgetest.From(t, "127.9.9.9"), "http://"+e.Site+"/.privacy/masks/members", "network="+tt.network, header)
			if resp.StatusCode != tt.status || !strings.Contains(body, tt.want) && accept == "application/json" || strings.Contains(body, "clients of the last") {
				t.Errorf("%s: %d %s, want %d %q", tt.name, resp.StatusCode, body, tt.status, tt.want)
			}
			if strings.Contains(body, "192.0.2.") || strings.Contains(body, "2001:db8::1") {
				t.Errorf("%s: the response says again what may be an address", tt.name)
			}
		}
	}
	// A link fills the form in, and looks nothing up.
	for below, filled := range map[string]string{"?network=" + network: network, "?network=tor": "tor", "?network=192.0.2.7": "", "": ""} {
		header := edgetest.As("admin")
		header.Set("Accept", "text/html")
		resp, body := edgetest.Send(t, edgetest.From(t, "127.9.9.9"), "GET", "http://"+e.Site+"/.privacy/masks/members"+below, header)
		if resp.StatusCode != 200 || !strings.Contains(body, `value="`+filled+`">`) || strings.Contains(body, "192.0.2.7") || strings.Contains(body, "clients of the last") {
			t.Errorf("GET %q: %d %s", below, resp.StatusCode, body)
		}
	}
	if resp, _ := edgetest.Send(t, edgetest.From(t, "127.9.9.9"), "PUT", "http://"+e.Site+"/.privacy/masks/members", edgetest.As("admin")); resp.StatusCode != 405 {
		t.Errorf("PUT: %d", resp.StatusCode)
	}
	if after := len(entries(t)); after != before {
		t.Errorf("%d entries were written for what was refused", after-before)
	}
	var failed failure
	if status, _ := askMembers(t, e, "admin", "2001:2e:1:2:3:4:5:6", &failed); status != 404 || failed.Reason != "unknown" {
		t.Errorf("a network that no look-up has shown: %d %+v", status, failed)
	}
	if status, body := askMembers(t, e, "admin", network, nil); status != 200 {
		t.Errorf("the last of three: %d %s", status, body)
	}
	if status, _ := askMembers(t, e, "admin", network, &failed); status != 429 || failed.Reason != access.NoQuota {
		t.Errorf("over the quota: %d %+v", status, failed)
	}
	if n := len(wiki.Take()); n != 0 {
		t.Errorf("the app got %d requests", n)
	}
}

// Members that the store has lost since are left out; they don't take the others with them.
func TestMembersWithoutRecord(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, membersSite(t, "", edgetest.MaskUsers, wiki.Address()))
	known, lost := edgetest.Edit(t, e, wiki, "127.0.3.1"), edgetest.ClientMask(t, "127.0.3.2")
	app, err := edge.RunningApp()
	if err != nil {
		t.Fatal(err)
	}
	of := &MaskAccess{app: app}
	records, err := of.lookKnown(t.Context(), []netip.Addr{netip.MustParseAddr(lost), netip.MustParseAddr(known)})
	if err != nil || len(records) != 1 || records[0].Mask.String() != known {
		t.Errorf("%+v, %v", records, err)
	}
}

// Where the wiki doesn't say whom it shows, nobody is named, and what a block hits is told all the same.
func TestMembersWithoutWiki(t *testing.T) {
	app := edgetest.NewBackend(t, nil)
	wiki := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.FormValue("list") == "usercontribs" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, `{"query":{"userinfo":{"id":7,"name":"Admin","rights":["block"]}}}`)
	})
	e := edgetest.New(t, membersSite(t, "", "wiki http://"+wiki.Address()+"/api.php", app.Address()))
	sawDaysAgo(t, 2, row("127.0.4.", 60)...)
	session := edgetest.As("admin", "Cookie", "wiki_session=admin")
	mask := edgetest.Edit(t, e, app, "127.0.4.1")
	edgetest.PostForm(t, edgetest.From(t, "127.9.9.9"), "http://"+e.Site+"/.privacy/masks/", "masks="+mask, session)
	resp, body := edgetest.PostForm(t, edgetest.From(t, "127.9.9.9"), "http://"+e.Site+"/.privacy/masks/members",
		"network="+edgetest.RangeMask(t, "127.0.4.0/24"), session)
	var view membersView
	if err := json.Unmarshal([]byte(body), &view); err != nil || resp.StatusCode != 200 || len(view.Members) != 0 ||
		!strings.Contains(view.NotNamed, "the wiki doesn't say whose contributions it shows") || !strings.HasPrefix(view.Collateral.Text, "A block of this network hits about") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// Another site's network is unknown, and where the audit can't be written nothing is told.
func TestMembersOfOthers(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, membersSite(t, "", edgetest.MaskUsers, wiki.Address()))
	var info infoView
	if status := edgetest.AskMasks(t, e, "admin", edgetest.Edit(t, e, wiki, "127.0.3.1"), &info); status != 200 {
		t.Fatal(status)
	}
	network := info.Ranges[1].Mask.String()
	e.Load(t, membersSite(t, "", edgetest.MaskUsers+"\nsite other", wiki.Address())+
		"\nhttp://other.example:{PORT} {\nclient_mask {\nsite other\n}\nreverse_proxy "+wiki.Address()+"\n}\n")
	var failed failure
	if status, _ := askMembers(t, e, "admin", network, &failed); status != 404 || failed.Reason != "unknown" {
		t.Errorf("another site's network: %d %+v", status, failed)
	}
	e.Load(t, membersSite(t, "", edgetest.MaskUsers, wiki.Address()))
	app, err := edge.RunningApp()
	if err != nil {
		t.Fatal(err)
	}
	if err := lookupParts.Of(app).log.Log.Close(); err != nil {
		t.Fatal(err)
	}
	if status, body := askMembers(t, e, "admin", network, &failed); status != 503 || strings.Contains(body, "collateral") {
		t.Errorf("without an audit: %d %s", status, body)
	}
}

// A temporary account has no mask of its own: the form says where the wiki shows its masks.
func TestTemporaryAccountsInTheForm(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, membersSite(t, "", edgetest.MaskUsers+"\ncontributions_link https://wiki.example/wiki/Special:Contributions/{mask}", wiki.Address()))
	var failed failure
	if status := edgetest.AskMasks(t, e, "admin", url.QueryEscape("~2026-1"), &failed); status != 400 || failed.Reason != "temporary_account" {
		t.Errorf("%d %+v", status, failed)
	}
	header := edgetest.As("admin")
	header.Set("Accept", "text/html")
	_, body := edgetest.PostForm(t, edgetest.From(t, "127.9.9.9"), "http://"+e.Site+"/.privacy/masks/", "masks=%7E2026-12345-6", header)
	if !strings.Contains(body, `href="https://wiki.example/wiki/Special:Contributions/~2026-12345-6"`) {
		t.Error("no link leads to the wiki's list:", body)
	}
	for _, other := range []string{"~2026-1/../x", "~", "~2026-1%22onclick", "~192.0.2.7"} {
		_, body := edgetest.PostForm(t, edgetest.From(t, "127.9.9.9"), "http://"+e.Site+"/.privacy/masks/", "masks="+other, header)
		if !strings.Contains(body, "is not a mask") || strings.Contains(body, "192.0.2.7") || strings.Contains(body, "onclick") {
			t.Errorf("%q: %s", other, body)
		}
	}
	if n := len(wiki.Take()); n != 0 {
		t.Errorf("the app got %d requests", n)
	}
}

func FuzzParseNetwork(f *testing.F) {
	for _, seed := range []string{"2001:2e::1", "2001:2f::1", "tor", "192.0.2.7", "0300.0.2.7", "::ffff:192.0.2.7", "3221225991", "2001:2e::1%eth0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		mask, name, err := parseNetwork(text)
		if err != nil {
			if mask.IsValid() || name != "" {
				t.Fatalf("%q: an error with %v, %q", text, mask, name)
			}
			return
		}
		if (name != "") == mask.IsValid() || mask.IsValid() && !masking.IsNetwork(mask) {
			t.Fatalf("%q: %v, %q", text, mask, name)
		}
		if name != "" && strings.Trim(name, "0123456789abcdefx.:") == "" {
			t.Fatalf("%q: what may be an address is taken for a name", text)
		}
	})
}
