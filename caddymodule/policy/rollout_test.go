package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/csp/rollout"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// rolloutCaddyfile is reportsSite with a rollout, as an operator has it.
func rolloutCaddyfile(share string, a *edgetest.Backend) string {
	return strings.Replace(reportsSite, "{CSP}", "site wiki\nreports\nrollout "+share, 1) + a.Address() + "\n}"
}

// manyClients are addresses on loopback.
func manyClients() []string {
	var clients []string
	for i := range 60 {
		clients = append(clients, fmt.Sprintf("127.%d.2.3", 60+i))
	}
	return clients
}

// groups returns for which clients the policy is enforced, and fails where one gets both headers or none.
func groups(t *testing.T, e *edgetest.Edge, clients []string) map[string]bool {
	t.Helper()
	enforced := make(map[string]bool)
	for _, address := range clients {
		resp := visitAfterReload(t, e, address)
		enforcing, reporting := resp.Header[policyHeader], resp.Header[reportOnlyHeader]
		if len(enforcing)+len(reporting) != 1 || !strings.HasSuffix(append(enforcing, reporting...)[0], "; report-uri /.privacy/csp-reports") {
			t.Fatalf("%s: enforced %q, report-only %q", address, enforcing, reporting)
		}
		if got := resp.Header["Cache-Control"]; len(got) != 1 || !strings.HasPrefix(got[0], "private") {
			t.Fatalf("%s: Cache-Control %q: a shared cache would give this header to others", address, got)
		}
		enforced[address] = len(enforcing) == 1
	}
	return enforced
}

// visitAfterReload sends a safe request again that waited in the socket of a config that is
// gone; see TestReloadsUnderLoad.
func visitAfterReload(t *testing.T, e *edgetest.Edge, address string) *http.Response {
	t.Helper()
	client := edgetest.From(t, address)
	defer client.CloseIdleConnections()
	var err error
	for range 5 {
		var r *http.Request
		if r, err = http.NewRequest("GET", "http://"+e.Site+"/", nil); err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		var resp *http.Response
		if resp, err = client.Do(r); err == nil {
			resp.Body.Close()
			return resp
		}
	}
	t.Fatal(err)
	return nil
}

func count(enforced map[string]bool) (n int) {
	for _, is := range enforced {
		if is {
			n++
		}
	}
	return n
}

func TestRolloutGroups(t *testing.T) {
	testutil.Slow(t)
	wiki := edgetest.NewBackend(t, nil)
	clients := manyClients()
	e := edgetest.New(t, rolloutCaddyfile("report", wiki))
	if n := count(groups(t, e, clients)); n != 0 {
		t.Errorf("report: enforced for %d", n)
	}
	last := map[string]bool{}
	var at50 map[string]bool
	for _, share := range []string{"10%", "25%", "50%", "80%", "enforce"} {
		e.Load(t, rolloutCaddyfile(share, wiki))
		now := groups(t, e, clients)
		for client, was := range last {
			if was && !now[client] {
				t.Errorf("%s: %s is no longer in", share, client)
			}
		}
		if share == "50%" {
			at50 = now
			if n := count(now); n < 15 || n > 45 {
				t.Errorf("50%%: enforced for %d of %d", n, len(clients))
			}
		}
		last = now
	}
	if n := count(last); n != len(clients) {
		t.Errorf("enforce: enforced for %d of %d", n, len(clients))
	}
	// Back, and after a restart, the groups are the same.
	e.Load(t, "{\n{GLOBAL}\n}")
	e.Load(t, rolloutCaddyfile("50%", wiki))
	if now := groups(t, e, clients); fmt.Sprint(now) != fmt.Sprint(at50) {
		t.Error("the groups changed over a restart")
	}
	if n := e.Metrics(t)[`wikiveil_policy_headers_total{mode="report"}`]; n == 0 {
		t.Error("report-only headers are not counted")
	}
}

