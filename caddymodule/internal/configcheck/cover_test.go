package configcheck

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// checkJSON returns what is said of a server.
func checkJSON(t *testing.T, server string) (warnings []string, err error) {
	t.Helper()
	var app caddyhttp.App
	if err := json.Unmarshal([]byte(`{"servers":{"s":`+server+`}}`), &app); err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.WarnLevel)
	_, err = Servers(&app, nil, zap.New(core), Cover{Handler: "client_mask"}, Cover{Handler: "csp", ErrorsOnly: true, Answers: true})
	for _, entry := range logs.All() {
		warnings = append(warnings, entry.ContextMap()["place"].(string)+": "+entry.Message)
	}
	return warnings, err
}

const (
	mask  = `{"handler":"client_mask"}`
	proxy = `{"handler":"reverse_proxy","upstreams":[{"dial":"127.0.0.1:1"}]}`
)

// Case 6: whatever hands a request to an app comes after client_mask, or the config is refused.
func TestCase6Order(t *testing.T) {
	site := func(host, routes string) string {
		return `{"match":[{"host":["` + host + `"]}],"terminal":true,"handle":[{"handler":"subroute","routes":[` + routes + `]}]}`
	}
	for _, c := range []struct {
		name, server, want string // want is the place that is refused, if any
	}{
		{"right", `{"routes":[{"handle":[` + mask + `,` + proxy + `]}]}`, ""},
		{"right, in routes of their own", `{"routes":[{"handle":[` + mask + `]},{"match":[{"path":["/a"]}],"handle":[` + proxy + `]}]}`, ""},
		{"right, several hosts", `{"routes":[` + site("a", `{"handle":[`+mask+`]},{"handle":[`+proxy+`]}`) + `,` + site("b", `{"handle":[`+mask+`,`+proxy+`]}`) + `]}`, ""},
		{"no client_mask at all", `{"routes":[{"handle":[` + proxy + `]}]}`, ""},
		{"observing", `{"routes":[{"handle":[` + proxy + `,{"handler":"client_mask","mode":"observe"}]}]}`, ""},
		{"passive before", `{"routes":[{"handle":[{"handler":"headers"},{"handler":"rewrite","uri":"/x"},` + mask + `,` + proxy + `]}]}`, ""},
		{"answers before", `{"routes":[{"match":[{"path":["/x"]}],"handle":[{"handler":"static_response"}]},{"handle":[` + mask + `,` + proxy + `]}]}`, ""},
		{"blocks by address before", `{"routes":[{"handle":[{"handler":"crowdsec"},` + mask + `,` + proxy + `]}]}`, ""},
		{"allowed before", `{"routes":[{"handle":[{"handler":"gate"},{"handler":"client_mask","before":["gate"]},` + proxy + `]}]}`, ""},
		{"a plain site beside", `{"routes":[` + site("a", `{"handle":[`+mask+`,`+proxy+`]}`) + `,` + site("b", `{"handle":[`+proxy+`]}`) + `]}`, ""},
		{"a plain site for all other hosts", `{"routes":[` + site("a", `{"handle":[`+mask+`,`+proxy+`]}`) + `,{"handle":[` + proxy + `]}]}`, ""},
		{"a plain wildcard after", `{"routes":[` + site("a.x", `{"handle":[`+mask+`,`+proxy+`]}`) + `,` + site("*.x", `{"handle":[`+proxy+`]}`) + `]}`, ""},
		{"a plain host before a masked wildcard", `{"routes":[` + site("b.x", `{"handle":[`+proxy+`]}`) + `,` + site("*.x", `{"handle":[`+mask+`,`+proxy+`]}`) + `]}`, ""},
		{"a plain host before masked others", `{"routes":[` + site("b.x", `{"handle":[`+proxy+`]}`) + `,{"handle":[` + mask + `,` + proxy + `]}]}`, ""},
		{"through a named route", `{"routes":[{"handle":[{"handler":"invoke","name":"m"}]},{"handle":[` + proxy + `]}],"named_routes":{"m":{"handle":[` + mask + `]}}}`, ""},

		{"before", `{"routes":[{"handle":[` + proxy + `,` + mask + `]}]}`, "routes/0/handle/0"},
		{"in a route before", `{"routes":[{"match":[{"path":["/api/*"]}],"handle":[` + proxy + `]},{"handle":[` + mask + `,` + proxy + `]}]}`, "routes/0/handle/0"},
		{"in a subroute before", `{"routes":[` + site("a", `{"handle":[`+proxy+`]},{"handle":[`+mask+`]}`) + `]}`, "routes/0/handle/0/routes/0/handle/0"},
		{"unknown handler before", `{"routes":[{"handle":[{"handler":"gate"},` + mask + `,` + proxy + `]}]}`, "routes/0/handle/0"},
		{"forward_auth before", `{"routes":[{"handle":[{"handler":"reverse_proxy","rewrite":{"uri":"/auth"}},` + mask + `,` + proxy + `]}]}`, "routes/0/handle/0"},
		{"tracing before", `{"routes":[{"handle":[{"handler":"tracing"},` + mask + `,` + proxy + `]}]}`, "routes/0/handle/0"},
		{"for some paths only", `{"routes":[{"match":[{"path":["/w/*"]}],"handle":[` + mask + `]},{"handle":[` + proxy + `]}]}`, "routes/1/handle/0"},
		{"in a group", `{"routes":[{"group":"g","handle":[` + mask + `]},{"group":"g","handle":[` + proxy + `]}]}`, "routes/1/handle/0"},
		{"same host twice", `{"routes":[` + site("a", `{"handle":[`+mask+`,`+proxy+`]}`) + `,` + site("a", `{"handle":[`+proxy+`]}`) + `]}`, "routes/1/handle/0/routes/0/handle/0"},
		{"host that falls through", `{"routes":[{"match":[{"host":["a"]}],"handle":[` + proxy + `]},{"handle":[` + mask + `,` + proxy + `]}]}`, "routes/0/handle/0"},
		{"same host in capitals", `{"routes":[` + site("A", `{"handle":[`+proxy+`]}`) + `,` + site("a", `{"handle":[`+mask+`,`+proxy+`]}`) + `]}`, "routes/0/handle/0/routes/0/handle/0"},
		{"wildcard before", `{"routes":[` + site("*.x", `{"handle":[`+proxy+`]}`) + `,` + site("a.x", `{"handle":[`+mask+`,`+proxy+`]}`) + `]}`, "routes/0/handle/0/routes/0/handle/0"},
		{"placeholder before", `{"routes":[` + site("{env.HOST}", `{"handle":[`+proxy+`]}`) + `,` + site("a", `{"handle":[`+mask+`,`+proxy+`]}`) + `]}`, "routes/0/handle/0/routes/0/handle/0"},
		{"wildcard after a path of a host", `{"routes":[{"match":[{"host":["a.x"],"path":["/w/*"]}],"terminal":true,"handle":[` + mask + `,` + proxy + `]},` + site("*.x", `{"handle":[`+proxy+`]}`) + `]}`, "routes/1/handle/0/routes/0/handle/0"},
		{"a path of a host before masked others", `{"routes":[{"match":[{"host":["b"],"path":["/api/*"]}],"terminal":true,"handle":[` + proxy + `]},{"handle":[` + mask + `,` + proxy + `]}]}`, "routes/0/handle/0"},
		{"all hosts after a path of one", `{"routes":[{"match":[{"host":["a"],"path":["/w/*"]}],"terminal":true,"handle":[` + mask + `,` + proxy + `]},{"handle":[` + proxy + `]}]}`, "routes/1/handle/0"},
		{"in an intercepted answer", `{"routes":[{"handle":[{"handler":"intercept","handle_response":[{"routes":[{"handle":[` + proxy + `]}]}]},` + mask + `,` + proxy + `]}]}`,
			"routes/0/handle/0/handle_response/0/routes/0/handle/0"},
		{"in a subroute's errors", `{"routes":[{"handle":[{"handler":"subroute","routes":[{"handle":[` + mask + `,` + proxy + `]}],"errors":{"routes":[{"handle":[` + proxy + `]}]}}]}]}`,
			"routes/0/handle/0/errors/routes/0/handle/0"},
		{"in a named route before", `{"routes":[{"handle":[{"handler":"invoke","name":"p"},` + mask + `]}],"named_routes":{"p":{"handle":[` + proxy + `]}}}`, "named_routes/p/handle/0"},
		{"named routes in a ring", `{"routes":[{"handle":[{"handler":"invoke","name":"p"},` + mask + `,` + proxy + `]}],"named_routes":{"p":{"handle":[{"handler":"invoke","name":"p"},{"handler":"gate"}]}}}`, "named_routes/p/handle/1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := checkJSON(t, c.server)
			wantRefusal(t, err, c.want, "would get clients' addresses")
		})
	}
}

