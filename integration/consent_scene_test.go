//go:build integration

package integration

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/wikiveil/wikiveil/csp/exempt"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// authority is a key and a certificate for all servers of a scene. Browsers take it by its key's hash,
// which leaves everything else of TLS, and their caches, as readers have them.
type authority struct {
	cert, key string // files
	pair      tls.Certificate
	roots     *x509.CertPool
	hash      string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: wikiHost},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{wikiHost}, IPAddresses: []net.IP{net.ParseIP("127.0.0.2"), net.ParseIP("127.0.0.4")},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	dir, sum := t.TempDir(), sha256.Sum256(public)
	a := &authority{
		cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"),
		roots: x509.NewCertPool(), hash: base64.StdEncoding.EncodeToString(sum[:]),
	}
	a.roots.AppendCertsFromPEM(certPEM)
	if a.pair, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string][]byte{a.cert: certPEM, a.key: keyPEM} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// serve runs an HTTPS server at an address until the test ends, and returns its port.
func (a *authority) serve(t *testing.T, address string, handler http.Handler) (port string) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Listener.Close()
	var err error
	if server.Listener, err = net.Listen("tcp", net.JoinHostPort(address, "0")); err != nil {
		t.Fatal(err)
	}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{a.pair}}
	server.StartTLS()
	t.Cleanup(server.Close)
	_, port, _ = net.SplitHostPort(server.Listener.Addr().String())
	return port
}

// consentScene is a wiki over https with its consent origin, a declared tool, another third party and
// a hostile site. A gadget on the wiki tries to load all kinds of things from both third parties.
type consentScene struct {
	*edge
	*authority
	consent string // origin
	plain   *edge  // the wiki without Wikiveil's pages, where the test itself edits
	wiki    *wiki

	tool, other *thirdParty
	hostile     *hostileSite
}

// weatherPurpose is of the tool's first declaration.
const weatherPurpose = "Shows the weather in articles about places"

