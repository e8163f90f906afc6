package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// client is one HTTP/2 connection over TLS, which asks for one thing at a time.
type client struct {
	conn    *tls.Conn
	framer  *http2.Framer
	written *bufio.Writer
	fields  []hpack.HeaderField // of each request
	block   bytes.Buffer
	encoder *hpack.Encoder
	status  string // of the answer that is being read
	stream  uint32 // the last one's number
}

// window is what the server may send before it waits for leave: more than a whole round of it.
const window = 1 << 30

// http2Connection asks again and again over one connection of HTTP/2.
func (s Spec) http2Connection(ctx context.Context, end time.Time) (taken []time.Duration, err error) {
	c, err := s.dialHTTP2(end.Add(patience))
	if err != nil {
		return nil, err
	}
	defer c.conn.Close()
	for now := time.Now(); now.Before(end) && ctx.Err() == nil; {
		if err := c.ask(); err != nil {
			return taken, err
		}
		asked := now
		now = time.Now()
		taken = append(taken, now.Sub(asked))
	}
	return taken, ctx.Err()
}

func (s Spec) dialHTTP2(deadline time.Time) (*client, error) {
	fields, err := http2Fields(s.Request)
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM([]byte(s.CA)) {
		return nil, errors.New("no certificate of the authority")
	}
	conn, err := tls.Dial("tcp", s.Address, &tls.Config{RootCAs: trusted, NextProtos: []string{http2.NextProtoTLS}, MinVersion: tls.VersionTLS13})
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, fields: fields, written: bufio.NewWriter(conn), stream: 1}
	c.encoder = hpack.NewEncoder(&c.block)
	c.framer = http2.NewFramer(c.written, bufio.NewReaderSize(conn, 32<<10))
	c.framer.SetReuseFrames()
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	return c, errors.Join(conn.SetDeadline(deadline), c.greet())
}

// greet is written together with the first request.
func (c *client) greet() error {
	_, err := c.written.WriteString(http2.ClientPreface)
	return errors.Join(err,
		c.framer.WriteSettings(http2.Setting{ID: http2.SettingEnablePush}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}),
		c.framer.WriteWindowUpdate(0, window))
}

// ask sends the request and reads its whole answer.
func (c *client) ask() error {
	c.block.Reset()
	for _, f := range c.fields {
		if err := c.encoder.WriteField(f); err != nil {
			return err
		}
	}
	request := http2.HeadersFrameParam{StreamID: c.stream, BlockFragment: c.block.Bytes(), EndStream: true, EndHeaders: true}
	if err := c.framer.WriteHeaders(request); err != nil {
		return err
	}
	if err := c.written.Flush(); err != nil {
		return err
	}
	for ended := false; !ended; {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return err
		}
		if ended, err = c.take(frame); err != nil {
			return err
		}
	}
	c.stream += 2
	if c.status != "200" {
		return fmt.Errorf("it answers %q", c.status)
	}
	return nil
}

// take reports whether the frame was the answer's last.
func (c *client) take(frame http2.Frame) (bool, error) {
	switch f := frame.(type) {
	case *http2.MetaHeadersFrame:
		c.status = f.PseudoValue("status")
		return f.StreamEnded(), nil
	case *http2.DataFrame:
		return f.StreamEnded(), nil
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return false, c.framer.WriteSettingsAck()
		}
	case *http2.RSTStreamFrame:
		return false, fmt.Errorf("it resets the stream: %v", f.ErrCode)
	case *http2.GoAwayFrame:
		return false, fmt.Errorf("it ends the connection: %v", f.ErrCode)
	}
	return false, nil
}

// http2Fields are those of a request that is written for HTTP/1.1.
func http2Fields(text string) ([]hpack.HeaderField, error) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		return nil, err
	}
	if r.ContentLength != 0 {
		return nil, errors.New("a body is sent by HTTP/1.1 only")
	}
	fields := []hpack.HeaderField{
		{Name: ":method", Value: r.Method}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: r.Host}, {Name: ":path", Value: r.RequestURI},
	}
	for name, values := range r.Header {
		fields = append(fields, hpack.HeaderField{Name: strings.ToLower(name), Value: values[0]})
	}
	return fields, nil
}
