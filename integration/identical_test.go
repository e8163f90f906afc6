//go:build integration

package integration

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/wikiveil/wikiveil/internal/testutil/wiretest"
)

// toolPair is the certificate of tools at 127.0.0.2, which this process trusts as one of
// the system's: the edge takes no other.
var toolPair = func() tls.Certificate {
	pair, err := newToolPair()
	if err != nil {
		panic(err)
	}
	return pair
}()

func newToolPair() (pair tls.Certificate, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tools"}, IPAddresses: []net.IP{net.ParseIP("127.0.0.2")}, DNSNames: []string{wikiHost},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return pair, err
	}
	dir, err := os.MkdirTemp("", "tools")
	if err != nil {
		return pair, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "cert.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return pair, err
	}
	os.Setenv("SSL_CERT_FILE", file)
	defer os.Unsetenv("SSL_CERT_FILE")
	_, err = x509.SystemCertPool() // is read once
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// road is a reader's way to the wiki: what it carries comes from that reader's address.
type road struct {
	address string // where the browser finds the wiki

	mu   sync.Mutex
	sent bytes.Buffer // by the browser
	open []net.Conn
}

// startRoad carries connections to an address on, from a source address, until the test ends.
func startRoad(t *testing.T, source, to string) *road {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &road{address: l.Addr().String()}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := dialer.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			n.mu.Lock()
			n.open = append(n.open, near, far)
			n.mu.Unlock()
			go func() { defer far.Close(); io.Copy(far, io.TeeReader(near, n)) }()
			go func() { defer near.Close(); io.Copy(near, far) }()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, conn := range n.open {
			conn.Close()
		}
	})
	return n
}

func (n *road) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sent.Write(p)
}

// header returns the values that the browser sent in a header with requests for tools.
func (n *road) header(name string) (values []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for head := range strings.SplitSeq(n.sent.String(), "\r\n\r\n") {
		line, fields, _ := strings.Cut(head, "\r\n")
		if !strings.HasPrefix(line, "GET /.tools/") {
			continue
		}
		for field := range strings.SplitSeq(fields, "\r\n") {
			if key, value, _ := strings.Cut(field, ": "); strings.EqualFold(key, name) && !slices.Contains(values, value) {
				values = append(values, value)
			}
		}
	}
	return values
}

// readerAt is one who reads the wiki, logged in.
type readerAt struct {
	name, address, agent, language string
}

// loadEverything has a page load something of each kind from a tool, one after another.
const loadEverything = `(async function (tool) {
	const loaded = (make, ok) => new Promise(done => { const e = make(); e.onload = e.onerror = e.onloadeddata = done; });
	await fetch(tool + 'data.json?place=Oslo');
	await loaded(() => Object.assign(new Image(), {src: tool + 'image.png?place=Oslo'}));
	await loaded(() => document.head.appendChild(Object.assign(document.createElement('link'), {rel: 'stylesheet', href: tool + 'style.css?place=Oslo'})));
	await new FontFace('x', 'url(' + tool + 'font.woff2?place=Oslo)').load().catch(() => {});
	await loaded(() => Object.assign(document.createElement('audio'), {src: tool + 'media.mp3?place=Oslo'}));
	return true;
})(%q)`

// answerEverything is a tool's answer by the end of the path.
func answerEverything(path string) (contentType, body string) {
	path, _, _ = strings.Cut(path, "?")
	return map[string]string{
		".json": "application/json", ".png": "image/png", ".css": "text/css", ".woff2": "font/woff2", ".mp3": "audio/mpeg",
	}[filepath.Ext(path)], "{}"
}

