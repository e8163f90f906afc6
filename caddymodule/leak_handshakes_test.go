package caddymodule

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// failHandshakes provokes what TLS servers log.
func failHandshakes(t *testing.T, source, addr string) {
	for name, first := range map[string]string{
		"garbage": "\x00\x01\x02 no TLS\r\n", "HTTP": "GET /echo HTTP/1.1\r\nHost: " + source + "\r\n\r\n",
		"a broken ClientHello": "\x16\x03\x01\x00\x10\x01\x00\x00\x0c\x03\x03" + strings.Repeat("\xff", 10),
		"an oversized record":  "\x16\x03\x01\xff\xff" + strings.Repeat("\x00", 200), "SSLv2": "\x80\x2e\x01\x00\x02" + strings.Repeat("\x01", 40), "nothing": "",
	} {
		conn := dialFrom(t, source, addr)
		if _, err := io.WriteString(conn, first); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "nothing" {
			conn.Close()
			continue
		}
		conn.(*net.TCPConn).CloseWrite()
		answer, _ := io.ReadAll(conn) // or a reset
		edgetest.WantNone(t, "the answer to "+name, answer, leakAddrs()...)
		conn.Close()
	}
	for name, config := range map[string]*tls.Config{
		"a name without certificate":  {ServerName: "stranger.test", InsecureSkipVerify: true},
		"a name that holds it":        {ServerName: source + ".nip.example", InsecureSkipVerify: true},
		"an old version":              {ServerName: leakHost, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10, InsecureSkipVerify: true},
		"an unknown protocol":         {ServerName: leakHost, NextProtos: []string{source}, InsecureSkipVerify: true},
		"a certificate not trusted":   {ServerName: leakHost},
		"another name in the request": {InsecureSkipVerify: true},
	} {
		conn := dialFrom(t, source, addr)
		if err := tls.Client(conn, config).Handshake(); err == nil && name != "another name in the request" {
			t.Errorf("%s: the handshake succeeded", name)
		}
		conn.Close()
	}
	udp, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(source)}, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for _, packet := range []string{"no QUIC", "\xc0\xff\xff\xff\xff" + strings.Repeat("\x01", 1300), strings.Repeat("\x40", 1300)} {
		if _, err := io.WriteString(udp, packet); err != nil {
			t.Error(err)
		}
	}
}
