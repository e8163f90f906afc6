package caddymodule

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/checkup"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
	"github.com/wikiveil/wikiveil/internal/trustedclock"
	"github.com/wikiveil/wikiveil/lookup/geo/geotest"
)

// doctor runs `wikiveil doctor` against an edge and returns what it finds.
func doctor(t *testing.T, e *edgetest.Edge, args ...string) (found []checkup.Finding, err error) {
	t.Helper()
	var report struct {
		Fine     bool
		Findings []checkup.Finding
	}
	out := edgetest.Stdout(t, func() {
		_, err = edgetest.Run(t, "", append([]string{"doctor", "--json", "--address", e.Admin}, args...)...)
	})
	if jsonErr := json.Unmarshal([]byte(out), &report); jsonErr != nil {
		t.Fatalf("%v: %s (%v)", jsonErr, out, err)
	}
	if report.Fine != (err == nil) {
		t.Errorf("fine is %v, and the error %v", report.Fine, err)
	}
	return report.Findings, err
}

func wantFinding(t *testing.T, found []checkup.Finding, check string, level checkup.Level, what string) {
	t.Helper()
	if !slices.ContainsFunc(found, func(f checkup.Finding) bool {
		return f.Check == check && f.Level == level && strings.Contains(f.What, what) && (f.Mend != "" || level == checkup.OK)
	}) {
		t.Errorf("want %s: %s %q in\n%q", check, level, what, found)
	}
}

// databaseOf writes an ASN database that was built at a time.
func databaseOf(t *testing.T, built time.Time) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "asn.mmdb")
	data := geotest.Database(t, geotest.ASN, built, geotest.Networks{"127.0.0.0/9": geotest.Organization(64500, "Example Access")})
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// What the edge finds out about itself, each where it is wrong and, in the first config, where all is well.
func TestDoctorOfTheEdge(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	everywhere, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer everywhere.Close()
	_, open, _ := net.SplitHostPort(everywhere.Addr().String())
	_, port, _ := net.SplitHostPort(wiki.Address())

	geoip := func(file string) string {
		return "wikiveil {\ndata_dir {DIR}/data\nsightings {\ngeoip asn " + file + "\n}\n}\n"
	}
	site := "http://{SITE} {\nclient_mask\nreverse_proxy " + wiki.Address() + "\n}\n"
	for _, c := range []struct {
		name, global, sites, check string
		level                      checkup.Level
		what                       string
	}{
		{"nothing", geoip(databaseOf(t, time.Now())), site, "geoip", checkup.OK, "the ASN database is of "},
		{"old database", geoip(databaseOf(t, time.Now().Add(-200*24*time.Hour))), site, "geoip", checkup.Warning, "the ASN database is 200 days old"},
		{"raw log", "log more {\noutput file {DIR}/more.log\nformat raw json\n}\n", site, "logs", checkup.Warning, "the log more holds clients' addresses"},
		{"loose trust", "servers {\ntrusted_proxies static 198.51.100.0/24\n}\n", site, "trusted proxies", checkup.Warning, "trusted_proxies without trusted_proxies_strict"},
		{"trust of all", "servers {\ntrusted_proxies static 0.0.0.0/0\ntrusted_proxies_strict\n}\n", site, "trusted proxies", checkup.Error, "trusted_proxies holds all addresses"},
		{"trust of all by halves", "servers {\ntrusted_proxies static 128.0.0.0/1 10.0.0.0/8 0.0.0.0/1\ntrusted_proxies_strict\n}\n", site, "trusted proxies", checkup.Error, "trusted_proxies holds all addresses"},
		{"observing", "", strings.Replace(site, "client_mask", "client_mask {\nmode observe\n}", 1), "sites", checkup.Warning, "only observes"},
		{"undone", "", strings.Replace(site, "reverse_proxy", "request_header -Client-Mask\nreverse_proxy", 1), "sites", checkup.Warning, "request_header Client-Mask removes"},
		{"no mask", "", "http://{SITE} {\ncsp\nreverse_proxy " + wiki.Address() + "\n}\n", "sites", checkup.Error, "no site has client_mask"},
		{"open upstream", "", strings.Replace(site, wiki.Address(), "127.0.0.1:"+open, 1), "around the edge", checkup.Warning, "listens on all of this machine's addresses"},
		{"public upstream", "", strings.Replace(site, wiki.Address(), "198.51.100.7:80", 1), "sites", checkup.Warning, "has a public address"},
		{"undone by a variable", "", strings.Replace(site, "reverse_proxy "+wiki.Address(), "php_fastcgi "+wiki.Address()+" {\nenv REMOTE_ADDR 192.0.2.1\n}", 1), "sites", checkup.Warning, "env REMOTE_ADDR takes the mask's place"},
		{"headers alone", "servers {\nclient_ip_headers X-Reader\n}\n", site, "trusted proxies", checkup.Warning, "client_ip_headers without trusted_proxies"},
		{"loose trust of sockets", "servers {\ntrusted_proxies_unix\n}\n", site, "trusted proxies", checkup.Warning, "trusted_proxies without trusted_proxies_strict"},
		{"open upstream by its port", "", strings.Replace(site, wiki.Address(), ":"+open, 1), "around the edge", checkup.Warning, "listens on all of this machine's addresses"},
		{"open upstream in a named route", "", "&(app) {\nreverse_proxy 127.0.0.1:" + open + "\n}\nhttp://{SITE} {\nclient_mask\ninvoke app\n}\n", "around the edge", checkup.Warning, "listens on all of this machine's addresses"},
		{"open upstream of errors", "", strings.TrimSuffix(site, "}\n") + "handle_errors {\nreverse_proxy 127.0.0.1:" + open + "\n}\n}\n", "around the edge", checkup.Warning, "listens on all of this machine's addresses"},
		{"open server that lets in", "", strings.Replace(site, "reverse_proxy", "forward_auth 127.0.0.1:"+open+" {\nuri /auth\ncopy_headers X-User\n}\nreverse_proxy", 1), "around the edge", checkup.OK, wiki.Address() + " listens on this machine alone"},
		{"the edge beside its app", "", site + "http://:" + port + " {\nbind 127.77.77.77\nclient_mask\nreverse_proxy " + wiki.Address() + "\n}\n", "around the edge", checkup.OK, wiki.Address() + " listens on this machine alone"},
		{"private upstream", "", strings.Replace(site, wiki.Address(), "10.99.99.99:80", 1), "around the edge", checkup.Untold, "is to be seen from where they are"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := edgetest.New(t, "{\n{GLOBAL}\n"+c.global+"}\n"+c.sites)
			found, err := doctor(t, e)
			wantFinding(t, found, c.check, c.level, c.what)
			if bad := c.level == checkup.Error || c.level == checkup.Warning; bad != (err != nil) {
				t.Errorf("%v: %q", err, found)
			}
			for _, f := range found {
				if f.Bad() && f.Check != c.check {
					t.Errorf("it finds %q too", f)
				}
			}
		})
	}
}

