package canary

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Protocols, by their names in ALPN (RFC 7301).
const (
	HTTP1 = "http/1.1"
	HTTP2 = "h2"
)

// maxSpoken bounds what is kept of one request, in bytes.
const maxSpoken = 64 << 10

var errSpoken = errors.New("not a request of its form")

// Field is a header field, or a pseudo-header field of HTTP/2, as it was sent.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Frame is a frame of HTTP/2; its payload is among the request's bytes.
type Frame struct {
	Type   string `json:"type"`
	Flags  uint8  `json:"flags"`
	Stream uint32 `json:"stream"`
	Length uint32 `json:"length"`

	Settings  []string `json:"settings,omitempty"`  // of SETTINGS, such as ENABLE_PUSH=0
	Increment uint32   `json:"increment,omitempty"` // of WINDOW_UPDATE
}

// spoken is what the bytes of a request say.
type spoken struct {
	line   string // of HTTP/1.1
	fields []Field
	frames []Frame
	body   []byte
}

// read tells what a request's bytes say; they must be all of it and nothing else.
func read(protocol string, data []byte) (*spoken, error) {
	if len(data) > maxSpoken {
		return nil, fmt.Errorf("%w: over %d bytes", errSpoken, maxSpoken)
	}
	switch protocol {
	case HTTP1:
		return readText(data)
	case HTTP2:
		return readFrames(data)
	}
	return nil, fmt.Errorf("%w: unknown protocol", errSpoken)
}

// readText reads a request of HTTP/1.1 as a client must write it (RFC 9112), without leniency.
func readText(data []byte) (*spoken, error) {
	head, body, ok := bytes.Cut(data, []byte("\r\n\r\n"))
	if !ok || !utf8.Valid(head) {
		return nil, fmt.Errorf("%w: no head of HTTP/1.1", errSpoken)
	}
	lines := strings.Split(string(head), "\r\n")
	s := &spoken{line: lines[0], body: body}
	for _, line := range lines {
		if strings.ContainsAny(line, "\r\n\x00") {
			return nil, fmt.Errorf("%w: a control byte in its head", errSpoken)
		}
	}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ": ")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("%w: a broken line in its head", errSpoken)
		}
		s.fields = append(s.fields, Field{name, value})
	}
	return s, nil
}

// readFrames reads a connection's preface and its frames to the end of the one request.
func readFrames(data []byte) (*spoken, error) {
	rest, ok := bytes.CutPrefix(data, []byte(http2.ClientPreface))
	if !ok {
		return nil, fmt.Errorf("%w: no preface of HTTP/2", errSpoken)
	}
	s := new(spoken)
	from := bytes.NewReader(rest)
	framer := http2.NewFramer(io.Discard, from)
	framer.SetMaxReadFrameSize(16 << 10)
	var block []byte
	ended, complete := false, false
	for {
		frame, err := framer.ReadFrame()
		if err == io.EOF && from.Len() == 0 {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: a broken frame", errSpoken)
		}
		s.frames = append(s.frames, describeFrame(frame))
		fragment, end, endBlock := parts(frame)
		if ended && complete {
			return nil, fmt.Errorf("%w: more than one request", errSpoken)
		}
		block, ended, complete = append(block, fragment...), ended || end, complete || endBlock
		if d, ok := frame.(*http2.DataFrame); ok {
			s.body = append(s.body, d.Data()...)
		}
	}
	if !ended || !complete {
		return nil, fmt.Errorf("%w: it has no end", errSpoken)
	}
	fields, err := hpack.NewDecoder(4096, nil).DecodeFull(block)
	if err != nil {
		return nil, fmt.Errorf("%w: a broken header block", errSpoken)
	}
	for _, f := range fields {
		s.fields = append(s.fields, Field{f.Name, f.Value})
	}
	return s, nil
}

