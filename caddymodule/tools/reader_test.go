package tools

import (
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/anonproxy/leakguard"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

const sessionToken = "k3v9qf2m1t8s7r6p5n4b0c1d2e3f4g5h"

// aliceCookies are what MediaWiki and others set for a reader who is logged in.
const aliceCookies = "wikiUserName=Alice+Ex%C3%A4mple; wikiUserID=4821337; wiki_session=" + sessionToken + "; wikiToken=7d1f0a9c3b5e8f624d; " +
	"skin=vector-2022; lang=en; track=Zk8qT1vXw7; own_map=Qm3nV9xL2p; seen=1"

// leakSite is an edge with a tool that takes POST, and with what is put before the proxy.
func leakSite(t *testing.T, tool *edgetest.Backend, before, options string) *edgetest.Edge {
	return edgetest.New(t, `{
		{GLOBAL}
		metrics
		servers {
			trusted_proxies static 127.0.0.9
		}
		wikiveil {
			secret `+edgetest.Secret+`
			tool maps `+tool.URL+` {
				methods GET POST
				allow_loopback
			}
		}
	}
	http://{SITE} {
		`+before+`
		anonproxy `+options+`
	}`)
}

// asAlice sends a request with Alice's cookies.
func asAlice(t *testing.T, e *edgetest.Edge, source, method, path, body string, more ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+e.Site+"/.tools/maps"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"same-origin"}, "Cookie": {aliceCookies}}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(more); i += 2 {
		r.Header.Set(more[i], more[i+1])
	}
	resp, err := edgetest.From(t, source).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func TestLeakGuardWholeEdge(t *testing.T) {
	tool := edgetest.JSONTool(t)
	for name, tc := range map[string]struct {
		before string
		masked bool
	}{
		"masked":   {"client_mask\ncsp", true},
		"observed": {"client_mask {\nmode observe\n}\n", true},
		"bare":     {"", false},
		"no networks": {`client_mask {
			networks off
		}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := leakSite(t, tool, tc.before, "{\nleak_guard_ignore own_*\n}")
			leaks := map[string]string{
				"127.0.0.2": "your address", "127-0-0-2": "your address", "7f000002": "your address", "Alice Exämple": "your user name", "alice_exämple": "your user name",
				"4821337": "your user ID", sessionToken: "your session", "7d1f0a9c3b5e8f624d": "your session", "Zk8qT1vXw7": "your cookie track",
			}
			if tc.masked {
				mask := edgetest.ClientMask(t, "127.0.0.2")
				leaks[mask], leaks[strings.ToUpper(mask)], leaks[edgetest.RangeMask(t, "127.0.0.0/24")] = "your mask", "your mask", "your mask"
			}
			refused := 0
			for value, field := range leaks {
				for _, v := range []string{value, base64.StdEncoding.EncodeToString([]byte(value)), hex.EncodeToString([]byte(value))} {
					for _, put := range []struct{ method, path, body string }{
						{"GET", "/a?x=" + url.QueryEscape(v), ""},
						{"GET", "/a/" + url.PathEscape(strings.ReplaceAll(v, "/", "_")), ""},
						{"POST", "/a", `{"who":"` + v + `"}`},
					} {
						resp, body := asAlice(t, e, "127.0.0.2", put.method, put.path, put.body)
						refused++
						if resp.StatusCode != 403 || !strings.Contains(body, "the request carries "+field+",") {
							t.Errorf("%s %s %s: got %d %q, want %s", put.method, put.path, put.body, resp.StatusCode, body, field)
						}
					}
				}
			}
			if n := len(tool.Take()); n != 0 {
				t.Errorf("the tool got %d requests", n)
			}
			if got := e.Metrics(t)[`wikiveil_tool_requests_total{outcome="leak",tool="maps"}`]; got != float64(refused) {
				t.Errorf("%v leaks counted, want %d", got, refused)
			}
			for _, path := range []string{"/a?lang=en&skin=vector-2022&seen=1", "/a?own=Qm3nV9xL2p", "/a?x=127.0.0.3", "/a/Alice"} {
				if resp, body := asAlice(t, e, "127.0.0.2", "GET", path, ""); resp.StatusCode != 200 {
					t.Errorf("%s: got %d %q", path, resp.StatusCode, body)
				}
			}
			if resp, body := asAlice(t, e, "127.0.0.2", "POST", "/a", `{"q":"places"}`); resp.StatusCode != 200 {
				t.Errorf("an innocent POST: got %d %q", resp.StatusCode, body)
			}
			if got := tool.Take(); len(got) != 5 || got[4].ContentLength != 14 {
				t.Errorf("the tool got %d requests", len(got))
			}
			// What a client behind the operator's proxy must not send, and the proxy may.
			if resp, body := asAlice(t, e, "127.0.0.9", "GET", "/a?x=198.51.100.7", "", "X-Forwarded-For", "198.51.100.7"); resp.StatusCode != 403 || !strings.Contains(body, "your address") {
				t.Errorf("behind a proxy: got %d %q", resp.StatusCode, body)
			}
			if n := len(tool.Take()); n != 0 {
				t.Errorf("the tool got %d requests", n)
			}
		})
	}
}

// The edge's own cookies are hidden from handlers after csp, and still the reader's.
func TestLeakGuardKnowsEdgeCookies(t *testing.T) {
	tool := edgetest.JSONTool(t)
	e := leakSite(t, tool, "csp", "")
	const name, value = "__Host-Http-wikiveil-x", "b1946ac92492d2347c6235b4d2611184"
	resp, body := asAlice(t, e, "127.0.0.2", "GET", "/a?x="+value, "", "Cookie", name+"="+value+"; a=b")
	if resp.StatusCode != 403 || !strings.Contains(body, "your cookie "+name) || len(tool.Take()) != 0 {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
}

func TestToolReaderCookies(t *testing.T) {
	for cookie, want := range map[string]leakguard.Secret{
		"wikiUserName=Bob+Smith":      {Field: "user name", Value: "Bob Smith"},
		"centralauth_User=B%C3%B6b":   {Field: "user name", Value: "Böb"},
		"wikiUserName=100%":           {Field: "user name", Value: "100%"},
		"wikiUserID=12":               {Field: "user ID", Value: "12"},
		"wiki_session=abc":            {Field: "session", Value: "abc"},
		"centralauth_Session=abc":     {Field: "session", Value: "abc"},
		"PHPSESSID=7v4c3mqu6hkq0":     {Field: "session", Value: "7v4c3mqu6hkq0"},
		`centralauth_Token="abc"`:     {Field: "session", Value: "abc"},
		"blog_user=Bob":               {Field: "user name", Value: "Bob"},
		"assessment_filter=stub":      {Field: "cookie", Name: "assessment_filter", Value: "stub"}, // case 60
		"session_format=json":         {Field: "cookie", Name: "session_format", Value: "json"},
		"sessionLang=english":         {Field: "cookie", Name: "sessionLang", Value: "english"},
		"returning_user=true":         {Field: "cookie", Name: "returning_user", Value: "true"},
		"csrftoken=none":              {Field: "cookie", Name: "csrftoken", Value: "none"},
		"  other=a=b":                 {Field: "cookie", Name: "other", Value: "a=b"},
		"other=1; ":                   {Field: "cookie", Name: "other", Value: "1"},
		strings.Repeat("n", 99) + "=": {},
		"nothing":                     {},
		"skin_a=x":                    {},
		"sessionskin_a=7v4c3mqu6hkq0": {}, // can be ignored, whatever its name
		"wiki_session=skin_a":         {Field: "session", Value: "skin_a"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", cookie)
		got := toolReader{[]string{"skin_*", "*skin*"}}.reader(r).Secrets
		if want == (leakguard.Secret{}) && len(got) == 0 || len(got) == 1 && got[0] == want {
			continue
		}
		t.Errorf("%s: got %+v, want %+v", cookie, got, want)
	}
}

func TestToolReaderAuthorization(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.SetBasicAuth("carol", "open sesame")
	r.Header.Add("Authorization", "Bearer t0k3n")
	var got []string
	for _, s := range (toolReader{}).reader(r).Secrets {
		got = append(got, s.Field+" "+s.Value)
	}
	want := []string{"session " + base64.StdEncoding.EncodeToString([]byte("carol:open sesame")), "user name carol", "session open sesame", "session t0k3n"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// One who authenticates with Caddy is known where that comes before the proxy.
func TestLeakGuardKnowsCaddysUser(t *testing.T) {
	tool := edgetest.JSONTool(t)
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			tool maps `+tool.URL+` {
				allow_loopback
			}
		}
	}
	http://{SITE} {
		route {
			basic_auth {
				Carola $2a$04$z1tHPEmukEO2DF3gISQIoeIg7quaAunclT9zzmwNfx5GAjQeX8d8C
			}
			request_header -Authorization
			anonproxy
		}
	}`)
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("Carola:hiccup"))
	resp, body := asAlice(t, e, "127.0.0.2", "GET", "/a?x=carola", "", "Authorization", basic)
	if resp.StatusCode != 403 || !strings.Contains(body, "your user name") || len(tool.Take()) != 0 {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
}

func TestLeakGuardBadConfig(t *testing.T) {
	for name, tt := range map[string]struct{ site, reason string }{
		"no cookies":   {"leak_guard_ignore", "after 'leak_guard_ignore', at Caddyfile:3"},
		"all cookies":  {"leak_guard_ignore *", "would leave out all cookies"},
		"bad pattern":  {"leak_guard_ignore a[", `leak_guard_ignore "a[" isn't a cookie's name`},
		"request size": {"max_request_size big", `parsing max_request_size: "big" is not a size such as 32MiB, at Caddyfile:3`},
		"large size":   {"max_request_size 1GiB", "the size limit of requests must be at most 67108864 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			edgetest.WantRefused(t, edgetest.Validate(t, "http://{SITE} {\nanonproxy {\n"+tt.site+"\n}\n}\n"), tt.reason)
		})
	}
}

func BenchmarkToolReader(b *testing.B) {
	r := httptest.NewRequest("GET", "/.tools/maps/x", nil)
	r.Header.Set("Cookie", aliceCookies)
	b.ReportAllocs()
	for b.Loop() {
		if got := (toolReader{}).reader(r); len(got.Secrets) != 9 {
			b.Fatal(len(got.Secrets))
		}
	}
}
