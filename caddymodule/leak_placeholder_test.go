package caddymodule

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// leakPlaceholders are all that could tell the address.
var leakPlaceholders = []string{
	"{remote}", "{remote_host}", "{remote_port}", "{client_ip}", "{http.request.remote}", "{http.request.remote.host}",
	"{http.request.remote.host/8}", "{http.request.remote.host/24}", "{http.request.remote.host/16,64}", "{http.request.remote.port}", "{http.vars.client_ip}",
	"{http.vars.wikiveil}", "{http.vars.client_mask}", "{http.vars.client_network_masks}", "{http.vars.trusted_proxy}",
	"{http.request.header.X-Forwarded-For}", "{http.request.header.X-Real-IP}", "{http.request.header.X-Visitor}", "{http.request.header.Cookie}",
	"{http.request.cookie.last}", "{http.request.host}", "{http.request.hostport}", "{http.request.orig_uri}", "{http.request}", "{http.request.local}",
}

// Whatever an operator puts into a header, a page or a log: placeholders and templates know the mask only, in
// error pages too.
func TestLeakByPlaceholders(t *testing.T) {
	var list strings.Builder
	for _, p := range leakPlaceholders {
		list.WriteString(strings.Trim(p, "{}") + "=" + p + " ")
	}
	a := newLeakApp(t, wireH1, nil)
	e := edgetest.New(t, `{
		{GLOBAL}
		servers {
			trusted_proxies static `+leakRange+`
		}
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	http://{SITE} {
		log {
			output file {DIR}/access.log
			format masked json
		}
		client_mask
		vars copied "{client_ip} {remote}"
		map {remote_host} {mapped} {
			default "{client_ip}"
		}
		log_append all "`+list.String()+`"
		header X-All "`+list.String()+` {vars.copied} {mapped}"
		handle /respond {
			respond "`+list.String()+` {vars.copied} {mapped}"
		}
		handle /template* {
			root {DIR}
			templates
			file_server
		}
		handle /rewrite {
			rewrite /{remote_host}/{client_ip}?{http.request.header.X-Forwarded-For}
			reverse_proxy `+a.Address()+`
		}
		handle /proxy {
			reverse_proxy `+a.Address()+` {
				header_up X-All "`+list.String()+` {vars.copied} {mapped}"
				header_up X-Forwarded-For {remote}
			}
		}
		handle {
			error "{remote} {client_ip}" 418
		}
		handle_errors {
			header X-Errors "`+list.String()+` {err.message} {err.trace}"
			respond "`+list.String()+` {err.message}"
		}
	}`)
	page := `{{.RemoteIP}} {{.ClientIP}} {{.Req.RemoteAddr}} {{.Req}} {{.OriginalReq}} {{.OriginalReq.RemoteAddr}} {{.Req.Header}} {{.Req.Context}} ` +
		`{{placeholder "http.request.remote"}} {{placeholder "http.vars.wikiveil"}} {{.RespHeader}}`
	if err := os.WriteFile(filepath.Join(e.Dir, "template.html"), []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/respond", "/template.html", "/rewrite", "/proxy", "/error"} {
		for _, c := range leakClients() {
			t.Run(path+" "+c.name, func(t *testing.T) {
				got := sendBytes(t, c.source, e.Site, leakForm{head: "X-Real-IP: {ip}\nX-Visitor: {ip}\nCookie: last={ip}"}.request(c, e.Site, path, ""))
				if want := map[bool]int{true: 418, false: http.StatusOK}[path == "/error"]; got.status != want {
					t.Errorf("status %d", got.status)
				}
				edgetest.WantNone(t, "the response", got.raw, leakAddrs()...)
				seen := a.rec.taken()
				edgetest.WantNone(t, "the app", seen, leakAddrs()...)
				if mask := edgetest.ClientMask(t, c.addr.String()); !strings.Contains(string(got.raw)+string(seen), mask) {
					t.Errorf("no mask in %q", got.raw)
				}
			})
		}
	}
	e.SearchTraces(t, leakAddrs()...)
}
