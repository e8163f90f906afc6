//go:build integration

package integration

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/preload"
	"github.com/chromedp/chromedp"
)

// TestCase55OtherWaysOut is what docs/policy.md says of ways to another site that no policy rules: which a preset or a header
// stops in Chromium, and which nothing does. Where this fails, browsers have changed, and the page is to be changed too.
func TestCase55OtherWaysOut(t *testing.T) {
	a := newAuthority(t)
	var reached sync.Map // hosts
	port := a.serve(t, "127.0.0.2", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached.Store(r.Host, true) }))
	ways := []string{
		rules("prefetch", "https://prefetch.example/"), rules("prerender", "https://prerender.example/"),
		`PublicKeyCredential.signalUnknownCredential({rpId: 'signal.example', credentialId: 'AAAA'})`,
		`PublicKeyCredential.signalAllAcceptedCredentials({rpId: 'signalall.example', userId: 'AAAA', allAcceptedCredentialIds: []})`,
		`navigator.credentials.get({publicKey: {challenge: new Uint8Array(16), rpId: 'get.example', timeout: 2000}})`,
		`navigator.credentials.create({publicKey: {challenge: new Uint8Array(16), rp: {id: 'create.example', name: 'x'}, timeout: 2000,
			user: {id: new Uint8Array(16), name: 'x', displayName: 'x'}, pubKeyCredParams: [{type: 'public-key', alg: -7}]}})`,
	}
	const noCredentials = `header Permissions-Policy "publickey-credentials-get=(), publickey-credentials-create=()"` + "\n"
	for name, tt := range map[string]struct{ site, open string }{
		"mediawiki":           {"csp\n", "create get prefetch prerender signal signalall"},
		"strict":              {"csp strict\n", "create get prefetch prerender signal signalall"},
		"static":              {"csp static\n", "create get signal signalall"},
		"without credentials": {"csp\n" + noCredentials, "prefetch prerender signal signalall"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startEdge(t, edgeConfig{https: true, site: tt.site + noncedPage})
			var rules []string
			for _, host := range []string{"create", "get", "prefetch", "prerender", "signal", "signalall"} {
				rules = append(rules, "MAP "+host+".example:443 127.0.0.2:"+port)
			}
			b := startBrowser(t, chromedp.Flag("ignore-certificate-errors-spki-list", a.hash+","+toolHash(t)),
				chromedp.Flag("host-resolver-rules", strings.Join(rules, ",")))
			// Without this, Chromium preloads nothing for a page that is automated.
			b.do(t, command(preload.Enable, cdp.Empty{}))
			reached.Clear()
			for _, way := range ways {
				b.open(t, s.url+"/")
				evaluate[chromedp.Void](t, b, "void (async () => "+way+")().catch(() => {})")
				// What is open needs some time to get there, and what is not, all of it.
				for end := time.Now().Add(3 * time.Second); time.Now().Before(end) && !reachedAll(&reached, tt.open); {
					time.Sleep(20 * time.Millisecond)
				}
			}
			var open []string
			reached.Range(func(host, _ any) bool {
				open = append(open, strings.TrimSuffix(host.(string), ".example"))
				return true
			})
			slices.Sort(open)
			if got := strings.Join(open, " "); got != tt.open {
				t.Errorf("open are %q, want %q", got, tt.open)
			}
		})
	}
}

func reachedAll(reached *sync.Map, names string) bool {
	for name := range strings.FieldsSeq(names) {
		if _, found := reached.Load(name + ".example"); !found {
			return false
		}
	}
	return true
}