func newConsentScene(t *testing.T) *consentScene {
	t.Helper()
	s := &consentScene{
		edge: &edge{addr: freeAddr(t, "127.0.0.1"), dir: t.TempDir()}, plain: &edge{addr: freeAddr(t, "127.0.0.1")},
		authority: newAuthority(t),
		tool:      &thirdParty{requests: make(map[string]int)}, other: &thirdParty{requests: make(map[string]int)},
		wiki: newWiki(t, releases[0], "if ( isset( $_SERVER['HTTPS'] ) ) { $wgServer = 'https://' . $_SERVER['HTTP_HOST']; }\n"),
	}
	for _, sub := range []string{"storage", "data"} {
		if err := os.Mkdir(filepath.Join(s.dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	named := func(scheme, addr string) string {
		_, port, _ := net.SplitHostPort(addr)
		return scheme + "://" + wikiHost + ":" + port
	}
	s.url, s.plain.url = named("https", s.addr), named("http", s.plain.addr)
	s.consent = named("https", freeAddr(t, "127.0.0.1"))
	s.admin = "http://" + freeAddr(t, "127.0.0.1")
	s.tool.url = "https://127.0.0.2:" + s.serve(t, "127.0.0.2", s.tool)
	s.other.url = "https://127.0.0.4:" + s.serve(t, "127.0.0.4", s.other)
	s.hostile = newHostileSite(t, s)
	t.Cleanup(func() { stopEdge(t) })
	s.load(t, weatherPurpose, s.policy())

	editor := newVisitor(s.plain, sysop, new(transcript))
	editor.login(t)
	editor.save(t, "MediaWiki:Gadgets-definition", "* weather[ResourceLoader|default]|weather.js")
	editor.save(t, "MediaWiki:Gadget-weather.js", s.tool.userScript()+fmt.Sprintf("add('img', {src: '%s/image'}, settle('other'));\n", s.other.url))
	editor.save(t, "MediaWiki:Worker.js", hostileWorker)
	return s
}

// policy is the wiki's csp directive.
func (s *consentScene) policy() string {
	return fmt.Sprintf("csp {\nconsent %s %s {\ndeveloper_consent\n}\n}\n", s.url, s.consent)
}

const consentCaddyfile = `
{
	admin %[1]s
	auto_https off
	persist_config off
	grace_period 1s
	storage file_system %[2]s/storage
	log {
		output file %[2]s/caddy.log
		format masked json
	}
	wikiveil {
		data_dir %[2]s/data
		tool weather %[3]s {
			title "Weather of the world"
			access consent
			kinds img data
			purpose %[4]q
			sends "The place that the article is about"
			retention "Seven days"
			privacy https://weather.example/privacy
			source https://git.example/weather
			contact rain@weather.example
			reviewer "Ada Admin"
			reviewed 2026-07-01
			allow_loopback
		}
	}
}

%[5]s {
	bind 127.0.0.1
	tls %[6]s %[7]s
	` + clientMask + `
	header ` + noticeboard.ReaderToolsPath + ` {
		Access-Control-Allow-Origin {header.Origin}
		Access-Control-Allow-Credentials true
	}
	%[8]s
	anonproxy
	%[9]s
}

%[10]s {
	bind 127.0.0.1
	tls %[6]s %[7]s
	client_mask
	third_party_consent %[5]s %[10]s {
		developer_consent
	}
}

%[11]s {
	bind 127.0.0.1
	` + clientMask + `
	%[9]s
}
`

// load runs the edge with a declaration of the tool and a policy, or reloads it.
func (s *consentScene) load(t *testing.T, purpose, policy string) {
	t.Helper()
	reloadCaddyfile(t, fmt.Sprintf(consentCaddyfile, strings.TrimPrefix(s.admin, "http://"), s.dir, s.tool.url, purpose,
		s.url, s.cert, s.key, policy, s.wiki.site(t, ""), s.consent, s.plain.url))
	// What connects while the edge from before still listens is answered by that.
	for _, origin := range []string{s.url, s.consent, s.plain.url} {
		wait(t, "the end of the old listeners", func() bool { return listeners(t, origin[strings.LastIndexByte(origin, ':')+1:]) == 1 })
	}
}

// listeners counts the sockets that listen on a TCP port of IPv4.
func listeners(t *testing.T, port string) int {
	t.Helper()
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	return len(regexp.MustCompile(fmt.Sprintf(`(?m)^ *\d+: [0-9A-F]+:%04X [0-9A-F]+:0000 0A `, number)).FindAll(table, -1))
}

// startBrowser runs a reader's Chromium.
func (s *consentScene) startBrowser(t *testing.T) *browser {
	t.Helper()
	return startBrowser(t, chromedp.Flag("ignore-certificate-errors-spki-list", s.hash))
}

// counted returns how often each outcome of requests about exemptions was counted, and "service_worker".
func (s *consentScene) counted(t *testing.T) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for line := range strings.Lines(string(s.adminAnswers(t))) {
		for prefix, label := range map[string]string{
			`wikiveil_consents_total{outcome="`: "", `wikiveil_refused_requests_total{reason="service_worker`: "service_worker",
		} {
			rest, found := strings.CutPrefix(strings.TrimSpace(line), prefix)
			if !found {
				continue
			}
			outcome, number, _ := strings.Cut(rest, `"} `)
			n, err := strconv.Atoi(number)
			if err != nil {
				t.Fatalf("reading %q: %v", line, err)
			}
			counts[label+outcome] += n
		}
	}
	return counts
}

// wait waits for a condition that comes true by what browsers do.
func wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// wantRefusal does something and waits until the edge has refused a request for the reason. Nobody may
// have been granted anything by it.
func (s *consentScene) wantRefusal(t *testing.T, reason string, do func()) {
	t.Helper()
	before := s.counted(t)
	do()
	var after map[string]int
	defer func() {
		if t.Failed() {
			t.Logf("counted before %v, then %v", before, after)
		}
	}()
	wait(t, "the refusal "+reason, func() bool {
		after = s.counted(t)
		return after[reason] > before[reason]
	})
	if granted := s.counted(t)["granted"] - before["granted"]; granted != 0 {
		t.Errorf("%d exemptions were granted", granted)
	}
}

// cookies are a browser's for the wiki's host, by name.
func (b *browser) cookies(t *testing.T, wiki string) map[string]string {
	t.Helper()
	found, err := chromedp.Run(b.ctx, func(ctx context.Context, tab *chromedp.Target) (map[string]string, error) {
		result, err := cdp.Call(ctx, tab, network.GetCookies, network.GetCookiesParams{URLs: []string{wiki + "/"}})
		if err != nil {
			return nil, err
		}
		cookies := make(map[string]string)
		for _, c := range result.Cookies {
			cookies[c.Name] = c.Value
		}
		return cookies, nil
	})
	if err != nil {
		t.Fatalf("in Chromium: %v", err)
	}
	return found
}

// wantNoExemption fails if a browser holds one.
func (s *consentScene) wantNoExemption(t *testing.T, b *browser) {
	t.Helper()
	if value, found := b.cookies(t, s.url)[exempt.GrantsCookie]; found {
		t.Errorf("the browser has exemptions: %s", value)
	}
}

// openForm goes to the page that asks about the tool.
func (s *consentScene) openForm(t *testing.T, b *browser) {
	t.Helper()
	b.open(t, s.url+exempt.GoPath+"?tool=weather")
	b.waitFor(t, `document.querySelector('.code')`)
	if origin := evaluate[string](t, b, `location.origin`); origin != s.consent {
		t.Fatalf("the form is on %s", origin)
	}
}

// answer types the code as a person does: after having read, and by the keyboard.
func (s *consentScene) answer(t *testing.T, b *browser) {
	t.Helper()
	time.Sleep(minimumAge)
	code := text(t, b, ".code")
	b.do(t, click("input[name=code]"), chromedp.KeyEvent(code), click("form button"))
}

// minimumAge is a little more than a form must be old.
const minimumAge = 1600 * time.Millisecond

// grant goes the reader's whole way.
func (s *consentScene) grant(t *testing.T, b *browser) {
	t.Helper()
	s.openForm(t, b)
	s.answer(t, b)
	b.waitForLocation(t, s.url+exempt.ListPath)
}

// gadgetLoads opens a page of the wiki and returns what the gadget there got from the tool, and the directives that
// stopped it.
func (s *consentScene) gadgetLoads(t *testing.T, b *browser, path string) (loaded, stopped map[string]int) {
	t.Helper()
	b.take()
	s.tool.reset()
	s.other.reset()
	b.open(t, s.url+path)
	b.waitFor(t, fmt.Sprintf("window.settled && settled.length === %d", len(loads)+1))
	// When the violation that this makes has been seen, all before have been.
	evaluate[chromedp.Void](t, b, violate)
	stopped = make(map[string]int)
	violations, _ := b.take()
	for _, v := range violations {
		if !strings.Contains(v.Blocked, "sentinel") {
			stopped[v.Directive]++
		}
	}
	if counts := s.other.counts(); len(counts) > 0 {
		t.Errorf("requests reached a site that is not declared: %v", counts)
	}
	return s.tool.counts(), stopped
}
