package edge_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

const integrity = "sha384-oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8K/uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC"

// wholeTool has the options that go together, the other two the rest. Its JSON stands in wholeToolJSON.
const wholeTool = `tool calendar https://calendar.example.org {
	title Calendar
	hosts cdn.example.org
	kinds script img data
	access consent
	executable
	integrity ` + integrity + `
	methods GET POST
	streams events websocket
	url https://calendar.example.org/about
	author "A. Maker"
	purpose "Shows dates"
	sends "The page's title"
	personal some
	names reader
	retention "A day"
	source https://git.example.org/calendar
	privacy https://calendar.example.org/privacy
	contact calendar@example.org
	reviewer "R. Viewer"
	reviewed 2026-07-01
	expires 2027-01-01T12:00:00+02:00
	disabled
	revision 7
	max_size 1MiB
	max_request_size 2KiB
	timeout 30s
	client_limit 60/1m
	limit 600/1m
	pseudonym
}`

const refreshedTool = `tool calendar https://calendar.example.org {
	refresh /a /b?c=d
	refresh_file /etc/wikiveil/paths.txt
	refresh_every 1h
	rewrite
}`

const mirrorTool = `tool libraries https://cdn.example.org {
	mirror /npm/a.css ` + integrity + `
	mirror /npm/b.css ` + integrity + `
}`

// Nor can the proxy serve frames.
const frameTool = `tool video https://video.example.org {
	kinds frame
	access consent
	sandbox allow-scripts allow-forms
	allow fullscreen
}`

const wholeToolJSON = `{"name":"calendar","origin":"https://calendar.example.org","hosts":["cdn.example.org"],"kinds":["script","img","data"],
	"methods":["GET","POST"],"streams":["events","websocket"],"access":"consent","executable":true,"integrity":["` + integrity + `"],
	"title":"Calendar","url":"https://calendar.example.org/about","author":"A. Maker","purpose":"Shows dates","sends":"The page's title",
	"personal":"some","names":"reader","retention":"A day","source":"https://git.example.org/calendar","privacy":"https://calendar.example.org/privacy",
	"contact":"calendar@example.org","reviewer":"R. Viewer","reviewed":"2026-07-01","expires":"2027-01-01T10:00:00Z","disabled":true,
	"revision":7,"max_size":1048576,"max_request_size":2048,"timeout":"30s","client_limit":"60/1m0s","limit":"600/1m0s","pseudonym":true}`

func parsedTool(t *testing.T, text string) (*noticeboard.Tool, error) {
	t.Helper()
	d := caddyfile.NewTestDispenser(text)
	d.Next()
	return edge.ParseTool(d)
}

// What the Caddyfile says, JSON says too, and the reverse.
func TestToolCaddyfile(t *testing.T) {
	got, err := parsedTool(t, wholeTool)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var have, want map[string]any
	for text, into := range map[string]*map[string]any{string(data): &have, wholeToolJSON: &want} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("got  %v\nwant %v", have, want)
	}
	for text, want := range map[string]noticeboard.Tool{
		refreshedTool: {
			Name: "calendar", Origin: "https://calendar.example.org",
			Refresh: []string{"/a", "/b?c=d"}, RefreshFile: "/etc/wikiveil/paths.txt", RefreshEvery: noticeboard.Duration(time.Hour), Rewrite: true,
		},
		mirrorTool: {
			Name: "libraries", Origin: "https://cdn.example.org",
			Mirror: []noticeboard.MirrorFile{{Path: "/npm/a.css", Integrity: integrity}, {Path: "/npm/b.css", Integrity: integrity}},
		},
		frameTool: {
			Name: "video", Origin: "https://video.example.org", Kinds: []noticeboard.Kind{noticeboard.Frame}, Access: noticeboard.ByConsent,
			Sandbox: []string{"allow-scripts", "allow-forms"}, Allow: []string{"fullscreen"},
		},
	} {
		got, err := parsedTool(t, text)
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
			continue
		}
		data, _ := json.Marshal(got)
		if err := json.Unmarshal(data, &have); err != nil { // its names are added
			t.Fatal(err)
		}
	}
	// Only allow_loopback can't stand in these; a field that neither form has would be missed.
	for i := range reflect.TypeFor[noticeboard.Tool]().NumField() {
		name, _, _ := strings.Cut(reflect.TypeFor[noticeboard.Tool]().Field(i).Tag.Get("json"), ",")
		if _, ok := have[name]; !ok && name != "allow_loopback" {
			t.Errorf("no option sets %s", name)
		}
	}
}

