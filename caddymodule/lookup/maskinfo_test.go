package lookup

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/lookup/audit"
)

// entries are what stands in the audit log.
func entries(t *testing.T) (all []audit.Entry) {
	t.Helper()
	app, err := edge.RunningApp()
	if err != nil {
		t.Fatal(err)
	}
	for entry, err := range lookupParts.Of(app).log.Entries(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, entry)
	}
	return all
}

func TestMaskLookUp(t *testing.T) {
	db := filepath.Join(t.TempDir(), "asn.mmdb")
	edgetest.WriteASN(t, db)
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, edgetest.MaskSite(t, "geoip asn "+db, edgetest.MaskUsers, wiki.Address()))
	mobile, mobile2, other := edgetest.Edit(t, e, wiki, "127.130.7.1"), edgetest.Edit(t, e, wiki, "127.131.9.1"), edgetest.Edit(t, e, wiki, "127.0.3.1")

	var info infoView
	if status := edgetest.AskMasks(t, e, "patroller", mobile, &info); status != 200 {
		t.Fatal(status)
	}
	if want := "Organization: Example Mobile (AS64501)  Network: " + info.Network.Mask.String() + " (an IPv4 /15)"; info.Summary != want {
		t.Errorf("summary %q, want %q", info.Summary, want)
	}
	if info.Sightings != "1" || len(info.Ranges) != 2 || info.Ranges[1].PrefixLength != 24 || !info.Reveals || info.FirstSeen.IsZero() {
		t.Errorf("%+v", info)
	}
	// What was shown can be looked up.
	var network networkMaskView
	if status := edgetest.AskMasks(t, e, "patroller", info.Network.Mask.String(), &network); status != 200 || network.Summary != info.Summary {
		t.Errorf("the network's mask: %d %+v", status, network)
	}
	if status := edgetest.AskMasks(t, e, "patroller", info.Ranges[0].Mask.String(), &network); status != 200 || network.Organization != info.Organization {
		t.Errorf("a /16 of the organisation's /15: %d %+v", status, network)
	}

	var common comparisonView
	if status := edgetest.AskMasks(t, e, "patroller", mobile+"%0A"+mobile2+"&reason=vandals", &common); status != 200 {
		t.Fatal(status)
	}
	if common.Network == nil || common.Network.Mask != info.Network.Mask || common.Organization != "Same" || common.City != "Unknown" {
		t.Errorf("%+v", common)
	}
	if want := "City: Unknown  Region: Unknown  Country: Unknown  Network: " + info.Network.Text; common.Summary != want {
		t.Errorf("summary %q, want %q", common.Summary, want)
	}
	if status := edgetest.AskMasks(t, e, "patroller", mobile+","+other, &common); status != 200 || common.Organization != "Not Same" || common.Network != nil {
		t.Errorf("%d %+v", status, common)
	}

	// All of it stands in the audit, once.
	edgetest.AskMasks(t, e, "patroller", mobile, &info)
	var told []string
	for _, entry := range entries(t) {
		told = append(told, fmt.Sprintf("%s %v %d %s", entry.Performer, entry.Action, len(entry.Masks), entry.Reason))
	}
	if want := []string{"user:patroller info 1 ", "user:patroller info 1 ", "user:patroller info 1 ", "user:patroller compare 2 vandals", "user:patroller compare 2 "}; !slices.Equal(told, want) {
		t.Errorf("audit %q, want %q", told, want)
	}

	// Neither answers nor the page hold an address; the app saw none of this.
	for _, accept := range []string{"application/json", "text/html"} {
		header := edgetest.As("admin")
		header.Set("Accept", accept)
		resp, body := edgetest.PostForm(t, edgetest.From(t, "127.9.9.9"), "http://"+e.Site+"/.privacy/masks/", "masks="+mobile, header)
		if resp.StatusCode != 200 || !strings.Contains(body, "Example Mobile") || strings.Contains(body, "127.130.7.1") || strings.Contains(body, "127.9.9.9") {
			t.Errorf("%s: %d %s", accept, resp.StatusCode, body)
		}
		if strings.Contains(body, info.Network.Mask.String()+"/") {
			t.Error("a network's mask is written with a slash length")
		}
		for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s is %q", name, got)
			}
		}
		if accept == "text/html" && (!strings.Contains(body, "Special:Block/"+info.Network.Mask.String()) || strings.Contains(body, "<script") || strings.Contains(body, "ZgotmplZ")) {
			t.Error("the page lacks the link to block, or has a script:", body)
		}
	}
	header := edgetest.As("admin")
	header.Set("Accept", "text/html")
	_, body := edgetest.PostForm(t, edgetest.From(t, "127.9.9.9"), "http://"+e.Site+"/.privacy/masks/", "masks="+mobile+","+other, header)
	for _, want := range []string{`name="masks" value="` + mobile + `"`, `name="masks" value="` + other + `"`, "Not Same"} {
		if !strings.Contains(body, want) {
			t.Errorf("the comparison's page lacks %q: %s", want, body)
		}
	}
	if n := len(wiki.Take()); n != 0 {
		t.Errorf("the app got %d requests", n)
	}
	if log := e.ReadLog(t); strings.Contains(log, "127.130.7.1") || strings.Contains(log, "127.9.9.9") {
		t.Error("the log holds an address")
	}
}

