package noticeboard

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestServing(t *testing.T) {
	mirror := func(path, integrity string) func(*Tool) {
		return func(t *Tool) { t.Mirror = []MirrorFile{{path, integrity}} }
	}
	with := func(changes ...func(*Tool)) func(*Tool) {
		return func(t *Tool) {
			for _, change := range changes {
				change(t)
			}
		}
	}
	file := mirror("/npm/a.js?v=1", testIntegrity)
	for _, tc := range []struct {
		name   string
		change func(*Tool)
		reason string // "" where the declaration is good
	}{
		{"POST with a size", func(t *Tool) { t.Methods, t.MaxRequestSize = []string{"post"}, 1 }, ""},
		{"size without POST", func(t *Tool) { t.MaxRequestSize = 1 }, "is for POST and websocket"},
		{"size for websocket", func(t *Tool) { t.Streams, t.MaxRequestSize = []Stream{WebSocket}, 1 }, ""},
		{"negative size", func(t *Tool) { t.Methods, t.MaxRequestSize = []string{"POST"}, -1 }, "max_request_size must be"},
		{"huge size", func(t *Tool) { t.Methods, t.MaxRequestSize = []string{"POST"}, 1<<30 }, "max_request_size must be"},
		{"streams", func(t *Tool) { t.Streams = []Stream{WebSocket, Events, Events} }, ""},
		{"unknown stream", func(t *Tool) { t.Streams = []Stream{"webrtc"} }, `stream "webrtc" is unknown`},
		{"stream of images", func(t *Tool) { t.Kinds, t.Streams = []Kind{Img}, []Stream{Events} }, "streams carry data"},
		{"refresh", func(t *Tool) { t.Refresh, t.RefreshEvery = []string{"/a?b=c%20d"}, Duration(time.Minute) }, ""},
		{"refresh for a kind", func(t *Tool) { t.Refresh = []string{"img /a"} }, ""},
		{"refresh for another kind", func(t *Tool) { t.Refresh = []string{"font /a"} }, "isn't among the kinds"},
		{"refresh for no kind", func(t *Tool) { t.Refresh = []string{"script /a"} }, `"script" isn't a kind`},
		{"refresh elsewhere", func(t *Tool) { t.Refresh = []string{"//b.example.org/a"} }, "isn't a path"},
		{"refresh of an address", func(t *Tool) { t.Refresh = []string{"https://b.example.org/a"} }, "isn't a path"},
		{"refresh with a blank", func(t *Tool) { t.Refresh = []string{"data /a b"} }, "isn't a path"},
		{"refresh of a file", func(t *Tool) { t.RefreshFile, t.RefreshEvery = "paths.txt", Duration(time.Hour) }, ""},
		{"refresh of a broken name", func(t *Tool) { t.RefreshFile = "a\nb" }, "isn't the path of a file"},
		{"refresh of a file and pseudonym", func(t *Tool) { t.RefreshFile, t.Pseudonym = "a", true }, "which a tool with a pseudonym can't have"},
		{"refresh of a file and mirror", with(file, func(t *Tool) { t.RefreshFile = "a" }), "a mirror gets no requests of readers"},
		{"refresh too often", func(t *Tool) { t.Refresh, t.RefreshEvery = []string{"/a"}, Duration(time.Second) }, "refresh_every must be from 1m0s"},
		{"refresh of nothing", func(t *Tool) { t.RefreshEvery = Duration(time.Hour) }, "add refresh"},
		{"refresh and pseudonym", func(t *Tool) { t.Refresh, t.Pseudonym = []string{"/a"}, true }, "which a tool with a pseudonym can't have"},
		{"names without consent", func(t *Tool) { t.Names = NamesReader }, `names needs the readers' consent: make access "both"`},
		{"names and nothing personal", func(t *Tool) { t.Access, t.Personal, t.Names = ByBoth, NothingPersonal, NamesReader }, "names tells the tool who asks"},
		{"names of others", func(t *Tool) { t.Names = "everybody" }, `names "everybody" is unknown: make it "reader"`},
		{"pseudonym and nothing personal", func(t *Tool) { t.Personal, t.Pseudonym = NothingPersonal, true }, "pseudonym tells the tool which requests are one reader's"},
		{"mirror", file, ""},
		{"mirror of a script", with(file, func(t *Tool) { t.Kinds, t.Executable = []Kind{Script}, true }), ""},
		{"mirror of a script that isn't executable", with(file, func(t *Tool) { t.Kinds = []Kind{Script} }), `kind "script" isn't allowed`},
		{"mirror of a host", with(mirror("https://b.example.org/a", testIntegrity), func(t *Tool) { t.Hosts = []string{"b.example.org"} }), ""},
		{"mirror of another host", mirror("https://b.example.org/a", testIntegrity), "add it to hosts"},
		{"mirror of plain http", mirror("http://maps.example.org/a", testIntegrity), "add it to hosts"},
		{"mirror of no path", mirror("a.js", testIntegrity), "is neither a path nor an address"},
		{"mirror without a hash", mirror("/a.js", "sha384-abc"), "isn't a hash"},
		{"mirror given twice", func(t *Tool) {
			t.Mirror = []MirrorFile{{"/a", testIntegrity}, {"https://maps.example.org/a", testIntegrity}}
		}, "is given twice"},
		{"mirror by consent", with(file, func(t *Tool) { t.Access = ByBoth }), "a mirror is served by the edge alone"},
		{"mirror with streams", with(file, func(t *Tool) { t.Streams = []Stream{Events} }), "a mirror gets no requests of readers"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tool := Tool{Name: "maps", Origin: "https://maps.example.org"}
			tc.change(&tool)
			err := tool.Validate()
			switch {
			case tc.reason == "" && err != nil:
				t.Fatal(err)
			case tc.reason != "" && (err == nil || !strings.Contains(err.Error(), tc.reason)):
				t.Fatalf("error %v, want one that says %q", err, tc.reason)
			}
		})
	}
}

func TestRate(t *testing.T) {
	for _, text := range []string{"", "1", "1/", "/1m", "0/1m", "-1/1m", "1/1ms", "1/48h", "2000000/1m", "1.5/1m", "1/1m/1m"} {
		if rate, err := ParseRate(text); err == nil {
			t.Errorf("%q is read as %v", text, rate)
		}
	}
	var tool Tool
	if err := json.Unmarshal([]byte(`{"limit": "90/30s"}`), &tool); err != nil || tool.Limit != (Rate{90, 30 * time.Second}) {
		t.Errorf("got %v, %v", tool.Limit, err)
	}
	form, err := json.Marshal(tool)
	if err != nil || !strings.Contains(string(form), `"limit":"90/30s"`) || strings.Contains(string(form), "client_limit") {
		t.Errorf("got %s, %v", form, err)
	}
}