// What the noticeboard writes is read as the same declaration, but for the revision, which a live board counts.
func TestToolWrittenIsRead(t *testing.T) {
	for _, text := range []string{wholeTool, refreshedTool, mirrorTool} {
		want, err := parsedTool(t, text)
		if err != nil {
			t.Fatal(err)
		}
		want.Revision = 0
		want.Purpose += " `a` \"so\" {it} is"
		want.Sends += ` "so" \`
		var written strings.Builder
		if err := want.WriteCaddyfile(&written, "reviewer: who?"); err != nil {
			t.Fatal(err)
		}
		got, err := parsedTool(t, written.String())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v; want %+v\n%s", got, err, want, written.String())
		}
	}
}

func TestToolBadOptions(t *testing.T) {
	for name, tt := range map[string]struct{ options, reason string }{ // line 2 is the first option's
		"access":               {"access open", `access "open" is unknown: use proxy, consent or both, at Testfile:2`},
		"personal":             {"personal maybe", `personal "maybe" is unknown: use none or some, at Testfile:2`},
		"script, both":         {"access both\nkinds script", `isn't allowed with access both: declare the script as a tool of its own, with access consent, at Testfile:3`},
		"script, not marked":   {"access consent\nkinds script", `isn't allowed without executable: a script can do all that the reader can, at Testfile:3`},
		"script, no hash":      {"access consent\nexecutable\nkinds script", `isn't allowed without integrity: give the hash of each script that may run, at Testfile:4`},
		"executable alone":     {"executable", `executable is for the kind "script", which isn't among the kinds, at Testfile:2`},
		"integrity alone":      {"integrity " + integrity, `integrity is for the kind "script", which isn't among the kinds, at Testfile:2`},
		"integrity, no hash":   {"integrity sha384-x", `integrity "sha384-x" isn't a hash such as sha384-… in base64, at Testfile:2`},
		"expires, words":       {"expires soon", `parsing expires: "soon" is not a day such as 2026-07-01, nor a time such as 2026-07-01T12:00:00Z, at Testfile:2`},
		"expires, never":       {"expires 0001-01-01", `parsing expires: "0001-01-01" is not a day`},
		"reviewed":             {"reviewed 2026-13-01", `parsing reviewed: "2026-13-01" is not a day`},
		"stream":               {"streams webrtc", `stream "webrtc" is unknown: use events, websocket or both, at Testfile:2`},
		"rate":                 {"limit 60", `parsing limit: "60" is not a rate such as 600/1m`},
		"timeout":              {"timeout soon", `parsing timeout: "soon" is not a duration such as 30s, at Testfile:2`},
		"refresh":              {"refresh data.json", `refresh "data.json" isn't a path such as`},
		"refresh, kind":        {"refresh \"font /a\"", `isn't among the kinds, at Testfile:2`},
		"refresh_file":         {"refresh_file", "at Testfile:2"},
		"mirror, no hash":      {"mirror /a.css", "at Testfile:2"},
		"mirror, bad hash":     {"mirror /a.css sha384-x", `isn't a hash such as sha384-… in base64, at Testfile:2`},
		"no date":              {"expires", "at Testfile:2"},
		"disabled, argument":   {"disabled no", "after 'no', at Testfile:2"},
		"executable, argument": {"executable no", "after 'no', at Testfile:2"},
		"revision":             {"revision -1", `parsing revision: "-1" is not a whole number, at Testfile:2`},
		"revision, huge":       {"revision 9999999999999999", "revision must be at most 1000000000000000, at Testfile:2"},
		"url":                  {"url javascript:alert(1)", `url "javascript:alert(1)" isn't a web address: start it with https://, at Testfile:2`},
		"direction":            {"author \"a\u202eb\"", "author holds control characters or broken UTF-8: remove them, at Testfile:2"},
		"twice":                {"expires 2027-01-01\nexpires 2027-01-02", "expires is given twice, at Testfile:3"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parsedTool(t, "tool a https://a.example.org {\n"+tt.options+"\n}")
			edgetest.WantRefused(t, err, tt.reason)
		})
	}
}