// The groups are the client's mask's: where the app sees none, since client_mask only
// observes, they are the same; and no header chooses one.
func TestRolloutGroupIsTheMasks(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, rolloutCaddyfile("50%", wiki))
	clients := manyClients()[:20]
	masked := groups(t, e, clients)
	e.Load(t, strings.Replace(rolloutCaddyfile("50%", wiki), "client_mask", "client_mask {\n mode observe\n }", 1))
	if observed := groups(t, e, clients); fmt.Sprint(observed) != fmt.Sprint(masked) {
		t.Errorf("groups differ where client_mask observes: %v, %v", observed, masked)
	}
	in, out := "", ""
	for client, enforced := range masked {
		if enforced {
			in = client
		} else {
			out = client
		}
	}
	wiki.Take()
	edgetest.Send(t, edgetest.From(t, out), "GET", "http://"+e.Site+"/", nil)
	mask := wiki.One(t).Header.Get("Client-Mask")
	resp, _ := edgetest.Send(t, edgetest.From(t, in), "GET", "http://"+e.Site+"/", http.Header{"Client-Mask": {mask}, "X-Forwarded-For": {out}})
	if len(resp.Header[policyHeader]) != 1 {
		t.Errorf("a header chose the group: %v", resp.Header)
	}
}

func TestRolloutByCommand(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, rolloutCaddyfile("enforce", wiki))
	clients := manyClients()[:5]
	command := func(args ...string) string {
		t.Helper()
		return edgetest.Stdout(t, func() {
			if out, err := edgetest.Run(t, "", append(append([]string{"csp", "rollout"}, args...), "--address", e.Admin)...); err != nil {
				t.Fatalf("%q: %v %s", args, err, out)
			}
		})
	}
	enforced := func() int { return count(groups(t, e, clients)) }
	if n := enforced(); n != 5 {
		t.Fatalf("enforced for %d", n)
	}
	command("report") // at once
	if n := enforced(); n != 0 {
		t.Errorf("after the rollback: enforced for %d", n)
	}
	e.Load(t, rolloutCaddyfile("80%", wiki))
	if n := enforced(); n != 0 {
		t.Errorf("the config outweighs the command: enforced for %d", n)
	}
	e.Load(t, "{\n{GLOBAL}\n}") // a restart
	e.Load(t, rolloutCaddyfile("enforce", wiki))
	if n := enforced(); n != 0 {
		t.Errorf("after a restart: enforced for %d", n)
	}
	command("wiki", "0.5%")
	if out := command(); !strings.Contains(out, "wiki  0.5%     enforce") || !strings.Contains(out, "(command)") {
		t.Errorf("printed\n%s", out)
	}
	command("--reset")
	if n := enforced(); n != 5 {
		t.Errorf("after the reset: enforced for %d", n)
	}
	var list []rolloutView
	_, body := edgetest.Send(t, http.DefaultClient, "GET", "http://"+e.Admin+adminRollout, nil)
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list) != 1 {
		t.Fatalf("%s: %v", body, err)
	}
	var steps []string
	for _, step := range list[0].Steps {
		steps = append(steps, step.Share.String())
	}
	if want := []string{"enforce", "report", "0.5%", "enforce"}; !slices.Equal(steps, want) || list[0].Override != nil || list[0].Steps[0].By != rollout.ByConfig {
		t.Errorf("steps %q of %s, want %q", steps, body, want)
	}
}

// Another node changes the rollout in the storage that both share.
func TestRolloutFollowsOtherNodes(t *testing.T) {
	testutil.Slow(t)
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, rolloutCaddyfile("enforce", wiki))
	client := manyClients()[:1]
	other, err := rollout.Open(t.Context(), &certmagic.FileStorage{Path: e.Dir + "/storage"})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Set(t.Context(), "wiki", rollout.Report, "the other node"); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the other node's rollback", func() bool { return count(groups(t, e, client)) == 0 })
	if status, body := e.Post(t, adminRollout, map[string]any{"rollout": "enforce"}); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	if err := other.Refresh(t.Context()); err != nil || other.Share("wiki", rollout.Report) != rollout.Enforce {
		t.Errorf("the other node has %v, %v", other.Share("wiki", rollout.Report), err)
	}
}

