package tools

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func readerToolsEdge(t *testing.T, tool *edgetest.Backend) *edgetest.Edge {
	return edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			secret `+edgetest.Secret+`
			tool maps `+tool.URL+` {
				rewrite
				allow_loopback
			}
			tool both https://both.example.org {
				access both
			}
			tool direct https://direct.example.org {
				access consent
			}
			tool video https://video.example.org {
				access consent
				kinds frame
				allow fullscreen
				rewrite
			}
			tool stopped https://stopped.example.org {
				disabled
				rewrite
			}
		}
	}
	http://{SITE} {
		client_mask
		header Access-Control-Allow-Origin *
		anonproxy
	}`)
}

// What a gadget is told of a reader who let nothing through, and who else is told nothing. Readers who did are in the integration tests.
func TestReaderTools(t *testing.T) {
	tool := edgetest.JSONTool(t)
	e := readerToolsEdge(t, tool)
	send := func(method string, words ...string) (*http.Response, string) {
		t.Helper()
		header := make(http.Header)
		for i := 0; i < len(words); i += 2 {
			header.Set(words[i], words[i+1])
		}
		return edgetest.Send(t, edgetest.From(t, "127.0.0.1"), method, "http://"+e.Site+noticeboard.ReaderToolsPath, header)
	}
	fetch := []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}
	resp, body := send(http.MethodGet, fetch...)
	var told readerTools
	if err := json.Unmarshal([]byte(body), &told); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%d %s %v", resp.StatusCode, body, err)
	}
	for name, want := range map[string]readerTool{
		"maps": {State: stateProxied, Path: "/.tools/maps/"}, "both": {State: stateProxied, Path: "/.tools/both/"},
		"direct": {State: stateOff, Reason: "nobody can consent on this site"}, "stopped": {State: stateOff, Reason: "the tool is disabled"},
	} {
		got := told.Tools[name]
		if got.State != want.State || got.Path != want.Path || got.Reason != want.Reason || got.Ask != "" || len(got.Origins) != 1 || len(got.Kinds) != 2 {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	h := resp.Header
	if h.Get("Cache-Control") != "private, no-store" || h.Get("Access-Control-Allow-Origin") != "" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" ||
		!strings.Contains(strings.Join(h["Vary"], ","), "Cookie") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("ETag") != "" {
		t.Errorf("header %v", h)
	}
	for name, header := range map[string][]string{
		"another site":   {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"},
		"a sibling":      {"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "empty"},
		"a script":       {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"},
		"a page":         {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"},
		"another's page": {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"},
		"a worker":       append([]string{"Service-Worker", "script"}, fetch...),
	} {
		if resp, body := send(http.MethodGet, header...); resp.StatusCode != 403 || strings.Contains(body, "maps") || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %q %v", name, resp.StatusCode, body, resp.Header)
		}
	}
	if resp, _ := send(http.MethodPost, fetch...); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", resp.StatusCode, resp.Header)
	}

	// The script is one for all, and its address changes with it.
	get := func(path string) (*http.Response, string) {
		t.Helper()
		return edgetest.Send(t, edgetest.From(t, "127.0.0.1"), http.MethodGet, "http://"+e.Site+path, nil)
	}
	resp, script := get(told.Rewrite)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/javascript; charset=utf-8" || resp.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" ||
		!strings.Contains(script, tool.URL+`":"/.tools/maps/"`) || !strings.Contains(script, `"frames":{"https://video.example.org":{"path":"/.privacy/frame/video/","allow":"fullscreen *"}}`) || strings.Contains(script, "stopped.example.org") || strings.Contains(script, "both.example.org") {
		t.Errorf("%s: %d %v\n%s", told.Rewrite, resp.StatusCode, resp.Header, script)
	}
	for _, path := range []string{"/.tools/rewrite.js", "/.tools/rewrite.js?other"} {
		if resp, body := get(path); resp.StatusCode != 200 || body != script || resp.Header.Get("Cache-Control") != "public, max-age=300" {
			t.Errorf("%s: %d %v", path, resp.StatusCode, resp.Header)
		}
	}
	if n := len(tool.Take()); n != 0 {
		t.Errorf("the tool got %d requests", n)
	}
}
