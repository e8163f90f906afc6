package anonproxy

import (
	"crypto/x509"
	"fmt"
	"strings"

	"github.com/wikiveil/wikiveil/anonproxy/transport"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// Transport is what the edge has of a tool beyond one request: the connections to it, and what it must know to be fair to
// it: how often it was asked, by whom, and whether it answers. How often it may be asked isn't part of that. It is
// safe for concurrent use and may outlive the [Proxy] that uses it, and serve several.
type Transport struct {
	*transport.Transport
	streams openStreams
	gate    *gate
}

// NewTransport returns a transport for a tool of a board. Close it when done.
func NewTransport(tool *noticeboard.Tool) *Transport {
	return &Transport{Transport: transport.New(tool), gate: newGate()}
}

// NewEchoTransport is NewTransport, but for where its connections end: see [transport.NewEcho].
func NewEchoTransport(tool *noticeboard.Tool, echo string, roots *x509.CertPool) *Transport {
	return &Transport{Transport: transport.NewEcho(tool, echo, roots), gate: newGate()}
}

// TransportKey tells apart tools that can't share a [Transport].
func TransportKey(tool *noticeboard.Tool) string {
	return fmt.Sprintf("%s %t %s", tool.Name, tool.AllowLoopback, strings.Join(tool.Origins(), " "))
}
