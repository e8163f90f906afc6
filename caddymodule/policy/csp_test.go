package policy

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/coder/websocket"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/csp"
)

const (
	policyHeader     = "Content-Security-Policy"
	reportOnlyHeader = "Content-Security-Policy-Report-Only"
	foreignPolicy    = "default-src *"
)

// policyApp is a wiki that answers in every way that could lose a policy.
func policyApp(t *testing.T) *edgetest.Backend {
	return edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		switch r.URL.Path {
		case "/missing":
			http.NotFound(w, r)
		case "/broken":
			http.Error(w, "broken", http.StatusBadGateway)
		case "/image":
			h.Set("Content-Type", "image/png")
			io.WriteString(w, "\x89PNG")
		case "/script":
			h.Set("Content-Type", "text/javascript; charset=utf-8")
			h.Set("Service-Worker-Allowed", "/")
			io.WriteString(w, "1")
		case "/unchanged":
			h.Set("ETag", `"1"`)
			w.WriteHeader(http.StatusNotModified)
		case "/redirect":
			http.Redirect(w, r, "/page", http.StatusFound)
		case "/own", "/own-error-page":
			h.Set(policyHeader, foreignPolicy)
			h.Set(reportOnlyHeader, foreignPolicy)
			h.Set("Service-Worker-Allowed", "/")
			io.WriteString(w, "page")
		case "/same":
			h.Set(policyHeader, edgetest.Preset(t, "mediawiki"))
			io.WriteString(w, "page")
		case "/early":
			h.Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			io.WriteString(w, "page")
		case "/stream":
			h.Set("Content-Type", "text/event-stream")
			io.WriteString(w, "data: 1\n\n")
			w.(http.Flusher).Flush()
			io.WriteString(w, "data: 2\n\n")
		case "/empty":
		default:
			io.WriteString(w, "page")
		}
	})
}

// policySite is the site block of most tests; {CSP} is the directive, {ERRORS} what
// stands for error pages.
const policySite = `
	{
		{GLOBAL}
	}
	http://{SITE} {
		{CSP}
		root {DIR}
		header /set Content-Security-Policy "default-src *"
		header /add +Content-Security-Policy "default-src *"
		header /delete -Content-Security-Policy
		header /replace Content-Security-Policy "default-src 'none'" "default-src *"
		header /defer >Content-Security-Policy "default-src *"
		header /fail-set Content-Security-Policy "default-src *"
		redir /moved /page
		encode /encoded gzip
		respond /hello "hello"
		respond /no-content 204
		respond /set "page"
		respond /delete "page"
		respond /replace "page"
		error /fail* "boom" 500
		error /gone 410
		reverse_proxy /dead 127.0.0.1:1
		@files path /file.txt /nothing.txt
		file_server @files
		{ERRORS}
		@app not path /dead /file.txt /nothing.txt
		reverse_proxy @app {APP}
	}`

func policyEdge(t *testing.T, directive, errorPages string) (*edgetest.Edge, *edgetest.Backend) {
	t.Helper()
	a := policyApp(t)
	return edgetest.New(t, fillSite(a, directive, errorPages)), a
}

func fillSite(a *edgetest.Backend, directive, errorPages string) string {
	site := strings.NewReplacer("{CSP}", directive, "{ERRORS}", errorPages).Replace(policySite)
	return strings.ReplaceAll(site, "{APP}", a.Address())
}

// everyResponse lists requests to policySite and the status each must get.
var everyResponse = []struct {
	path   string
	status int
	header http.Header
}{
	{"/page", 200, nil},
	{"/missing", 404, nil},
	{"/broken", 502, nil},
	{"/image", 200, nil},
	{"/script", 200, nil},
	{"/unchanged", 304, nil},
	{"/redirect", 302, nil},
	{"/stream", 200, nil},
	{"/empty", 200, nil},
	{"/hello", 200, nil},
	{"/no-content", 204, nil},
	{"/moved", 302, nil},
	{"/delete", 200, nil},
	{"/replace", 200, nil},
	{"/encoded", 200, http.Header{"Accept-Encoding": {"gzip"}}},
	{"/same", 200, nil},
	{"/dead", 502, nil},
	{"/fail", 500, nil},
	{"/gone", 410, nil},
	{"/nothing.txt", 404, nil},
	{"/file.txt", 200, nil},
	{"/file.txt", 206, http.Header{"Range": {"bytes=0-1"}}},
	{"/file.txt", 304, http.Header{"If-Modified-Since": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}}},
}

