package anonproxy

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// testCertificate is what net/http's test servers show, for loopback.
var testCertificate = sync.OnceValue(func() *httptest.Server {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.StartTLS()
	s.Close()
	return s
})

func testPair(testing.TB) []tls.Certificate { return testCertificate().TLS.Certificates }

func testRoots(testing.TB) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(testCertificate().Certificate())
	return pool
}
