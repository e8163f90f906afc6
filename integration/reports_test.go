//go:build integration

package integration

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// accepted returns how many reports the edge has counted, by its metric.
func (e *edge) accepted(t *testing.T) string {
	t.Helper()
	resp, err := http.Get(e.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(bodyOf(t, resp)) {
		if rest, found := strings.CutPrefix(line, "wikiveil_csp_reports_total"); found && !strings.Contains(rest, " 0\n") {
			if !strings.HasPrefix(rest, `{outcome="accepted",reason=""} `) {
				t.Errorf("not all reports were accepted: %s", line)
			}
			return strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):])
		}
	}
	return "0"
}

func (e *edge) waitForReports(t *testing.T, count int) {
	t.Helper()
	for deadline := time.Now().Add(45 * time.Second); e.accepted(t) != fmt.Sprint(count); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s reports came, want %d", e.accepted(t), count)
		}
	}
}

// Chromium reports what a user script on the real wiki tried, by report-uri since the wiki is
// on plain HTTP. The wiki sees none of it.
func TestChromiumReportsByURI(t *testing.T) {
	third := startThirdParty(t)
	dir := t.TempDir()
	s := setScene(t, fronts[0], edgeConfig{app: "data_dir " + dir, site: clientMask + "csp {\nsite wiki\nreports\nrollout enforce\n}\n"}, "")
	s.visitAdmin(t, sysop).save(t, "MediaWiki:Common.js", third.userScript())
	b := startBrowser(t)
	b.open(t, s.url+"/index.php/Main_Page")
	b.waitForViolations(t, len(loads))
	s.waitForReports(t, len(loads))
	if counts := third.counts(); len(counts) > 0 {
		t.Errorf("requests reached the third party: %v", counts)
	}

	// The way back holds for the next page view, though the browser has the page already.
	body, err := json.Marshal(map[string]any{"rollout": "report"})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(s.admin+"/wikiveil/csp/rollout", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("rolling back: %s", resp.Status)
	}
	b.open(t, s.url+"/index.php/Main_Page")
	for _, kind := range []string{"script", "image", "fetch", "stylesheet"} {
		third.waitFor(t, kind)
	}

	// Case 66: on a phone the plot of the rollout scrolls, and a keyboard can do it.
	b.onPhone(t)
	b.open(t, s.rolloutPage(t))
	b.waitFor(t, `document.querySelector('.plot svg')`)
	if n := wantScrollersFocusable(t, b); n == 0 {
		t.Error("nothing scrolls on the rollout's page")
	}
	screenshot(t, b, "rollout-phone.png")
}

// rolloutPage is where the page is that `wikiveil csp rollout --page` prints: Caddy's admin API itself lets no browser in.
func (e *edge) rolloutPage(t *testing.T) string {
	t.Helper()
	r, err := http.NewRequest("GET", e.admin+"/wikiveil/csp/rollout", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("the rollout's page: %s, %v", resp.Status, err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = resp.Header["Content-Type"]
		w.Header()["Content-Security-Policy"] = resp.Header["Content-Security-Policy"]
		w.Write(page)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// Over TLS it reports by name: the policy names an endpoint that a header gives the path of.
func TestChromiumReportsToEndpoint(t *testing.T) {
	addr := freeAddr(t, "127.0.0.1")
	_, port, _ := net.SplitHostPort(addr)
	third := startThirdParty(t)
	dir := t.TempDir()
	e := startEdge(t, edgeConfig{
		app:  "data_dir " + dir,
		site: "respond nothing\n",
		others: fmt.Sprintf(`https://%[1]s:%[2]s {
			bind 127.0.0.1
			log {
				output file %[4]s/access.log
				format masked json
			}
			tls internal {
				on_demand
			}
			csp {
				site wiki
				reports
			}
			header Content-Type text/html
			respond /page "<!DOCTYPE html><title>page</title><img src='%[3]s/image'><link rel=stylesheet href='%[3]s/stylesheet'>"
			respond "the app was asked" 500
		}`, wikiHost, port, third.url, dir),
	})
	site := "https://" + wikiHost + ":" + port
	b := startBrowser(t, chromedp.Flag("short-reporting-delay", true),
		// Trusts this one key: Chromium takes no endpoints over a connection it does not trust.
		chromedp.Flag("ignore-certificate-errors-spki-list", keyOf(t, addr)))
	b.open(t, site+"/page")
	b.waitForViolations(t, 2)
	e.waitForReports(t, 2)
	violations, _ := b.take()
	var directives []string
	for _, v := range violations {
		directives = append(directives, v.Directive)
	}
	if slices.Sort(directives); !slices.Equal(directives, []string{"img-src", "style-src-elem"}) {
		t.Errorf("violations %q", directives)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) { // a request is logged after it was answered
		log, err := os.ReadFile(filepath.Join(dir, "access.log"))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(log, []byte("application/csp-report")) || time.Now().After(deadline) {
			t.Fatalf("the reports did not come by report-to: %s", log)
		}
		if bytes.Contains(log, []byte("application/reports+json")) {
			break
		}
	}
}

// keyOf returns the hash of a server's key, as Chromium wants it.
func keyOf(t *testing.T, addr string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{ServerName: wikiHost, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sum := sha256.Sum256(conn.ConnectionState().PeerCertificates[0].RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}
