package mask

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// Who sends a change from a named network that is refused is told which ways are open, by the edge's page. Others, and programs, get the app's answer.
func TestNetworkPage(t *testing.T) {
	own := filepath.Join(t.TempDir(), "tor.html")
	if err := os.WriteFile(own, []byte(`<p>Come in by the other door, {{.Network}}.</p>`), 0o600); err != nil {
		t.Fatal(err)
	}
	wiki := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "wiki=1")
		w.Header().Set("Onion-Location", "http://example.onion/wiki/Page")
		switch r.URL.Path {
		case "/marked":
			w.Header().Set(headerBlocked, "1")
		case "/forbidden":
			w.WriteHeader(403)
		}
		fmt.Fprint(w, strings.Repeat("the app's own words ", 1000))
	})
	e := edgetest.New(t, fmt.Sprintf(behindTLS, "network tor 127.80.0.0/16", "network_page school\nnetwork_page tor "+own)+wiki.Address()+"\n}")
	send := func(source, method, path string, more ...string) (*http.Response, string) {
		t.Helper()
		header := http.Header{"X-Forwarded-For": {source}, "Accept": {"text/html"}}
		for i := 0; i < len(more); i += 2 {
			header.Set(more[i], more[i+1])
		}
		return edgetest.Send(t, edgetest.From(t, "127.0.0.1"), method, "http://"+e.Site+path, header)
	}
	for _, c := range []struct {
		name, source, method, path string
		header                     []string
		want                       string
		status                     int
	}{
		{"marked as blocked", "127.70.0.1", "POST", "/marked", nil, "http://example.onion/", 403},
		{"forbidden", "127.70.0.1", "POST", "/forbidden", nil, "“school”", 403},
		{"by an own page", "127.80.0.1", "POST", "/forbidden", nil, "the other door, tor.", 403},
		{"taken", "127.70.0.1", "POST", "/", nil, "the app", 200},
		{"read", "127.70.0.1", "GET", "/forbidden", nil, "the app", 403},
		{"of another network", "127.71.0.1", "POST", "/forbidden", nil, "the app", 403},
		{"by a script", "127.70.0.1", "POST", "/marked", []string{"Sec-Fetch-Dest", "empty"}, "the app", 200},
		{"by a program", "127.70.0.1", "POST", "/forbidden", []string{"Accept", "*/*"}, "the app", 403},
	} {
		resp, body := send(c.source, c.method, c.path, c.header...)
		if resp.StatusCode != c.status || !strings.Contains(body, c.want) || c.want != "the app" && strings.Contains(body, "the app") {
			t.Errorf("%s: %d %.300s", c.name, resp.StatusCode, body)
		}
		if resp.Header.Get("Set-Cookie") != "wiki=1" || c.source == "127.70.0.1" && c.method == "POST" && resp.Header.Get(headerBlocked) != "" {
			t.Errorf("%s: headers %v", c.name, resp.Header)
		}
	}
	// The edge's own block of the network has the same page, that of another network has not.
	block := func(mask string) {
		t.Helper()
		if status, body := e.Post(t, adminBlocks, blockRequest{Mask: mask}); status != 200 {
			t.Fatalf("blocking: %d %s", status, body)
		}
	}
	wiki.Take()
	send("127.70.0.1", "POST", "/")
	networks := strings.Split(wiki.One(t).Header.Get("Client-Network-Masks"), ", ")
	block(networks[1])
	if _, body := send("127.70.0.1", "POST", "/"); !strings.Contains(body, "What is blocked") {
		t.Errorf("its range blocked: %s", body)
	}
	block(networks[0])
	if resp, body := send("127.70.9.9", "GET", "/"); resp.StatusCode != 403 || !strings.Contains(body, "These ways are open") || len(wiki.Take()) > 0 {
		t.Errorf("its network blocked: %d %s", resp.StatusCode, body)
	}
}

func TestNetworkPageConfig(t *testing.T) {
	for site, want := range map[string]string{
		"network_page":                             "wrong argument count",
		"network_page nowhere":                     `there is no network "nowhere" (known: school, onion)`,
		"network_page school\nnetwork_page school": "network_page school is given twice",
		"network_page school /nowhere/page.html":   "reading network_page",
	} {
		edgetest.WantRefused(t, edgetest.Validate(t, fmt.Sprintf(behindTLS, "", site)+"127.0.0.1:1\n}"), want)
	}
}