func TestCSPOnEveryResponse(t *testing.T) {
	want := []string{edgetest.Preset(t, "mediawiki")}
	for name, errorPages := range map[string]string{
		"no error pages":        "",
		"own error pages":       "handle_errors {\n respond error {err.status_code}\n }",
		"error pages by status": "handle_errors 4xx {\n respond error {err.status_code}\n }",
		"proxied error pages":   "handle_errors {\n rewrite /error-page\n reverse_proxy {APP} {\n replace_status {err.status_code}\n }\n }",
		"failing error pages":   "handle_errors {\n reverse_proxy 127.0.0.1:1\n }",
	} {
		t.Run(name, func(t *testing.T) {
			e, _ := policyEdge(t, "csp", errorPages)
			if err := os.WriteFile(filepath.Join(e.Dir, "file.txt"), []byte("file"), 0o600); err != nil {
				t.Fatal(err)
			}
			client := edgetest.From(t, "127.0.0.1")
			for _, tt := range everyResponse {
				before := e.Metrics(t)
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					resp, _ := edgetest.Send(t, client, method, "http://"+e.Site+tt.path, tt.header)
					if resp.StatusCode != tt.status {
						t.Errorf("%s %s: status %d, want %d", method, tt.path, resp.StatusCode, tt.status)
					}
					if got := resp.Header[policyHeader]; !slices.Equal(got, want) {
						t.Errorf("%s %s: policies %q", method, tt.path, got)
					}
					if got := resp.Header[reportOnlyHeader]; got != nil {
						t.Errorf("%s %s: report-only policies %q", method, tt.path, got)
					}
				}
				after := e.Metrics(t)
				series := `wikiveil_policy_headers_total{mode="enforce"}`
				if n := after[series] - before[series]; n != 2 {
					t.Errorf("%s: two responses were counted %v times", tt.path, n)
				}
			}
		})
	}
}

// A config written by hand may have no error routes. Then the server writes the
// status past all wrappers.
func TestCSPWithoutErrorRoute(t *testing.T) {
	a := policyApp(t)
	e := edgetest.New(t, "{\n{GLOBAL}\n}")
	var config map[string]any
	if err := json.Unmarshal(edgetest.Adapt(t, e.Expand(fillSite(a, "csp", "handle_errors {\n respond error\n }"))), &config); err != nil {
		t.Fatal(err)
	}
	for _, server := range config["apps"].(map[string]any)["http"].(map[string]any)["servers"].(map[string]any) {
		if server.(map[string]any)["errors"] == nil {
			t.Fatal("there was no error route to remove")
		}
		delete(server.(map[string]any), "errors")
	}
	data, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(data, true); err != nil {
		t.Fatal(err)
	}
	want := []string{edgetest.Preset(t, "mediawiki")}
	for path, status := range map[string]int{"/fail": 500, "/dead": 502, "/gone": 410, "/nothing.txt": 404} {
		resp, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.1"), http.MethodGet, "http://"+e.Site+path, nil)
		if resp.StatusCode != status || !slices.Equal(resp.Header[policyHeader], want) {
			t.Errorf("%s: status %d, policies %q", path, resp.StatusCode, resp.Header[policyHeader])
		}
	}
	resp, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.1"), http.MethodGet, "http://"+e.Site+"/fail-set", nil)
	if got := resp.Header[policyHeader]; !slices.Equal(got, append(want, foreignPolicy)) {
		t.Errorf("after a header directive: policies %q", got)
	}
}

