// Package transport connects to tools, without a way for them to lead the edge to its own network (SSRF) or to tell
// readers apart by how they are asked: only declared hosts, only public addresses, and each request in one order of
// headers, over HTTP/1.1 and HTTP/2.
//
// Make a [Transport] by [New] for each tool, and send requests by [Transport.Do]; Upgrades is for websockets. A
// [publicnet.BlockedError] says that the tool's name led to where it must not. [NewEcho] makes one whose connections end at a server
// of ours, to see what a tool would. Close it when done.
package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/wikiveil/wikiveil/internal/publicnet"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// Bounds of connections to tools.
const (
	dialTimeout      = 10 * time.Second
	idleConnections  = 256              // kept open per host, whoever asked
	idleConnTimeout  = 90 * time.Second // then closed
	maxHeaderBytes   = 64 << 10         // of a response
	readBuffer       = 16 << 10         // of an HTTP/1 connection: most pictures come in few reads
	http2PingTimeout = 15 * time.Second
)

// Transport connects to one tool: to its declared hosts and ports, to public
// addresses, straight and never through a proxy of the environment. All readers
// share its connections, so a connection tells nothing about one of them. It is safe for concurrent use.
type Transport struct {
	HTTP     *http.Transport // for all but websockets; see [Transport.Do]
	Upgrades *http.Transport // for websockets, each of which has a connection of its own
	Dialer   net.Dialer      // of both

	h2    *h2Conns
	hosts map[string]bool // host:port that may be dialled

	// loopback turns the address check round: nothing but loopback may be dialled.
	loopback bool

	// echo is dialled in place of the tool; see NewEcho.
	echo string
}

// New returns what connects to a tool of a board.
func New(tool *noticeboard.Tool) *Transport {
	t := &Transport{hosts: make(map[string]bool), loopback: tool.AllowLoopback}
	for _, origin := range tool.Origins() {
		if u, err := url.Parse(origin); err == nil {
			t.hosts[hostPort(u)] = true
		}
	}
	t.h2 = newH2Conns()
	t.Dialer = net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Control: t.control}
	t.HTTP = &http.Transport{
		DialContext:         t.dialSettled,
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{"h2": t.h2.add},
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}},
		TLSHandshakeTimeout: dialTimeout,
		MaxIdleConnsPerHost: idleConnections,
		IdleConnTimeout:     idleConnTimeout,
		ReadBufferSize:      readBuffer,
		// We say which encoding we take; the transport must not add to it.
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
	t.HTTP.RegisterProtocol("https", t.h2)
	t.Upgrades = t.newUpgrades()
	return t
}

// NewEcho returns connections that are made as [New]'s are for the tool, but end at an echo on this machine,
// host:port on loopback, whose certificate the roots vouch for. So whoever listens there sees what the tool would see.
// They can reach nothing else.
func NewEcho(tool *noticeboard.Tool, echo string, roots *x509.CertPool) *Transport {
	t := New(tool)
	t.echo, t.loopback = echo, true
	t.HTTP.TLSClientConfig.RootCAs = roots
	return t
}

// Do sends a request, and follows no redirect.
func (t *Transport) Do(ctx context.Context, r *http.Request) (*http.Response, error) {
	return t.HTTP.RoundTrip(r.WithContext(withSettledConns(ctx)))
}

// newUpgrades makes the transport for websockets, which begin with an Upgrade of
// HTTP/1.1. It dials as the other does: the same hosts, the same addresses, the same
// TLS but for the protocol that is offered.
func (t *Transport) newUpgrades() *http.Transport {
	upgrades := &http.Transport{
		DialContext:            t.HTTP.DialContext,
		TLSClientConfig:        t.HTTP.TLSClientConfig.Clone(),
		TLSHandshakeTimeout:    t.HTTP.TLSHandshakeTimeout,
		DisableKeepAlives:      true, // each websocket has a connection of its own
		DisableCompression:     true,
		MaxResponseHeaderBytes: t.HTTP.MaxResponseHeaderBytes,
		Protocols:              new(http.Protocols),
	}
	upgrades.Protocols.SetHTTP1(true)
	return upgrades
}

// Close closes idle connections now and busy ones when their requests end, those of
// HTTP/2 a while after.
func (t *Transport) Close() {
	t.HTTP.CloseIdleConnections()
	t.h2.closeIdle()
}

// dial connects to a declared host and port. Redirects are checked before, so
// this holds even if that check should be wrong.
func (t *Transport) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if !t.hosts[address] {
		return nil, &publicnet.BlockedError{Reason: "the host isn't declared"}
	}
	if t.echo != "" {
		address = t.echo
	}
	return t.Dialer.DialContext(ctx, network, address)
}

func (t *Transport) dialSettled(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := t.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return newSettledConn(conn), nil
}

func (t *Transport) control(_, address string, _ syscall.RawConn) error {
	return publicnet.Check(address, t.loopback)
}

// hostPort is the host and port that a URL's connection goes to.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = DefaultPort(u.Scheme)
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func DefaultPort(scheme string) string {
	if scheme == "http" {
		return "80"
	}
	return "443"
}