// parts returns a frame's piece of the header block, and whether the request, or
// its header block, ends with it.
func parts(frame http2.Frame) (fragment []byte, end, endBlock bool) {
	switch f := frame.(type) {
	case *http2.HeadersFrame:
		return f.HeaderBlockFragment(), f.StreamEnded(), f.HeadersEnded()
	case *http2.ContinuationFrame:
		return f.HeaderBlockFragment(), false, f.HeadersEnded()
	case *http2.DataFrame:
		return nil, f.StreamEnded(), false
	}
	return nil, false, false
}

func describeFrame(frame http2.Frame) Frame {
	h := frame.Header()
	d := Frame{Type: h.Type.String(), Flags: uint8(h.Flags), Stream: h.StreamID, Length: h.Length}
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		_ = f.ForeachSetting(func(s http2.Setting) error { // the function gives none
			d.Settings = append(d.Settings, fmt.Sprintf("%v=%d", s.ID, s.Val))
			return nil
		})
	case *http2.WindowUpdateFrame:
		d.Increment = f.Increment
	}
	return d
}

// replaceValue puts a placeholder in the place of the value of the one field of
// that name, and returns the value.
func replaceValue(protocol string, data []byte, name, placeholder string) ([]byte, string, error) {
	s, err := read(protocol, data)
	if err != nil {
		return nil, "", err
	}
	value, found := "", 0
	for i, f := range s.fields {
		if http.CanonicalHeaderKey(f.Name) == http.CanonicalHeaderKey(name) {
			value, s.fields[i].Value = f.Value, placeholder
			found++
		}
	}
	if found != 1 || value == "" {
		return nil, "", fmt.Errorf("the request has %d fields %s, not one", found, name)
	}
	if protocol == HTTP1 {
		return s.text(), value, nil
	}
	out, err := s.reframe(data)
	return out, value, err
}

// text writes a request of HTTP/1.1.
func (s *spoken) text() []byte {
	var b bytes.Buffer
	b.WriteString(s.line + "\r\n")
	for _, f := range s.fields {
		b.WriteString(f.Name + ": " + f.Value + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(s.body)
	return b.Bytes()
}

// reframe writes the frames of a request of HTTP/2 again, with the fields in one
// header block that is coded anew.
func (s *spoken) reframe(data []byte) ([]byte, error) {
	var block, out bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range s.fields {
		if err := encoder.WriteField(hpack.HeaderField{Name: f.Name, Value: f.Value}); err != nil {
			return nil, err
		}
	}
	out.WriteString(http2.ClientPreface)
	to, from := http2.NewFramer(&out, nil), http2.NewFramer(io.Discard, bytes.NewReader(data[len(http2.ClientPreface):]))
	for {
		frame, err := from.ReadFrame()
		if err == io.EOF {
			return out.Bytes(), nil
		}
		if err != nil {
			return nil, err
		}
		switch f := frame.(type) {
		case *http2.HeadersFrame:
			err = to.WriteHeaders(http2.HeadersFrameParam{
				StreamID: f.StreamID, BlockFragment: block.Bytes(), EndStream: f.StreamEnded(), EndHeaders: true, Priority: f.Priority,
			})
		case *http2.ContinuationFrame: // its fields stand in the one block
		default:
			err = rewrite(to, frame)
		}
		if err != nil {
			return nil, err
		}
	}
}

// rewrite writes one of the other frames that a client sends before and after its header.
func rewrite(to *http2.Framer, frame http2.Frame) error {
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		var settings []http2.Setting
		_ = f.ForeachSetting(func(s http2.Setting) error { // the function gives none
			settings = append(settings, s)
			return nil
		})
		return to.WriteSettings(settings...)
	case *http2.WindowUpdateFrame:
		return to.WriteWindowUpdate(f.StreamID, f.Increment)
	case *http2.DataFrame:
		return to.WriteData(f.StreamID, f.StreamEnded(), f.Data())
	}
	return fmt.Errorf("%w: an unexpected %v frame", errSpoken, frame.Header().Type)
}
