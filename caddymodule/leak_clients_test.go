package caddymodule

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

const (
	leakProxy = "127.61.9.9"    // of the trusted proxies, 127.61.9.0/24
	leakOther = "198.51.100.23" // another hop of a chain
	leakHost  = "edge.test"     // has a certificate
	leakRange = "127.61.9.0/24"
)

// leakClient is somebody whose address must not leak.
type leakClient struct {
	name   string
	source string     // of the connection
	via    string     // what a trusted proxy says of them, in X-Forwarded-For
	addr   netip.Addr // which is this
}

func leakClients() []leakClient {
	return []leakClient{
		{"IPv4", "127.61.2.3", "", netip.MustParseAddr("127.61.2.3")},
		{"IPv4 behind a proxy", leakProxy, "203.0.113.77", netip.MustParseAddr("203.0.113.77")},
		{"IPv6 behind a proxy", leakProxy, "2001:db8:1:2:3:4:5:6", netip.MustParseAddr("2001:db8:1:2:3:4:5:6")},
		{"mapped", leakProxy, "::ffff:203.0.113.77", netip.MustParseAddr("203.0.113.77")},
		{"mapped, hex, with port", leakProxy, "[::FFFF:CB00:714D]:4711", netip.MustParseAddr("203.0.113.77")},
		{"IPv6 with zone", leakProxy, "fe80::1%eth0", netip.MustParseAddr("fe80::1")},
	}
}

// leakAddrs are all addresses that the clients and proxies of these tests have.
func leakAddrs() []netip.Addr {
	addrs := []netip.Addr{netip.MustParseAddr(leakProxy), netip.MustParseAddr(leakOther)}
	for _, c := range leakClients() {
		if !slices.Contains(addrs, c.addr) {
			addrs = append(addrs, c.addr)
		}
	}
	return addrs
}

// forwarded is the header line of the client's proxy.
func (c leakClient) forwarded() string {
	if c.via == "" {
		return ""
	}
	return "X-Forwarded-For: " + c.via + "\n"
}

// leakAnswer is what a client got.
type leakAnswer struct {
	status int
	header http.Header
	body   string
	raw    []byte // the response as it came, over HTTP/1.1
}

// dialFrom connects from a loopback address.
func dialFrom(t *testing.T, source, addr string) net.Conn {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: 10 * time.Second}
	conn, err := dialer.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// sendBytes sends a request as it stands, over a connection of its own.
func sendBytes(t *testing.T, source, addr, request string) leakAnswer {
	t.Helper()
	conn := dialFrom(t, source, addr)
	defer conn.Close()
	// The server may answer, and stop reading, before it has all.
	go io.WriteString(conn, request)
	return readAnswer(t, conn, strings.HasPrefix(request, "HEAD "))
}

// readAnswer reads the response that counts.
func readAnswer(t *testing.T, conn net.Conn, head bool) leakAnswer {
	t.Helper()
	var raw bytes.Buffer
	from := bufio.NewReader(io.TeeReader(conn, &raw))
	request := new(http.Request)
	if head {
		request.Method = http.MethodHead
	}
	for {
		resp, err := http.ReadResponse(from, request)
		if err != nil {
			t.Fatalf("reading the response: %v, after %q", err, raw.Bytes())
		}
		if resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return leakAnswer{resp.StatusCode, resp.Header, string(body), raw.Bytes()}
	}
}

// rootOf waits until the edge serves TLS, and returns whom to trust.
func rootOf(t *testing.T, e *edgetest.Edge, addr string) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(e.Dir, "storage/pki/authorities/local/root.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("the root is no certificate")
	}
	testutil.Eventually(t, "a certificate", func() bool {
		conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, ServerName: leakHost})
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
	return roots
}

// overTLS returns a client that speaks HTTP/1.1, h2 or h3 to addr from a loopback address.
func overTLS(t *testing.T, protocol, source, addr string, roots *x509.CertPool) *http.Client {
	t.Helper()
	config := &tls.Config{RootCAs: roots, ServerName: leakHost}
	noRedirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if protocol == "h3" {
		return &http.Client{Transport: edgetest.NewH3(t, source, addr, config), Timeout: 20 * time.Second, CheckRedirect: noRedirect}
	}
	client := edgetest.From(t, source)
	transport := client.Transport.(*http.Transport)
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial(ctx, network, addr)
	}
	transport.TLSClientConfig = config
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(protocol == "h1")
	transport.Protocols.SetHTTP2(protocol == "h2")
	return client
}

// networkMasksOf returns the masks of a client's ranges, in the order that an app gets them.
func networkMasksOf(t *testing.T, addr netip.Addr) []string {
	t.Helper()
	lengths := []int{16, 24}
	if addr.Is6() {
		lengths = []int{32, 48}
	}
	var masks []string
	for _, bits := range lengths {
		masks = append(masks, edgetest.RangeMask(t, netip.PrefixFrom(addr, bits).Masked().String()))
	}
	return masks
}