// Case 10: what is looked up, by whom and why stands in no log of requests.
func TestCase10LookUpsLeaveNoTraceInLogs(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, strings.Replace(edgetest.MaskSite(t, "", edgetest.MaskUsers, wiki.Address()), "csp strict", "log\ncsp strict", 1))
	mask := edgetest.Edit(t, e, wiki, "127.0.3.1")
	testutil.Eventually(t, "the edit in the log", func() bool { return strings.Contains(e.ReadLog(t), "handled request") })
	edited := e.ReadLog(t)
	var info infoView
	if status := edgetest.AskMasks(t, e, "admin", mask+"&reason=Suspected+sockpuppet+of+User:Example", &info); status != 200 {
		t.Fatal(status)
	}
	if resp, body, _ := readPage(t, e, "admin", "action=info&performer=user:admin&reason=Suspected+sockpuppet"); resp.StatusCode != 200 || !strings.Contains(body, mask) {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	testutil.Eventually(t, "the requests in the log", func() bool { return strings.Count(e.ReadLog(t), "handled request") >= 3 })
	log := strings.TrimPrefix(e.ReadLog(t), edited)
	for _, trace := range []string{mask, info.Ranges[0].Mask.String(), "sockpuppet", "user:admin", "performer"} {
		if strings.Contains(log, trace) {
			t.Errorf("the log has %q", trace)
		}
	}
}

