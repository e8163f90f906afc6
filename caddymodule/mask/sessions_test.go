package mask

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// behindTLS is a site to which a proxy brings what came over https.
const behindTLS = `{
	{GLOBAL}
	servers {
		trusted_proxies static 127.0.0.1/32
	}
	wikiveil {
		network school 127.70.0.0/16
		%s
	}
}
http://{SITE} {
	client_mask {
		networks xff
		%s
	}
	reverse_proxy `

// visitor is a browser somewhere, which keeps cookies if jar isn't nil.
type visitor struct {
	t      *testing.T
	e      *edgetest.Edge
	wiki   *edgetest.Backend
	source string
	jar    map[string]string
	header http.Header // of each request, besides
}

// send makes a request, and returns the response and what the app got of it; nil: nothing.
func (v *visitor) send(method string) (*http.Response, *http.Request) {
	v.t.Helper()
	header := v.header.Clone()
	if header == nil {
		header = make(http.Header)
	}
	header.Set("X-Forwarded-For", v.source)
	header.Set("X-Forwarded-Proto", "https")
	for name, value := range v.jar {
		header.Add("Cookie", name+"="+value)
	}
	resp, _ := edgetest.Send(v.t, edgetest.From(v.t, "127.0.0.1"), method, "http://"+v.e.Site+"/", header)
	for _, c := range resp.Cookies() {
		if v.jar != nil {
			v.jar[c.Name] = c.Value
		}
	}
	requests := v.wiki.Take()
	if len(requests) == 0 {
		return resp, nil
	}
	return resp, requests[0]
}

// mask is the one that the app gets.
func (v *visitor) mask() string {
	v.t.Helper()
	resp, seen := v.send("POST")
	if seen == nil {
		v.t.Fatalf("%s: the app got nothing: %d", v.source, resp.StatusCode)
	}
	return seen.Header.Get("Client-Mask")
}

func sessionSite(t *testing.T, app, site string) (at func(source string) *visitor, e *edgetest.Edge) {
	wiki := edgetest.NewBackend(t, nil)
	e = edgetest.New(t, fmt.Sprintf(behindTLS, app, site)+wiki.Address()+"\n}")
	return func(source string) *visitor {
		return &visitor{t: t, e: e, wiki: wiki, source: source, jar: make(map[string]string)}
	}, e
}

func TestSessions(t *testing.T) {
	at, e := sessionSite(t, "", "mask_by session")
	vandal, pupil, script := at("127.70.0.1"), at("127.70.0.1"), at("127.70.0.1")
	script.jar = nil

	resp, seen := vandal.send("GET")
	address := seen.Header.Get("Client-Mask")
	if script.mask() != address || resp.Header.Get("Cache-Control") != "private" {
		t.Errorf("the first answer: %v, and %v for a script", seen.Header, script.mask())
	}
	cookie := resp.Header.Get("Set-Cookie")
	if !strings.HasPrefix(cookie, sessionCookie+"=") || !strings.HasSuffix(cookie, "; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("the first answer sets %q", cookie)
	}
	pupil.send("GET")
	one, other := vandal.mask(), pupil.mask()
	if one == other || one == address || other == address || one != vandal.mask() {
		t.Errorf("masks %s, %s and %s", one, other, address)
	}
	_, seen = vandal.send("POST")
	if seen.Header.Get("Cookie") != "" {
		t.Errorf("the app got the cookie: %v", seen.Header)
	}
	if got := seen.Header.Get("X-Forwarded-For"); !strings.Contains(got, address+", "+one) || seen.Header.Get("Client-Network") != "school" {
		t.Errorf("networks %q, of %q", got, seen.Header.Get("Client-Network"))
	}

	// A block of the one doesn't stop the other, and follows the session to another network; one of the address stops all behind it.
	block := func(mask string) {
		t.Helper()
		if status, body := e.Post(t, adminBlocks, blockRequest{Mask: mask}); status != 200 {
			t.Fatalf("blocking: %d %s", status, body)
		}
	}
	block(one)
	if resp, seen := vandal.send("POST"); resp.StatusCode != 403 || seen != nil {
		t.Errorf("blocked: %d", resp.StatusCode)
	}
	if pupil.mask() != other || script.mask() != address {
		t.Error("others have other masks now")
	}
	vandal.source = "127.71.0.1"
	if resp, seen := vandal.send("POST"); resp.StatusCode != 403 || seen != nil {
		t.Errorf("blocked, from elsewhere: %d", resp.StatusCode)
	}
	block(address)
	if resp, seen := pupil.send("POST"); resp.StatusCode != 403 || seen != nil {
		t.Errorf("behind a blocked address: %d", resp.StatusCode)
	}

	// The session goes on under a new epoch, and so does its block; its cookie is sealed anew.
	pupil.source = "127.72.0.1"
	e.Rotate(t)
	resp, seen = pupil.send("GET")
	if mask := seen.Header.Get("Client-Mask"); mask == other || !strings.Contains(seen.Header.Get("X-Forwarded-For"), other) {
		t.Errorf("after a rotation: %s, networks %s", mask, seen.Header.Get("X-Forwarded-For"))
	}
	if resp.Header.Get("Set-Cookie") == "" {
		t.Error("the cookie wasn't sealed anew")
	}
	if resp, _ := vandal.send("GET"); resp.StatusCode != 403 {
		t.Errorf("the block after a rotation: %d", resp.StatusCode)
	}
	if log := e.ReadLog(t); strings.Contains(log, pupil.jar[sessionCookie]) {
		t.Error("the log has the cookie")
	}
}

