package anonproxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// Bounds of connections to tools.
const (
	dialTimeout      = 10 * time.Second
	idleConnections  = 256              // kept open per host, whoever asked
	idleConnTimeout  = 90 * time.Second // then closed
	maxHeaderBytes   = 64 << 10         // of a response
	http2PingTimeout = 15 * time.Second
)

// Transport connects to one tool: to its declared hosts and ports, to public
// addresses, straight and never through a proxy of the environment. All readers
// share its connections, so a connection tells nothing about one of them. It also
// remembers what the edge must know to be fair to the tool: how often it was asked, by
// whom, and whether it answers. How often it may be asked isn't part of that. It is
// safe for concurrent use and may outlive the [Proxy] that uses it, and serve several.
type Transport struct {
	http   *http.Transport
	h2     *h2Conns
	dialer net.Dialer
	hosts  map[string]bool // host:port that may be dialled

	upgrades *http.Transport // for websockets
	streams  openStreams
	gate     *gate

	// loopback turns the address check round: nothing but loopback may be dialled.
	loopback bool

	// echo is dialled in place of the tool; see NewEchoTransport.
	echo string
}

// blockedError tells why a connection was not made.
type blockedError struct {
	// Reason is a plain phrase without any address.
	Reason string
}

func (e *blockedError) Error() string { return "blocked: " + e.Reason }

// NewTransport returns a transport for a tool of a board. Close it when done.
func NewTransport(tool *noticeboard.Tool) *Transport {
	t := &Transport{hosts: make(map[string]bool), gate: newGate(), loopback: tool.AllowLoopback}
	for _, origin := range tool.Origins() {
		if u, err := url.Parse(origin); err == nil {
			t.hosts[hostPort(u)] = true
		}
	}
	t.h2 = newH2Conns()
	t.dialer = net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Control: t.control}
	t.http = &http.Transport{
		DialContext:         t.dialSettled,
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{"h2": t.h2.add},
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}},
		TLSHandshakeTimeout: dialTimeout,
		MaxIdleConnsPerHost: idleConnections,
		IdleConnTimeout:     idleConnTimeout,
		// We say which encoding we take; the transport must not add to it.
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
	t.http.RegisterProtocol("https", t.h2)
	t.upgrades = t.newUpgrades()
	return t
}

// TransportKey tells apart tools that can't share a [Transport].
func TransportKey(tool *noticeboard.Tool) string {
	return fmt.Sprintf("%s %t %s", tool.Name, tool.AllowLoopback, strings.Join(tool.Origins(), " "))
}

// Close closes idle connections now and busy ones when their requests end, those of
// HTTP/2 a while after.
func (t *Transport) Close() {
	t.http.CloseIdleConnections()
	t.h2.closeIdle()
}

// dial connects to a declared host and port. Redirects are checked before, so
// this holds even if that check should be wrong.
func (t *Transport) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if !t.hosts[address] {
		return nil, &blockedError{"the host isn't declared"}
	}
	if t.echo != "" {
		address = t.echo
	}
	return t.dialer.DialContext(ctx, network, address)
}

func (t *Transport) dialSettled(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := t.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return newSettledConn(conn), nil
}

// control sees each address after the name look-up and before the connection,
// so a name that changes between check and use (DNS rebinding) gains nothing.
func (t *Transport) control(_, address string, _ syscall.RawConn) error {
	endpoint, err := netip.ParseAddrPort(address)
	if err != nil {
		return &blockedError{"not an address"}
	}
	if t.loopback {
		if !endpoint.Addr().IsLoopback() {
			return &blockedError{"the tool may only be on loopback"}
		}
		return nil
	}
	if reason := special(endpoint.Addr()); reason != "" {
		return &blockedError{reason}
	}
	return nil
}

// hostPort is the host and port that a URL's connection goes to.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = defaultPort(u.Scheme)
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func defaultPort(scheme string) string {
	if scheme == "http" {
		return "80"
	}
	return "443"
}