// A machine's clock that is far from what the storage knows.
func TestDoctorFindsWrongClock(t *testing.T) {
	e := edgetest.Place(t)
	ahead := time.Now().Add(3 * 365 * 24 * time.Hour)
	clock, err := trustedclock.OpenFrom(t.Context(), fileStorage(e.Dir+"/storage"), trustedclock.NewFrom(func() (time.Time, time.Duration) { return ahead, 0 }))
	if err == nil {
		err = clock.Tend(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	e.Load(t, "{\n{GLOBAL}\n}\nhttp://{SITE} {\nclient_mask\nrespond ok\n}\n")
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	found, err := doctor(t, e)
	if err == nil {
		t.Error("all is said to be fine")
	}
	wantFinding(t, found, "clocks", checkup.Error, "this machine's clock says")
}

// A database that is old is warned of when a config is checked, too.
func TestOldDatabaseIsWarnedOf(t *testing.T) {
	file := databaseOf(t, time.Now().Add(-200*24*time.Hour))
	e := edgetest.New(t, "{\n{GLOBAL}\nwikiveil {\ndata_dir {DIR}/data\nsightings {\ngeoip asn "+file+"\n}\n}\n}\nhttp://{SITE} {\nclient_mask\nrespond ok\n}\n")
	if log := e.ReadLog(t); !strings.Contains(log, "the ASN database is 200 days old") {
		t.Error("an old database is not warned of")
	}
}

// Redis that is trusted, or relied on for its replicas, and doesn't keep what it acknowledges.
func TestDoctorOfRedis(t *testing.T) {
	for _, c := range []struct {
		name, option string
		args         []string
		level        checkup.Level
		what         string
	}{
		{"durable", "", redistest.Durable, checkup.OK, "Redis keeps what it acknowledges"},
		{"trusted", "trust", nil, checkup.Warning, "a crash loses what it acknowledged"},
		{"evicting", "trust", append([]string{"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"}, redistest.Durable...), checkup.Warning, "maxmemory-policy is \"allkeys-lru\""},
		{"without its replica", "replicas 1", redistest.Durable, checkup.Error, "0 replicas follow it"},
		{"in memory alone", "replicas 1", nil, checkup.Warning, "in memory alone"},
		{"unasked", "trust", []string{"--rename-command", "CONFIG", ""}, checkup.Untold, "doesn't tell whether it keeps"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := redistest.Start(t, c.args...)
			e := edgetest.New(t, "{\n{GLOBAL}\nwikiveil {\ndata_dir {DIR}/data\nsightings {\nredis "+server.URL+" {\n"+c.option+"\n}\n}\n}\n}\nhttp://{SITE} {\nclient_mask\nrespond ok\n}\n")
			found, _ := doctor(t, e)
			wantFinding(t, found, "redis", c.level, c.what)
			if c.name == "durable" {
				wantFinding(t, found, "stores", checkup.OK, "")
				server.Kill()
				testutil.Eventually(t, "the word that Redis is down", func() bool {
					return e.Metric(t, `wikiveil_store_up{store="redis"}`) == "0"
				})
				found, _ = doctor(t, e)
				wantFinding(t, found, "stores", checkup.Error, "the store redis is down")
			}
		})
	}
}

// What the edge sees of a request that it looks out for: once, and the app doesn't see whose it is.
func TestProbe(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, `{
		{GLOBAL}
		servers {
			trusted_proxies static 127.4.0.0/16
			trusted_proxies_strict
		}
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	http://{SITE} {
		client_mask {
			networks xff
		}
		reverse_proxy `+wiki.Address()+`
	}`)
	type probe struct {
		Token string
		Seen  checkup.Seen
	}
	ask := func(token string) (p probe) {
		t.Helper()
		status, body := e.Post(t, "/wikiveil/doctor/probe", map[string]string{"token": token})
		if err := json.Unmarshal([]byte(body), &p); status != 200 || err != nil {
			t.Fatalf("%d %s", status, body)
		}
		return p
	}
	send := func(from, token string, header http.Header) *http.Request {
		t.Helper()
		if header == nil {
			header = make(http.Header)
		}
		header.Set(checkup.Header, token)
		edgetest.Send(t, edgetest.From(t, from), "GET", "http://"+e.Site+"/", header)
		return wiki.One(t)
	}
	forging := func() http.Header { return http.Header{"X-Forwarded-For": {"127.9.9.9"}} }
	for name, c := range map[string]struct {
		from   string
		header http.Header
		want   checkup.Seen
	}{
		"a reader":        {"127.5.0.1", nil, checkup.Seen{Mask: edgetest.ClientMask(t, "127.5.0.1"), Named: true, Private: true}},
		"who forges":      {"127.5.0.1", forging(), checkup.Seen{Mask: edgetest.ClientMask(t, "127.5.0.1"), Named: true, Forwarded: true, Private: true}},
		"a proxy":         {"127.4.0.1", forging(), checkup.Seen{Mask: edgetest.ClientMask(t, "127.9.9.9"), Named: true, Forwarded: true, Trusted: true}},
		"a proxy's check": {"127.4.0.1", nil, checkup.Seen{Mask: edgetest.ClientMask(t, "127.4.0.1"), Trusted: true}},
	} {
		token := ask("").Token
		if got := send(c.from, token, c.header); got.Header[checkup.Header] != nil {
			t.Errorf("%s: the app got the token", name)
		}
		got := ask(token).Seen
		if len(got.Networks) != 2 || !got.Arrived || got.Mode != "mask" || got.NetworksMode != "xff" || !slices.Equal(got.ClientIPHeaders, []string{"X-Forwarded-For"}) {
			t.Errorf("%s: %+v", name, got)
		}
		got.Networks, got.ClientIPHeaders, got.Arrived, got.Mode, got.NetworksMode = nil, nil, false, "", ""
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s:\n%+v, want\n%+v", name, got, c.want)
		}
		if ask(token).Seen.Arrived {
			t.Errorf("%s: it is told twice", name)
		}
	}
	ask("") // something is waited for
	if got := send("127.5.0.1", "MADE-UP", nil); got.Header.Get(checkup.Header) != "MADE-UP" {
		t.Error("a header that is nobody's is taken away")
	}
	status := 200
	for range 100 {
		if status, _ = e.Post(t, "/wikiveil/doctor/probe", map[string]string{}); status != 200 {
			break
		}
	}
	if status != http.StatusTooManyRequests {
		t.Errorf("requests to look out for are taken without end: %d", status)
	}
}

