//go:build integration

package integration

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
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
	third := &thirdParty{requests: make(map[string]int)}
	_, port, _ := net.SplitHostPort("127.0.0.2:" + a.serve(t, "127.0.0.2", third))
	const noCredentials = `header Permissions-Policy "publickey-credentials-get=(), publickey-credentials-create=()"` + "\n"
	ways := map[string]string{
		"prefetch":  rules("prefetch", "https://evil.example/prefetch"),
		"prerender": rules("prerender", "https://evil.example/prerender"),
		"signal":    `PublicKeyCredential.signalUnknownCredential({rpId: 'evil.example', credentialId: 'AAAA'})`,
		"get":       `navigator.credentials.get({publicKey: {challenge: new Uint8Array(16), rpId: 'evil.example', timeout: 2000}})`,
	}
	for name, tt := range map[string]struct {
		site string
		open string // the ways that are
	}{
		"mediawiki":             {"csp\n", "get prefetch prerender signal"},
		"strict":                {"csp strict\n", "get signal"},
		"static":                {"csp static\n", "get signal"},
		"without credentials":   {"csp\n" + noCredentials, "prefetch prerender signal"},
		"static without either": {"csp static\n" + noCredentials, "signal"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startEdge(t, edgeConfig{https: true, site: tt.site + enginePage})
			b := startBrowser(t, chromedp.Flag("ignore-certificate-errors-spki-list", a.hash+","+toolHash(t)),
				chromedp.Flag("host-resolver-rules", "MAP evil.example:443 127.0.0.2:"+port))
			b.do(t, command(preload.Enable, cdp.Empty{}))
			var open []string
			for _, way := range []string{"get", "prefetch", "prerender", "signal"} {
				third.reset()
				b.open(t, s.url+"/")
				evaluate[chromedp.Void](t, b, fmt.Sprintf(`void (async () => { try { await (%s); } catch (error) { window.failed = String(error); } })()`, ways[way]))
				time.Sleep(4 * time.Second) // for what doesn't come
				if len(third.counts()) > 0 {
					open = append(open, way)
				}
				t.Logf("%s: %v, %s", way, third.counts(), evaluate[string](t, b, "String(window.failed)"))
			}
			if got := strings.Join(open, " "); got != tt.open {
				t.Errorf("open are %q, want %q", got, tt.open)
			}
		})
	}
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

// rules is a script that adds speculation rules.
func rules(kind, url string) string {
	return fmt.Sprintf(`document.head.append(Object.assign(document.createElement('script'), {type: 'speculationrules',
		textContent: JSON.stringify({%s: [{source: 'list', urls: [%q], eagerness: 'immediate'}]})}))`, kind, url)
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
			until(t, e, "window.settled && settled.length === 4")
			if got, want := value[string](t, e, "settled.sort().join(', ')"), "dynamic blocked, import blocked, nonced blocked, own loaded"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if counts := third.counts(); len(counts) > 0 {
				t.Errorf("the third party got %v", counts)
			}
		})
	}
}
