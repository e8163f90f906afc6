package lookup

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// slowWiki is a wiki that says who its visitors are once it is let.
type slowWiki struct {
	*httptest.Server
	asked, answer chan struct{}
}

func startSlowWiki(t *testing.T) *slowWiki {
	t.Helper()
	w := &slowWiki{asked: make(chan struct{}, 16), answer: make(chan struct{})}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked <- struct{}{}
		select {
		case <-w.answer:
		case <-r.Context().Done():
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		io.WriteString(rw, `{"query":{"userinfo":{"id":4,"name":"Checker","rights":["block","checkuser-log"]}}}`)
	}))
	t.Cleanup(w.Close)
	return w
}

// Case 36: a look-up that is under way while the config is reloaded is answered, whatever the reload closes.
func TestCase36LookUpOverReload(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	for name, change := range map[string][2]string{
		"nothing but a reload":    {"csp strict", "csp"},
		"another recorder":        {"seal local", "seal local\nretention 10d"},
		"another place for files": {"data_dir {DIR}/data", "data_dir {DIR}/other"},
		"no look-ups any more":    {"mask_info {", "mask_info /never {"},
	} {
		t.Run(name, func(t *testing.T) {
			api := startSlowWiki(t)
			config := edgetest.MaskSite(t, "", "wiki "+api.URL+"/api.php", wiki.Address())
			config = strings.Replace(config, "basic_auth @private", "basic_auth /never", 1)
			e := edgetest.New(t, config)
			mask := edgetest.Edit(t, e, wiki, "127.0.3.1")
			done := make(chan error)
			go func() {
				r, err := http.NewRequest("POST", "http://"+e.Site+"/.privacy/masks/", strings.NewReader("masks="+mask))
				if err != nil {
					done <- err
					return
				}
				r.Header = http.Header{"Accept": {"application/json"}, "Sec-Fetch-Site": {"same-origin"},
					"Content-Type": {"application/x-www-form-urlencoded"}, "Cookie": {"wiki_session=x"}}
				resp, err := edgetest.From(t, "127.9.9.9").Do(r)
				if err != nil {
					done <- err
					return
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				if err == nil && (resp.StatusCode != 200 || !strings.Contains(string(body), mask)) {
					err = errors.New(resp.Status + " " + string(body))
				}
				done <- err
			}()
			<-api.asked
			app, err := edge.RunningApp()
			if err != nil {
				t.Fatal(err)
			}
			var letGo atomic.Bool
			app.HeldByLookups().Add(func() error { letGo.Store(true); return nil })
			changed := strings.Replace(config, change[0], change[1], 1)
			if changed == config {
				t.Fatal("the reload changes nothing")
			}
			e.Load(t, changed)
			close(api.answer)
			if err := <-done; err != nil {
				t.Error(err)
			}
			testutil.Eventually(t, "the old config to let go", letGo.Load)
		})
	}
}

// Friction 18: who isn't logged in is shown where to.
func TestLogInLink(t *testing.T) {
	api := startSlowWiki(t)
	for options, want := range map[string]string{
		"wiki " + api.URL + "/w/api.php":                                         `<a href="/w/index.php?title=Special:UserLogin">Log in</a>`,
		"wiki " + api.URL + "/w/api.php\nlogin_link https://id.example/?to=wiki": `<a href="https://id.example/?to=wiki">Log in</a>`,
		edgetest.MaskUsers: "",
	} {
		config := edgetest.MaskSite(t, "", options, "127.0.0.1:1")
		e := edgetest.New(t, strings.Replace(config, "basic_auth @private", "basic_auth /never", 1))
		resp, body := edgetest.Send(t, edgetest.From(t, "127.9.9.9"), "GET", "http://"+e.Site+"/.privacy/masks/", http.Header{"Accept": {"text/html"}})
		if resp.StatusCode != 403 || !strings.Contains(body, want) || strings.Contains(body, "Log in</a>") != (want != "") {
			t.Errorf("%s: %d %s", options, resp.StatusCode, body)
		}
	}
	if err := edgetest.Validate(t, edgetest.MaskSite(t, "", edgetest.MaskUsers+"\nlogin_link javascript:x", "127.0.0.1:1")); err == nil || !strings.Contains(err.Error(), "login_link") || !strings.Contains(err.Error(), "Caddyfile:") {
		t.Errorf("a script as the link: %v", err)
	}
}

// Case 35: the limits of networks are configured, checked, and shown by a metric.
func TestCase35LimitsAreConfigured(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	for options, want := range map[string]string{
		"limit /48 10\nlimit /32 100": "",
		"limit":                       "wrong argument count",
		"limit /48":                   "wrong argument count",
		"limit /40 10":                `limit "/40" is not one of /48, /32`,
		"limit /48 10\nlimit /48 20":  "limit /48 is given twice",
		"limit /32 many":              "is not a whole number",
		"limit /32 0":                 "would let nobody publish",
		"limit /32 1":                 "is not from 2 to",
		"limit /48 -5":                "is not from 2 to",
	} {
		err := edgetest.Validate(t, edgetest.MaskSite(t, options, edgetest.MaskUsers, wiki.Address()))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "Caddyfile:")) {
			t.Errorf("%q: %v, want %q", options, err, want)
		}
	}
	config := strings.Replace(edgetest.MaskSite(t, "limit /48 2", edgetest.MaskUsers, wiki.Address()), "{GLOBAL}", "{GLOBAL}\nservers {\ntrusted_proxies static 127.0.0.9\ntrusted_proxies_strict\n}", 1)
	e := edgetest.New(t, config)
	publishFrom(t, e, "2001:db8:1:1::1", 200)
	publishFrom(t, e, "2001:db8:1:2::1", 200)
	publishFrom(t, e, "2001:db8:1:3::1", 503)
	publishFrom(t, e, "2001:db8:1:1::5", 200) // known
	publishFrom(t, e, "2001:db8:2:1::1", 200)
	if n := len(wiki.Take()); n != 4 {
		t.Errorf("the app got %d requests", n)
	}
	if got := e.Metric(t, `wikiveil_sightings_total{outcome="over_limit"}`); got != "1" {
		t.Errorf("the metric says %q", got)
	}
}

func publishFrom(t *testing.T, e *edgetest.Edge, addr string, want int) {
	t.Helper()
	resp, body := edgetest.Send(t, edgetest.From(t, "127.0.0.9"), "POST", "http://"+e.Site+"/", http.Header{"X-Forwarded-For": {addr}})
	if resp.StatusCode != want {
		t.Errorf("from %s: %d %s, want %d", addr, resp.StatusCode, body, want)
	}
}
