package anonproxy

import (
	"crypto/x509"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// NewEchoTransport returns a transport that does all that [NewTransport]'s does for
// the tool, but whose connections end at an echo on this machine, host:port on
// loopback, whose certificate the roots vouch for. So whoever listens there sees
// what the tool would see. It can reach nothing else. Close it when done.
func NewEchoTransport(tool *noticeboard.Tool, echo string, roots *x509.CertPool) *Transport {
	t := NewTransport(tool)
	t.echo, t.loopback = echo, true
	t.http.TLSClientConfig.RootCAs = roots
	return t
}
