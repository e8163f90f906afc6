package edgetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Backend is an app behind the edge that keeps what it was sent.
type Backend struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

// NewBackend starts an app; without an answer, it has one for all.
func NewBackend(t testing.TB, answer http.HandlerFunc) *Backend {
	t.Helper()
	b := new(Backend)
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.Keep(r)
		if answer != nil {
			answer(w, r)
			return
		}
		fmt.Fprint(w, "the app")
	}))
	t.Cleanup(b.Close)
	return b
}

// Keep adds a request to those that the app got.
func (b *Backend) Keep(r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests = append(b.requests, r)
}

// Address is its host:port.
func (b *Backend) Address() string { return b.Listener.Addr().String() }

// Take returns the requests since the last call.
func (b *Backend) Take() []*http.Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	requests := b.requests
	b.requests = nil
	return requests
}

// One returns the one request since the last call.
func (b *Backend) One(t testing.TB) *http.Request {
	t.Helper()
	requests := b.Take()
	if len(requests) != 1 {
		t.Fatalf("the app got %d requests, want 1", len(requests))
	}
	return requests[0]
}

// SelfSigned makes a certificate for 127.0.0.1.
func SelfSigned(t testing.TB) (certificate, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return certificate, key, pool
}

// Dump is all the app was sent, for a search for bytes.
func Dump(r *http.Request) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.Method, r.RequestURI, r.Host)
	r.Header.Write(&b)
	r.Trailer.Write(&b)
	return b.String()
}
