package tools

import (
	"encoding/json"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

func TestAnonProxyBadCaddyfile(t *testing.T) {
	for name, tt := range map[string]struct{ site, reason string }{ // line 4 is the directive's own
		"argument":         {"anonproxy maps", "wrong argument count or unexpected line ending after 'maps', at Caddyfile:4"},
		"unknown option":   {"anonproxy {\n cache on\n }", `unknown anonproxy option "cache"`},
		"option twice":     {"anonproxy {\n timeout 1s\n timeout 2s\n }", "timeout is given twice, at Caddyfile:6"},
		"path":             {"anonproxy {\n path /\n }", `prefix "/" must be a path such as /.tools/ that starts and ends with a slash, at Caddyfile:5`},
		"no path":          {"anonproxy {\n path\n }", "after 'path', at Caddyfile:5"},
		"contact":          {"anonproxy {\n user_agent_contact \"a\nCookie: b\"\n }", "must be an e-mail or web address, at Caddyfile:5"},
		"size":             {"anonproxy {\n max_size big\n }", `parsing max_size: "big" is not a size such as 32MiB, at Caddyfile:5`},
		"no size":          {"anonproxy {\n max_size 0\n }", `"0" is not a size`},
		"timeout":          {"anonproxy {\n idle_timeout soon\n }", `parsing idle_timeout: "soon" is not a duration such as 30s, at Caddyfile:5`},
		"negative timeout": {"anonproxy {\n timeout -1s\n }", `"-1s" is not a duration`},
		"withdraw":         {"anonproxy {\n withdraw javascript:alert(1)\n }", `withdraw "javascript:alert(1)" is neither a path nor a web address, at Caddyfile:5`},
		"no withdraw":      {"anonproxy {\n withdraw\n }", "after 'withdraw', at Caddyfile:5"},
		"client limit":     {"anonproxy {\n client_limit 600\n }", `parsing client_limit: "600" is not a rate such as 600/1m`},
		"no limit":         {"anonproxy {\n limit 0/1m\n }", `parsing limit: "0/1m" is not a rate such as 600/1m`},
		"concurrent":       {"anonproxy {\n concurrent 0\n }", `parsing concurrent: "0" is not a whole number above 0, at Caddyfile:5`},
		"flag's argument":  {"anonproxy {\n require_fetch_metadata no\n }", "after 'no', at Caddyfile:5"},
	} {
		t.Run(name, func(t *testing.T) {
			edgetest.WantRefused(t, edgetest.Validate(t, "# A wiki.\n\nhttp://{SITE} {\n"+tt.site+"\n}\n"), tt.reason)
		})
	}
}

func TestToolBadCaddyfile(t *testing.T) {
	for name, tt := range map[string]struct{ tool, reason string }{ // line 3 is the tool's first
		"no name":           {"tool", "after 'tool', at Caddyfile:3"},
		"no origin":         {"tool maps", "after 'maps', at Caddyfile:3"},
		"too much":          {"tool maps https://maps.example.org https://b.example.org", "at Caddyfile:3"},
		"bad name":          {"tool Maps! https://maps.example.org", `tool "Maps!": name must be`},
		"http":              {"tool maps http://maps.example.org", `tool "maps": origin "http://maps.example.org" isn't https: tools are reached by https only, at Caddyfile:3`},
		"private address":   {"tool maps https://10.0.0.1 {\n purpose x\n }", "is an address: tools are reached by name, so that the name can be read and checked, at Caddyfile:3"},
		"loopback":          {"tool maps https://localhost", "is a local name (.localhost): tools live on the public internet, at Caddyfile:3"},
		"wildcard":          {"tool maps https://*.example.org", "is a wildcard: declare each host by its full name, at Caddyfile:3"},
		"public suffix":     {"tool maps https://co.uk", "is a public suffix that many parties share: declare the tool's own host, at Caddyfile:3"},
		"duplicate":         {"tool maps https://a.example.org\n tool maps https://b.example.org", `tool "maps" is given twice, at Caddyfile:4`},
		"unknown option":    {"tool maps https://maps.example.org {\n cache on\n }", `unknown tool option "cache"`},
		"option twice":      {"tool maps https://maps.example.org {\n kinds img\n kinds font\n }", "kinds is given twice, at Caddyfile:5"},
		"script":            {"tool maps https://maps.example.org {\n title x\n kinds img script\n timeout 1s\n }", `kind "script" isn't allowed: nothing that the proxy brings may run on the wiki (a mirror's files may, with executable), at Caddyfile:5`},
		"unknown kind":      {"tool maps https://maps.example.org {\n kinds image\n }", `kind "image" is unknown: use some of ["img" "font" "style" "media" "data" "script" "frame"], at Caddyfile:4`},
		"no kinds":          {"tool maps https://maps.example.org {\n kinds\n }", "after 'kinds', at Caddyfile:4"},
		"method":            {"tool maps https://maps.example.org {\n methods GET PUT\n }", `method "PUT" isn't supported: use GET, HEAD or POST, at Caddyfile:4`},
		"private host":      {"tool maps https://maps.example.org {\n title x\n hosts 169.254.169.254\n }", `host "169.254.169.254" is an address: tools are reached by name, so that the name can be read and checked, at Caddyfile:5`},
		"source":            {"tool maps https://maps.example.org {\n source javascript:alert(1)\n }", `source "javascript:alert(1)" isn't a web address: start it with https://, at Caddyfile:4`},
		"size":              {"tool maps https://maps.example.org {\n max_size big\n }", `parsing max_size: "big" is not a size such as 32MiB, at Caddyfile:4`},
		"timeout":           {"tool maps https://maps.example.org {\n timeout 48h\n }", "timeout must be at most 24h0m0s, or 0 for the proxy's default, at Caddyfile:4"},
		"two words":         {"tool maps https://maps.example.org {\n purpose shows maps\n }", "at Caddyfile:4"},
		"loopback, outside": {"tool maps http://192.168.0.1 {\n allow_loopback\n }", "isn't loopback: allow_loopback permits 127.0.0.0/8, [::1] and localhost only, at Caddyfile:3"},
		"flag's argument":   {"tool maps http://127.0.0.1 {\n allow_loopback off\n }", "after 'off', at Caddyfile:4"},
	} {
		t.Run(name, func(t *testing.T) {
			edgetest.WantRefused(t, edgetest.Validate(t, "{\nwikiveil {\n"+tt.tool+"\n}\n}\nhttp://{SITE} {\nanonproxy\n}\n"), tt.reason)
		})
	}
}

// JSON configs get the same checks.
func TestAnonProxyBadJSON(t *testing.T) {
	for name, tt := range map[string]struct{ app, handler, reason string }{
		"http":            {`"tools":[{"name":"maps","origin":"http://maps.example.org"}]`, ``, `tool "maps": origin "http://maps.example.org" isn't https`},
		"private address": {`"tools":[{"name":"maps","origin":"https://[fd00::1]"}]`, ``, "is an address"},
		"duplicate":       {`"tools":[{"name":"a","origin":"https://a.example.org"},{"name":"a","origin":"https://b.example.org"}]`, ``, `tool "a" is declared twice`},
		"null":            {`"tools":[null]`, ``, "tool 1 is null"},
		"unknown field":   {`"tools":[{"name":"a","origin":"https://a.example.org","kind":"img"}]`, ``, `unknown field "kind"`},
		"duration":        {`"tools":[{"name":"a","origin":"https://a.example.org","timeout":"soon"}]`, ``, "parsing duration"},
		"path":            {``, `,"path":"/"`, `prefix "/" must be a path`},
		"contact":         {``, `,"user_agent_contact":"a\r\nb: c"`, "must be an e-mail or web address"},
		"size":            {``, `,"max_size":-1`, "the size limit must not be negative"},
		"timeout":         {``, `,"timeout":"-1s"`, "timeouts must not be negative"},
		"header timeout":  {``, `,"header_timeout":-1`, "timeouts must not be negative"},
		"idle timeout":    {``, `,"idle_timeout":-1`, "timeouts must not be negative"},
		"client limit":    {``, `,"client_limit":"600"`, "is not a rate such as 600/1m"},
		"limit":           {``, `,"limit":"9/1ms"`, "is not a rate such as 600/1m"},
		"concurrent":      {``, `,"concurrent":-1`, "the bound of concurrent requests must not be negative"},
		"withdraw":        {``, `,"withdraw":"//elsewhere.example"`, "is neither a path nor a web address"},
		"tools file":      {`"tools_file":"/nowhere/tools.json"`, ``, "/nowhere/tools.json: no such file"},
		"unknown option":  {``, `,"cache":true`, `unknown field "cache"`},
	} {
		t.Run(name, func(t *testing.T) {
			var config caddy.Config
			text := `{"admin":{"disabled":true},"storage":{"module":"file_system","root":"` + t.TempDir() + `"},"apps":{"wikiveil":{` + tt.app +
				`},"http":{"servers":{"s":{"listen":["127.0.0.1:1"],"routes":[{"handle":[{"handler":"anonproxy"` + tt.handler + `}]}]}}}}}`
			if err := json.Unmarshal([]byte(text), &config); err != nil {
				t.Fatal(err)
			}
			edgetest.WantRefused(t, edgetest.ValidateConfig(&config), tt.reason)
		})
	}
}