func TestMaskLookUpRefusals(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, strings.Replace(edgetest.MaskSite(t, "", edgetest.MaskUsers, wiki.Address()), "data_dir", "quota info 30\ndata_dir", 1))
	mask := edgetest.Edit(t, e, wiki, "127.0.3.1")
	unknown := "2001:2f:1:2:3:4:5:6"
	many := make([]string, 21)
	for i := range many {
		many[i] = fmt.Sprintf("2001:2f::%d", i+1)
	}
	noUser := http.Header{"Accept": {"application/json"}, "Sec-Fetch-Site": {"same-origin"}}
	unsaid := edgetest.As("admin")
	unsaid.Del("Sec-Fetch-Site")
	origin := func(origin string) http.Header {
		h := unsaid.Clone()
		h.Set("Origin", origin)
		return h
	}
	before := len(entries(t))
	for _, tt := range []struct {
		name, masks string
		header      http.Header
		status      int
		want        string
	}{
		{"nobody", mask, noUser, 401, ""},
		{"plain user", mask, edgetest.As("plain"), 403, "right"},
		{"plain user, nothing", "", edgetest.As("plain"), 403, "right"},
		{"nothing", "", edgetest.As("admin"), 400, "No mask was given"},
		{"an address", "192.0.2.7", edgetest.As("admin"), 400, "umber 1 is not a mask"},
		{"another address", "2001:db8::1", edgetest.As("admin"), 400, "umber 1 is not a mask"},
		{"with a zone", mask + "%25eth0", edgetest.As("admin"), 400, "is not a mask"},
		{"with a length", mask + "/64", edgetest.As("admin"), 400, "is not a mask"},
		{"nonsense", "%3Cscript%3E", edgetest.As("admin"), 400, "is not a mask"},
		{"no form", mask + "&%zz", edgetest.As("admin"), 400, "The form can't be read"},
		{"an endless form", mask + "&x=" + strings.Repeat("x", maxLookupForm), edgetest.As("admin"), 400, "The form can't be read"},
		{"too many", strings.Join(many, ","), edgetest.As("admin"), 400, "21 masks are too many"},
		{"twice", mask + "," + mask, edgetest.As("admin"), 400, "is given twice"},
		{"network among others", mask + ",2001:2e::1", edgetest.As("admin"), 400, "only clients' masks can be compared"},
		{"long reason", mask + "&reason=" + strings.Repeat("x", audit.MaxReason+1), edgetest.As("admin"), 400, "eason"},
		{"an address in the reason", mask + "&reason=sock+of+192.0.2.7", edgetest.As("admin"), 400, "eason has an IP address in it"},
		{"an address and its port in the reason", mask + "&reason=[2001:db8::1]:443", edgetest.As("admin"), 400, "eason has an IP address in it"},
		{"loaded ahead", mask, edgetest.As("admin", "Sec-Purpose", "prefetch"), 403, "not loaded ahead"},
		{"a form in a frame", mask, edgetest.As("admin", "Sec-Fetch-Dest", "iframe"), 403, "not part of another page"},
		// Case 34: another site's form, in browsers that say so by the one header, the other, or not at all.
		{"another site", mask, edgetest.As("admin", "Sec-Fetch-Site", "cross-site"), 403, "Another site's page led here"},
		{"another host", mask, edgetest.As("admin", "Sec-Fetch-Site", "same-site"), 403, "Another site's page led here"},
		{"another origin", mask, origin("https://evil.example"), 403, "Another site's page led here"},
		{"another port", mask, origin("http://127.0.0.1:1"), 403, "Another site's page led here"},
		{"no origin", mask, origin("null"), 403, "Another site's page led here"},
		{"a browser that says nothing", mask, unsaid, 403, "doesn't say where it comes from"},
	} {
		resp, body := edgetest.PostForm(t, edgetest.From(t, "127.9.9.9"), "http://"+e.Site+"/.privacy/masks/", "masks="+tt.masks, tt.header)
		if resp.StatusCode != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s: %d %s, want %d %q", tt.name, resp.StatusCode, body, tt.status, tt.want)
		}
		html := tt.header.Clone()
		html.Set("Accept", "text/html")
		_, page := edgetest.PostForm(t, edgetest.From(t, "127.9.9.9"), "http://"+e.Site+"/.privacy/masks/", "masks="+tt.masks, html)
		if strings.Contains(body+page, "192.0.2.7") || strings.Contains(body+page, "2001:db8::1") {
			t.Errorf("%s: the answer says again what may be an address", tt.name)
		}
	}
	// Cases 10 and 34: no link looks anything up, wherever it is; it fills the form in.
	for below, want := range map[string]int{"": 200, "?masks=" + mask + "&reason=x": 405, "?masks=192.0.2.7": 200, mask: 404, mask + "?reason=x": 404} {
		for _, header := range []http.Header{edgetest.As("admin"), edgetest.As("admin", "Sec-Fetch-Site", "cross-site"), unsaid} {
			if resp, body := edgetest.Send(t, edgetest.From(t, "127.9.9.9"), "GET", "http://"+e.Site+"/.privacy/masks/"+below, header); resp.StatusCode != want || strings.Contains(body, "192.0.2.7") {
				t.Errorf("GET %q: %d %s", below, resp.StatusCode, body)
			}
			html := header.Clone()
			html.Set("Accept", "text/html")
			resp, body := edgetest.Send(t, edgetest.From(t, "127.9.9.9"), "GET", "http://"+e.Site+"/.privacy/masks/"+below, html)
			if filled := strings.Contains(body, ">"+mask+"</textarea>"); filled != (want == 405) || strings.Contains(body, "Organization") {
				t.Errorf("GET %q: the form is filled in: %v: %d %s", below, filled, resp.StatusCode, body)
			}
		}
	}
	if resp, _ := edgetest.Send(t, edgetest.From(t, "127.9.9.9"), "PUT", "http://"+e.Site+"/.privacy/masks/", edgetest.As("admin")); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("PUT: %d %v", resp.StatusCode, resp.Header)
	}
	if after := len(entries(t)); after != before {
		t.Errorf("%d entries were written for what was refused", after-before)
	}
	var failed failure
	if status := edgetest.AskMasks(t, e, "admin", unknown, &failed); status != 404 || !strings.Contains(failed.Error, "unknown") {
		t.Errorf("unknown mask: %d %+v", status, failed)
	}
	// 29 of 30 are left: comparing 20 leaves 9, another 20 are over it.
	edgetest.AskMasks(t, e, "admin", strings.Join(many[:20], ","), &failed)
	if status := edgetest.AskMasks(t, e, "admin", strings.Join(many[:20], ","), &failed); status != 429 || failed.Reason != "quota" {
		t.Errorf("over the quota: %d %+v", status, failed)
	}
	var info infoView
	if status := edgetest.AskMasks(t, e, "patroller", mask, &info); status != 200 {
		t.Errorf("another user's quota: %d", status)
	}
	// A program says its origin by hand.
	if resp, body := edgetest.PostForm(t, edgetest.From(t, "127.9.9.9"), "http://"+e.Site+"/.privacy/masks/", "masks="+mask, origin("http://"+e.Site)); resp.StatusCode != 200 {
		t.Errorf("the site's own origin: %d %s", resp.StatusCode, body)
	}
	if n := len(wiki.Take()); n != 0 {
		t.Errorf("the app got %d requests", n)
	}
}

