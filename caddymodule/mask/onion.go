package mask

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/pires/go-proxyproto"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/clientaddr"
	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
	"github.com/wikiveil/wikiveil/masking"
)

func init() {
	caddy.RegisterModule(new(OnionListener))
	options.Document(new(OnionListener).options())
}

// OnionListener is a listener wrapper for an onion service whose Tor says by which circuit each connection comes
// (HiddenServiceExportCircuitID haproxy: a header of the PROXY protocol with an address of fc00:dead:beef:4dad::/64). Each
// circuit then has a mask of its own. Connections of other peers, and those without such a header, are closed.
type OnionListener struct {
	// Peers are addresses and CIDR ranges where Tor is. Default: this machine, by loopback or a Unix socket.
	Peers []string `json:"peers,omitempty"`

	peers []netip.Prefix
}

// CaddyModule returns the Caddy module information.
func (*OnionListener) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.listeners.onion", New: func() caddy.Module { return new(OnionListener) }}
}

// UnmarshalCaddyfile sets up the wrapper from Caddyfile tokens.
func (l *OnionListener) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the wrapper's name
	return l.options().Parse(d)
}

func (l *OnionListener) options() options.Block {
	return options.Block{Name: "onion", Options: []options.Option{
		{Name: "peers", Args: "<range>...", Set: options.List(&l.Peers), Doc: "Where Tor is. Default: this machine."},
	}}
}

// Provision parses the peers.
func (l *OnionListener) Provision(caddy.Context) error {
	l.peers = nil
	for _, text := range l.Peers {
		value, err := edge.Expand(text)
		if err != nil {
			return fmt.Errorf("onion: %w", err)
		}
		prefix, err := masking.ParseRange(value)
		if err != nil {
			return fmt.Errorf("onion: peers: %w", err)
		}
		l.peers = append(l.peers, prefix)
	}
	return nil
}

// onionHeaderTimeout bounds how long Tor has to say by which circuit a connection comes.
const onionHeaderTimeout = 5 * time.Second

// WrapListener implements caddy.ListenerWrapper.
func (l *OnionListener) WrapListener(inner net.Listener) net.Listener {
	return &onionListener{&proxyproto.Listener{
		Listener: inner, ReadHeaderTimeout: onionHeaderTimeout, ValidateHeader: isCircuitHeader,
		ConnPolicy: func(o proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			if !l.isPeer(o.Upstream) {
				return proxyproto.REJECT, proxyproto.ErrInvalidUpstream // it is closed
			}
			return proxyproto.REQUIRE, nil
		},
	}}
}

func (l *OnionListener) isPeer(peer net.Addr) bool {
	if caddy.IsUnixNetwork(peer.Network()) {
		return true
	}
	at, err := netip.ParseAddrPort(peer.String())
	if err != nil {
		return false
	}
	addr := at.Addr().Unmap().WithZone("")
	if len(l.Peers) == 0 {
		return addr.IsLoopback()
	}
	return slices.ContainsFunc(l.peers, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func isCircuitHeader(h *proxyproto.Header) error {
	if from, ok := h.SourceAddr.(*net.TCPAddr); ok && h.Command.IsProxy() && masking.IsCircuit(from.AddrPort().Addr()) {
		return nil
	}
	return errors.New("the PROXY header names no circuit")
}

type onionListener struct{ *proxyproto.Listener }

// Accept implements net.Listener.
func (l *onionListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	proxied, ok := conn.(*proxyproto.Conn)
	if !ok {
		conn.Close()
		return nil, errors.New("onion: a connection came without its PROXY header being read")
	}
	return &onionConn{Conn: proxied}, nil
}

// onionConn is a connection of one circuit. It serves nothing where its header is no good.
type onionConn struct {
	*proxyproto.Conn
}

// RemoteAddr returns the circuit.
func (c *onionConn) RemoteAddr() net.Addr {
	h := c.ProxyHeader()
	if h == nil || isCircuitHeader(h) != nil {
		return c.Conn.RemoteAddr()
	}
	from := h.SourceAddr.(*net.TCPAddr).AddrPort()
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(masking.Circuit(from.Addr()), from.Port()))
}

// LocalAddr tells that the connection came by here.
func (c *onionConn) LocalAddr() net.Addr { return clientaddr.OnionAddr{Addr: c.Raw().LocalAddr()} }

// Read implements net.Conn. After an error of the header, proxyproto would read on.
func (c *onionConn) Read(p []byte) (int, error) {
	if h := c.ProxyHeader(); h == nil || isCircuitHeader(h) != nil {
		c.Close()
		return 0, net.ErrClosed
	}
	return c.Conn.Read(p)
}

// Interface guards
var (
	_ caddy.Provisioner     = (*OnionListener)(nil)
	_ caddy.ListenerWrapper = (*OnionListener)(nil)
	_ caddyfile.Unmarshaler = (*OnionListener)(nil)
)
