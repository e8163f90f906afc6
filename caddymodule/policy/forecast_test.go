package policy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/csp/forecast"
	"github.com/wikiveil/wikiveil/csp/reports"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// forecastSite collects reports of http://wiki.example; {CSP} is what else the directive has.
const forecastSite = `{
	{GLOBAL}
	wikiveil {
		data_dir {DIR}/data
		tool video https://video.example.org {
			kinds media
		}
	}
}
http://:{PORT} {
	client_mask
	csp {
		site wiki
		reports {
			origins http://wiki.example
		}
		{CSP}
	}
	anonproxy
	reverse_proxy `

// forecastEdge is an edge that has been sent reports, and whose readers saw ten pages.
func forecastEdge(t *testing.T, options string, blocked ...string) *edgetest.Edge {
	t.Helper()
	wiki := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
	})
	e := edgetest.New(t, strings.Replace(forecastSite, "{CSP}", options, 1)+wiki.Address()+"\n}")
	for range 10 {
		edgetest.Send(t, edgetest.From(t, "127.61.2.3"), "GET", "http://"+e.Site+"/", http.Header{"Accept": {"text/html"}})
	}
	for _, use := range blocked {
		directive, url, _ := strings.Cut(use, " ")
		resp, body := sendReport(t, "http://"+e.Site+defaultReportsPath, fmt.Sprintf(`{"csp-report":{"document-uri":"http://wiki.example/wiki/A",
			"effective-directive":%q,"blocked-uri":%q,"disposition":"report"}}`, directive, url), nil)
		if resp.StatusCode != http.StatusNoContent {
			t.Fatalf("a report: %s %s", resp.Status, body)
		}
	}
	return e
}

// forecastOf runs the command and returns what it printed.
func forecastOf(t *testing.T, e *edgetest.Edge, args ...string) (printed string, err error) {
	t.Helper()
	printed = edgetest.Stdout(t, func() {
		var out string
		if out, err = edgetest.Run(t, "", append(append([]string{"csp", "forecast"}, args...), "--address", e.Admin)...); err != nil {
			err = fmt.Errorf("%w %s", err, out)
		}
	})
	return printed, err
}

func TestForecastOfReports(t *testing.T) {
	e := forecastEdge(t, "mode report", "img-src https://maps.example.org/1.png?secret", "img-src https://maps.example.org/2.png",
		"media-src https://video.example.org/a.webm", "frame-src https://frames.example.org/")

	t.Run("the admin API gives the reports", func(t *testing.T) {
		today := time.Now().UTC().Format(time.DateOnly)
		resp, body := edgetest.Send(t, http.DefaultClient, "GET", "http://"+e.Admin+adminReports+"?first="+today+"&last="+today, nil)
		var got siteReports
		if err := json.Unmarshal([]byte(body), &got); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %v %s", resp.Status, err, body)
		}
		if got.Site != "wiki" || got.Origin != "http://wiki.example" || got.Mode != "report" || got.Policy != edgetest.Preset(t, "mediawiki") ||
			len(got.Tools) != 1 || got.Reports.Accepted != 4 || got.Reports.PageViews != 10 || len(got.Reports.Groups) != 3 {
			t.Errorf("got %s", body)
		}
		if strings.Contains(body, "secret") || strings.Contains(body, "127.61") {
			t.Errorf("it tells more than it may: %s", body)
		}
	})
	t.Run("text", func(t *testing.T) {
		out, err := forecastOf(t, e)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"on http://wiki.example if", "From 4 reports and 10 page views", "2        20.0 %",
			"tool maps-example-org https://maps.example.org {", "video, by proxy", "write /.tools/video instead", "tool frames-example-org-frame https://frames.example.org {", "kinds frame",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
	})
	t.Run("JSON", func(t *testing.T) {
		out, err := forecastOf(t, e, "wiki", "--json", "--since", "2d")
		var made forecast.Forecast
		if err := json.Unmarshal([]byte(out), &made); err != nil || len(made.Tools) != 3 || made.Tools[0].Count != 2 || made.Tools[0].Share != 0.2 {
			t.Errorf("%v\n%s", err, out)
		}
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("the page", func(t *testing.T) {
		resp, body := edgetest.Send(t, http.DefaultClient, "GET", "http://"+e.Admin+adminForecast, http.Header{"Accept": {"text/html"}})
		if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Security-Policy"), "default-src 'none'; style-src 'nonce-") ||
			resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %v", resp.Status, resp.Header)
		}
		for _, want := range []string{"<h3>https://maps.example.org</h3>", "tool maps-example-org https://maps.example.org {", "20.0 %", "prefers-color-scheme: dark"} {
			if !strings.Contains(body, want) {
				t.Errorf("no %q in\n%s", want, body)
			}
		}
		if strings.Contains(body, "<script") {
			t.Error("it has a script")
		}
		printed, err := forecastOf(t, e, "--page")
		if err != nil || !strings.Contains(printed, "<h3>https://maps.example.org</h3>") {
			t.Errorf("printed: %v\n%s", err, printed)
		}
	})
	t.Run("JSON for programs", func(t *testing.T) {
		_, body := edgetest.Send(t, http.DefaultClient, "GET", "http://"+e.Admin+adminForecast+"?site=wiki", nil)
		var made forecast.Forecast
		if err := json.Unmarshal([]byte(body), &made); err != nil || len(made.Tools) != 3 {
			t.Errorf("%v\n%s", err, body)
		}
	})
}