func TestCSPUpstream(t *testing.T) {
	own := edgetest.Preset(t, "mediawiki")
	errorPage := "handle_errors {\n rewrite /own-error-page\n reverse_proxy {APP}\n }"
	for name, tt := range map[string]struct {
		directive string
		want      []string
		report    []string
	}{
		"keep by default": {"csp", []string{own, foreignPolicy}, []string{foreignPolicy}},
		"keep":            {"csp {\n upstream keep\n }", []string{own, foreignPolicy}, []string{foreignPolicy}},
		"drop":            {"csp {\n upstream drop\n }", []string{own}, nil},
		"drop in a trial": {"csp {\n mode report\n upstream drop\n }", nil, []string{own}},
		"keep in a trial": {"csp {\n mode report\n }", []string{foreignPolicy}, []string{own, foreignPolicy}},
	} {
		t.Run(name, func(t *testing.T) {
			e, a := policyEdge(t, tt.directive, errorPage)
			for _, path := range []string{"/own", "/fail", "/dead"} {
				resp, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.1"), http.MethodGet, "http://"+e.Site+path, nil)
				if got := resp.Header[policyHeader]; !slices.Equal(got, tt.want) {
					t.Errorf("%s: policies %q", path, got)
				}
				if got := resp.Header[reportOnlyHeader]; !slices.Equal(got, tt.report) {
					t.Errorf("%s: report-only policies %q", path, got)
				}
				if got := resp.Header["Service-Worker-Allowed"]; got != nil {
					t.Errorf("%s: Service-Worker-Allowed %q", path, got)
				}
				if r := a.One(t); !strings.HasPrefix(r.URL.Path, "/own") {
					t.Errorf("%s: the app saw %s", path, r.URL.Path)
				}
			}
		})
	}
}

// A `header` directive may say something too: it counts as upstream.
func TestCSPBesideHeaderDirective(t *testing.T) {
	own := edgetest.Preset(t, "mediawiki")
	e, _ := policyEdge(t, "csp", "handle_errors {\n respond error 500\n }")
	for _, path := range []string{"/set", "/add", "/defer", "/fail-set"} {
		resp, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.1"), http.MethodGet, "http://"+e.Site+path, nil)
		if got := resp.Header[policyHeader]; !slices.Equal(got, []string{own, foreignPolicy}) {
			t.Errorf("%s: policies %q", path, got)
		}
	}
	if n := e.Metrics(t)[`wikiveil_policy_headers_total{mode="enforce"}`]; n != 4 {
		t.Errorf("four responses were counted %v times", n)
	}
}

// No preset says where forms may lead. A directive that an operator adds keeps the site's own forms.
func TestCSPFormAction(t *testing.T) {
	for _, preset := range csp.PresetNames() {
		if strings.Contains(edgetest.Preset(t, preset), "form-action") {
			t.Errorf("%s has a form-action", preset)
		}
	}
	for allowed, want := range map[string]string{
		"'none'": "; form-action 'none'", "'self'": "; form-action 'self'", "https://login.example": "; form-action 'self' https://login.example",
		"https://login.example 'self'": "; form-action 'self' https://login.example",
	} {
		e, _ := policyEdge(t, "csp {\n allow Form-Action "+allowed+"\n }", "")
		resp, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.1"), http.MethodGet, "http://"+e.Site+"/page", nil)
		if got := resp.Header[policyHeader]; !slices.Equal(got, []string{edgetest.Preset(t, "mediawiki") + want}) {
			t.Errorf("allow form-action %s: %q", allowed, got)
		}
	}
}

