package policy

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/csp"
)

func TestReportsAndRolloutBadCaddyfile(t *testing.T) {
	nearlyAll := "allow img-src https://x/" + strings.Repeat("a", 4096-430)
	// Line 4 is the directive's own.
	for name, tt := range map[string]struct{ directive, reason string }{
		"reports with an argument": {"csp {\n reports /r\n }", "wrong argument count or unexpected line ending after '/r', at Caddyfile:5"},
		"reports twice":            {"csp {\n reports\n reports\n }", "reports is given twice, at Caddyfile:6"},
		"unknown option":           {"csp {\n reports {\n to /r\n }\n }", `unknown reports option "to" (known: path, keep, origins), at Caddyfile:6`},
		"path twice":               {"csp {\n reports {\n path /r\n path /s\n }\n }", "path is given twice, at Caddyfile:7"},
		"relative path":            {"csp {\n reports {\n path reports\n }\n }", `reports: path "reports" is not a slash and up to 254`},
		"URL for a path":           {"csp {\n reports {\n path //evil.example/r\n }\n }", "is not a slash and up to 254 of A-Z, a-z, 0-9, '/', '.', '-', '_' and '~', at Caddyfile:6"},
		"the whole site":           {"csp {\n reports {\n path /\n }\n }", `reports: path "/" is not a slash`},
		"policy in the path":       {"csp {\n reports {\n path \"/r;script-src\"\n }\n }", `reports: path "/r;script-src" is not`},
		"kept too shortly":         {"csp {\n reports {\n keep 1h\n }\n }", "reports: keep 1h0m0s is not from a day to ten years, at Caddyfile:6"},
		"kept for nothing":         {"csp {\n reports {\n keep soon\n }\n }", "parsing keep: "},
		"origin with a path":       {"csp {\n reports {\n origins https://wiki.example/\n }\n }", `reports: origin "https://wiki.example/": it is not as https://wiki.example, at Caddyfile:6`},
		"origin of everybody":      {"csp {\n reports {\n origins https://*.example\n }\n }", "it is not as https://wiki.example, at Caddyfile:6"},
		"no origin":                {"csp {\n reports {\n origins\n }\n }", "after 'origins', at Caddyfile:6"},
		"over the budget":          {"csp {\n " + nearlyAll + "\n reports\n }", "policy headers take 41"},
		"rollout of what":          {"client_mask\ncsp {\n rollout most\n }", `rollout "most" is none of report, enforce and a percentage such as 5% or 0.25%, at Caddyfile:6`},
		"rollout without percent":  {"client_mask\ncsp {\n rollout 5\n }", `rollout "5" is none of`},
		"rollout over all":         {"client_mask\ncsp {\n rollout 100.01%\n }", `rollout "100.01%" is none of`},
		"rollout twice":            {"client_mask\ncsp {\n rollout 5%\n rollout 6%\n }", "rollout is given twice, at Caddyfile:7"},
		"rollout of nothing":       {"client_mask\ncsp {\n rollout\n }", "after 'rollout', at Caddyfile:6"},
		"rollout and mode":         {"client_mask\ncsp {\n rollout 5%\n mode report\n }", "rollout says the mode of each client's policy: leave mode out, at Caddyfile:8"},
		"rollout and report_only":  {"client_mask\ncsp {\n rollout 5%\n report_only static\n }", "report_only is for another policy than the one that is rolled out: use one of both, at Caddyfile:8"},
		"rollout without masks":    {"csp {\n rollout 5%\n }", "rollout tells clients apart by their masks: the site needs client_mask, at Caddyfile:4"},
		"site without a name":      {"csp {\n reports\n site\n }", "after 'site', at Caddyfile:6"},
		"one name for two":         {"csp {\n reports\n site w\n }\n}\nhttp://localhost:1 {\ncsp {\n reports {\n keep 3d\n }\n site w\n }", `two sites are called "w" and have other reports or another rollout`},
	} {
		t.Run(name, func(t *testing.T) {
			err := edgetest.Validate(t, "# A wiki.\n\nhttp://{SITE} {\n"+tt.directive+"\n}\n")
			if err == nil {
				t.Fatal("it was accepted")
			}
			if !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("got  %v\nwant %s", err, tt.reason)
			}
		})
	}
}