// A site does not tell of another's masks, and an epoch that is gone takes its records with it.
func TestMaskLookUpOfOthers(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	config := edgetest.MaskSite(t, "", edgetest.MaskUsers+"\nsite other", wiki.Address()) +
		"\nhttp://other.example:{PORT} {\nclient_mask {\nsite other\n}\nreverse_proxy " + wiki.Address() + "\n}\n"
	e := edgetest.New(t, config)
	mask := edgetest.Edit(t, e, wiki, "127.0.3.1")
	var failed failure
	if status := edgetest.AskMasks(t, e, "admin", mask, &failed); status != 404 {
		t.Errorf("another site's mask: %d %+v", status, failed)
	}
	e.Load(t, strings.Replace(edgetest.MaskSite(t, "", edgetest.MaskUsers, wiki.Address()), "data_dir", "keep 0\ndata_dir", 1))
	var info infoView
	if status := edgetest.AskMasks(t, e, "admin", mask, &info); status != 200 {
		t.Fatalf("its own: %d", status)
	}
	e.Rotate(t)
	for _, m := range []string{mask, info.Ranges[0].Mask.String()} {
		if status := edgetest.AskMasks(t, e, "admin", m, &failed); status != 410 || !strings.Contains(failed.Error, "destroyed") {
			t.Errorf("%s of an epoch that is gone: %d %+v", m, status, failed)
		}
	}
}

// Where the audit can't be written, nothing is told.
func TestNoAuditNoAnswer(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, edgetest.MaskSite(t, "", edgetest.MaskUsers, wiki.Address()))
	mask := edgetest.Edit(t, e, wiki, "127.0.3.1")
	app, err := edge.RunningApp()
	if err != nil {
		t.Fatal(err)
	}
	if err := lookupParts.Of(app).log.Log.Close(); err != nil {
		t.Fatal(err)
	}
	var failed failure
	if status := edgetest.AskMasks(t, e, "admin", mask, &failed); status != 503 || failed.Error == "" {
		t.Errorf("%d %+v", status, failed)
	}
	if log := e.ReadLog(t); !strings.Contains(log, "audit log is closed") {
		t.Error("the operator is not told why")
	}
}