// A policy on trial is what the forecast is about; one in a file is compared with the site's.
func TestForecastOfPolicies(t *testing.T) {
	e := forecastEdge(t, "allow img-src https://maps.example.org\nreport_only {\n}", "img-src https://maps.example.org/1.png", "img-src https://other.example.org/1.png")
	out, err := forecastOf(t, e)
	if err != nil || !strings.Contains(out, "tool maps-example-org") {
		t.Errorf("the policy on trial: %v\n%s", err, out)
	}
	file := filepath.Join(t.TempDir(), "policy.txt")
	if err := os.WriteFile(file, []byte("# proposed\ndefault-src 'self';\nimg-src 'self' https://other.example.org\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = forecastOf(t, e, "--json", "--policy", file)
	var made forecast.Forecast
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if c := made.Changes; err != nil || len(c.NewlyBlocked) != 1 || c.NewlyBlocked[0].Blocked != "https://maps.example.org" ||
		len(c.NewlyAllowed) != 1 || c.NewlyAllowed[0].Blocked != "https://other.example.org" {
		t.Errorf("%v: changes %+v", err, c)
	}
}

// With the wiki's API the gadget is found. The drafts load.
func TestForecastDrafts(t *testing.T) {
	e := forecastEdge(t, "mode report", "img-src https://maps.example.org/1.png", "script-src-elem https://code.example.org/x.js", "script-src-elem https://maps.example.org/m.js",
		"connect-src https://data.example.org/x", "font-src https://video.example.org/f")
	pages := map[string]string{
		"MediaWiki:Gadgets-definition": "* chart[ResourceLoader]|chart.js",
		"MediaWiki:Gadget-chart.js":    "fetch('https://data.example.org/x'); img.src = 'https://maps.example.org/1.png'",
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var list []any
		for title := range strings.SplitSeq(r.URL.Query().Get("titles"), "|") {
			if text, ok := pages[title]; ok && r.Host == "wiki.example" {
				list = append(list, map[string]any{"title": title, "revisions": []any{map[string]any{"slots": map[string]any{"main": map[string]string{"content": text}}}}})
			}
		}
		json.NewEncoder(w).Encode(map[string]any{"query": map[string]any{"pages": list}})
	}))
	defer api.Close()

	dir := filepath.Join(t.TempDir(), "drafts")
	out, err := forecastOf(t, e, "--wiki", api.URL+"/api.php", "--wiki-host", "wiki.example", "--draft", dir)
	if err != nil || !strings.Contains(out, "chart") {
		t.Fatalf("%v\n%s", err, out)
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	board, err := noticeboard.Parse([]byte(read("tools.json")), "tools.json")
	if err != nil {
		t.Fatal(err)
	}
	var fromJSON []string
	for tool := range board.All() {
		fromJSON = append(fromJSON, fmt.Sprint(tool.Name, tool.Origin, tool.Kinds, tool.Access, tool.Purpose))
	}
	// The same declarations, by the real Caddyfile's parser.
	var fromCaddyfile []string
	var config struct {
		Apps struct {
			Wikiveil struct{ Tools []*noticeboard.Tool }
		}
	}
	if err := json.Unmarshal(edgetest.Adapt(t, "{\nwikiveil {\n"+read("tools.Caddyfile")+"\n}\n}\n"), &config); err != nil {
		t.Fatalf("%v\n%s", err, read("tools.Caddyfile"))
	}
	for _, tool := range config.Apps.Wikiveil.Tools {
		fromCaddyfile = append(fromCaddyfile, fmt.Sprint(tool.Name, tool.Origin, tool.Kinds, tool.Access, tool.Purpose))
	}
	slices.Sort(fromJSON)
	slices.Sort(fromCaddyfile)
	if len(fromJSON) != 3 || !slices.Equal(fromJSON, fromCaddyfile) {
		t.Errorf("from JSON\n%s\nfrom the Caddyfile\n%s", strings.Join(fromJSON, "\n"), strings.Join(fromCaddyfile, "\n"))
	}
	if video, _ := board.Lookup("video"); video == nil || len(video.Kinds) != 2 {
		t.Errorf("the declared tool was not amended: %+v", video)
	}
	if _, err := noticeboard.Parse([]byte(read("incomplete.json")), "incomplete.json"); err == nil || !strings.Contains(err.Error(), "executable") {
		t.Errorf("the scripts' drafts: %v", err)
	}
	if want := "- https://data.example.org: in the code, write /.tools/data-example-org instead: MediaWiki:Gadget-chart.js\n"; !strings.Contains(out, want) {
		t.Errorf("lacks %q:\n%s", want, out)
	}
	if _, err := forecastOf(t, e, "--draft", dir); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("a second time: %v", err)
	}
}