// TestToolGetsTheSameBytes: two readers who differ in all that a browser shows, at different addresses
// and logged in to the wiki as two users, load the same from a tool. What the tool gets for them is
// byte for byte the same: TLS's first flight, the start of the connection, and each request.
func TestToolGetsTheSameBytes(t *testing.T) {
	tools := map[string]*wiretest.Server{}
	app := ""
	for name, protocol := range map[string]string{"new": "h2", "old": "http/1.1"} {
		tools[name] = wiretest.Start(t, "127.0.0.2:0", &tls.Config{Certificates: []tls.Certificate{toolPair}, NextProtos: []string{protocol}}, answerEverything)
		app += "tool " + name + " https://" + tools[name].Address + " {\nkinds data img style font media\nallow_loopback\n}\n"
	}
	s := setScene(t, fronts[0], edgeConfig{app: app, site: clientMask + "csp\nanonproxy\n"}, "")
	admin := s.visitAdmin(t, sysop)
	admin.createAccount(t, "Plain user")
	readers := []readerAt{
		{adminName, alice, "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36", "de-DE"},
		{"Plain user", dave, "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Other/7.0", "ja"},
	}

	got := make(map[string][]string) // by tool: what it got for each reader
	roads := make([]*road, len(readers))
	for i, r := range readers {
		roads[i] = startRoad(t, r.address, s.addr)
		b := r.startBrowser(t, s, roads[i])
		for name, server := range tools {
			server.CloseConnections()
			server.Take()
			// A connection that has ended is found out when it is used, and not each time is that mended unseen.
			wait(t, "the tool to be asked by "+r.name, func() bool {
				evaluate[bool](t, b, `fetch('/.tools/`+name+`/first.json').then(r => r.ok)`)
				requests, connections := server.Take()
				if len(connections) == 0 || len(requests) == 0 {
					return false
				}
				got[name] = append(got[name], fmt.Sprintf("%s\n%s\n%s", strings.Join(connections[len(connections)-1].Hello, "\n"),
					hex.Dump([]byte(connections[len(connections)-1].Begin)), hex.Dump([]byte(requests[len(requests)-1].Bytes))))
				return true
			})
			evaluate[bool](t, b, fmt.Sprintf(loadEverything, "/.tools/"+name+"/"))
			requests, _ := server.Take()
			kinds := make(map[string]string)
			for _, request := range requests {
				if first, again := kinds[request.Path]; again && first != request.Bytes {
					t.Errorf("two requests of %s for %s differ", r.name, request.Path)
				}
				kinds[request.Path] = request.Bytes
			}
			if len(kinds) != 5 {
				t.Errorf("%s was asked by %s for %q", name, r.name, requests)
			}
			for _, file := range []string{"data.json", "image.png", "style.css", "font.woff2", "media.mp3"} {
				got[name][i] += file + "\n" + hex.Dump([]byte(kinds["/"+file+"?place=Oslo"]))
			}
		}
	}
	for name := range tools {
		if got[name][0] != got[name][1] {
			t.Errorf("the tool %q can tell %s:\n%s\nfrom %s:\n%s", name, readers[0].name, got[name][0], readers[1].name, got[name][1])
		}
	}
	// The readers did differ, or all this would say nothing.
	for _, name := range []string{"Cookie", "User-Agent", "Accept-Language"} {
		first, second := roads[0].header(name), roads[1].header(name)
		if len(first) == 0 || len(second) == 0 || slices.ContainsFunc(first, func(v string) bool { return slices.Contains(second, v) }) {
			t.Errorf("the browsers sent %s %q and %q", name, first, second)
		}
	}
	if s.maskOf(t, readers[0].address) == s.maskOf(t, readers[1].address) {
		t.Error("the readers have the same mask")
	}
}

// startBrowser runs the reader's Chromium and logs the reader in.
func (r readerAt) startBrowser(t *testing.T, s *scene, way *road) *browser {
	t.Helper()
	_, port, _ := net.SplitHostPort(s.addr)
	b := startBrowser(t,
		chromedp.Flag("host-resolver-rules", "MAP "+wikiHost+":"+port+" "+way.address),
		chromedp.Flag("user-agent", r.agent), chromedp.Flag("accept-lang", r.language), chromedp.Flag("lang", r.language))
	b.open(t, s.url+"/index.php?title=Special:UserLogin")
	b.do(t, fillIn("wpName1", r.name), fillIn("wpPassword1", adminPassword), click("#wpLoginAttempt"))
	b.waitFor(t, `document.querySelector('#pt-logout')`)
	if name := strings.TrimSpace(text(t, b, "#pt-userpage")); name != r.name {
		t.Fatalf("%s is logged in as %s", r.name, name)
	}
	return b
}