// The exit codes and the text for people.
func TestDoctorsExitCodes(t *testing.T) {
	testutil.Slow(t)
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, edgetest.PlainSite+wiki.Address()+"\n}")
	run := func(args ...string) (int, string) {
		cmd := edgetest.Command(t, e, append([]string{"doctor"}, args...)...)
		out, err := cmd.Output()
		if err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), string(out)
	}
	if code, out := run("--address", e.Admin); code != 0 || !strings.Contains(out, "ok       logs: all logs of the config are masked") || !strings.Contains(out, "untold   wiki: the wiki wasn't asked\n      -> wikiveil doctor --wiki ") {
		t.Errorf("all is well: %d %s", code, out)
	}
	for name, args := range map[string][]string{
		"no edge":    {"--address", edgetest.FreePort(t)},
		"no wiki":    {"--address", e.Admin, "--wiki", "http://" + edgetest.FreePort(t) + "/api.php"},
		"no API":     {"--address", e.Admin, "--wiki", "http://" + e.Site + "/api.php"},
		"no address": {"--address", e.Admin, "--wiki", "wiki.example"},
		"argument":   {"--address", e.Admin, "https://wiki.example/api.php"},
		"flag":       {"--address", e.Admin, "--wikis", "https://wiki.example/api.php"},
		"around":     {"--address", e.Admin, "--around", "127.0.0.1:80"},
	} {
		if code, out := run(args...); code != 2 {
			t.Errorf("%s: %d %s", name, code, out)
		}
	}
	e.Load(t, strings.Replace(edgetest.PlainSite, "client_mask", "client_mask {\nmode observe\n}", 1)+wiki.Address()+"\n}")
	if code, out := run("--address", e.Admin); code != 1 || !strings.Contains(out, "warning  sites: a client_mask only observes: its app gets addresses\n      -> Caddyfile: client_mask { mode mask }\n") {
		t.Errorf("something is wrong: %d %s", code, out)
	}
}

