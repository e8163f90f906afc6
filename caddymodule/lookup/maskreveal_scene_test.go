package lookup

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/lookup/audit"
)

// Clients' addresses, of which no trace is to be found.
const (
	writerAddr  = "127.130.7.1"
	checkerAddr = "127.9.9.9"
)

// revealConfig has a wiki, another one, and an origin of reveals. {SEAL}, {WIKI}, {REVEAL} (origins), {GATE}
// (options of mask_info), {THERE} (more of mask_reveal) and {AUTH} are filled in.
const revealConfig = `{
	{GLOBAL}
	auto_https disable_redirects
	skip_install_trust
	wikiveil {
		data_dir {DIR}/data
		sightings {
			seal {SEAL}
		}
	}
}
(wiki) {
	client_mask
	{AUTH}
	mask_info {
		{GATE}
		reveal {WIKI} {REVEAL}
	}
	reverse_proxy {APP}
}
{WIKI} {
	# At the first handshake: Caddy 2.11.9 has a data race where certificates are obtained as the config starts.
	tls internal {
		on_demand
	}
	import wiki
}
http://wiki.localhost:{PLAIN} {
	import wiki
}
{OTHER} {
	tls internal {
		on_demand
	}
	client_mask {
		site other
	}
	reverse_proxy {APP}
}
{REVEAL} {
	log {
		output file {DIR}/reveals.log
		format masked json
	}
	tls internal {
		on_demand
	}
	{AUTH}
	mask_reveal {
		reveal {WIKI} {REVEAL}
		{THERE}
	}
}`

// revealScene is a running edge with wikis and people.
type revealScene struct {
	*edgetest.Edge
	t                          *testing.T
	app                        *edgetest.Backend
	config                     string
	wiki, other, plain, origin string // origins
	roots                      *x509.CertPool

	mu       sync.Mutex
	accounts map[string]account // by session
}

// account is a user of the wiki; see serveAPI.
type account struct {
	id     int
	rights []string
}

type revealOptions struct {
	seal, gate, there, auth string
	subdomain               bool
}

func newRevealScene(t *testing.T, o revealOptions) *revealScene {
	t.Helper()
	s := &revealScene{t: t, accounts: map[string]account{
		"checker":   {4, []string{"block", "checkuser", "checkuser-log"}},
		"second":    {5, []string{"checkuser"}},
		"withdrawn": {6, []string{"checkuser"}},
		"plain":     {7, []string{"edit"}},
		"exhausted": {8, []string{"checkuser"}},
		"patroller": {9, []string{"block"}},
	}}
	s.app = edgetest.NewBackend(t, s.serveAPI)
	port := func() string { _, p, _ := strings.Cut(edgetest.FreePort(t), ":"); return p }
	plain, reveal := port(), "https://wiki.localhost:"+port()
	if o.subdomain {
		reveal = strings.Replace(reveal, "wiki.", "reveal.wiki.", 1)
	}
	s.wiki, s.other, s.plain, s.origin = "https://wiki.localhost:"+port(), "https://other.localhost:"+port(), "http://wiki.localhost:"+plain, reveal
	s.config = strings.NewReplacer("{SEAL}", o.seal, "{GATE}", o.gate, "{THERE}", o.there, "{AUTH}", o.auth).Replace(revealConfig)
	s.config = strings.NewReplacer("{WIKI}", s.wiki, "{OTHER}", s.other, "{PLAIN}", plain, "{REVEAL}", s.origin,
		"{APP}", s.app.Address(), "{API}", s.app.URL+"/w/api.php").Replace(s.config)
	s.Edge = edgetest.New(t, s.config)
	s.trust()
	return s
}

// wikiGate has the wiki asked for each request.
const wikiGate = "wiki {API} {\ncache 1ms\n}"

// serveAPI is the app: a wiki that answers the question who has a session, in the form that MediaWiki does.
func (s *revealScene) serveAPI(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/w/api.php" {
		io.WriteString(w, "the app")
		return
	}
	info := map[string]any{"id": 0, "name": "127.0.0.1", "anon": true, "rights": []string{"read"}}
	if c, err := r.Cookie("wiki_session"); err == nil {
		s.mu.Lock()
		a, ok := s.accounts[c.Value]
		s.mu.Unlock()
		if ok {
			info = map[string]any{"id": a.id, "name": "User:" + c.Value, "rights": a.rights}
		}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	json.NewEncoder(w).Encode(map[string]any{"batchcomplete": true, "query": map[string]any{"userinfo": info}})
}

// grant changes an account's rights.
func (s *revealScene) grant(name string, rights ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[name] = account{s.accounts[name].id, rights}
}

// reload loads a config and waits until the one before listens no more: what connects to it in
// its last moment is cut off.
func (s *revealScene) reload(config string) {
	s.t.Helper()
	s.Load(s.t, config)
	for _, origin := range []string{s.wiki, s.other, s.origin} {
		u, err := url.Parse(origin)
		if err != nil {
			s.t.Fatal(err)
		}
		want := strings.Count(config, origin+" {\n") // sites
		testutil.Eventually(s.t, "the end of the old listeners", func() bool { return edgetest.Listeners(s.t, u.Port()) == want })
	}
}

func (s *revealScene) trust() {
	s.t.Helper()
	pem, err := os.ReadFile(filepath.Join(s.Dir, "storage/pki/authorities/local/root.crt"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.roots = x509.NewCertPool()
	if !s.roots.AppendCertsFromPEM(pem) {
		s.t.Fatal("the root is no certificate")
	}
	for _, origin := range []string{s.wiki, s.other, s.origin} {
		u, err := url.Parse(origin)
		if err != nil {
			s.t.Fatal(err)
		}
		testutil.Eventually(s.t, "the certificate of "+origin, func() bool {
			conn, err := tls.Dial("tcp", "127.0.0.1:"+u.Port(), &tls.Config{RootCAs: s.roots, ServerName: u.Hostname()})
			if err != nil {
				return false
			}
			return conn.Close() == nil
		})
	}
}

// reveals are the reveals in the audit log.
func reveals(t *testing.T) (all []audit.Entry) {
	t.Helper()
	return slices.DeleteFunc(entries(t), func(e audit.Entry) bool { return e.Action != audit.Reveal })
}

// counted returns how often reveals had an outcome.
func (s *revealScene) counted(outcome string) string {
	return s.Metric(s.t, fmt.Sprintf(`wikiveil_mask_lookups_total{action="reveal",outcome=%q}`, outcome))
}

// wantNoTrace searches logs, stores, metrics and the admin API for the clients' addresses.
func (s *revealScene) wantNoTrace() {
	s.t.Helper()
	s.SearchTraces(s.t, netip.MustParseAddr(writerAddr), netip.MustParseAddr(checkerAddr))
	if log := s.ReadFile(s.t, "reveals.log"); !strings.Contains(log, `"uri":"/reveal`) || strings.Contains(log, "User:") {
		s.t.Error("the log of the reveals' origin is empty, or tells users:", log)
	}
}

// basicAuth knows users by their names as passwords.
func basicAuth(t *testing.T, paths string, names ...string) string {
	t.Helper()
	var accounts strings.Builder
	for _, name := range names {
		hash, err := bcrypt.GenerateFromPassword([]byte(name), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&accounts, "%s %s\n", name, hash)
	}
	return "@private path " + paths + "\nbasic_auth @private {\n" + accounts.String() + "}"
}