func TestForecastRefusals(t *testing.T) {
	e := forecastEdge(t, "mode report")
	bad := filepath.Join(t.TempDir(), "policy.txt")
	if err := os.WriteFile(bad, []byte("image-src 'self'"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no such site":      {[]string{"blog"}, `no site "blog" collects reports, there is: wiki`},
		"no duration":       {[]string{"--since", "soon"}, "--since"},
		"too long ago":      {[]string{"--since", "5000d"}, "3660 days"},
		"no policy":         {[]string{"--policy", bad}, "no such directive"},
		"no file":           {[]string{"--policy", bad + "x"}, "no such file"},
		"no origin":         {[]string{"--origin", "wiki"}, "origin"},
		"two forms":         {[]string{"--json", "--page"}, "one of"},
		"no API":            {[]string{"--wiki", "wiki.example"}, "API's address"},
		"nobody at the API": {[]string{"--wiki", "http://127.0.0.1:1/api.php"}, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			if out, err := forecastOf(t, e, c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %q", err, out)
			}
		})
	}
	for path, want := range map[string]int{
		adminReports + "?first=yesterday":                  http.StatusBadRequest,
		adminReports + "?first=2026-07-02&last=2026-07-01": http.StatusBadRequest,
		adminReports + "?site=blog":                        http.StatusNotFound,
		adminForecast + "?site=blog":                       http.StatusNotFound,
	} {
		if resp, body := edgetest.Send(t, http.DefaultClient, "GET", "http://"+e.Admin+path, nil); resp.StatusCode != want {
			t.Errorf("%s: %s %s", path, resp.Status, body)
		}
	}
	for _, path := range []string{adminReports, adminForecast} {
		if resp, _ := edgetest.Send(t, http.DefaultClient, "POST", "http://"+e.Admin+path, nil); resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %s", path, resp.Status)
		}
	}
	e.Load(t, "{\n{GLOBAL}\n}\nhttp://:{PORT} {\ncsp\n}")
	if _, err := forecastOf(t, e); err == nil || !strings.Contains(err.Error(), "no site collects reports") {
		t.Errorf("without reports: %v", err)
	}
}

// The origin comes from the config or not at all.
func TestForecastOrigin(t *testing.T) {
	for site, want := range map[string]string{
		"wiki.example": "https://wiki.example", "wiki.example:8443": "https://wiki.example:8443",
		":8080": "", "wiki": "", "wiki.example/w/*": "", "a b.example": "",
	} {
		c := &CSP{Site: site, Reports: new(CSPReports)}
		if got := c.about().Origin; got != want {
			t.Errorf("site %q: %q, want %q", site, got, want)
		}
	}
	s := siteReports{Reports: new(reports.Snapshot), Policy: "img-src 'self'"}
	if _, err := s.forecastOf("", nil, false); err == nil || !strings.Contains(err.Error(), "origins") {
		t.Errorf("without an origin: %v", err)
	}
}
