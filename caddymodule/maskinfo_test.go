package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/lookup/audit"
)

// maskSite is a site with mask_info whose users are known by basic_auth, with their names as passwords.
func maskSite(t testing.TB, options, users, upstream string) string {
	t.Helper()
	var accounts strings.Builder
	for _, name := range []string{"admin", "patroller", "plain"} {
		hash, err := bcrypt.GenerateFromPassword([]byte(name), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&accounts, "%s %s\n", name, hash)
	}
	return `{
		{GLOBAL}
		wikiveil {
			data_dir {DIR}/data
			sightings {
				seal local
				` + options + `
			}
		}
	}
	http://:{PORT} {
		client_mask
		csp strict
		@private path /.privacy/*
		basic_auth @private {
			` + accounts.String() + `
		}
		mask_info {
			` + users + `
			block_link https://wiki.example/wiki/Special:Block/{mask}
		}
		reverse_proxy ` + upstream + `
	}`
}

const maskUsers = "user admin info reveal audit\nuser patroller info"

// as gives the headers of a user's program, and more by pairs.
func as(user string, more ...string) http.Header {
	r := http.Request{Header: make(http.Header)}
	r.SetBasicAuth(user, user)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for pair := range slices.Chunk(more, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	return r.Header
}

// edit has a client publish something and returns its mask.
func edit(t *testing.T, e *edge, wiki *app, source string) string {
	t.Helper()
	if resp, body := send(t, from(t, source), "POST", "http://"+e.site+"/", nil); resp.StatusCode != 200 {
		t.Fatalf("POST from %s: %d %s", source, resp.StatusCode, body)
	}
	return wiki.one(t).Header.Get("Client-Mask")
}

// postForm sends a form of the site's pages.
func postForm(t *testing.T, client *http.Client, target, form string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest("POST", target, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header.Clone()
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return exchange(t, client, r)
}

// askMasks looks masks up as a program, with a reason after "&reason=", and decodes the answer.
func askMasks(t *testing.T, e *edge, user, masks string, into any) int {
	t.Helper()
	// A connection that is made while a reload ends may go to the listener that is closed, and is cut off.
	var resp *http.Response
	var body string
	eventually(t, "an answer", func() bool {
		r, err := http.NewRequest("POST", "http://"+e.site+"/.privacy/masks/", strings.NewReader("masks="+masks))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = as(user, "Content-Type", "application/x-www-form-urlencoded")
		if resp, err = from(t, "127.9.9.9").Do(r); err != nil {
			return false
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		body = string(data)
		return err == nil
	})
	if err := json.Unmarshal([]byte(body), into); err != nil && into != nil {
		t.Fatalf("%s: %d %s: %v", masks, resp.StatusCode, body, err)
	}
	return resp.StatusCode
}

// entries are what stands in the audit log.
func entries(t *testing.T) (all []audit.Entry) {
	t.Helper()
	app, err := runningApp()
	if err != nil {
		t.Fatal(err)
	}
	for entry, err := range app.lookups.log.Entries(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, entry)
	}
	return all
}

func TestMaskLookUp(t *testing.T) {
	db := filepath.Join(t.TempDir(), "asn.mmdb")
	writeASN(t, db)
	wiki := newApp(t, nil)
	e := newEdge(t, maskSite(t, "geoip asn "+db, maskUsers, wiki.address()))
	mobile, mobile2, other := edit(t, e, wiki, "127.130.7.1"), edit(t, e, wiki, "127.131.9.1"), edit(t, e, wiki, "127.0.3.1")

	var info infoView
	if status := askMasks(t, e, "patroller", mobile, &info); status != 200 {
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
	if status := askMasks(t, e, "patroller", info.Network.Mask.String(), &network); status != 200 || network.Summary != info.Summary {
		t.Errorf("the network's mask: %d %+v", status, network)
	}
	if status := askMasks(t, e, "patroller", info.Ranges[0].Mask.String(), &network); status != 200 || network.Organization != info.Organization {
		t.Errorf("a /16 of the organisation's /15: %d %+v", status, network)
	}

	var common comparisonView
	if status := askMasks(t, e, "patroller", mobile+"%0A"+mobile2+"&reason=vandals", &common); status != 200 {
		t.Fatal(status)
	}
	if common.Network == nil || common.Network.Mask != info.Network.Mask || common.Organization != "Same" || common.City != "Unknown" {
		t.Errorf("%+v", common)
	}
	if want := "City: Unknown  Region: Unknown  Country: Unknown  Network: " + info.Network.Text; common.Summary != want {
		t.Errorf("summary %q, want %q", common.Summary, want)
	}
	if status := askMasks(t, e, "patroller", mobile+","+other, &common); status != 200 || common.Organization != "Not Same" || common.Network != nil {
		t.Errorf("%d %+v", status, common)
	}

	// All of it stands in the audit, once.
	askMasks(t, e, "patroller", mobile, &info)
	var told []string
	for _, entry := range entries(t) {
		told = append(told, fmt.Sprintf("%s %v %d %s", entry.Performer, entry.Action, len(entry.Masks), entry.Reason))
	}
	if want := []string{"user:patroller info 1 ", "user:patroller info 1 ", "user:patroller info 1 ", "user:patroller compare 2 vandals", "user:patroller compare 2 "}; !slices.Equal(told, want) {
		t.Errorf("audit %q, want %q", told, want)
	}

	// Neither answers nor the page hold an address; the app saw none of this.
	for _, accept := range []string{"application/json", "text/html"} {
		header := as("admin")
		header.Set("Accept", accept)
		resp, body := postForm(t, from(t, "127.9.9.9"), "http://"+e.site+"/.privacy/masks/", "masks="+mobile, header)
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
	header := as("admin")
	header.Set("Accept", "text/html")
	_, body := postForm(t, from(t, "127.9.9.9"), "http://"+e.site+"/.privacy/masks/", "masks="+mobile+","+other, header)
	for _, want := range []string{`name="masks" value="` + mobile + `"`, `name="masks" value="` + other + `"`, "Not Same"} {
		if !strings.Contains(body, want) {
			t.Errorf("the comparison's page lacks %q: %s", want, body)
		}
	}
	if n := len(wiki.take()); n != 0 {
		t.Errorf("the app got %d requests", n)
	}
	if log := e.readLog(t); strings.Contains(log, "127.130.7.1") || strings.Contains(log, "127.9.9.9") {
		t.Error("the log holds an address")
	}
}

// Case 10: what is looked up, by whom and why stands in no log of requests.
func TestCase10LookUpsLeaveNoTraceInLogs(t *testing.T) {
	wiki := newApp(t, nil)
	e := newEdge(t, strings.Replace(maskSite(t, "", maskUsers, wiki.address()), "csp strict", "log\ncsp strict", 1))
	mask := edit(t, e, wiki, "127.0.3.1")
	eventually(t, "the edit in the log", func() bool { return strings.Contains(e.readLog(t), "handled request") })
	edited := e.readLog(t)
	var info infoView
	if status := askMasks(t, e, "admin", mask+"&reason=Suspected+sockpuppet+of+User:Example", &info); status != 200 {
		t.Fatal(status)
	}
	if resp, body, _ := readPage(t, e, "admin", "action=info&performer=user:admin&reason=Suspected+sockpuppet"); resp.StatusCode != 200 || !strings.Contains(body, mask) {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	eventually(t, "the requests in the log", func() bool { return strings.Count(e.readLog(t), "handled request") >= 3 })
	log := strings.TrimPrefix(e.readLog(t), edited)
	for _, trace := range []string{mask, info.Ranges[0].Mask.String(), "sockpuppet", "user:admin", "performer"} {
		if strings.Contains(log, trace) {
			t.Errorf("the log has %q", trace)
		}
	}
}

func TestMaskLookUpRefusals(t *testing.T) {
	wiki := newApp(t, nil)
	e := newEdge(t, strings.Replace(maskSite(t, "", maskUsers, wiki.address()), "data_dir", "quota info 30\ndata_dir", 1))
	mask := edit(t, e, wiki, "127.0.3.1")
	unknown := "2001:2f:1:2:3:4:5:6"
	many := make([]string, 21)
	for i := range many {
		many[i] = fmt.Sprintf("2001:2f::%d", i+1)
	}
	noUser := http.Header{"Accept": {"application/json"}, "Sec-Fetch-Site": {"same-origin"}}
	unsaid := as("admin")
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
		{"plain user", mask, as("plain"), 403, "right"},
		{"plain user, nothing", "", as("plain"), 403, "right"},
		{"nothing", "", as("admin"), 400, "No mask was given"},
		{"an address", "192.0.2.7", as("admin"), 400, "umber 1 is not a mask"},
		{"another address", "2001:db8::1", as("admin"), 400, "umber 1 is not a mask"},
		{"with a zone", mask + "%25eth0", as("admin"), 400, "is not a mask"},
		{"with a length", mask + "/64", as("admin"), 400, "is not a mask"},
		{"nonsense", "%3Cscript%3E", as("admin"), 400, "is not a mask"},
		{"no form", mask + "&%zz", as("admin"), 400, "The form can't be read"},
		{"an endless form", mask + "&x=" + strings.Repeat("x", maxLookupForm), as("admin"), 400, "The form can't be read"},
		{"too many", strings.Join(many, ","), as("admin"), 400, "21 masks are too many"},
		{"twice", mask + "," + mask, as("admin"), 400, "is given twice"},
		{"network among others", mask + ",2001:2e::1", as("admin"), 400, "only clients' masks can be compared"},
		{"long reason", mask + "&reason=" + strings.Repeat("x", audit.MaxReason+1), as("admin"), 400, "eason"},
		{"an address in the reason", mask + "&reason=sock+of+192.0.2.7", as("admin"), 400, "eason has an IP address in it"},
		{"an address and its port in the reason", mask + "&reason=[2001:db8::1]:443", as("admin"), 400, "eason has an IP address in it"},
		{"loaded ahead", mask, as("admin", "Sec-Purpose", "prefetch"), 403, "not loaded ahead"},
		{"a form in a frame", mask, as("admin", "Sec-Fetch-Dest", "iframe"), 403, "not part of another page"},
		// Case 34: another site's form, in browsers that say so by the one header, the other, or not at all.
		{"another site", mask, as("admin", "Sec-Fetch-Site", "cross-site"), 403, "Another site's page led here"},
		{"another host", mask, as("admin", "Sec-Fetch-Site", "same-site"), 403, "Another site's page led here"},
		{"another origin", mask, origin("https://evil.example"), 403, "Another site's page led here"},
		{"another port", mask, origin("http://127.0.0.1:1"), 403, "Another site's page led here"},
		{"no origin", mask, origin("null"), 403, "Another site's page led here"},
		{"a browser that says nothing", mask, unsaid, 403, "doesn't say where it comes from"},
	} {
		resp, body := postForm(t, from(t, "127.9.9.9"), "http://"+e.site+"/.privacy/masks/", "masks="+tt.masks, tt.header)
		if resp.StatusCode != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s: %d %s, want %d %q", tt.name, resp.StatusCode, body, tt.status, tt.want)
		}
		html := tt.header.Clone()
		html.Set("Accept", "text/html")
		_, page := postForm(t, from(t, "127.9.9.9"), "http://"+e.site+"/.privacy/masks/", "masks="+tt.masks, html)
		if strings.Contains(body+page, "192.0.2.7") || strings.Contains(body+page, "2001:db8::1") {
			t.Errorf("%s: the answer says again what may be an address", tt.name)
		}
	}
	// Cases 10 and 34: no link looks anything up, wherever it is; it fills the form in.
	for below, want := range map[string]int{"": 200, "?masks=" + mask + "&reason=x": 405, "?masks=192.0.2.7": 200, mask: 404, mask + "?reason=x": 404} {
		for _, header := range []http.Header{as("admin"), as("admin", "Sec-Fetch-Site", "cross-site"), unsaid} {
			if resp, body := send(t, from(t, "127.9.9.9"), "GET", "http://"+e.site+"/.privacy/masks/"+below, header); resp.StatusCode != want || strings.Contains(body, "192.0.2.7") {
				t.Errorf("GET %q: %d %s", below, resp.StatusCode, body)
			}
			html := header.Clone()
			html.Set("Accept", "text/html")
			resp, body := send(t, from(t, "127.9.9.9"), "GET", "http://"+e.site+"/.privacy/masks/"+below, html)
			if filled := strings.Contains(body, ">"+mask+"</textarea>"); filled != (want == 405) || strings.Contains(body, "Organization") {
				t.Errorf("GET %q: the form is filled in: %v: %d %s", below, filled, resp.StatusCode, body)
			}
		}
	}
	if resp, _ := send(t, from(t, "127.9.9.9"), "PUT", "http://"+e.site+"/.privacy/masks/", as("admin")); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("PUT: %d %v", resp.StatusCode, resp.Header)
	}
	if after := len(entries(t)); after != before {
		t.Errorf("%d entries were written for what was refused", after-before)
	}
	var failed failure
	if status := askMasks(t, e, "admin", unknown, &failed); status != 404 || !strings.Contains(failed.Error, "unknown") {
		t.Errorf("unknown mask: %d %+v", status, failed)
	}
	// 29 of 30 are left: comparing 20 leaves 9, another 20 are over it.
	askMasks(t, e, "admin", strings.Join(many[:20], ","), &failed)
	if status := askMasks(t, e, "admin", strings.Join(many[:20], ","), &failed); status != 429 || failed.Reason != "quota" {
		t.Errorf("over the quota: %d %+v", status, failed)
	}
	var info infoView
	if status := askMasks(t, e, "patroller", mask, &info); status != 200 {
		t.Errorf("another user's quota: %d", status)
	}
	// A program says its origin by hand.
	if resp, body := postForm(t, from(t, "127.9.9.9"), "http://"+e.site+"/.privacy/masks/", "masks="+mask, origin("http://"+e.site)); resp.StatusCode != 200 {
		t.Errorf("the site's own origin: %d %s", resp.StatusCode, body)
	}
	if n := len(wiki.take()); n != 0 {
		t.Errorf("the app got %d requests", n)
	}
}

// A site does not tell of another's masks, and an epoch that is gone takes its records with it.
func TestMaskLookUpOfOthers(t *testing.T) {
	wiki := newApp(t, nil)
	config := maskSite(t, "", maskUsers+"\nsite other", wiki.address()) +
		"\nhttp://other.example:{PORT} {\nclient_mask {\nsite other\n}\nreverse_proxy " + wiki.address() + "\n}\n"
	e := newEdge(t, config)
	mask := edit(t, e, wiki, "127.0.3.1")
	var failed failure
	if status := askMasks(t, e, "admin", mask, &failed); status != 404 {
		t.Errorf("another site's mask: %d %+v", status, failed)
	}
	e.load(t, strings.Replace(maskSite(t, "", maskUsers, wiki.address()), "data_dir", "keep 0\ndata_dir", 1))
	var info infoView
	if status := askMasks(t, e, "admin", mask, &info); status != 200 {
		t.Fatalf("its own: %d", status)
	}
	e.rotate(t)
	for _, m := range []string{mask, info.Ranges[0].Mask.String()} {
		if status := askMasks(t, e, "admin", m, &failed); status != 410 || !strings.Contains(failed.Error, "destroyed") {
			t.Errorf("%s of an epoch that is gone: %d %+v", m, status, failed)
		}
	}
}

// Where the audit can't be written, nothing is told.
func TestNoAuditNoAnswer(t *testing.T) {
	wiki := newApp(t, nil)
	e := newEdge(t, maskSite(t, "", maskUsers, wiki.address()))
	mask := edit(t, e, wiki, "127.0.3.1")
	app, err := runningApp()
	if err != nil {
		t.Fatal(err)
	}
	if err := app.lookups.log.Log.Close(); err != nil {
		t.Fatal(err)
	}
	var failed failure
	if status := askMasks(t, e, "admin", mask, &failed); status != 503 || failed.Error == "" {
		t.Errorf("%d %+v", status, failed)
	}
	if log := e.readLog(t); !strings.Contains(log, "audit log is closed") {
		t.Error("the operator is not told why")
	}
}

// The path is the one that was asked for, whatever the site rewrites it to, and only that.
func TestMaskPagePaths(t *testing.T) {
	wiki := newApp(t, nil)
	config := strings.Replace(maskSite(t, "", maskUsers+"\npath /masks/", wiki.address()), "csp strict", "csp strict\nrewrite * /index.php", 1)
	// A matcher of basic_auth would see the rewritten path.
	e := newEdge(t, strings.Replace(config, "basic_auth @private", "basic_auth", 1))
	for path, want := range map[string]int{"/masks/": 200, "/masks/style.css": 200, "/masks": 308, "/masksX": 200, "/.privacy/masks/": 200} {
		resp, _ := send(t, from(t, "127.9.9.9"), "GET", "http://"+e.site+path, as("admin"))
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	for _, r := range wiki.take() {
		if r.RequestURI != "/index.php" {
			t.Errorf("the app got %s", r.RequestURI)
		}
	}
}

func TestMaskInfoConfigErrors(t *testing.T) {
	good := maskSite(t, "", maskUsers, "127.0.0.1:1")
	for name, tt := range map[string]struct{ config, want string }{
		"nobody":         {strings.Replace(good, maskUsers, "", 1), "nobody may look masks up"},
		"no sightings":   {strings.Replace(good, "sightings {\n\t\t\t\tseal local\n\t\t\t\t\n\t\t\t}", "", 1), "set `sightings` in the wikiveil"},
		"unknown option": {strings.Replace(good, maskUsers, "colour red", 1), `unknown mask_info option "colour" (known: wiki, user`},
		"unknown right":  {strings.Replace(good, maskUsers, "user admin fly", 1), `right "fly" is not one of`},
		"no right":       {strings.Replace(good, maskUsers, "user admin", 1), "wrong argument count"},
		"both":           {strings.Replace(good, maskUsers, "user admin info\nwiki http://127.0.0.1/api.php", 1), "not from both"},
		"bad path":       {strings.Replace(good, maskUsers, maskUsers+"\npath masks", 1), "slash at both ends"},
		"bad link":       {strings.Replace(good, "Special:Block/{mask}", "Special:Block", 1), "block_link"},
		"script link":    {strings.Replace(good, "https://wiki.example/wiki/Special:Block/{mask}", "javascript:{mask}", 1), "block_link"},
		"no web address": {strings.Replace(good, maskUsers, "wiki ftp://wiki.example/api.php", 1), "http"},
		"same origin":    {strings.Replace(good, maskUsers, maskUsers+"\nreveal https://wiki.example https://wiki.example", 1), "own origin"},
		"quota":          {strings.Replace(good, "data_dir", "quota info 0\ndata_dir", 1), "quota"},
		"audit":          {strings.Replace(good, "data_dir", "audit {\nretention 1h\n}\ndata_dir", 1), "less than a day"},
		"node":           {strings.Replace(good, "data_dir", "audit {\nnode a/b\n}\ndata_dir", 1), "node"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.config == good {
				t.Fatal("the case changes nothing")
			}
			if err := validate(t, tt.config); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
	// A placeholder need not have a value where a config is adapted, but where it runs.
	fromEnv := strings.Replace(good, maskUsers, "wiki {env.WIKIVEIL_TEST_API}", 1)
	e := &edge{dir: t.TempDir(), log: "edge.log", admin: freePort(t), site: freePort(t)}
	if _, _, err := adaptWarnings(e.expand(fromEnv)); err != nil {
		t.Errorf("adapting with a placeholder: %v", err)
	}
	if err := validate(t, fromEnv); err == nil || !strings.Contains(err.Error(), "not an http or https URL") {
		t.Errorf("without the placeholder's value: %v", err)
	}
	t.Setenv("WIKIVEIL_TEST_API", "http://127.0.0.1/api.php")
	if err := validate(t, fromEnv); err != nil {
		t.Errorf("with the placeholder's value: %v", err)
	}
	if err := validate(t, good); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// Neither the audit nor the quotas' file tell who asked for what.
func TestLookUpFilesAreSealed(t *testing.T) {
	wiki := newApp(t, nil)
	e := newEdge(t, maskSite(t, "", maskUsers, wiki.address()))
	mask := edit(t, e, wiki, "127.0.3.1")
	var info infoView
	if status := askMasks(t, e, "patroller", mask+"&reason=because-of-this", &info); status != 200 {
		t.Fatal(status)
	}
	if entries(t)[0].Reason != "because-of-this" {
		t.Fatal("the audit lacks the reason")
	}
	packed := entries(t)[0].Masks[0].As16()
	for _, name := range []string{"audit.db", "quotas.db"} {
		data, err := os.ReadFile(filepath.Join(e.dir, "data", name))
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
	wiki := newApp(t, nil)
	e := newEdge(t, strings.Replace(maskSite(t, "", maskUsers, wiki.address()), "csp strict", "", 1))
	header := http.Header{"Cookie": {confirm.BrowserCookie + "=x; session=1"}}
	send(t, from(t, "127.0.0.9"), "GET", "http://"+e.site+"/", header)
	if got := wiki.one(t).Header.Get("Cookie"); got != "session=1" {
		t.Errorf("the app gets the cookies %q", got)
	}
}