// toolHash is that of the key of edges over https.
func toolHash(t *testing.T) string {
	t.Helper()
	certificate, err := x509.ParseCertificate(toolPair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// noncedPage has a script that hands on the nonce, as any script that has it can.
const noncedPage = "header / Content-Type text/html\nrespond / `<!doctype html><title>wiki</title>" +
	"<script nonce=\"{http.csp.nonce}\">window.nonce = document.currentScript.nonce</script>`\n"

// rules is a script that adds speculation rules, with the nonce and what else strict wants.
func rules(kind, url string) string {
	return fmt.Sprintf(`document.head.append(Object.assign(document.createElement('script'), {type: 'speculationrules', nonce: window.nonce || '',
		textContent: trustedTypes.createPolicy('rules', {createScript: text => text})
			.createScript(JSON.stringify({%s: [{source: 'list', urls: [%q], eagerness: 'immediate'}]}))}))`, kind, url)
}

// TestOtherWaysOutInEngines is what docs/policy.md says of ways out that every engine has: which of them no policy stops, and that
// what looks like them is stopped.
func TestOtherWaysOutInEngines(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	var reached atomic.Bool
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			reached.Store(true)
			conn.Close()
		}
	}()
	link := func(properties string) string {
		return fmt.Sprintf(`document.head.append(Object.assign(document.createElement('link'), {href: 'https://%s/', %s}))`, l.Addr(), properties)
	}
	stopped := map[string]string{
		"prefetch": link(`rel: 'prefetch'`), "preload": link(`rel: 'preload', as: 'image'`), "modulepreload": link(`rel: 'modulepreload'`),
		"prerender": link(`rel: 'prerender'`), "icon": link(`rel: 'icon'`), "manifest": link(`rel: 'manifest'`),
		"ping": fmt.Sprintf(`Object.assign(document.createElement('a'), {href: '#here', ping: 'https://%s/'}).click()`, l.Addr()),
	}
	preconnect := link(`rel: 'preconnect'`)
	rtc := fmt.Sprintf(`(async () => {
		window.connection = new RTCPeerConnection({iceServers: [{urls: 'turn:%s?transport=tcp', username: 'x', credential: 'x'}]});
		connection.createDataChannel('x');
		await connection.setLocalDescription(await connection.createOffer());
	})()`, l.Addr())
	for name, start := range engines {
		t.Run(name, func(t *testing.T) {
			s := startEdge(t, edgeConfig{https: true, site: "csp\n" + enginePage})
			e := start(t, &authority{hash: toolHash(t)})
			try := func(script string, wait time.Duration) bool {
				e.open(t, s.url+"/")
				reached.Store(false)
				value[any](t, e, script+", null")
				for end := time.Now().Add(wait); time.Now().Before(end) && !reached.Load(); {
					time.Sleep(20 * time.Millisecond)
				}
				return reached.Load()
			}
			for what, script := range stopped {
				if try(script, time.Second) {
					t.Errorf("%s is open", what)
				}
			}
			if !try(preconnect, 20*time.Second) {
				t.Error("preconnect is stopped")
			}
			// Debian's WebKitGTK has none, and Firefox mostly asks no server on a loopback address.
			if name == "Chromium" && !try(rtc, 20*time.Second) {
				t.Error("WebRTC is stopped")
			}
		})
	}
}

// TestCase56StrictKeepsThirdPartiesOut: a gadget that has the nonce of the preset strict, and with it whatever scripts that
// have it may do, loads scripts of its own site and no other's.
func TestCase56StrictKeepsThirdPartiesOut(t *testing.T) {
	a := newAuthority(t)
	third := &thirdParty{requests: make(map[string]int)}
	third.url = "https://127.0.0.2:" + a.serve(t, "127.0.0.2", third)
	gadget := strings.ReplaceAll(`
		window.settled = [];
		const nonce = document.currentScript.nonce;
		const policy = window.trustedTypes ? trustedTypes.createPolicy('gadget', {createScriptURL: url => url}) : {createScriptURL: url => url};
		const add = (name, url, nonce) => {
			const script = Object.assign(document.createElement('script'), {nonce, onload: () => settled.push(name + ' loaded'), onerror: () => settled.push(name + ' blocked')});
			script.src = policy.createScriptURL(url);
			document.head.append(script);
		};
		add('own', '/own.js', '');
		add('dynamic', 'THIRD/script', '');
		add('nonced', 'THIRD/script', nonce);
		import('THIRD/script').then(() => settled.push('import loaded'), () => settled.push('import blocked'));
	`, "THIRD", third.url)
	s := startEdge(t, edgeConfig{https: true, site: "csp strict\nheader / Content-Type text/html\nheader /own.js Content-Type text/javascript\nrespond /own.js 1\n" +
		"respond / `<!doctype html><title>app</title><script nonce=\"{http.csp.nonce}\">" + gadget + "</script>`\n"})
	for name := range engines {
		t.Run(name, func(t *testing.T) {
			e := engines[name](t, &authority{hash: a.hash + "," + toolHash(t)})
			e.open(t, s.url+"/")
			// WebKit tells of no blocked script; it decides of each before the next, and of the own one first.
			until(t, e, "window.settled && settled.includes('own loaded') && settled.some(word => word.startsWith('import'))")
			if got := value[string](t, e, "settled.sort().join(', ')"); !strings.Contains(got, "import blocked") || strings.Count(got, "loaded") != 1 {
				t.Errorf("got %s, want nothing loaded but the own script", got)
			}
			if counts := third.counts(); len(counts) > 0 {
				t.Errorf("the third party got %v", counts)
			}
		})
	}
}