// Where a rollout only reports, the header's name is the longer one: that counts too.
func TestRolloutHeaderBudget(t *testing.T) {
	site := "http://{SITE} {\n client_mask\n csp static {\n allow img-src https://x/%s\n %s\n }\n}\n"
	fits := func(length int, option string) bool {
		return edgetest.Validate(t, fmt.Sprintf(site, strings.Repeat("a", length), option)) == nil
	}
	longest := sort.Search(csp.Budget, func(length int) bool { return !fits(length, "reports") }) - 1
	longer := len(reportOnlyHeader) - len(policyHeader)
	if fits(longest, "reports\n rollout 5%") || !fits(longest-longer, "reports\n rollout 5%") {
		t.Errorf("with %d bytes in the policy the header for those who only report fits: %v, with %d less: %v",
			longest, fits(longest, "reports\n rollout 5%"), longer, fits(longest-longer, "reports\n rollout 5%"))
	}
}

func TestReportsNeedAName(t *testing.T) {
	err := edgetest.Validate(t, "http://{$NO_SUCH_VARIABLE}:{env.PORT} {\n csp {\n reports\n }\n}\n")
	if err == nil || !strings.Contains(err.Error(), "reports and rollout need a name for the site, which its address is not, or can't be read from a file: set `site`, at Caddyfile:2") {
		t.Errorf("got %v", err)
	}
}

func TestReportsAndRolloutBadJSON(t *testing.T) {
	for name, tt := range map[string]struct{ handlers, reason string }{
		"no name":                {`{"handler":"csp","reports":{}}`, "csp: reports and rollout need the site's name: set site"},
		"path":                   {`{"handler":"csp","site":"w","reports":{"path":"r"}}`, `reports: path "r" is not`},
		"keep":                   {`{"handler":"csp","site":"w","reports":{"keep":1}}`, "reports: keep 1ns is not from a day"},
		"origin":                 {`{"handler":"csp","site":"w","reports":{"origins":["wiki.example"]}}`, "it is not as https://wiki.example"},
		"rollout":                {`{"handler":"client_mask"},{"handler":"csp","site":"w","rollout":"-1%"}`, `rollout "-1%" is none of`},
		"rollout and mode":       {`{"handler":"client_mask"},{"handler":"csp","site":"w","rollout":"1%","mode":"enforce"}`, "leave mode out"},
		"rollout without masks":  {`{"handler":"csp","site":"w","rollout":"1%"}`, "csp: rollout tells clients apart by their masks: the site needs client_mask"},
		"two rollouts, one name": {`{"handler":"client_mask"},{"handler":"csp","site":"w","rollout":"1%"},{"handler":"csp","site":"w","rollout":"2%"}`, `two sites are called "w"`},
		"unknown field":          {`{"handler":"csp","site":"w","reports":{"url":"/r"}}`, `unknown field "url"`},
		"masks in a route after": {`{"handler":"client_mask"},{"handler":"subroute","routes":[{"handle":[{"handler":"csp","site":"w","rollout":"1%"}]}]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var config caddy.Config
			text := `{"admin":{"disabled":true},"storage":{"module":"file_system","root":"` + t.TempDir() + `"},"apps":{"wikiveil":{"data_dir":"` + t.TempDir() + `"},` +
				`"http":{"servers":{"wiki":{"listen":["127.0.0.1:0"],"routes":[{"handle":[` + tt.handlers + `]}]}}}}}`
			if err := json.Unmarshal([]byte(text), &config); err != nil {
				t.Fatal(err)
			}
			err := edgetest.ValidateConfig(&config)
			if tt.reason == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("got %v, want %q", err, tt.reason)
			}
		})
	}
}

// Names of sites make names of files that can't collide or leave the directory.
func TestPlaceName(t *testing.T) {
	for site, want := range map[string]string{
		"wiki.example": "wiki.example", "a_b-c9": "a_b-c9",
		"": "", "../x": "", "a/b": "", ".hidden": "", "Wiki": "", "wiki:8080": "", "sha256-abc": "", strings.Repeat("a", 65): "", "wíki": "",
	} {
		got := placeName(site)
		if want != "" && got != want {
			t.Errorf("%q: got %q", site, got)
		}
		if want == "" && (!strings.HasPrefix(got, hashedName) || len(got) != len(hashedName)+32 || got == placeName(site+"x")) {
			t.Errorf("%q: got %q", site, got)
		}
	}
}
