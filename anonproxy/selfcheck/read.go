package selfcheck

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Protocols, by their names in ALPN (RFC 7301).
const (
	HTTP1 = "http/1.1"
	HTTP2 = "h2"
)

// Field is a header field; a pseudo-field such as :path is what HTTP/1.1 has in its first line.
type Field struct{ Name, Value string }

// message is what the bytes of a request say.
type message struct {
	bytes  []byte  // to the request's end, without HTTP/2's acknowledgements
	known  int     // how many of the bytes are in what follows; where others are among them something is hidden
	fields []Field // of HTTP/2 in their order, with names in lower case
	frames []frame // of HTTP/2
	body   []byte
}

type frame struct {
	http2.FrameHeader
	Text string
}

// read reads the one request of a connection.
func read(protocol string, sent []byte) (*message, error) {
	if protocol == HTTP2 {
		return readHTTP2(sent)
	}
	return readHTTP1(sent)
}

func readHTTP1(sent []byte) (*message, error) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(sent)))
	if err != nil {
		return nil, fmt.Errorf("not a request of HTTP/1.1: %w", err)
	}
	m := &message{bytes: sent, fields: []Field{{":method", r.Method}, {":path", r.RequestURI}, {":version", r.Proto}, {":authority", r.Host}}}
	if m.body, err = io.ReadAll(r.Body); err != nil {
		return nil, fmt.Errorf("not a request of HTTP/1.1: %w", err)
	}
	m.known = len(r.Method+" "+r.RequestURI+" "+r.Proto+"\r\nHost: "+r.Host+"\r\n\r\n") + len(m.body)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, value := range r.Header[name] {
			m.fields = append(m.fields, Field{strings.ToLower(name), value})
			m.known += len(name + ": " + value + "\r\n")
		}
	}
	return m, nil
}

func readHTTP2(sent []byte) (*message, error) {
	in := bytes.NewReader(bytes.TrimPrefix(sent, []byte(http2.ClientPreface)))
	if in.Len() == len(sent) {
		return nil, errors.New("not a request of HTTP/2: no preface")
	}
	framer := http2.NewFramer(io.Discard, in)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	framer.MaxHeaderListSize = maxSent
	m := &message{bytes: []byte(http2.ClientPreface)}
	for ended := false; !ended; {
		start := len(sent) - in.Len()
		f, err := framer.ReadFrame()
		if err != nil {
			return nil, fmt.Errorf("not a request of HTTP/2: %w", err)
		}
		text := strings.TrimSuffix(strings.TrimPrefix(f.Header().String(), "[FrameHeader "), "]")
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if f.IsAck() {
				continue
			}
			_ = f.ForeachSetting(func(s http2.Setting) error { // the function gives none
				text += " " + s.String()
				return nil
			})
		case *http2.WindowUpdateFrame:
			text += fmt.Sprintf(" +%d", f.Increment)
		case *http2.MetaHeadersFrame:
			ended = f.StreamEnded()
			for _, field := range f.Fields {
				m.fields = append(m.fields, Field{field.Name, field.Value})
			}
		case *http2.DataFrame:
			ended = f.StreamEnded()
			m.body = append(m.body, f.Data()...)
		}
		m.frames = append(m.frames, frame{f.Header(), text})
		m.bytes = append(m.bytes, sent[start:len(sent)-in.Len()]...)
	}
	m.known = len(m.bytes)
	for { // acknowledgements may follow, which come when they come; a second request is no part of the first
		start := len(sent) - in.Len()
		f, err := framer.ReadFrame()
		switch {
		case err == io.EOF, err == io.ErrUnexpectedEOF: // the connection ended
			return m, nil
		case err != nil:
			m.bytes = append(m.bytes, sent[start:]...)
			return m, nil
		case f.Header().Type == http2.FrameHeaders, f.Header().Type == http2.FrameData:
			m.bytes = append(m.bytes, sent[start:len(sent)-in.Len()]...)
		}
	}
}

// readHello reads the ClientHello in TLS records as servers do.
func readHello(records []byte) (*tls.ClientHelloInfo, error) {
	var hello *tls.ClientHelloInfo
	server := tls.Server(replayed{in: bytes.NewReader(records)}, &tls.Config{GetConfigForClient: func(read *tls.ClientHelloInfo) (*tls.Config, error) {
		hello = read
		return nil, errors.New("that is all")
	}})
	if err := server.Handshake(); hello == nil {
		return nil, fmt.Errorf("not a ClientHello: %w", err)
	}
	return hello, nil
}

// replayed is a connection over which something came once.
type replayed struct {
	net.Conn
	in io.Reader
}

func (r replayed) Read(p []byte) (int, error)  { return r.in.Read(p) }
func (r replayed) Write(p []byte) (int, error) { return len(p), nil }

// offers lists what a ClientHello offers, in the order in which it does, and its length.
func offers(records []byte) ([]Field, error) {
	hello, err := readHello(records)
	if err != nil {
		return nil, err
	}
	return []Field{
		{"Server name", cmp.Or(hello.ServerName, "none")},
		{"Versions", list(hello.SupportedVersions, tls.VersionName)},
		{"Protocols", strings.Join(hello.SupportedProtos, ", ")},
		{"Cipher suites", list(hello.CipherSuites, tls.CipherSuiteName)},
		{"Groups", list(hello.SupportedCurves, tls.CurveID.String)},
		{"Points", list(hello.SupportedPoints, func(n uint8) string { return fmt.Sprint(n) })},
		{"Signatures", list(hello.SignatureSchemes, tls.SignatureScheme.String)},
		{"Extensions", list(hello.Extensions, func(n uint16) string { return fmt.Sprint(n) })}, // by IANA's numbers
		{"Bytes", fmt.Sprint(len(records))},
	}, nil
}

func list[T any](values []T, name func(T) string) string {
	var names []string
	for _, v := range values {
		names = append(names, name(v))
	}
	return strings.Join(names, ", ")
}
