//go:build integration

package integration

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/wikiveil/wikiveil/lookup/audit"
	"github.com/wikiveil/wikiveil/lookup/seal"
)

// revealScene is a wiki over https whose administrators may reveal masks, on another port.
type revealScene struct {
	*edge
	*authority
	plain    *edge // the wiki over http, for edits
	origin   string
	identity *seal.Identity
}

const revealCaddyfile = `
{
	admin off
	auto_https off
	persist_config off
	storage file_system %[1]s/storage
	log {
		output file %[1]s/caddy.log
		format masked json
		level DEBUG
	}
	wikiveil {
		data_dir %[1]s/data
		sightings {
			seal any %[2]s
		}
	}
}

(who) {
	wiki http://%[3]s/api.php {
		right reveal block
	}
	reveal %[4]s %[5]s
}

%[4]s {
	bind 127.0.0.1
	tls %[6]s %[7]s
	log
	` + clientMask + `
	csp
	mask_info {
		import who
	}
	%[8]s
}

%[5]s {
	bind 127.0.0.1
	tls %[6]s %[7]s
	log
	mask_reveal {
		import who
	}
}

%[9]s {
	bind 127.0.0.1
	` + clientMask + `
	%[8]s
}

http://%[3]s {
	bind 127.0.0.3
	%[8]s
}
`

func newRevealScene(t *testing.T) *revealScene {
	t.Helper()
	id, err := seal.GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	s := &revealScene{
		edge: &edge{addr: freeAddr(t, "127.0.0.1"), dir: t.TempDir()}, plain: &edge{addr: freeAddr(t, "127.0.0.1")},
		authority: newAuthority(t), identity: id,
	}
	if err := os.Mkdir(filepath.Join(s.dir, "storage"), 0o700); err != nil {
		t.Fatal(err)
	}
	named := func(scheme, addr string) string {
		_, port, _ := net.SplitHostPort(addr)
		return scheme + "://" + wikiHost + ":" + port
	}
	s.url, s.plain.url = named("https", s.addr), named("http", s.plain.addr)
	s.origin = named("https", freeAddr(t, "127.0.0.1"))
	w := newWiki(t, releases[0], "if ( isset( $_SERVER['HTTPS'] ) ) { $wgServer = 'https://' . $_SERVER['HTTP_HOST']; }\n")
	loadCaddyfile(t, fmt.Sprintf(revealCaddyfile, s.dir, id.Recipient(), freeAddr(t, "127.0.0.3"), s.url, s.origin,
		s.cert, s.key, w.site(t, ""), s.plain.url))
	return s
}

// TestAdministratorReveals is the way of somebody who may reveal, in a browser: from the wiki's page about a
// mask, under the wiki's policy, to the sealed box, which only their identity opens.
func TestAdministratorReveals(t *testing.T) {
	s := newRevealScene(t)
	a := newVisitor(s.plain, alice, new(transcript))
	a.save(t, "Sandbox", uniqueText())
	mask := s.maskOf(t, alice).String()

	b := startBrowser(t, chromedp.Flag("ignore-certificate-errors-spki-list", s.hash))
	b.do(t, chromedp.Navigate(s.url+"/index.php?title=Special:UserLogin"),
		fillIn("wpName1", adminName), fillIn("wpPassword1", adminPassword), click("#wpLoginAttempt"))
	b.waitFor(t, `document.querySelector('#pt-logout')`)

	b.open(t, s.url+"/.privacy/masks/?masks="+mask) // which looks nothing up yet
	b.do(t, click("main form button"))
	b.waitFor(t, `document.querySelector('form[action$=reveal] button')`)
	b.do(t, click("form[action$=reveal] button"))
	b.waitForLocation(t, s.origin)
	code := text(t, b, ".code")
	screenshot(t, b, "reveal-ask.png")
	time.Sleep(1600 * time.Millisecond) // as a person reads
	b.do(t, chromedp.SendKeys(chromedp.CSS("input[name=reason]"), "Threats on the page"),
		chromedp.SendKeys(chromedp.CSS("input[name=code]"), strings.TrimSpace(code)), click("main form button"))
	b.waitFor(t, `document.querySelector('textarea')`)
	box, err := seal.ParseBox(evaluate[string](t, b, `document.querySelector('textarea').value`))
	if err != nil {
		t.Fatal(err)
	}
	receipt := evaluate[string](t, b, `document.querySelectorAll('textarea')[1].value`)
	if c, err := audit.ParseCheckpoint([]byte(receipt)); err != nil || c.Reveals != 1 {
		t.Errorf("the receipt is %s: %v", receipt, err)
	}
	screenshot(t, b, "reveal-box.png")
	if addr, err := seal.Open(box, s.identity); err != nil || addr != netip.MustParseAddr(alice) {
		t.Errorf("the box holds %v, %v", addr, err)
	}
	page := evaluate[string](t, b, `document.documentElement.outerHTML`)
	log, err := os.ReadFile(filepath.Join(s.dir, "caddy.log"))
	if err != nil {
		t.Fatal(err)
	}
	for what, data := range map[string][]byte{"the page": []byte(page), "the log": log} {
		if found, is := findTrace(data, netip.MustParseAddr(alice)); is {
			t.Errorf("%s holds the address: %s", what, found)
		}
	}
}
