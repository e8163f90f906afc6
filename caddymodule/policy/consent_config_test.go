package policy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

func TestConsentBadCaddyfile(t *testing.T) {
	const wiki, there = "https://wiki.example", "https://wiki.example:9443"
	both := wiki + " " + there
	// Line 4 is the directive's own.
	for name, tt := range map[string]struct{ directive, reason string }{
		"no origins":     {"csp {\n consent\n }", "after 'consent', at Caddyfile:5"},
		"one origin":     {"csp {\n consent " + wiki + "\n }", "at Caddyfile:5"},
		"three origins":  {"csp {\n consent " + both + " x\n }", "at Caddyfile:5"},
		"the wiki's own": {"csp {\n consent " + wiki + " " + wiki + "\n }", "https://wiki.example is the wiki's own origin, where its scripts can confirm anything, at Caddyfile:5"},
		"http":           {"csp {\n consent http://wiki.example " + there + "\n }", `"http://wiki.example" is not an https origin, such as https://wiki.example:9443, at Caddyfile:5`},
		"path":           {"csp {\n consent " + wiki + " " + there + "/consent\n }", "is not an https origin"},
		"twice":          {"csp {\n consent " + both + "\n consent " + both + "\n }", "consent is given twice, at Caddyfile:6"},
		"unknown option": {"csp {\n consent " + both + " {\n colour red\n }\n }", `unknown consent option "colour" (known: developer_consent), at Caddyfile:6`},
		"option twice":   {"csp {\n consent " + both + " {\n developer_consent\n developer_consent\n }\n }", "developer_consent is given twice, at Caddyfile:7"},
		// Case 38.
		"grants kept here":   {"csp {\n consent " + both + " {\n keep_grants\n }\n }", `unknown consent option "keep_grants" (known: developer_consent), at Caddyfile:6`},
		"argument of option": {"csp {\n consent " + both + " {\n developer_consent on\n }\n }", "at Caddyfile:6"},

		"there: no origins":      {"third_party_consent", "after 'third_party_consent', at Caddyfile:4"},
		"there: a matcher":       {"third_party_consent /consent " + both, "at Caddyfile:4"},
		"there: the wiki's own":  {"third_party_consent " + wiki + " " + wiki, "is the wiki's own origin, where its scripts can confirm anything, at Caddyfile:4"},
		"there: unknown option":  {"third_party_consent " + both + " {\n keep_grants\n }", `unknown third_party_consent option "keep_grants" (known: developer_consent), at Caddyfile:5`},
		"there: nested":          {"handle {\n third_party_consent " + both + "\n }", "third_party_consent belongs at the top of a site block, in no other block"},
		"there: twice":           {"third_party_consent " + both + "\nthird_party_consent " + both, "third_party_consent is given twice in one site, at Caddyfile:5"},
		"there: beside a policy": {"third_party_consent " + both + "\ncsp", "csp stands beside third_party_consent, whose pages have a policy of their own; the wiki's csp belongs into the wiki's site block, at Caddyfile:5"},
	} {
		t.Run(name, func(t *testing.T) {
			err := edgetest.Validate(t, "# A wiki.\n\nhttp://{SITE} {\n"+tt.directive+"\n}\n")
			if err == nil || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("got %v, want %s", err, tt.reason)
			}
		})
	}
}

// JSON gets the same checks, when it is provisioned.
func TestConsentBadJSON(t *testing.T) {
	for name, tt := range map[string]struct{ handler, reason string }{
		"nothing":        {`{"handler":"csp","consent":{}}`, `"" is not an https origin`},
		"the wiki's own": {`{"handler":"csp","consent":{"wiki":"https://w.example","origin":"https://w.example"}}`, "is the wiki's own origin"},
		"unknown field":  {`{"handler":"csp","consent":{"wiki":"https://w.example","origin":"https://c.example","colour":1}}`, `unknown field "colour"`},
		// Case 38.
		"grants kept here":         {`{"handler":"csp","consent":{"wiki":"https://w.example","origin":"https://c.example","keep_grants":true}}`, `unknown field "keep_grants"`},
		"there: nothing":           {`{"handler":"third_party_consent"}`, `third_party_consent: making confirmation flow: "" is not an https origin`},
		"there: an address":        {`{"handler":"third_party_consent","wiki":"https://[::1]","origin":"https://c.example"}`, "the host must be a name in ASCII"},
		"there: an unknown field":  {`{"handler":"third_party_consent","wiki":"https://w.example","origin":"https://c.example","keep_grants":true}`, `unknown field "keep_grants"`},
		"a policy without a space": {`{"handler":"csp","allow":{"img-src":["https://x/` + strings.Repeat("a", 4000) + `"]},"consent":{"wiki":"https://w.example","origin":"https://c.example"}}`, "more than 4096 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			var config caddy.Config
			text := `{"admin":{"disabled":true},"storage":{"module":"file_system","root":"` + t.TempDir() + `"},"apps":{"http":{"servers":{"wiki":{` +
				`"listen":["127.0.0.1:0"],"routes":[{"handle":[` + tt.handler + `]}]}}}}}`
			if err := json.Unmarshal([]byte(text), &config); err != nil {
				t.Fatal(err)
			}
			if err := edgetest.ValidateConfig(&config); err == nil || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("got %v, want %q", err, tt.reason)
			}
		})
	}
}
