package mask

import (
	"net/http"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// What a reader is told of themselves: nothing of it reaches the app, no raw address stands there, and other sites get none of it.
func TestReaderPage(t *testing.T) {
	app := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			secret `+edgetest.Secret+`
			network office 127.5.0.0/16
		}
	}
	http://{SITE} {
		client_mask
		reverse_proxy `+app.Address()+`
	}
	http://other.{SITE} {
		client_mask {
			mode observe
			networks off
		}
		reverse_proxy `+app.Address()+`
	}`)
	get := func(method, path string, header http.Header) (*http.Response, string) {
		t.Helper()
		return edgetest.Send(t, edgetest.From(t, "127.5.6.7"), method, "http://"+e.Site+path, header)
	}
	resp, body := get("GET", "/.privacy/", http.Header{"Sec-Fetch-Dest": {"document"}, "X-Forwarded-For": {"127.5.6.7"}})
	mask := edgetest.ClientMask(t, "127.5.6.7")
	for _, want := range []string{
		"sees your mask: <code dir=\"ltr\">" + mask, "IPv4 /16: 65,536 addresses", "IPv4 /24: 256 addresses", "the network “office”", "Your address keeps this mask until",
		"no record is kept", "What this can&#39;t hide", "use the Tor Browser",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if resp.StatusCode != 200 || strings.Contains(body, "127.5.6.7") || strings.Contains(body, edgetest.RangeMask(t, "127.5.0.0/16")) || strings.Contains(body, "ZgotmplZ") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	h := resp.Header
	if h.Get("Cache-Control") != "no-store" || h.Get("X-Frame-Options") != "DENY" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" ||
		!strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'; style-src 'nonce-") || h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("header %v", h)
	}
	for name, c := range map[string]struct {
		method, path, dest string
		status             int
	}{
		"a script":      {"GET", "/.privacy/", "empty", 403},
		"a frame":       {"GET", "/.privacy/", "iframe", 403},
		"a form":        {"POST", "/.privacy/", "document", 405},
		"without slash": {"GET", "/.privacy", "document", 308},
	} {
		if resp, body := get(c.method, c.path, http.Header{"Sec-Fetch-Dest": {c.dest}}); resp.StatusCode != c.status || strings.Contains(body, mask) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
	if n := len(app.Take()); n != 0 {
		t.Errorf("the app got %d requests", n)
	}
	request, err := http.NewRequest("GET", "http://"+e.Site+"/.privacy/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "other." + e.Site
	if _, body := edgetest.Exchange(t, edgetest.From(t, "127.5.6.7"), request); !strings.Contains(body, "it still sees your network address") || strings.Contains(body, "127.5.6.7") ||
		strings.Contains(body, "65,536") {
		t.Error("on a site that only observes:", body)
	}
}