// A hostile wiki leads the doctor nowhere else, and writes nothing of its own on the operator's terminal.
func TestDoctorOfHostileWiki(t *testing.T) {
	elsewhere := edgetest.NewBackend(t, nil)
	var answer http.HandlerFunc
	wiki := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) { answer(w, r) })
	e := edgetest.New(t, edgetest.PlainSite+wiki.Address()+"\n}")
	const escape = "\x1b[2J"
	text := func(format string, args ...any) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, format, args...) }
	}
	for name, c := range map[string]http.HandlerFunc{
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/api.php", http.StatusFound)
		},
		"escapes in a code":  text(`{"error": {"code": "\u001b[2J"}}`),
		"a script elsewhere": text(`{"query": {"general": {"script": "@%s/", "time": "\u001b[2J"}, "extensions": [{"name": "OAuth"}, {"name": "\u001b[2J"}], "userinfo": {"name": "fd00::1%%%s", "anon": true}}}`, elsewhere.Address(), `\u001b[2J`),
		"other kinds":        text(`{"query": {"general": {"wikiveil": "\u001b[2J"}}}`),
		"no JSON":            text(escape),
		"without end": func(w http.ResponseWriter, r *http.Request) {
			for filler := make([]byte, 1<<20); ; {
				if _, err := w.Write(filler); err != nil {
					return
				}
			}
		},
	} {
		answer = c
		var err error
		out := edgetest.Stdout(t, func() {
			_, err = edgetest.Run(t, "", "doctor", "--address", e.Admin, "--wiki", "http://"+e.Site+"/api.php")
		})
		if all := out + fmt.Sprint(err); strings.Contains(all, "\x1b") || name != "a script elsewhere" && err == nil {
			t.Errorf("%s: %q", name, all)
		}
		if got := elsewhere.Take(); len(got) != 0 {
			t.Errorf("%s: it is led to another server", name)
		}
	}
}