func TestCSPBothModes(t *testing.T) {
	e, _ := policyEdge(t, `csp static {
		first_party https://upload.wiki.example wss://live.wiki.example
		allow img-src data:
		allow media-src 'self'
		report_only strict {
			allow connect-src https://api.example
		}
	}`, "")
	resp, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.1"), http.MethodGet, "http://"+e.Site+"/page", nil)
	want := "default-src 'none'; script-src 'self' https://upload.wiki.example wss://live.wiki.example; " +
		"style-src 'self' https://upload.wiki.example wss://live.wiki.example; " +
		"img-src 'self' data: https://upload.wiki.example wss://live.wiki.example; " +
		"font-src 'self' https://upload.wiki.example wss://live.wiki.example; object-src 'none'; base-uri 'none'; " +
		"frame-ancestors 'none'; worker-src 'none'; " +
		"media-src 'self' https://upload.wiki.example wss://live.wiki.example"
	if got := resp.Header[policyHeader]; !slices.Equal(got, []string{want}) {
		t.Errorf("enforced: %q", got)
	}
	trial := resp.Header[reportOnlyHeader]
	if len(trial) != 1 || !strings.Contains(trial[0], "connect-src 'self' https://api.example;") || !strings.Contains(trial[0], "'nonce-") {
		t.Errorf("report-only: %q", trial)
	}
	series := e.Metrics(t)
	for _, mode := range []string{"enforce", "report"} {
		if n := series[`wikiveil_policy_headers_total{mode="`+mode+`"}`]; n != 1 {
			t.Errorf("mode %s was counted %v times", mode, n)
		}
	}
}

func TestCSPNonce(t *testing.T) {
	e, a := policyEdge(t, "csp strict\nrequest_header X-CSP-Nonce {http.csp.nonce}", "handle_errors {\n reverse_proxy {APP}\n }")
	seen := make(map[string]bool)
	for _, path := range []string{"/page", "/page", "/missing", "/fail", "/unchanged"} {
		resp, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.1"), http.MethodGet, "http://"+e.Site+path, http.Header{"X-Csp-Nonce": {"forged"}})
		nonce := a.One(t).Header.Get("X-Csp-Nonce")
		policies := resp.Header[policyHeader]
		if len(policies) != 1 || strings.Count(policies[0], "'nonce-"+nonce+"'") != 2 || strings.Count(policies[0], "'nonce-") != 2 {
			t.Errorf("%s: the app was given %q, the policies are %q", path, nonce, policies)
		}
		if len(nonce) != 24 || seen[nonce] {
			t.Errorf("%s: nonce %q", path, nonce)
		}
		seen[nonce] = true
	}
}

func TestCSPNonceInTemplate(t *testing.T) {
	e, _ := policyEdge(t, "csp strict\n templates /template\n header /template Content-Type text/html\n"+
		"respond /template `<script nonce={{placeholder \"http.csp.nonce\"}}>`", "")
	resp, body := edgetest.Send(t, edgetest.From(t, "127.0.0.1"), http.MethodGet, "http://"+e.Site+"/template", nil)
	nonce, found := strings.CutPrefix(strings.TrimSuffix(body, ">"), "<script nonce=")
	if !found || len(nonce) != 24 || !strings.Contains(resp.Header.Get(policyHeader), "'nonce-"+nonce+"'") {
		t.Errorf("page %q, policy %q", body, resp.Header.Get(policyHeader))
	}
}

func TestCSPLetsInterimResponsesPass(t *testing.T) {
	e, _ := policyEdge(t, "csp", "")
	var hints int
	var link string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints, link = code, h.Get("Link")
			return nil
		},
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.Site+"/early", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := edgetest.From(t, "127.0.0.1").Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if hints != http.StatusEarlyHints || link != "</style.css>; rel=preload" {
		t.Errorf("the hint came as %d %q", hints, link)
	}
	if got := resp.Header[policyHeader]; !slices.Equal(got, []string{edgetest.Preset(t, "mediawiki")}) {
		t.Errorf("policies %q", got)
	}
}

func TestCSPLetsWebSocketsPass(t *testing.T) {
	a := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		kind, message, err := c.Read(r.Context())
		if err == nil {
			err = c.Write(r.Context(), kind, append([]byte("echo "), message...))
		}
		if err != nil {
			t.Error(err)
		}
		c.Close(websocket.StatusNormalClosure, "")
	})
	e := edgetest.New(t, fillSite(a, "csp", ""))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+e.Site+"/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, message, err := c.Read(ctx); err != nil || string(message) != "echo hello" {
		t.Errorf("got %q, %v", message, err)
	}
}