func TestSessionBudget(t *testing.T) {
	at, e := sessionSite(t, "", "mask_by session {\nbudget 5\n}")
	count := func(keeps bool) int {
		masks := make(map[string]bool)
		for range 200 {
			v := at("127.70.0.2")
			if keeps {
				v.send("GET")
			}
			masks[v.mask()] = true
		}
		return len(masks)
	}
	if n := count(false); n != 1 {
		t.Errorf("without cookies there are %d masks", n)
	}
	if n := count(true); n != 6 {
		t.Errorf("with cookies there are %d masks, want 5 and the address's", n)
	}
	// Neither a restart nor another address's budget has more.
	e.Load(t, "{\n{GLOBAL}\n}\n")
	e.Load(t, fmt.Sprintf(behindTLS, "", "mask_by session {\nbudget 5\n}")+at("").wiki.Address()+"\n}")
	if n := count(true); n != 1 {
		t.Errorf("after a restart there are %d masks more", n-1)
	}
	neighbour := at("127.70.0.3")
	_, seen := neighbour.send("GET")
	if neighbour.mask() == seen.Header.Get("Client-Mask") {
		t.Error("the neighbour has no session")
	}
}

// Cookies that aren't this site's count as none, and are counted.
func TestSessionsBadInput(t *testing.T) {
	at, e := sessionSite(t, "", "mask_by session")
	v := at("127.70.0.4")
	_, seen := v.send("GET")
	address := seen.Header.Get("Client-Mask")
	if v.mask() == address {
		t.Fatal("there is no session")
	}
	good := v.jar[sessionCookie]
	raw, _ := base64.RawURLEncoding.DecodeString(good)
	raw[5]++
	for name, cookies := range map[string][]string{
		"forged":    {sessionCookie + "=" + base64.RawURLEncoding.EncodeToString(raw)},
		"malformed": {sessionCookie + "=;;=\"" + strings.Repeat("é", 3000)},
		"duplicate": {sessionCookie + "=" + good, sessionCookie + "=" + good},
		"in a list": {sessionCookie + "=" + good + "; " + sessionCookie + "=" + good},
		"other":     {strings.ToUpper(sessionCookie) + "=" + good},
	} {
		script := at("127.70.0.4")
		script.jar, script.header = nil, http.Header{"Cookie": cookies}
		resp, seen := script.send("POST")
		if seen == nil || seen.Header.Get("Client-Mask") != address {
			t.Errorf("%s: %d %v", name, resp.StatusCode, seen)
		} else if strings.Contains(edgetest.Dump(seen), good) {
			t.Errorf("%s: the app got it", name)
		}
	}
	// Over plain http the cookie has been seen by all on the way.
	plain := at("127.70.0.4")
	plain.jar = nil
	resp, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.1"), "GET", "http://"+e.Site+"/", http.Header{
		"Cookie": {sessionCookie + "=" + good}, "X-Forwarded-For": {"127.70.0.4"},
	})
	if requests := plain.wiki.Take(); len(requests) != 1 || requests[0].Header.Get("Client-Mask") != address || resp.Header.Get("Set-Cookie") != "" {
		t.Error("over plain http the cookie counted")
	}
	metrics := e.Metrics(t)
	for _, outcome := range []string{"forged", "duplicate", "offered", "granted"} {
		if metrics[`wikiveil_sessions_total{outcome="`+outcome+`"}`] == 0 {
			t.Errorf("%s isn't counted", outcome)
		}
	}
}

// A session counts in the networks that are named, and nowhere else; and an app can't set one.
func TestSessionsOfNetworks(t *testing.T) {
	at, _ := sessionSite(t, "", "mask_by session school")
	v := at("127.70.0.5")
	v.send("GET")
	inside := v.mask()
	v.source = "127.71.0.5"
	resp, seen := v.send("POST")
	if mask := seen.Header.Get("Client-Mask"); mask == inside || resp.Header.Get("Set-Cookie") != "" || seen.Header.Get("Cookie") != "" {
		t.Errorf("outside: %s, and the app got %v", mask, seen.Header)
	}
	v.source = "127.70.0.6"
	if v.mask() != inside {
		t.Error("elsewhere inside it is another session")
	}
}

func TestSessionsByApp(t *testing.T) {
	wiki := edgetest.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Set-Cookie", sessionCookie+"=of-the-app; Path=/; Secure")
		w.Header().Add("Set-Cookie", "wiki=1")
	})
	e := edgetest.New(t, fmt.Sprintf(behindTLS, "", "mask_by session")+wiki.Address()+"\n}")
	v := &visitor{t: t, e: e, wiki: wiki, source: "127.70.0.7", jar: make(map[string]string)}
	resp, _ := v.send("GET")
	if got := strings.Join(resp.Header["Set-Cookie"], "\n"); strings.Contains(got, "of-the-app") || !strings.Contains(got, "wiki=1") {
		t.Errorf("cookies %q", got)
	}
}

func TestSessionConfig(t *testing.T) {
	for site, want := range map[string]string{
		"mask_by":                            "wrong argument count",
		"mask_by cookie":                     `mask_by "cookie" is not session`,
		"mask_by session nowhere":            `there is no network "nowhere" (known: school, onion)`,
		"mask_by session {\nbudget 0\n}":     "budget",
		"mask_by session {\nbudget 10001\n}": "budget 10001 is not from 1 to 10000",
		"mask_by session\nmode observe":      "leave one of them out",
	} {
		err := edgetest.Validate(t, fmt.Sprintf(behindTLS, "", site)+"127.0.0.1:1\n}")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", site, err, want)
		}
	}
	err := edgetest.Validate(t, "{\n{GLOBAL}\n}\nhttp://{SITE} {\nclient_mask {\nmask_by session\n}\n}\n")
	if err == nil || !strings.Contains(err.Error(), "mask_by session needs https") {
		t.Errorf("a site in clear: %v", err)
	}
}
