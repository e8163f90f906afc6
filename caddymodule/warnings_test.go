package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// Cases 5, 6, 16, 17, 18: each golden file is a Caddyfile, a line of hyphens, and either the warnings it gives, with file and line, or
// the error.
func TestAdaptWarnings(t *testing.T) {
	files, err := filepath.Glob("testdata/warnings/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("golden files: %q, %v", files, err)
	}
	folder := regexp.MustCompile(`/[^ ]*/Caddyfile:`)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			caddyfile, want, found := strings.Cut(string(data), "----------\n")
			if !found {
				t.Fatal("the line of hyphens is missing")
			}
			_, warnings, err := edgetest.AdaptWarnings(caddyfile)
			var got strings.Builder
			for _, w := range warnings {
				fmt.Fprintf(&got, "%s:%d: %s\n", w.File, w.Line, w.Message)
			}
			if err != nil {
				fmt.Fprintf(&got, "error: %s\n", folder.ReplaceAllString(err.Error(), "Caddyfile:"))
			}
			if got.String() != want {
				t.Errorf("got\n%s", &got)
			}
		})
	}
}

// Case 6: a config without a Caddyfile is refused too, whether the handler before client_mask is made already (in
// a route of its own) or not yet.
func TestCase6InJSON(t *testing.T) {
	const mask, proxy = `{"handler":"client_mask"}`, `{"handler":"reverse_proxy","upstreams":[{"dial":"127.0.0.1:1"}]}`
	for name, routes := range map[string]string{
		"in one route":       `{"handle":[` + proxy + `,` + mask + `]}`,
		"in a route before":  `{"handle":[` + proxy + `]},{"handle":[` + mask + `]}`,
		"in a made subroute": `{"handle":[{"handler":"subroute","routes":[{"match":[{"path":["/x"]}],"handle":[` + proxy + `]}]}]},{"handle":[` + mask + `]}`,
		"for some paths":     `{"match":[{"path":["/x"]}],"handle":[` + mask + `]},{"handle":[` + proxy + `]}`,
	} {
		t.Run(name, func(t *testing.T) {
			err := validateJSON(t, `"routes":[`+routes+`]`)
			if err == nil || !strings.Contains(err.Error(), "the handler reverse_proxy, at apps/http/servers/s/routes/") ||
				!strings.Contains(err.Error(), "comes before client_mask, and would get clients' addresses") {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := validateJSON(t, `"routes":[{"handle":[`+mask+`]},{"match":[{"path":["/x"]}],"handle":[`+proxy+`]}]`); err != nil {
		t.Errorf("a good config: %v", err)
	}
}

// Kind 9: where nothing is known of the site around client_mask, as for a Caddyfile that comes through the admin API,
// error routes are masked all the same; and those that aren't are refused.
func TestErrorRoutesAreMaskedWithoutAFile(t *testing.T) {
	a := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gone" {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	e := edgetest.Place(t)
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(e.Expand(`{
		{GLOBAL}
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	http://{SITE} {
		client_mask
		error /lost 404
		respond / ok
		handle_errors {
			reverse_proxy `+a.Address()+`
		}
	}`)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	edgetest.Send(t, edgetest.From(t, "127.11.22.33"), "GET", "http://"+e.Site+"/lost", nil)
	r, want := a.One(t), edgetest.ClientMask(t, "127.11.22.33")
	if r.Header.Get("Client-Mask") != want || r.Header.Get("X-Forwarded-For") != want {
		t.Errorf("the error page's app got %v, want %s", r.Header, want)
	}

	const routes = `"routes":[{"handle":[{"handler":"client_mask"},{"handler":"static_response"}]}],"errors":{"routes":[{"handle":[%s]}]}`
	err = validateJSON(t, fmt.Sprintf(routes, `{"handler":"reverse_proxy","upstreams":[{"dial":"127.0.0.1:1"}]}`))
	if err == nil || !strings.Contains(err.Error(), "at apps/http/servers/s/errors/routes/0/handle/0 comes before client_mask") {
		t.Errorf("error routes without client_mask: %v", err)
	}
	if err := validateJSON(t, fmt.Sprintf(routes, `{"handler":"static_response"}`)); err != nil {
		t.Errorf("error routes that hand nothing on: %v", err)
	}
}

// validateJSON does what `wikiveil validate` does with a server's JSON.
func validateJSON(t *testing.T, server string) error {
	t.Helper()
	var config caddy.Config
	text := `{"admin":{"disabled":true},"storage":{"module":"file_system","root":"` + t.TempDir() + `"},"apps":{
		"wikiveil":{"secrets":["` + edgetest.Secret + `"]},"http":{"servers":{"s":{"listen":["127.0.0.1:1"],"automatic_https":{"disable":true},` + server + `}}}}}`
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	return edgetest.ValidateConfig(&config)
}

// Case 7: client_mask that observes treats the headers for apps as the one that masks does: no forged one passes, none of ours is lost.
func TestCase7ObservedHeaders(t *testing.T) {
	for _, mode := range []string{"observe", "mask"} {
		t.Run(mode, func(t *testing.T) {
			a := edgetest.NewBackend(t, nil)
			e := edgetest.New(t, `{
				{GLOBAL}
				servers {
					expected_underscore_headers Client_*
					expected_dot_headers Client.*
				}
				wikiveil {
					secret `+edgetest.Secret+`
					network tor 127.11.22.44
				}
			}
			http://{SITE} {
				client_mask {
					mode `+mode+`
				}
				reverse_proxy `+a.Address()+`
			}`)
			for _, c := range []struct{ source, names string }{{"127.11.22.33", ""}, {"127.11.22.44", "tor"}} {
				sendBytes(t, c.source, e.Site, strings.ReplaceAll("GET / HTTP/1.1\nHost: "+e.Site+"\nClient-Mask: 2001:2f::bad\nClient_Mask: 2001:2f::bad\n"+
					"Client.Network: forged\nClient-Network: forged\nclient-network: forged\nClient-Network-Masks: 2001:2e::bad\n"+
					"Connection: close, Client-Mask, Client-Network-Masks, client_network, X-Other\nX-Other: x\n\n", "\n", "\r\n"))
				r := a.One(t)
				if got := r.Header.Values("Client-Mask"); len(got) != 1 || got[0] != edgetest.ClientMask(t, c.source) {
					t.Errorf("Client-Mask %q", got)
				}
				if got := r.Header.Values("Client-Network-Masks"); len(got) != 1 || !strings.Contains(got[0], "2001:2e:") {
					t.Errorf("Client-Network-Masks %q", got)
				}
				if got := strings.Join(r.Header.Values("Client-Network"), "|"); got != c.names {
					t.Errorf("Client-Network %q, want %q", got, c.names)
				}
				if text := fmt.Sprint(r.Header); strings.Contains(text, "bad") || strings.Contains(text, "forged") || r.Header.Get("X-Other") != "" {
					t.Errorf("forged, or Connection isn't heeded: %s", text)
				}
			}
		})
	}
}

// Case 7: blocks of the edge hold while client_mask observes.
func TestCase7ObservedBlocks(t *testing.T) {
	a := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	http://{SITE} {
		client_mask {
			mode observe
		}
		reverse_proxy `+a.Address()+`
	}`)
	if status, body := e.Post(t, "/wikiveil/blocks", edgetest.JSON{"mask": edgetest.ClientMask(t, "127.11.22.33"), "reason": "spam"}); status != http.StatusOK {
		t.Fatalf("adding the block: %d, %s", status, body)
	}
	if resp, body := edgetest.Send(t, edgetest.From(t, "127.11.22.33"), "GET", "http://"+e.Site+"/", nil); resp.StatusCode != http.StatusForbidden || len(a.Take()) != 0 {
		t.Errorf("blocked: status %d, %s", resp.StatusCode, body)
	}
	if resp, _ := edgetest.Send(t, edgetest.From(t, "127.11.22.34"), "GET", "http://"+e.Site+"/", nil); resp.StatusCode != http.StatusOK || len(a.Take()) != 1 {
		t.Errorf("not blocked: status %d", resp.StatusCode)
	}
}

// Case 3: a trusted proxy that names no client asks for itself, as in health checks. It may read; nobody publishes under its mask.
func TestCase3ProxyThatNamesNobody(t *testing.T) {
	a := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, `{
		{GLOBAL}
		servers {
			trusted_proxies static 127.0.0.9
			trusted_proxies_strict
		}
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	http://{SITE} {
		client_mask
		reverse_proxy `+a.Address()+`
	}`)
	if resp, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.9"), "GET", "http://"+e.Site+"/", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("GET: status %d", resp.StatusCode)
	}
	if got := a.One(t).Header.Get("Client-Mask"); got != edgetest.ClientMask(t, "127.0.0.9") {
		t.Errorf("Client-Mask %s", got)
	}
	for _, header := range []http.Header{{}, {"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}} {
		method := "POST"
		if len(header) > 0 {
			method = "GET"
		}
		resp, body := edgetest.Send(t, edgetest.From(t, "127.0.0.9"), method, "http://"+e.Site+"/", header)
		if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "can't tell the client's address") || len(a.Take()) != 0 {
			t.Errorf("%s %v: status %d, %s", method, header, resp.StatusCode, body)
		}
	}
	if resp, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.9"), "POST", "http://"+e.Site+"/", http.Header{"X-Forwarded-For": {"203.0.113.9"}}); resp.StatusCode != http.StatusOK {
		t.Errorf("POST for a client: status %d", resp.StatusCode)
	}
}

// Case 18 in JSON: whom a server trusts is warned of when the config is loaded, as in a Caddyfile.
func TestCase18TrustInJSON(t *testing.T) {
	// What the last Caddyfile of this process was warned of isn't said again of JSON: this one is warned of something else.
	if _, _, err := edgetest.AdaptWarnings("http://x.test {\n@a remote_ip 127.0.0.1\nclient_mask\nrespond @a x\n}"); err != nil {
		t.Fatal(err)
	}
	const loosely, byAll, byNobody = "trusted_proxies without trusted_proxies_strict", "trusted_proxies holds all addresses", "client_ip_headers without trusted_proxies"
	for server, want := range map[string]string{
		`"trusted_proxies":{"source":"static","ranges":["127.0.0.9"]}`:                                                        loosely,
		`"trusted_proxies":{"source":"static","ranges":["127.0.0.9"]},"trusted_proxies_strict":1,"client_ip_headers":["X-A"]`: "",
		`"trusted_proxies":{"source":"static","ranges":["127.0.0.9","::/0"]},"trusted_proxies_strict":1`:                      byAll,
		`"trusted_proxies":{"source":"static","ranges":["8000::/1","::/1"]},"trusted_proxies_strict":1`:                       byAll,
		`"trusted_proxies_unix":true`: loosely,
		`"client_ip_headers":["X-A"]`: byNobody,
		`"trusted_proxies_strict":1`:  "",
	} {
		e := edgetest.Place(t)
		config := fmt.Sprintf(`{"admin":{"disabled":true},"storage":{"module":"file_system","root":%q},
			"logging":{"logs":{"default":{"writer":{"output":"file","filename":%q},"encoder":{"format":"masked","wrap":{"format":"json"}}}}},
			"apps":{"wikiveil":{"secrets":[%q]},"http":{"servers":{"s":{"listen":[%q],"automatic_https":{"disable":true},
			%s,"routes":[{"handle":[{"handler":"client_mask"},{"handler":"static_response"}]}]}}}}}`,
			e.Dir+"/storage", e.Log, edgetest.Secret, e.Site, server)
		if err := caddy.Load([]byte(config), true); err != nil {
			t.Fatal(err)
		}
		log := e.ReadLog(t)
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
		for _, warning := range []string{loosely, byAll, byNobody} {
			if n := strings.Count(log, warning); n > 1 || (n == 1) != (warning == want) {
				t.Errorf("%s: warned %d times that %s", server, n, warning)
			}
		}
	}
}

// Friction 9: a refusal of the server isn't taken for its absence, and names what there is.
func TestToolsDisableOfAnUnknownTool(t *testing.T) {
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			tool maps https://maps.example {
				title Maps
				purpose "Shows maps"
				sends "Places"
				retention "A day"
				kinds img
			}
		}
	}
	http://{SITE} {
		anonproxy {
			canary off
		}
	}`)
	_, err := edgetest.Run(t, "", "tools", "disable", "map", "--address", e.Admin)
	if err == nil || strings.Contains(err.Error(), "is the server running") || !strings.Contains(err.Error(), "no tool of that name is declared (there are: maps) (HTTP 404)") {
		t.Errorf("got %v", err)
	}
	_, err = edgetest.Run(t, "", "tools", "disable", "map", "--address", edgetest.FreePort(t))
	if err == nil || !strings.Contains(err.Error(), "is the server running") {
		t.Errorf("no server: %v", err)
	}
}