func TestRolloutRefusals(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, rolloutCaddyfile("10%", wiki))
	for _, c := range []struct {
		name   string
		body   any
		status int
		reason string
	}{
		{"share", map[string]any{"rollout": "150%"}, 400, "the body is not one JSON object"},
		{"nothing", map[string]any{}, 400, "say either rollout or reset"},
		{"both", map[string]any{"rollout": "5%", "reset": true}, 400, "say either rollout or reset"},
		{"unknown field", map[string]any{"share": "5%"}, 400, "the body is not one JSON object"},
		{"unknown site", map[string]any{"site": "other", "rollout": "5%"}, 404, `no site \"other\" has a rollout, there is: wiki`},
		{"control characters", map[string]any{"rollout": "5%", "by": "a\nb"}, 400, "printable text"},
	} {
		if status, body := e.Post(t, adminRollout, c.body); status != c.status || !strings.Contains(body, c.reason) {
			t.Errorf("%s: %d %s, want %d %s", c.name, status, body, c.status, c.reason)
		}
	}
	e.Load(t, strings.Replace(reportsSite, "{CSP}", "", 1)+wiki.Address()+"\n}")
	http.DefaultClient.CloseIdleConnections() // of the admin endpoint before
	if status, body := e.Post(t, adminRollout, map[string]any{"rollout": "5%"}); status != 404 || !strings.Contains(body, "add `rollout`") {
		t.Errorf("without a rollout: %d %s", status, body)
	}
	for _, args := range [][]string{{"5"}, {"wiki", "everyone"}, {"--reset", "a", "b"}, {"--page", "wiki"}} {
		if _, err := edgetest.Run(t, "", append(append([]string{"csp", "rollout"}, args...), "--address", e.Admin)...); err == nil {
			t.Errorf("%q: accepted", args)
		}
	}
}

func TestDamagedRolloutIsRefused(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	for _, key := range []string{rollout.Key, cspSecretKey} {
		e := edgetest.Place(t)
		file := filepath.Join(e.Dir, "storage", key)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		damage := []byte(`{"version":1,"secret":"00","sha256":"00"}`)
		if err := os.WriteFile(file, damage, 0o600); err != nil {
			t.Fatal(err)
		}
		err := edgetest.LoadErr(t, e.Expand(rolloutCaddyfile("10%", wiki)))
		if err == nil || !strings.Contains(err.Error(), "restore "+key) {
			t.Errorf("%s: %v", key, err)
		}
		if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, damage) {
			t.Errorf("%s was overwritten: %s, %v", key, now, err)
		}
	}
}

// The policy of a request's error page is that of its group too.
func TestRolloutOnErrorPages(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	site := strings.Replace(rolloutCaddyfile("50%", wiki), "reverse_proxy", "error /fail 500\nerror /bare 501\nhandle_errors 500 {\nrespond oops\n}\nreverse_proxy", 1)
	e := edgetest.New(t, site)
	for client, enforced := range groups(t, e, manyClients()[:20]) {
		for _, path := range []string{"/fail", "/bare"} {
			resp, _ := edgetest.Send(t, edgetest.From(t, client), "GET", "http://"+e.Site+path, nil)
			if got := len(resp.Header[policyHeader]) == 1; got != enforced || len(resp.Header[policyHeader])+len(resp.Header[reportOnlyHeader]) != 1 {
				t.Errorf("%s%s: enforced %v, want %v: %v", client, path, got, enforced, resp.Header)
			}
			if got := resp.Header.Get("Cache-Control"); got != "private" {
				t.Errorf("%s: Cache-Control %q", path, got)
			}
		}
	}
}

// A page that the browser has is asked for in full, since a 304 can't take a policy away;
// what pages are made of is not.
func TestRolloutAsksForPagesInFull(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, rolloutCaddyfile("50%", wiki))
	for name, c := range map[string]struct {
		header http.Header
		full   bool
	}{
		"page":          {http.Header{"Sec-Fetch-Dest": {"document"}}, true},
		"frame":         {http.Header{"Sec-Fetch-Dest": {"iframe"}}, true},
		"worker":        {http.Header{"Sec-Fetch-Dest": {"worker"}}, true},
		"old browser":   {http.Header{"Accept": {"text/html,*/*;q=0.8"}}, true},
		"image":         {http.Header{"Sec-Fetch-Dest": {"image"}, "Accept": {"image/webp"}}, false},
		"fetched":       {http.Header{"Sec-Fetch-Dest": {"empty"}, "Accept": {"text/html"}}, false},
		"nothing known": {http.Header{"Accept": {"*/*"}}, false},
	} {
		c.header["If-None-Match"], c.header["If-Modified-Since"] = []string{`"1"`}, []string{"Sun, 22 Nov 2026 00:00:00 GMT"}
		edgetest.Send(t, edgetest.From(t, "127.61.2.3"), "GET", "http://"+e.Site+"/", c.header)
		h := wiki.One(t).Header
		if full := h["If-None-Match"] == nil && h["If-Modified-Since"] == nil; full != c.full {
			t.Errorf("%s: asked for in full: %v, want %v", name, full, c.full)
		}
	}
}
