package canary

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// echoTimeout bounds what one connection to the echo may take.
const echoTimeout = 10 * time.Second

// answerBody is what the echo answers to everything, short enough for any limit.
const answerBody = "{}"

// recording is what came over one connection to the echo.
type recording struct {
	hello []byte // nil without TLS
	spoke []byte
	err   error
}

// echo is a tool's server on loopback that keeps what it gets.
type echo struct {
	listener    net.Listener
	certificate *tls.Certificate // nil: without TLS
	protocol    string
	contentType string

	serving    sync.WaitGroup
	ctx        context.Context // done when nothing more is to come
	cancel     context.CancelFunc
	mu         sync.Mutex
	recordings []recording
}

// newEcho listens until close. It speaks the one protocol.
func newEcho(certificate *tls.Certificate, protocol, contentType string) (*echo, error) {
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
	e := &echo{listener: l, certificate: certificate, protocol: protocol, contentType: contentType}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.serving.Go(e.accept)
	return e, nil
}

func (e *echo) address() string { return e.listener.Addr().String() }

// close ends the echo and returns what it got, in the order of the connections' ends. Those that a client
// keeps open, as it does where they were busy a moment ago, are ended.
func (e *echo) close() []recording {
	_ = e.listener.Close() // accept ends with it
	e.cancel()
	e.serving.Wait()
	return e.recordings
}

func (e *echo) accept() {
	for {
		conn, err := e.listener.Accept()
		if err != nil {
			return
		}
		e.serving.Go(func() {
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(echoTimeout))
			defer context.AfterFunc(e.ctx, func() { _ = conn.SetDeadline(time.Now()) })()
			r := e.serve(conn)
			e.mu.Lock()
			defer e.mu.Unlock()
			e.recordings = append(e.recordings, r)
		})
	}
}

func (e *echo) serve(conn net.Conn) (r recording) {
	if e.certificate != nil {
		tapped := &tap{Conn: conn}
		secure := tls.Server(tapped, &tls.Config{Certificates: []tls.Certificate{*e.certificate}, NextProtos: []string{e.protocol}})
		if r.err = secure.Handshake(); r.err != nil {
			return r
		}
		if r.hello, r.err = handshake(tapped.first.Bytes()); r.err != nil {
			return r
		}
		conn = secure
	}
	if e.protocol == HTTP2 {
		r.spoke, r.err = e.serveFrames(conn)
	} else {
		r.spoke, r.err = e.serveText(conn)
	}
	if r.err == nil { // the answer arrives before the connection ends
		_, _ = io.Copy(io.Discard, io.LimitReader(conn, maxSpoken))
	}
	return r
}

// serveText answers one request of HTTP/1.1.
func (e *echo) serveText(conn net.Conn) ([]byte, error) {
	var spoke bytes.Buffer
	r, err := http.ReadRequest(bufio.NewReader(io.TeeReader(io.LimitReader(conn, maxSpoken), &spoke)))
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	body := answerBody
	if r.Method == http.MethodHead {
		body = ""
	}
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n%s",
		e.contentType, len(answerBody), body) // what was asked is known by now
	return spoke.Bytes(), nil
}

// serveFrames answers one request of HTTP/2. What it returns is the preface and each
// frame to the request's end but acknowledgements, which come when they come.
func (e *echo) serveFrames(conn net.Conn) ([]byte, error) {
	spoke := make([]byte, len(http2.ClientPreface), 1<<10)
	if _, err := io.ReadFull(conn, spoke); err != nil {
		return nil, err
	}
	var tee bytes.Buffer
	framer := http2.NewFramer(conn, io.TeeReader(conn, &tee))
	if err := framer.WriteSettings(); err != nil {
		return nil, err
	}
	var block []byte
	for ended, complete := false, false; !ended || !complete; {
		tee.Reset()
		frame, err := framer.ReadFrame()
		if err != nil {
			return nil, err
		}
		if f, ok := frame.(*http2.SettingsFrame); ok && f.IsAck() {
			continue
		} else if ok {
			if err := framer.WriteSettingsAck(); err != nil {
				return nil, err
			}
		}
		if spoke = append(spoke, tee.Bytes()...); len(spoke) > maxSpoken {
			return nil, errSpoken
		}
		fragment, end, endBlock := parts(frame)
		block, ended, complete = append(block, fragment...), ended || end, complete || endBlock
	}
	_ = e.answerFrames(framer, block) // what was asked is known by now
	return spoke, nil
}

// firstStream is the number of a client's first stream (RFC 9113 section 5.1.1).
const firstStream = 1

func (e *echo) answerFrames(framer *http2.Framer, block []byte) error {
	fields, err := hpack.NewDecoder(4096, nil).DecodeFull(block)
	if err != nil {
		return err
	}
	head := false
	for _, f := range fields {
		head = head || f.Name == ":method" && f.Value == http.MethodHead
	}
	var answer bytes.Buffer
	encoder := hpack.NewEncoder(&answer)
	for _, f := range []hpack.HeaderField{
		{Name: ":status", Value: "200"}, {Name: "content-type", Value: e.contentType},
		{Name: "content-length", Value: fmt.Sprint(len(answerBody))}, {Name: "cache-control", Value: "no-store"},
	} {
		if err := encoder.WriteField(f); err != nil {
			return err
		}
	}
	err = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: firstStream, BlockFragment: answer.Bytes(), EndHeaders: true, EndStream: head})
	if err != nil || head {
		return err
	}
	return framer.WriteData(firstStream, true, []byte(answerBody))
}

// tap keeps the first bytes that are read.
type tap struct {
	net.Conn
	first bytes.Buffer
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.first.Write(p[:min(n, max(0, maxHello+64-t.first.Len()))])
	return n, err
}

// throwAway makes a certificate for a host that is good for one run, and the pool
// that trusts it and nothing else.
func throwAway(host string) (*tls.Certificate, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
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
		return nil, nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool, nil
}
