package policy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

func TestCSPBadCaddyfile(t *testing.T) {
	tooMuch := "allow img-src https://x/" + strings.Repeat("a", 4096)
	halfEach := "allow img-src https://x/" + strings.Repeat("a", 2000)
	// Line 4 is the directive's own.
	for name, tt := range map[string]struct{ directive, reason string }{
		"unknown preset":          {"csp drupal", `csp "drupal" is not one of mediawiki, strict, static, at Caddyfile:4`},
		"two presets":             {"csp static strict", "Caddyfile:4"},
		"preset twice":            {"csp static {\n preset strict\n }", "preset is given twice, at Caddyfile:5"},
		"empty preset":            {"csp {\n preset\n }", "after 'preset', at Caddyfile:5"},
		"path matcher":            {"csp /wiki/*", "csp takes no matcher like /wiki/*: a site gets one policy, at Caddyfile:4"},
		"named matcher":           {"@a path /a\ncsp @a static", "csp takes no matcher like @a: a site gets one policy, at Caddyfile:5"},
		"matcher for all":         {"csp * static", "csp takes no matcher like *: a site gets one policy, at Caddyfile:4"},
		"empty site":              {"csp {\n site \"\"\n }", `parsing site: it is empty, at Caddyfile:5`},
		"empty path of reports":   {"csp {\n reports {\n path \"\"\n }\n }", `parsing path: it is empty, at Caddyfile:6`},
		"unknown option":          {"csp {\n mode report\n allows img-src data:\n }", `unknown csp option "allows" (known: preset, first_party, allow, mode, report_only, upstream, reports, rollout, site, consent), at Caddyfile:6`},
		"unknown mode":            {"csp {\n mode block\n }", `mode "block" is not one of enforce, report, at Caddyfile:5`},
		"mode twice":              {"csp {\n mode report\n mode enforce\n }", "mode is given twice, at Caddyfile:6"},
		"unknown upstream":        {"csp {\n upstream merge\n }", `upstream "merge" is not one of keep, drop, at Caddyfile:5`},
		"nothing allowed":         {"csp {\n allow img-src\n }", "after 'img-src', at Caddyfile:5"},
		"unknown directive":       {"csp {\n allow image-src data:\n }", `allow: directive "image-src": no such directive, at Caddyfile:5`},
		"directive injection":     {"csp {\n allow \"img-src *; script-src\" data:\n }", "no such directive, at Caddyfile:5"},
		"source injection":        {"csp {\n allow img-src https://x;script-src *\n }", `allow img-src: parsing source "https://x;script-src": it holds ";", at Caddyfile:5`},
		"policy injection":        {"csp {\n allow img-src https://x,script-src\n }", `it holds ",", at Caddyfile:5`},
		"two sources in one":      {"csp {\n allow img-src \"https://x *\"\n }", `it holds " ", at Caddyfile:5`},
		"header injection":        {"csp {\n allow img-src \"https://x\nSet-Cookie:a\"\n }", `it holds "\n", at Caddyfile:5`},
		"placeholder":             {"csp {\n allow img-src {http.request.host}\n }", "not a host, at Caddyfile:5"},
		"no source":               {"csp {\n allow img-src https://x y_z\n }", `parsing source "y_z": not a host, at Caddyfile:5`},
		"keyword without quotes":  {"csp {\n allow img-src self\n }", "it needs single quotes: 'self', at Caddyfile:5"},
		"none beside another":     {"csp {\n allow form-action 'none' https://login.example\n }", "directive form-action: 'none' adds nothing, at Caddyfile:5"},
		"none":                    {"csp {\n allow img-src 'none'\n }", "directive img-src: 'none' adds nothing, at Caddyfile:5"},
		"fixed nonce":             {"csp {\n allow script-src 'nonce-abc'\n }", "a nonce must be new in each response, at Caddyfile:5"},
		"not a list of sources":   {"csp {\n allow sandbox allow-scripts\n }", "directive sandbox: it takes no sources, at Caddyfile:5"},
		"keyword for ancestors":   {"csp {\n allow frame-ancestors 'unsafe-inline'\n }", "no source of frame-ancestors, at Caddyfile:5"},
		"no first party":          {"csp {\n first_party\n }", "after 'first_party', at Caddyfile:5"},
		"everybody's first party": {"csp {\n first_party *\n }", `first_party: "*" is not an origin, at Caddyfile:5`},
		"first party scheme":      {"csp {\n first_party https:\n }", `"https:" is not an origin, at Caddyfile:5`},
		"first party with path":   {"csp {\n first_party https://x/\n }", `"https://x/" is not an origin, at Caddyfile:5`},
		"first party injection":   {"csp {\n first_party https://x;script-src\n }", `it holds ";", at Caddyfile:5`},
		"report_only twice":       {"csp {\n report_only strict\n report_only static\n }", "report_only is given twice, at Caddyfile:6"},
		"report_only, unknown":    {"csp {\n report_only {\n mode report\n }\n }", `unknown report_only option "mode" (known: preset, first_party, allow), at Caddyfile:6`},
		"report_only, bad source": {"csp {\n report_only {\n allow img-src x;y\n }\n }", `it holds ";", at Caddyfile:6`},
		"report_only, no preset":  {"csp {\n report_only drupal\n }", `report_only "drupal" is not one of mediawiki, strict, static, at Caddyfile:5`},
		"report_only in a trial":  {"csp {\n mode report\n report_only strict\n }", "report_only stands beside an enforced policy, not beside mode report, at Caddyfile:7"},
		"too large":               {"csp {\n " + tooMuch + "\n }", "the policy takes more than 4096 bytes, at Caddyfile:5"},
		"too large together":      {"csp {\n " + halfEach + "\n report_only {\n " + halfEach + "\n }\n }", "bytes together, over 4096, at Caddyfile:9"},
		"second policy":           {"csp\ncsp static", "csp is given twice in one site, at Caddyfile:5"},
		"in handle":               {"handle /wiki/* {\n csp\n }", "csp belongs at the top of a site block, in no other block: it covers the whole site, at Caddyfile:5"},
		"in route":                {"route {\n csp\n }", "csp belongs at the top of a site block, in no other block: it covers the whole site, at Caddyfile:5"},
		"in handle_errors":        {"handle_errors {\n csp\n }", "csp belongs at the top of a site block, in no other block: it covers the whole site, at Caddyfile:5"},
		"error pages before":      {"handle_errors 404 {\n respond gone\n }\ncsp", "handle_errors with status codes stands before csp, which would not cover its pages; move csp to the top of the site, at Caddyfile:4"},
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

func TestCSPInNamedRoute(t *testing.T) {
	err := edgetest.Validate(t, "&(policy) {\n csp\n}\nhttp://{SITE} {\n invoke policy\n}\n")
	if err == nil || !strings.Contains(err.Error(), "csp belongs at the top of a site block, in no other block: it covers the whole site, at Caddyfile:2") {
		t.Errorf("got %v", err)
	}
}

// A snippet's tokens are the site's, wherever they are written.
func TestCSPInSnippet(t *testing.T) {
	if err := edgetest.Validate(t, "{\n{GLOBAL}\n}\n(privacy) {\n csp\n}\nhttp://{SITE} {\n import privacy\n handle_errors 404 {\n respond gone\n }\n}\n"); err != nil {
		t.Error(err)
	}
}

func TestCSPBadJSON(t *testing.T) {
	for name, tt := range map[string]struct{ handler, reason string }{
		"preset":            {`"preset":"drupal"`, `no preset "drupal"`},
		"mode":              {`"mode":"block"`, `mode "block" is neither enforce nor report`},
		"upstream":          {`"upstream":"merge"`, `upstream "merge" is neither keep nor drop`},
		"injection":         {`"allow":{"img-src":["https://x;script-src *"]}`, `allow img-src: parsing source "https://x;script-src *": it holds ";"`},
		"line injection":    {`"allow":{"img-src":["x\r\nSet-Cookie:a"]}`, `it holds "\r"`},
		"directive":         {`"allow":{"img-src *;script-src":["x"]}`, "no such directive"},
		"no source":         {`"allow":{"img-src":[]}`, "allow img-src: a source is missing"},
		"first party":       {`"first_party":["*"]`, `first_party: "*" is not an origin`},
		"report_only":       {`"report_only":{"allow":{"img-src":["a,b"]}}`, `report_only: allow img-src: parsing source "a,b": it holds ","`},
		"report_only trial": {`"mode":"report","report_only":{}`, "report_only stands beside an enforced policy"},
		"budget":            {`"allow":{"img-src":["https://x/` + strings.Repeat("a", 4096) + `"]}`, "more than 4096 bytes"},
		"unknown field":     {`"presets":"strict"`, `unknown field "presets"`},
	} {
		t.Run(name, func(t *testing.T) {
			var config caddy.Config
			text := `{"admin":{"disabled":true},"storage":{"module":"file_system","root":"` + t.TempDir() + `"},"apps":{"http":{"servers":{"wiki":{` +
				`"listen":["127.0.0.1:0"],"routes":[{"handle":[{"handler":"csp",` + tt.handler + `}]}]}}}}}`
			if err := json.Unmarshal([]byte(text), &config); err != nil {
				t.Fatal(err)
			}
			err := edgetest.ValidateConfig(&config)
			if err == nil || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("got %v, want %q", err, tt.reason)
			}
		})
	}
}
