package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Secure is what servers have in common that speak TLS alone, take only clients that an authority of their own vouches for,
// and have these log in.
type Secure struct {
	CA, Certificate, Key string // files; the certificate is everybody's

	// User and Password are a client's at the servers; Allow is what it may do there, as ACL SETUSER has it.
	User, Password, Allow string
	// SentinelUser and SentinelPassword are a client's at the Sentinels, which allow SentinelAllow. Without a user all log in
	// by the password (requirepass).
	SentinelUser, SentinelPassword, SentinelAllow string
}

const (
	secureAdmin    = "admin"
	securePassword = "the admin's"
)

// NewSecure makes an authority and a certificate for 127.0.0.1, in a directory that goes with the test.
func NewSecure(t testing.TB) *Secure {
	t.Helper()
	dir := t.TempDir()
	s := &Secure{CA: filepath.Join(dir, "ca"), Certificate: filepath.Join(dir, "certificate"), Key: filepath.Join(dir, "key")}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	signer := newKey(t)
	key := newKey(t)
	sign(t, s.CA, authority, authority, signer, signer)
	sign(t, s.Certificate, server, authority, key, signer)
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, s.Key, "PRIVATE KEY", text)
	return s
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, file string, subject, issuer *x509.Certificate, key, signer *ecdsa.PrivateKey) {
	t.Helper()
	text, err := x509.CreateCertificate(rand.Reader, subject, issuer, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, file, "CERTIFICATE", text)
}

func writePEM(t testing.TB, file, kind string, text []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: text}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// lines are a server's or a Sentinel's configuration.
func (s *Secure) lines(sentinel bool) []string {
	if s == nil {
		return nil
	}
	lines := []string{
		"port 0", "tls-port {PORT}", "tls-replication yes", "tls-cluster yes", "tls-auth-clients yes",
		"tls-ca-cert-file " + s.CA, "tls-cert-file " + s.Certificate, "tls-key-file " + s.Key,
		user(secureAdmin, securePassword, "~* &* +@all"),
	}
	if !sentinel {
		return append(lines, "masteruser "+secureAdmin, `masterauth "`+securePassword+`"`, "user default off", user(s.User, s.Password, s.Allow))
	}
	lines = append(lines,
		"sentinel auth-user wiki "+secureAdmin, `sentinel auth-pass wiki "`+securePassword+`"`,
		"sentinel sentinel-user "+secureAdmin, `sentinel sentinel-pass "`+securePassword+`"`)
	if s.SentinelUser == "" {
		return append(lines, `requirepass "`+s.SentinelPassword+`"`)
	}
	return append(lines, "user default off", user(s.SentinelUser, s.SentinelPassword, s.SentinelAllow))
}

func user(name, password, allow string) string {
	return "user " + name + ` on ">` + password + `" ` + allow
}

// cli are redis-cli's arguments.
func (s *Secure) cli() []string {
	if s == nil {
		return nil
	}
	return []string{"--tls", "--cacert", s.CA, "--cert", s.Certificate, "--key", s.Key, "--no-auth-warning", "--user", secureAdmin, "--pass", securePassword}
}
