package selfcheck

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"
)

// maxSent bounds what is kept of one connection, in bytes.
const maxSent = 64 << 10

var errTooLong = errors.New("over 64 KiB came over one connection")

// echo is a tool's server on loopback that keeps what it gets.
type echo struct {
	net.Listener
	tls    *tls.Config // nil: without TLS
	server *http.Server

	mu          sync.Mutex // of all that came
	connections []*connection
}

// connection is what came over one connection.
type connection struct {
	hello []byte // the TLS records with the ClientHello; nil without TLS
	sent  []byte
}

// startEcho listens until close, and answers everything with a few bytes of the type.
func startEcho(config *tls.Config, contentType string) (*echo, error) {
	var l net.Listener
	var err error
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} { // a machine may lack one of them
		if l, err = net.Listen("tcp", address); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listening for the echo: %w", err)
	}
	e := &echo{Listener: l, tls: config}
	e.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Cache-Control", "no-store")
			_, _ = io.WriteString(w, "{}") // short enough for any limit
		}),
		Protocols: new(http.Protocols), ErrorLog: log.New(io.Discard, "", 0), ReadTimeout: sampleTimeout,
	}
	// TLS is taken off in Accept, so the server sees plain bytes of either protocol.
	e.server.Protocols.SetHTTP1(true)
	e.server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = e.server.Serve(e) }() // until close
	return e, nil
}

// Accept returns connections that are recorded, below and above TLS.
func (e *echo) Accept() (net.Conn, error) {
	conn, err := e.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := new(connection)
	e.mu.Lock()
	e.connections = append(e.connections, c)
	e.mu.Unlock()
	if e.tls != nil {
		var records []byte
		config := e.tls.Clone()
		config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { // nothing but the ClientHello came so far
			e.mu.Lock()
			defer e.mu.Unlock()
			c.hello = bytes.Clone(records)
			return nil, nil
		}
		conn = tls.Server(&tap{conn, &e.mu, &records}, config)
	}
	return &tap{conn, &e.mu, &c.sent}, nil
}

// close ends the echo and all its connections, and returns what came over them.
func (e *echo) close() (all []connection) {
	_ = e.server.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.connections {
		all = append(all, *c)
	}
	return all
}

// tap keeps what is read.
type tap struct {
	net.Conn
	mu   *sync.Mutex // around into
	into *[]byte
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	if *t.into = append(*t.into, p[:n]...); len(*t.into) > maxSent {
		return 0, errTooLong
	}
	return n, err
}

// throwAway makes a certificate for a host that is good for one run, and the pool
// that trusts it and nothing else.
func throwAway(host string) (tls.Certificate, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, roots, nil
}