// The path is the one that was asked for, whatever the site rewrites it to, and only that.
func TestMaskPagePaths(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	config := strings.Replace(edgetest.MaskSite(t, "", edgetest.MaskUsers+"\npath /masks/", wiki.Address()), "csp strict", "csp strict\nrewrite * /index.php", 1)
	// A matcher of basic_auth would see the rewritten path.
	e := edgetest.New(t, strings.Replace(config, "basic_auth @private", "basic_auth", 1))
	for path, want := range map[string]int{"/masks/": 200, "/masks/style.css": 200, "/masks": 308, "/masksX": 200, "/.privacy/masks/": 200} {
		resp, _ := edgetest.Send(t, edgetest.From(t, "127.9.9.9"), "GET", "http://"+e.Site+path, edgetest.As("admin"))
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	for _, r := range wiki.Take() {
		if r.RequestURI != "/index.php" {
			t.Errorf("the app got %s", r.RequestURI)
		}
	}
}

func TestMaskInfoConfigErrors(t *testing.T) {
	good := edgetest.MaskSite(t, "", edgetest.MaskUsers, "127.0.0.1:1")
	for name, tt := range map[string]struct{ config, want string }{
		"nobody":         {strings.Replace(good, edgetest.MaskUsers, "", 1), "nobody may look masks up"},
		"no sightings":   {strings.Replace(good, "sightings {\n\t\t\t\tseal local\n\t\t\t\t\n\t\t\t}", "", 1), "set `sightings` in the wikiveil"},
		"unknown option": {strings.Replace(good, edgetest.MaskUsers, "colour red", 1), `unknown mask_info option "colour" (known: wiki, user`},
		"unknown right":  {strings.Replace(good, edgetest.MaskUsers, "user admin fly", 1), `right "fly" is not one of`},
		"no right":       {strings.Replace(good, edgetest.MaskUsers, "user admin", 1), "wrong argument count"},
		"both":           {strings.Replace(good, edgetest.MaskUsers, "user admin info\nwiki http://127.0.0.1/api.php", 1), "not from both"},
		"bad path":       {strings.Replace(good, edgetest.MaskUsers, edgetest.MaskUsers+"\npath masks", 1), "slash at both ends"},
		"bad link":       {strings.Replace(good, "Special:Block/{mask}", "Special:Block", 1), "block_link"},
		"script link":    {strings.Replace(good, "https://wiki.example/wiki/Special:Block/{mask}", "javascript:{mask}", 1), "block_link"},
		"no web address": {strings.Replace(good, edgetest.MaskUsers, "wiki ftp://wiki.example/api.php", 1), "http"},
		"same origin":    {strings.Replace(good, edgetest.MaskUsers, edgetest.MaskUsers+"\nreveal https://wiki.example https://wiki.example", 1), "own origin"},
		"quota":          {strings.Replace(good, "data_dir", "quota info 0\ndata_dir", 1), "quota"},
		"audit":          {strings.Replace(good, "data_dir", "audit {\nretention 1h\n}\ndata_dir", 1), "less than a day"},
		"node":           {strings.Replace(good, "data_dir", "audit {\nnode a/b\n}\ndata_dir", 1), "node"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.config == good {
				t.Fatal("the case changes nothing")
			}
			if err := edgetest.Validate(t, tt.config); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
	// A placeholder need not have a value where a config is adapted, but where it runs.
	fromEnv := strings.Replace(good, edgetest.MaskUsers, "wiki {env.WIKIVEIL_TEST_API}", 1)
	e := &edgetest.Edge{Dir: t.TempDir(), Log: "edge.log", Admin: edgetest.FreePort(t), Site: edgetest.FreePort(t)}
	if _, _, err := edgetest.AdaptWarnings(e.Expand(fromEnv)); err != nil {
		t.Errorf("adapting with a placeholder: %v", err)
	}
	if err := edgetest.Validate(t, fromEnv); err == nil || !strings.Contains(err.Error(), "not an http or https URL") {
		t.Errorf("without the placeholder's value: %v", err)
	}
	t.Setenv("WIKIVEIL_TEST_API", "http://127.0.0.1/api.php")
	if err := edgetest.Validate(t, fromEnv); err != nil {
		t.Errorf("with the placeholder's value: %v", err)
	}
	if err := edgetest.Validate(t, good); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// Neither the audit nor the quotas' file tell who asked for what.
func TestLookUpFilesAreSealed(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, edgetest.MaskSite(t, "", edgetest.MaskUsers, wiki.Address()))
	mask := edgetest.Edit(t, e, wiki, "127.0.3.1")
	var info infoView
	if status := edgetest.AskMasks(t, e, "patroller", mask+"&reason=because-of-this", &info); status != 200 {
		t.Fatal(status)
	}
	if entries(t)[0].Reason != "because-of-this" {
		t.Fatal("the audit lacks the reason")
	}
	packed := entries(t)[0].Masks[0].As16()
	for _, name := range []string{"audit.db", "quotas.db"} {
		data, err := os.ReadFile(filepath.Join(e.Dir, "data", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, needle := range [][]byte{[]byte("patroller"), []byte(mask), packed[:], []byte("because-of-this")} {
			if bytes.Contains(data, needle) {
				t.Errorf("%s holds %q", name, needle)
			}
		}
	}
}

// The browser cookie of reveals is the edge's alone, on a site without csp too.
func TestMaskInfoHidesEdgeCookies(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, strings.Replace(edgetest.MaskSite(t, "", edgetest.MaskUsers, wiki.Address()), "csp strict", "", 1))
	header := http.Header{"Cookie": {confirm.BrowserCookie + "=x; session=1"}}
	edgetest.Send(t, edgetest.From(t, "127.0.0.9"), "GET", "http://"+e.Site+"/", header)
	if got := wiki.One(t).Header.Get("Cookie"); got != "session=1" {
		t.Errorf("the app gets the cookies %q", got)
	}
}

// A look-up's page says each thing once, what it costs, and leads on: friction 18.
func TestFriction18MaskPage(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	db := filepath.Join(t.TempDir(), "asn.mmdb")
	edgetest.WriteASN(t, db)
	e := edgetest.New(t, strings.Replace(edgetest.MaskSite(t, "geoip asn "+db, edgetest.MaskUsers, wiki.Address()), "block_link", "contributions_link /w/Special:Contributions/{mask}\nblock_link", 1))
	mask := edgetest.Edit(t, e, wiki, "127.130.7.1")
	ask := func(header ...string) string {
		t.Helper()
		resp, body := edgetest.PostForm(t, edgetest.From(t, "127.9.9.9"), "http://"+e.Site+"/.privacy/masks/", "masks="+mask, edgetest.As("admin", append(header, "Accept", "text/html")...))
		if resp.StatusCode != 200 {
			t.Fatalf("%d %s", resp.StatusCode, body)
		}
		return body
	}
	body := ask()
	for _, want := range []string{
		"IPv4 /15: 131,072 addresses; it is the network that was allocated", "IPv4 /16: 65,536 addresses)", "IPv4 /24: 256 addresses)", "99 look-ups are left to you today",
		`<a href="/w/Special:Contributions/` + mask + `">Contributions</a>`, "Organization: Example Mobile (AS64501)",
	} {
		if n := strings.Count(body, want); n != 1 {
			t.Errorf("%d times, not once: %q", n, want)
		}
	}
	if n := strings.Count(body, "Example Mobile"); n != 1 {
		t.Errorf("the organization stands there %d times: %s", n, body)
	}
	if body := ask(); !strings.Contains(body, "98 look-ups are left") {
		t.Error("a second look-up costs nothing:", body)
	}
}