// Case 6: what runs before client_mask keeps no address for what runs after it.
func TestCase6KeptAddress(t *testing.T) {
	before := func(handler, options string) string {
		return `{"routes":[{"handle":[` + handler + `]},{"handle":[{"handler":"client_mask"` + options + `},` + proxy + `]}]}`
	}
	captured := func(matcher, placeholder, options string) string {
		return `{"routes":[{"match":[` + matcher + `],"handle":[{"handler":"static_response"}]},{"handle":[{"handler":"client_mask"` + options + `}]},
			{"handle":[{"handler":"subroute","routes":[{"handle":[{"handler":"reverse_proxy","headers":{"request":{"set":{"X":["` + placeholder + `"]}}}}]}]}]}]}`
	}
	for _, c := range []struct{ name, server, want string }{
		{"vars", before(`{"handler":"vars","x":"{http.vars.client_ip}"}`, ""), "routes/0/handle/0"},
		{"vars, escaped", before(`{"handler":"vars","x":"\u007bhttp.request.remote.host}"}`, ""), "routes/0/handle/0"},
		{"the path", before(`{"handler":"rewrite","uri":"/x?ip={http.request.remote}"}`, ""), "routes/0/handle/0"},
		{"the query", before(`{"handler":"rewrite","query":{"add":[{"key":"ip","val":"{http.request.header.X-Forwarded-For}"}]}}`, ""), "routes/0/handle/0"},
		{"an error's message", before(`{"handler":"error","error":"{http.vars.client_ip}"}`, ""), "routes/0/handle/0"},
		{"named", before(`{"handler":"vars","x":"{http.vars.client_ip}"}`, `,"before":["vars"]`), ""},
		{"nothing of the address", before(`{"handler":"vars","root":"/srv/{http.request.host}"},{"handler":"rewrite","uri":"/w{http.request.uri}"}`, ""), ""},
		{"after", `{"routes":[{"handle":[` + mask + `,{"handler":"vars","x":"{http.vars.client_ip}"},` + proxy + `]}]}`, ""},
		{"a capture", captured(`{"vars_regexp":{"{http.vars.client_ip}":{"name":"ip","pattern":"(.+)"}}}`, "{http.regexp.ip.1}", ""), "routes/0"},
		{"a capture of a header", captured(`{"not":[{"header_regexp":{"X-Real-Ip":{"name":"h","pattern":".+"}}}]}`, "{http.regexp.0}", ""), "routes/0"},
		{"a capture in an expression", captured(`{"expression":"header_regexp('h', 'X-Forwarded-For', '(.+)')"}`, "{http.regexp.h.1}", ""), "routes/0"},
		{"a capture that is named", captured(`{"vars_regexp":{"{http.vars.client_ip}":{"name":"ip","pattern":"(.+)"}}}`, "{http.regexp.ip.1}", `,"before":["vars_regexp"]`), ""},
		{"a capture that nobody uses", captured(`{"vars_regexp":{"{http.vars.client_ip}":{"name":"ip","pattern":"^127"}}}`, "{http.regexp.path.1}", ""), ""},
		{"a capture of a path", captured(`{"path_regexp":{"name":"p","pattern":"(.+)"}}`, "{http.regexp.1}", ""), ""},
		{"another site's", `{"routes":[{"match":[{"host":["a"]}],"terminal":true,"handle":[` + mask + `,` + proxy + `]},
			{"match":[{"host":["b"]}],"terminal":true,"handle":[{"handler":"vars","x":"{http.vars.client_ip}"},` + proxy + `]}]}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := checkJSON(t, c.server)
			wantRefusal(t, err, c.want, "keeps the client's address from ")
		})
	}
}

// Case 17: what was said of a Caddyfile is not said again of its JSON, where placeholders are written out.
func TestCase17WarnedOnce(t *testing.T) {
	fault := mapFault("{client_ip}")
	remember(make(map[string]any), Warning{File: "Caddyfile", Line: 3, Message: fault})
	t.Cleanup(func() { given.messages = nil })
	warnings, err := checkJSON(t, `{"routes":[{"handle":[`+mask+`,{"handler":"map","source":"{http.vars.client_ip}"},`+proxy+`]}]}`)
	if err != nil || fault == "" || len(warnings) > 0 {
		t.Errorf("got %q, %v", warnings, err)
	}
}

// Kind 9: error routes are covered, whatever the config looks like.
func TestErrorRoutesAreCovered(t *testing.T) {
	const masked, policed = `{"match":[{"host":["a"]}],"terminal":true,"handle":[` + mask + `,` + proxy + `]}`, `{"handle":[{"handler":"csp"},` + proxy + `]}`
	for _, c := range []struct{ name, server, want, why string }{
		{"static page", `{"routes":[` + masked + `],"errors":{"routes":[{"handle":[{"handler":"file_server"}]}]}}`, "", ""},
		{"masked", `{"routes":[` + masked + `],"errors":{"routes":[{"match":[{"path":["*"]}],"handle":[` + mask + `]},{"handle":[` + proxy + `]}]}}`, "", ""},
		{"another site's", `{"routes":[` + masked + `,{"match":[{"host":["b"]}],"terminal":true,"handle":[` + proxy + `]}],
			"errors":{"routes":[{"match":[{"host":["b"]}],"terminal":true,"handle":[` + proxy + `]}]}}`, "", ""},
		{"all other sites'", `{"routes":[` + masked + `,{"handle":[` + proxy + `]}],
			"errors":{"routes":[{"match":[{"host":["a"]}],"terminal":true,"handle":[` + mask + `,` + proxy + `]},{"handle":[` + proxy + `]}]}}`, "", ""},

		{"to an app", `{"routes":[` + masked + `],"errors":{"routes":[{"handle":[` + proxy + `]}]}}`, "errors/routes/0/handle/0", "would get clients' addresses"},
		{"to an app, by status", `{"routes":[` + masked + `],"errors":{"routes":[{"match":[{"expression":"{http.error.status_code} == 404"}],"handle":[` + proxy + `]},
			{"handle":[` + mask + `]}]}}`, "errors/routes/0/handle/0", "would get clients' addresses"},
		{"all sites'", `{"routes":[` + masked + `,{"handle":[` + proxy + `]}],"errors":{"routes":[{"handle":[` + proxy + `]}]}}`, "errors/routes/0/handle/0", "would get clients' addresses"},
		{"a wildcard's", `{"routes":[{"match":[{"host":["a.x"]}],"terminal":true,"handle":[` + mask + `,` + proxy + `]},{"match":[{"host":["*.x"]}],"terminal":true,"handle":[` + proxy + `]}],
			"errors":{"routes":[{"match":[{"host":["*.x"]}],"terminal":true,"handle":[` + proxy + `]}]}}`, "errors/routes/0/handle/0", "would get clients' addresses"},
		{"page past the policy", `{"routes":[` + policed + `],"errors":{"routes":[{"handle":[{"handler":"static_response","body":"gone"}]}]}}`, "errors/routes/0/handle/0", "before handle_errors"},
		{"page with the policy", `{"routes":[` + policed + `],"errors":{"routes":[{"handle":[{"handler":"csp"},{"handler":"static_response","body":"gone"}]}]}}`, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := checkJSON(t, c.server)
			wantRefusal(t, err, c.want, c.why)
		})
	}
}

func wantRefusal(t *testing.T, err error, place, why string) {
	t.Helper()
	switch {
	case place == "" && err != nil:
		t.Errorf("refused: %v", err)
	case place != "" && (err == nil || !strings.Contains(err.Error(), "apps/http/servers/s/"+place) || !strings.Contains(err.Error(), why)):
		t.Errorf("got %v, want a refusal of %s (%s)", err, place, why)
	}
}

// Cases 5 and 16 in JSON.
func TestCases5And16InJSON(t *testing.T) {
	masked := func(handlers ...string) string {
		return `{"routes":[{"handle":[` + strings.Join(append([]string{`{"handler":"client_mask","networks":"xff"}`}, append(handlers, proxy)...), ",") + `]}]}`
	}
	matched := func(matcher string) string {
		return `{"routes":[{"handle":[` + mask + `]},{"match":[` + matcher + `],"handle":[{"handler":"static_response","status_code":403}]}]}`
	}
	for _, c := range []struct{ name, server, want string }{
		{"request_header", masked(`{"handler":"headers","request":{"set":{"X-Forwarded-For":["{http.request.remote.host}"]}}}`), "routes/0/handle/1: request_header X-Forwarded-For overwrites"},
		{"a response's header", masked(`{"handler":"headers","response":{"set":{"Client-Mask":["x"]}}}`), ""},
		{"wildcard", masked(`{"handler":"headers","request":{"delete":["x-forwarded-*"]}}`), "request_header X-Forwarded-* removes"},
		{"all", masked(`{"handler":"headers","request":{"delete":["*"]}}`), "request_header * removes"},
		{"alias", masked(`{"handler":"headers","request":{"add":{"Client_mask":["x"]}}}`), "Client_mask adds to"},
		{"header_up", `{"routes":[{"handle":[` + mask + `,{"handler":"reverse_proxy","headers":{"request":{"set":{"Client-Network":[""]}}}}]}]}`, "header_up Client-Network overwrites"},
		{"the mask itself", `{"routes":[{"handle":[` + mask + `,{"handler":"reverse_proxy","headers":{"request":{"set":{"X-Forwarded-For":["{http.request.remote.host}"]}}}}]}]}`, ""},
		{"env", masked(`{"handler":"reverse_proxy","transport":{"protocol":"fastcgi","env":{"HTTP_CLIENT_MASK":"x"}}}`), "env CLIENT_MASK overwrites"},
		{"REMOTE_ADDR", masked(`{"handler":"reverse_proxy","transport":{"protocol":"fastcgi","env":{"REMOTE_ADDR":"127.0.0.1"}}}`), "env REMOTE_ADDR takes the mask's place"},
		{"vars", masked(`{"handler":"vars","client_ip":"x"}`), "vars client_ip overwrites"},
		{"map", masked(`{"handler":"map","source":"{http.vars.client_ip}"}`), "map sees the mask in {http.vars.client_ip}"},
		{"crowdsec", masked(`{"handler":"crowdsec"}`), "after client_mask, crowdsec sees masks"},
		{"remote_ip", matched(`{"remote_ip":{"ranges":["203.0.113.0/24"]}}`), "the matcher remote_ip sees masks"},
		{"not client_ip", matched(`{"not":[{"client_ip":{"ranges":["203.0.113.0/24"]}}]}`), "the matcher client_ip sees masks"},
		{"masks", matched(`{"client_ip":{"ranges":["2001:2e::1"]}}`), ""},
		{"expression", matched(`{"expression":{"expr":"{http.vars.client_ip} == '203.0.113.9'"}}`), "the matcher expression sees the mask in {http.vars.client_ip}"},
		{"expression, a text", matched(`{"expression":"!remote_ip('203.0.113.9')"}`), "the matcher remote_ip sees masks"},
		{"vars matcher", matched(`{"vars":{"client_ip":["203.0.113.9"]}}`), "the matcher vars sees the mask in client_ip"},
		{"vars_regexp", matched(`{"vars_regexp":{"{http.request.remote.host}":{"pattern":"^203"}}}`), "the matcher vars_regexp sees the mask"},
		{"header", matched(`{"header":{"X-Forwarded-For":["203.0.113.*"]}}`), "the matcher header doesn't see"},
		{"maxmind", matched(`{"maxmind_geolocation":{"allow_countries":["DE"]}}`), "the matcher maxmind_geolocation sees masks"},
		{"original_client_ip", matched(`{"original_client_ip":{"ranges":["203.0.113.0/24"]}}`), ""},
		{"a plain site", `{"routes":[{"match":[{"host":["a"]}],"terminal":true,"handle":[` + mask + `,` + proxy + `]},{"match":[{"host":["b"]}],"terminal":true,"handle":[` + proxy + `]}]}`,
			"routes/1: this site has no client_mask"},
		{"routes of one site", `{"routes":[{"handle":[` + mask + `]},{"match":[{"path":["/a/*"]}],"handle":[` + proxy + `]},{"handle":[{"handler":"subroute","routes":[{"handle":[` + proxy + `]}]}]}]}`, ""},
		{"a site on trial", `{"routes":[{"match":[{"host":["a"]}],"terminal":true,"handle":[` + mask + `,` + proxy + `]},
			{"match":[{"host":["b"]}],"terminal":true,"handle":[{"handler":"client_mask","mode":"observe"},` + proxy + `]}]}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			warnings, err := checkJSON(t, c.server)
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" && len(warnings) > 0 || c.want != "" && !slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, c.want) }) {
				t.Errorf("got %q, want %q", warnings, c.want)
			}
		})
	}
}
