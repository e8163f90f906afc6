package policy

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/csp/reports"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
)

// reportsSite collects reports; {CSP} is what else the directive has.
const reportsSite = `{
	{GLOBAL}
	metrics
	wikiveil {
		data_dir {DIR}/data
	}
}
http://:{PORT} {
	client_mask
	csp {
		{CSP}
	}
	reverse_proxy `

func reportsEdge(t *testing.T, options string, a *edgetest.Backend) *edgetest.Edge {
	t.Helper()
	return edgetest.New(t, strings.Replace(reportsSite, "{CSP}", options, 1)+a.Address()+"\n}")
}

// snapshot returns what the running edge has counted for its only site.
func snapshot(t *testing.T) *reports.Snapshot {
	t.Helper()
	app, err := edge.RunningApp()
	if err != nil {
		t.Fatal(err)
	}
	sites := siteParts.Of(app).collecting()
	if len(sites) != 1 {
		t.Fatalf("%d sites collect, want 1", len(sites))
	}
	s, err := sites[0].collector.Snapshot(context.Background(), time.Now().Add(-time.Hour), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sendReport posts a body to the collector.
func sendReport(t *testing.T, url, body string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/csp-report")
	for name, values := range header {
		if r.Header[name] = values; name == "Host" {
			r.Host = values[0]
		}
	}
	resp, err := edgetest.From(t, "127.61.2.3").Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(answer)
}

// oneReport is a report of a page on a host.
func oneReport(host string) string {
	return `{"csp-report":{"document-uri":"http://` + host + `/wiki/A?secret=1","effective-directive":"img-src","blocked-uri":"https://cdn.example/x.png?q","disposition":"enforce"}}`
}

// The bodies that browsers really sent are taken, and the app sees nothing of them.
func TestReportsOfBrowsersAreTaken(t *testing.T) {
	for _, c := range []struct {
		file, contentType, host string
		want                    map[string]uint64 // by directive and blocked origin
	}{
		{"csp-report-uri-2.json", "application/csp-report", "127.0.0.1:18080", map[string]uint64{"connect-src http://127.0.0.2:18091": 1}},
		{"csp-report-uri-inline.json", "application/csp-report", "127.0.0.1:18080", map[string]uint64{"script-src-elem inline": 1}},
		{"csp-report-uri-script.json", "application/csp-report", "127.0.0.1:18080", map[string]uint64{"script-src-elem http://127.0.0.2:18091": 1}},
		{"csp-report-single.json", "application/reports+json", "127.0.0.1:18443", map[string]uint64{"script-src-elem http://127.0.0.2:18091": 1}},
		{"csp-reports-batch.json", "application/reports+json", "127.0.0.1:18443", map[string]uint64{
			"script-src-elem http://127.0.0.2:18091": 2, "connect-src http://127.0.0.2:18091": 2, "connect-src ws://127.0.0.2:18091": 1,
			"img-src http://127.0.0.2:18091": 2, "style-src-elem http://127.0.0.2:18091": 1, "font-src http://127.0.0.2:18091": 1,
			"default-src http://127.0.0.2:18091": 1, "frame-src http://127.0.0.2:18091": 1,
		}},
	} {
		t.Run(c.file, func(t *testing.T) {
			wiki := edgetest.NewBackend(t, nil)
			e := reportsEdge(t, "reports", wiki)
			body, err := os.ReadFile(filepath.Join("testdata/reports", c.file))
			if err != nil {
				t.Fatal(err)
			}
			resp, answer := sendReport(t, "http://"+e.Site+defaultReportsPath, string(body), http.Header{
				"Content-Type": {c.contentType}, "Host": {c.host}, "Cookie": {"session=1"},
			})
			if resp.StatusCode != http.StatusNoContent || resp.Header.Get(policyHeader) == "" {
				t.Errorf("%d %q, policy %q", resp.StatusCode, answer, resp.Header.Get(policyHeader))
			}
			got := make(map[string]uint64)
			var sum uint64
			for _, g := range snapshot(t).Origins {
				got[g.Directive+" "+g.Blocked] += g.Count
				sum += g.Count
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if n := e.Metrics(t)[`wikiveil_csp_reports_total{outcome="accepted",reason=""}`]; n != float64(sum) {
				t.Errorf("the metric is %v, want %d", n, sum)
			}
			if requests := wiki.Take(); len(requests) > 0 {
				t.Errorf("the app saw %s %s", requests[0].Method, requests[0].URL)
			}
		})
	}
}

// A reader's own address, in any spelling, is in no report.
func TestReportsDropTheSendersAddress(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := reportsEdge(t, "reports", wiki)
	good := oneReport(e.Site)
	for _, host := range []string{"127.61.2.3", "3.2.61.127.isp.example", "7f3d0203.nip.example", "cdn.example"} {
		if resp, answer := sendReport(t, "http://"+e.Site+defaultReportsPath, strings.Replace(good, "cdn.example", host, 1), nil); resp.StatusCode != http.StatusNoContent {
			t.Errorf("%s: %d %s", host, resp.StatusCode, answer)
		}
	}
	if got := snapshot(t).Origins; len(got) != 1 || got[0].Blocked != "https://cdn.example" {
		t.Errorf("kept %+v", got)
	}
	if n := e.Metrics(t)[`wikiveil_csp_reports_total{outcome="bad",reason="client_address"}`]; n != 3 {
		t.Errorf("the metric is %v, want 3", n)
	}
}

func TestHostileReportsAreRefused(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := reportsEdge(t, "reports {\n path /r\n }", wiki)
	good := oneReport(e.Site)
	for _, c := range []struct {
		name, method, body string
		header             http.Header
		status             int
		reason, series     string
	}{
		{"not JSON", "POST", "violated!", nil, 400, "the body is not JSON", `outcome="bad",reason="not_json"`},
		{"no object", "POST", "[1]", nil, 400, "a report is a JSON object", `outcome="bad",reason="not_an_object"`},
		{"nested deeply", "POST", `{"csp-report":` + strings.Repeat(`{"a":`, 50) + "1" + strings.Repeat("}", 51), nil, 400, "nested too deeply", `outcome="bad",reason="too_deep"`},
		{"huge text", "POST", strings.Replace(good, "secret=1", strings.Repeat("a", 9<<10), 1), nil, 413, "at most 8 KB", `outcome="bad",reason="too_large"`},
		{"huge body", "POST", strings.Repeat(" ", 70<<10), nil, 413, "at most 64 KB", `outcome="refused",reason="body_too_large"`},
		{"wrong type", "POST", good, http.Header{"Content-Type": {"text/plain"}}, 415, "a report is application/csp-report", `outcome="refused",reason="content_type"`},
		{"compressed", "POST", good, http.Header{"Content-Encoding": {"gzip"}}, 415, "no Content-Encoding", `outcome="refused",reason="content_encoding"`},
		{"GET", "GET", "", nil, 405, "sent with POST", `outcome="refused",reason="method"`},
		{"from a stranger's page", "POST", good, http.Header{"Origin": {"https://evil.example"}}, 403, "this wiki's pages only", `outcome="refused",reason="foreign_origin"`},
		{"from an opaque origin", "POST", good, http.Header{"Origin": {"null"}}, 403, "this wiki's pages only", `outcome="refused",reason="foreign_origin"`},
		{"of a stranger's page", "POST", oneReport("evil.example"), nil, 204, "", `outcome="bad",reason="foreign_document"`},
		{"of another host that the Host header claims", "POST", oneReport("evil.example"), http.Header{"Origin": {"http://evil.example"}}, 403, "this wiki's pages only", `outcome="refused",reason="foreign_origin"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := e.Metrics(t)
			var resp *http.Response
			var answer string
			if c.method == "POST" {
				resp, answer = sendReport(t, "http://"+e.Site+"/r", c.body, c.header)
			} else {
				resp, answer = edgetest.Send(t, edgetest.From(t, "127.61.2.3"), c.method, "http://"+e.Site+"/r", c.header)
			}
			if resp.StatusCode != c.status || !strings.Contains(answer, c.reason) {
				t.Errorf("got %d %q, want %d %q", resp.StatusCode, answer, c.status, c.reason)
			}
			series := "wikiveil_csp_reports_total{" + c.series + "}"
			if n := e.Metrics(t)[series] - before[series]; n != 1 {
				t.Errorf("%s went up by %v", series, n)
			}
			if got := resp.Header[policyHeader]; len(got) != 1 {
				t.Errorf("policies %q", got)
			}
		})
	}
	if s := snapshot(t); s.Accepted != 0 {
		t.Errorf("%d reports were accepted: %+v", s.Accepted, s.Groups)
	}
	if requests := wiki.Take(); len(requests) > 0 {
		t.Errorf("the app saw %s %s", requests[0].Method, requests[0].URL)
	}
}

func TestReportsOrigins(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := reportsEdge(t, "reports {\n origins https://wiki.example https://m.wiki.example\n }", wiki)
	for origin, want := range map[string]int{"https://wiki.example": 204, "https://m.wiki.example": 204, "http://wiki.example": 403, "http://" + e.Site: 403} {
		r, err := http.NewRequest(http.MethodOptions, "http://"+e.Site+defaultReportsPath, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		resp, err := edgetest.From(t, "127.61.2.3").Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want || want == 204 && resp.Header.Get("Access-Control-Allow-Origin") != origin {
			t.Errorf("preflight from %s: %d %v", origin, resp.StatusCode, resp.Header)
		}
	}
}

// A client that floods is limited by its mask, and another is not.
func TestReportsAreLimitedByMask(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := reportsEdge(t, "reports", wiki)
	body := "[" + strings.Repeat(`{"type":"csp-violation","body":{"documentURL":"http://`+e.Site+`/","effectiveDirective":"img-src","blockedURL":"data"}},`, 299) +
		`{"type":"csp-violation","body":{"documentURL":"http://` + e.Site + `/","effectiveDirective":"img-src","blockedURL":"data"}}]`
	if resp, answer := sendReport(t, "http://"+e.Site+defaultReportsPath, body, nil); resp.StatusCode != 204 {
		t.Fatalf("%d %s", resp.StatusCode, answer)
	}
	s := snapshot(t)
	if s.Limited[reports.LimitClient] < 150 || s.Accepted < 100 || s.Accepted+s.Limited[reports.LimitClient] != 300 {
		t.Errorf("%d accepted, limited %v", s.Accepted, s.Limited)
	}
	r, err := http.NewRequest("POST", "http://"+e.Site+defaultReportsPath, strings.NewReader(oneReport(e.Site)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := edgetest.From(t, "127.99.2.3").Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if after := snapshot(t); after.Accepted != s.Accepted+1 {
		t.Errorf("another client's report was not taken: %d, then %d accepted", s.Accepted, after.Accepted)
	}
	store, err := os.ReadFile(filepath.Join(e.Dir, "data/csp-reports", placeName(":"+e.Port())+".db"))
	if err != nil || bytes.Contains(store, []byte("127.61.2.3")) || bytes.Contains(store, []byte("2001:2f:")) {
		t.Errorf("the file holds a client (%v)", err)
	}
}

// Policies say where to report: by name over TLS, by path elsewhere.
func TestReportHeaders(t *testing.T) {
	wiki := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Reporting-Endpoints", `other="/own"`)
		io.WriteString(w, "page")
	})
	site := `{
		{GLOBAL}
		wikiveil {
			data_dir {DIR}/data
		}
	}
	http://{SITE} {
		csp {
			reports
			report_only static
		}
		reverse_proxy {APP}
	}
	https://localhost:{TLS} {
		tls internal {
			on_demand
		}
		csp strict {
			reports {
				path /-/reports
			}
		}
		reverse_proxy {APP}
	}`
	secure := edgetest.FreePort(t)
	site = strings.NewReplacer("{APP}", wiki.Address(), "{TLS}", secure[strings.LastIndexByte(secure, ':')+1:]).Replace(site)
	e := edgetest.New(t, site)
	resp, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.1"), "GET", "http://"+e.Site+"/", nil)
	for header, preset := range map[string]string{policyHeader: "mediawiki", reportOnlyHeader: "static"} {
		if got, want := resp.Header.Get(header), edgetest.Preset(t, preset)+"; report-uri /.privacy/csp-reports"; got != want {
			t.Errorf("over HTTP: %s is %q, want %q", header, got, want)
		}
	}
	if got := resp.Header["Reporting-Endpoints"]; !slices.Equal(got, []string{`other="/own"`}) {
		t.Errorf("over HTTP: Reporting-Endpoints %q", got)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // that its CA is new is not the subject
	defer client.CloseIdleConnections()
	resp, _ = edgetest.Send(t, client, "GET", "https://localhost"+secure[strings.LastIndexByte(secure, ':'):]+"/", nil)
	if got := resp.Header.Get(policyHeader); !strings.HasSuffix(got, "; report-uri /-/reports; report-to wikiveil-csp") {
		t.Errorf("over TLS: policy %q", got)
	}
	if got := resp.Header["Reporting-Endpoints"]; !slices.Equal(got, []string{`other="/own"`, `wikiveil-csp="/-/reports"`}) {
		t.Errorf("over TLS: Reporting-Endpoints %q", got)
	}
}

func TestPageViewsAreCounted(t *testing.T) {
	wiki := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/page", "/missing":
			w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		case "/data":
			w.Header().Set("Content-Type", "application/json")
		}
		switch r.URL.Path {
		case "/missing":
			w.WriteHeader(404)
		case "/unchanged":
			w.WriteHeader(304)
		case "/redirect":
			http.Redirect(w, r, "/page", http.StatusFound)
		}
	})
	site := strings.Replace(reportsSite, "{CSP}", "reports", 1) + wiki.Address() + "\nerror /fail 500\nhandle_errors {\nheader Content-Type text/html\nrespond oops\n}\n}"
	e := edgetest.New(t, site)
	browser, script := http.Header{"Accept": {"text/html,*/*"}}, http.Header{"Accept": {"*/*"}}
	for _, c := range []struct {
		name, method, path string
		header             http.Header
		want               uint64
	}{
		{"page", "GET", "/page", browser, 1},
		{"page over TLS", "GET", "/page", http.Header{"Accept": {"text/html"}, "Sec-Fetch-Dest": {"document"}}, 1},
		{"form", "POST", "/page", browser, 1},
		{"unchanged page", "GET", "/unchanged", browser, 1},
		{"missing page", "GET", "/missing", browser, 1},
		{"error page", "GET", "/fail", browser, 1},
		{"redirect", "GET", "/redirect", browser, 0},
		{"HEAD", "HEAD", "/page", browser, 0},
		{"fetched by a script", "GET", "/page", script, 0},
		{"fetched by a script over TLS", "GET", "/page", http.Header{"Accept": {"text/html"}, "Sec-Fetch-Dest": {"empty"}}, 0},
		{"prefetched", "GET", "/page", http.Header{"Accept": {"text/html"}, "Sec-Purpose": {"prefetch"}}, 0},
		{"data", "GET", "/data", browser, 0},
	} {
		before := snapshot(t).PageViews
		edgetest.Send(t, edgetest.From(t, "127.61.2.3"), c.method, "http://"+e.Site+c.path, c.header)
		if got := snapshot(t).PageViews - before; got != c.want {
			t.Errorf("%s: counted %d times, want %d", c.name, got, c.want)
		}
	}
}

// What was counted outlives reloads, with other options too, and restarts.
func TestReportsOutliveReloadsAndRestarts(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	config := func(options string) string {
		return strings.Replace(reportsSite, "{CSP}", options, 1) + wiki.Address() + "\n}"
	}
	e := edgetest.New(t, config("reports"))
	for n, options := range []string{"reports", "reports {\n keep 30d\n path /r\n }", "reports {\n origins http://" + e.Site + "\n keep 2d\n }"} {
		e.Load(t, config(options))
		path := defaultReportsPath
		if n == 1 {
			path = "/r"
		}
		if resp, answer := sendReport(t, "http://"+e.Site+path, oneReport(e.Site), nil); resp.StatusCode != 204 {
			t.Fatalf("%s: %d %s", options, resp.StatusCode, answer)
		}
		if got := snapshot(t).Accepted; got != uint64(n+1) {
			t.Errorf("after reload %d: %d reports", n, got)
		}
	}
	e.Load(t, "{\n{GLOBAL}\n}") // closes all
	e.Load(t, config("reports"))
	if got := snapshot(t).Accepted; got != 3 {
		t.Errorf("after a restart: %d reports", got)
	}
	e.Load(t, config("")) // what collects no more answers no more
	if resp, _ := sendReport(t, "http://"+e.Site+defaultReportsPath, oneReport(e.Site), nil); resp.StatusCode != 200 || len(wiki.Take()) != 1 {
		t.Errorf("without reports: %d", resp.StatusCode)
	}
}

// Where the sightings are in Redis, so are the reports, for all nodes and for each site apart.
func TestReportsInRedis(t *testing.T) {
	server := redistest.Start(t, redistest.Durable...)
	wiki := edgetest.NewBackend(t, nil)
	site := func(name, keep string) string {
		return `http://` + name + `:{PORT} {
			client_mask
			csp {
				reports {
					keep ` + keep + `
				}
				site ` + name + `
			}
			reverse_proxy ` + wiki.Address() + `
		}
		`
	}
	config := func(keep string) string {
		return `{
			{GLOBAL}
			wikiveil {
				data_dir {DIR}/data
				sightings {
					redis ` + server.URL + `
				}
			}
		}
		` + site("a.test", keep) + site("b.test", "90d")
	}
	e := edgetest.New(t, config("90d"))
	for host, n := range map[string]int{"a.test": 2, "b.test": 1} {
		for range n {
			host += ":" + e.Port()
			resp, answer := sendReport(t, "http://"+e.Site+defaultReportsPath, oneReport(host), http.Header{"Host": {host}})
			if host = strings.TrimSuffix(host, ":"+e.Port()); resp.StatusCode != 204 {
				t.Fatalf("%s: %d %s", host, resp.StatusCode, answer)
			}
		}
	}
	check := func(when string) {
		t.Helper()
		app, err := edge.RunningApp()
		if err != nil {
			t.Fatal(err)
		}
		for host, want := range map[string]uint64{"a.test": 2, "b.test": 1} {
			s, err := siteParts.Of(app).sites[host].collector.Snapshot(t.Context(), time.Now().Add(-time.Hour), time.Now())
			if err != nil || s.Accepted != want {
				t.Errorf("%s, %s: %+v, %v, want %d reports", when, host, s, err, want)
			}
		}
	}
	check("at first")
	e.Load(t, config("30d"))
	check("after a reload")
	e.Load(t, "{\n{GLOBAL}\n}") // closes all
	options, err := redis.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer client.Close()
	keys, err := client.Keys(t.Context(), "{wikiveil:csp-reports/*").Result()
	if err != nil || len(keys) != 2 {
		t.Errorf("keys %q, %v", keys, err)
	}
	if files, _ := filepath.Glob(e.Dir + "/data/csp-reports/*"); len(files) != 0 {
		t.Errorf("files %q", files)
	}
	e.Load(t, config("90d"))
	check("after a restart")
}

// A config that does not start must not have the running one's reports deleted.
func TestFailedReloadKeepsReports(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := reportsEdge(t, "site wiki\nreports {\nkeep 90d\n}", wiki)
	app, err := edge.RunningApp()
	if err != nil {
		t.Fatal(err)
	}
	edgetest.Settled(t)
	kept := siteParts.Of(app).sites["wiki"].collector.Keep // the collector goes on over reloads

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	short := strings.Replace(reportsSite, "{CSP}", "site wiki\nreports {\nkeep 2d\n}", 1) + wiki.Address() + "\n}\n"
	for range 10 { // Caddy starts apps in any order, so ours has started in some
		if err := edgetest.LoadErr(t, e.Expand(short+"http://"+taken.Addr().String()+" {\n bind 127.0.0.1\n}")); err == nil || !strings.Contains(err.Error(), "address already in use") {
			t.Fatal(err)
		}
		if days := kept(); days != 90 {
			t.Fatalf("reports are kept for %d days", days)
		}
	}
	e.Load(t, e.Expand(short))
	testutil.Eventually(t, "2 days", func() bool { return kept() == 2 })
	e.Load(t, strings.Replace(short, "keep 2d", "keep 9d", 1))
	testutil.Eventually(t, "9 days", func() bool { return kept() == 9 })
}
