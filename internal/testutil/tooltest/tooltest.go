// Package tooltest has servers of tools, for tests.
package tooltest

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// testCertificate is what net/http's test servers show, for loopback.
var testCertificate = sync.OnceValue(func() *httptest.Server {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.StartTLS()
	s.Close()
	return s
})

// Pair is what NewTLS's servers show.
func Pair() []tls.Certificate { return testCertificate().TLS.Certificates }

// Roots vouch for it.
func Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(testCertificate().Certificate())
	return pool
}

// Server is a tool's server that speaks TLS.
type Server struct {
	*httptest.Server
	Conns, Open atomic.Int64
}

// NewTLS serves on a loopback address until the test ends.
func NewTLS(t testing.TB, handler http.HandlerFunc, change ...func(*httptest.Server)) *Server {
	t.Helper()
	b := &Server{Server: httptest.NewUnstartedServer(handler)}
	b.EnableHTTP2 = true
	b.Config.ErrorLog = log.New(io.Discard, "", 0)
	b.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			b.Conns.Add(1)
			b.Open.Add(1)
		case http.StateClosed, http.StateHijacked:
			b.Open.Add(-1)
		}
	}
	for _, c := range change {
		c(b.Server)
	}
	b.StartTLS()
	t.Cleanup(b.Close)
	return b
}

// Answers is a tool that always says the same.
func Answers(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, body)
	}
}
