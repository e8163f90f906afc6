package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/internal/checkup"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// mediawiki answers like a MediaWiki's API that takes the client from X-Forwarded-For. User is more of its userinfo, and blocks are
// those of networks' masks.
func mediawiki(user, blocks string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		list := strings.Split(r.Header.Get("X-Forwarded-For"), ", ")
		switch q := r.URL.Query(); {
		case q.Get("bkip") != "":
			io.WriteString(w, `{"error": {"code": "cidrtoobroad"}}`)
		case q.Get("list") == "blocks":
			fmt.Fprintf(w, `{"query": {"blocks": %s}}`, blocks)
		default:
			fmt.Fprintf(w, `{"query": {"general": {"time": %q}, "extensions": [], "userinfo": {"name": %q, "anon": true%s}}}`,
				time.Now().UTC().Format(time.RFC3339), list[len(list)-1], user)
		}
	}
}

// before starts a proxy before the edge, and returns its address.
func before(t *testing.T, e *edgetest.Edge, change func(*httputil.ProxyRequest), refuses string) string {
	t.Helper()
	target := &url.URL{Scheme: "http", Host: e.Site}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		if change != nil {
			change(r)
		}
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(refuses) != "" {
			http.Error(w, "error code: 1000", http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// What forged headers show of whom the edge believes, and what they can't.
func TestDoctorForgesHeaders(t *testing.T) {
	wiki := edgetest.NewBackend(t, mediawiki("", "[]"))
	names := func(r *httputil.ProxyRequest) { r.SetXForwarded() }
	const trusting = "servers {\ntrusted_proxies static 127.0.0.1/32\ntrusted_proxies_strict\n"
	for name, c := range map[string]struct {
		global  string
		proxied bool
		change  func(*httputil.ProxyRequest)
		refuses string
		level   checkup.Level
		what    string
	}{
		"a header of the edge's own":  {trusting + "client_ip_headers X-Reader\n}\n", false, nil, "", checkup.Untold, "what it says of clients is believed"},
		"a proxy hands that on":       {trusting + "client_ip_headers X-Reader X-Forwarded-For\n}\n", true, names, "", checkup.Error, "what it writes into X-Reader is believed"},
		"a proxy that names nobody":   {trusting + "}\n", true, nil, "", checkup.Untold, "nothing named its client"},
		"a hidden proxy":              {"", true, nil, "", checkup.Untold, "came from a private address"},
		"one that refuses forgeries":  {trusting + "}\n", true, names, "Cf-Connecting-Ip", checkup.Untold, "a forged Cf-Connecting-Ip didn't come through"},
		"one that names as it should": {trusting + "}\n", true, names, "", checkup.OK, "forged headers change nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			e := edgetest.New(t, "{\n{GLOBAL}\n"+c.global+"}\nhttp://{SITE} {\nclient_mask {\nnetworks xff\n}\nreverse_proxy "+wiki.Address()+"\n}\n")
			at := e.Site
			if c.proxied {
				at = before(t, e, c.change, c.refuses)
			}
			found, _ := doctor(t, e, "--wiki", "http://"+at+"/api.php")
			wantFinding(t, found, "trusted proxies", c.level, c.what)
			wantFinding(t, found, "masks", checkup.OK, "")
		})
	}
}

// Which of the blocks that there are hold for this machine: of several, and where another than a network's does.
func TestDoctorTellsBlocksApart(t *testing.T) {
	for name, c := range map[string]struct {
		user, blocks string
		level        checkup.Level
	}{
		"several": {`, "blockid": null, "blockedby": "", "blockcomponents": [{"blockid": 3}, {"blockid": 4}]`, `[{"id": 3}, {"id": 4}]`, checkup.OK},
		"one":     {`, "blockid": 3, "blockedby": "Sysop"`, `[{"id": 3}]`, checkup.OK},
		"another": {`, "blockid": 9, "blockedby": "Sysop"`, `[{"id": 3}]`, checkup.Error},
		"none":    {``, `[{"id": 3}]`, checkup.Error},
		"no such": {``, `[]`, checkup.Untold},
	} {
		t.Run(name, func(t *testing.T) {
			wiki := edgetest.NewBackend(t, mediawiki(c.user, c.blocks))
			e := edgetest.New(t, "{\n{GLOBAL}\n}\nhttp://{SITE} {\nclient_mask {\nnetworks xff\n}\nreverse_proxy "+wiki.Address()+"\n}\n")
			found, _ := doctor(t, e, "--wiki", "http://"+e.Site+"/api.php")
			wantFinding(t, found, "network blocks", c.level, "")
		})
	}
}

// Around the edge: a wiki counts that only lets members read, or is reached by TLS; and what wasn't tried isn't well.
func TestDoctorTriesAround(t *testing.T) {
	wiki := edgetest.NewBackend(t, mediawiki("", "[]"))
	e := edgetest.New(t, edgetest.PlainSite+wiki.Address()+"\n}")
	around := func(address string) ([]checkup.Finding, error) {
		return doctor(t, e, "--wiki", "http://"+e.Site+"/api.php", "--around", address)
	}
	private := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"error": {"code": "readapidenied"}}`)
	})
	plain, tls, other := httptest.NewServer(private), httptest.NewTLSServer(mediawiki("", "[]")), httptest.NewServer(http.NotFoundHandler())
	for server, want := range map[*httptest.Server]checkup.Finding{
		plain: {Level: checkup.Error, What: "the wiki answers at"},
		tls:   {Level: checkup.Error, What: "the wiki answers at"},
		other: {Level: checkup.Warning, What: "something listens at"},
	} {
		t.Cleanup(server.Close)
		found, _ := around(server.Listener.Addr().String())
		wantFinding(t, found, "around the edge", want.Level, want.What)
	}
	found, _ := around(edgetest.FreePort(t))
	wantFinding(t, found, "around the edge", checkup.OK, "nobody answers at")
	for _, address := range []string{"255.255.255.255:80", "127.0.0.1:", "127.0.0.1:http-alt-typo", "127.0.0.1:99999"} {
		found, err := around(address)
		if err == nil || !strings.Contains(err.Error(), "--around") {
			t.Errorf("%s: %v", address, err)
		}
		for _, f := range found {
			if strings.HasPrefix(f.What, "nobody answers") {
				t.Errorf("%s: it tells %q", address, f)
			}
		}
	}
}
