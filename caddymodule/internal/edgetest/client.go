package edgetest

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// OverReload tries again what met the end of a listener of the config before, see TestReloadsUnderLoad.
func OverReload[T any](do func() (T, error)) (value T, err error) {
	for range 5 {
		if value, err = do(); err == nil {
			break
		}
	}
	return value, err
}

// From returns an HTTP client whose connections come from a loopback address, and survive a reload's end of the listening socket
// in whose queue they were.
func From(t testing.TB, source string) *http.Client {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: 5 * time.Second}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return OverReload(func() (net.Conn, error) { return dialer.DialContext(ctx, network, addr) })
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport: transport, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Send does a request and returns the response with its body read.
func Send(t testing.TB, client *http.Client, method, url string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		if name == "Host" {
			r.Host = values[0]
		}
		r.Header[name] = values
	}
	return Exchange(t, client, r)
}

// Exchange does a request and returns the response with its body read.
func Exchange(t testing.TB, client *http.Client, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// NewH3 speaks HTTP/3 to addr from a loopback address.
func NewH3(t testing.TB, source, addr string, config *tls.Config) *http3.Transport {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(source)})
	if err != nil {
		t.Fatal(err)
	}
	over := &quic.Transport{Conn: conn}
	transport := &http3.Transport{
		TLSClientConfig: config,
		Dial: func(ctx context.Context, _ string, tlsConfig *tls.Config, config *quic.Config) (*quic.Conn, error) {
			to, err := net.ResolveUDPAddr("udp4", addr)
			if err != nil {
				return nil, err
			}
			return over.Dial(ctx, to, tlsConfig, config)
		},
	}
	t.Cleanup(func() {
		transport.Close()
		over.Close()
		conn.Close()
	})
	return transport
}

// PostForm sends a form of the site's pages.
func PostForm(t testing.TB, client *http.Client, target, form string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest("POST", target, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header.Clone()
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return Exchange(t, client, r)
}
