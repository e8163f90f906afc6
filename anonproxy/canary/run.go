package canary

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// Placeholder stands in a transcript where a request has the reader's pseudonym.
const Placeholder = "PSEUDONYM"

// sampleTimeout bounds one request of a reader to the proxy, the echo's answer included.
const sampleTimeout = 15 * time.Second

// Config says whose requests are shown.
type Config struct {
	// Tool is the tool, as it stands on the board. It must be one for the proxy, and no mirror.
	Tool *noticeboard.Tool

	// Prefix is the proxy's.
	Prefix string

	// Proxy makes the proxy that readers have, but for its connections, which must end
	// at the echo, host:port on loopback, and trust the roots alone. It is asked anew
	// for each request, and close is called when that is done. The proxy may ask who
	// for what it must know of the reader.
	Proxy func(echo string, roots *x509.CertPool, who *Reader) (proxy http.Handler, close func(), err error)

	// Pseudonym is the header by which a tool that declares it gets a name for the client.
	Pseudonym string
}

// Result is what the tool gets.
type Result struct {
	TLS      *TLS // nil where the tool isn't reached by TLS
	Requests []Request

	// Pseudonym is the header of Config, if the tool gets it.
	Pseudonym string

	// Differences say by what the tool could tell the two readers apart. There must be none.
	Differences []string
}

// Request is one request as the tool gets it.
type Request struct {
	// Kind is what the answer is for; empty where the reader's browser didn't say.
	Kind     noticeboard.Kind   `json:"kind,omitempty"`
	Method   string             `json:"method"`
	Protocol string             `json:"protocol"` // HTTP1 or HTTP2
	Stream   noticeboard.Stream `json:"stream,omitempty"`

	// Refused is why the edge sent nothing, in which case nothing follows.
	Refused string `json:"refused,omitempty"`

	// Bytes are all that came over the connection, in HTTP/2 from the preface on.
	Bytes []byte `json:"bytes,omitempty"`
	// Text is the same where it is text.
	Text string `json:"text,omitempty"`
	// Fields are the header's, in their order.
	Fields []Field `json:"fields,omitempty"`
	Frames []Frame `json:"frames,omitempty"`

	// Readers are the SHA-256 of the bytes, in hex, for each reader.
	Readers []string `json:"readers,omitempty"`
	// Second are the bytes that the second reader's request had, where they differ.
	Second []byte `json:"second,omitempty"`
}

// String names the request for people.
func (r Request) String() string {
	kind := string(r.Kind)
	if kind == "" {
		kind = "of no stated kind"
	}
	if r.Stream != "" {
		kind += " (" + string(r.Stream) + ")"
	}
	return r.Method + " " + kind + " over " + r.Protocol
}

// run is a Run at work.
type run struct {
	Config
	result      *Result
	certificate *tls.Certificate // nil: the tool isn't reached by TLS
	roots       *x509.CertPool
	readers     [2]*Reader
}

// Run has both readers make all kinds of requests, one after the other, and compares
// what came of them. An error means that it couldn't be found out what the tool gets.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	switch {
	case !cfg.Tool.Proxied():
		return nil, errors.New("running the canary: readers reach the tool by consent alone")
	case cfg.Tool.IsMirror():
		return nil, errors.New("running the canary: the tool is a mirror")
	}
	origin, err := url.Parse(cfg.Tool.Origin)
	if err != nil {
		return nil, fmt.Errorf("running the canary: %w", err)
	}
	r := &run{Config: cfg, result: new(Result), readers: Readers()}
	protocols := protocolsOf(cfg.Tool.Origin)
	if origin.Scheme == "https" {
		if r.certificate, r.roots, err = throwAway(origin.Hostname()); err != nil {
			return nil, fmt.Errorf("running the canary: making a certificate: %w", err)
		}
	}
	if cfg.Tool.Pseudonym {
		r.result.Pseudonym = cfg.Pseudonym
	}
	for _, s := range samples(cfg.Tool) {
		for _, protocol := range protocols {
			request, err := r.compare(ctx, s, protocol)
			if err != nil {
				return nil, fmt.Errorf("running the canary: %v: %w", request, err)
			}
			r.result.Requests = append(r.result.Requests, request)
		}
	}
	if !slices.ContainsFunc(r.result.Requests, func(q Request) bool { return q.Refused == "" }) {
		return nil, fmt.Errorf("running the canary: the edge refuses all its requests: %s", r.result.Requests[0].Refused)
	}
	return r.result, nil
}

// compare has both readers make a request.
func (r *run) compare(ctx context.Context, s sample, protocol string) (Request, error) {
	request := Request{Kind: s.kind, Method: s.method, Protocol: protocol, Stream: s.stream}
	var got [2]exchanged
	for i, who := range r.readers {
		var err error
		if got[i], err = r.exchange(ctx, s, protocol, who); err != nil {
			return request, err
		}
	}
	switch first, second := got[0].refused, got[1].refused; {
	case first != "" && first == second:
		request.Refused = first
		return request, nil
	case first != second:
		r.differ("%v: the edge refuses one reader and not the other: %s", request, first+second)
	}
	for i, who := range r.readers {
		if got[i].refused != "" {
			continue
		}
		if err := r.conceal(&got[i], request, who); err != nil {
			return request, err
		}
		r.compareHello(got[i].hello, request)
	}
	return request, r.fill(&request, got[0].spoke, got[1].spoke)
}

// conceal puts the placeholder in place of a pseudonym that the tool is declared to get.
func (r *run) conceal(got *exchanged, request Request, who *Reader) error {
	if r.result.Pseudonym == "" {
		return nil
	}
	spoke, pseudonym, err := replaceValue(request.Protocol, got.spoke, r.result.Pseudonym, Placeholder)
	if err != nil {
		r.differ("%v: %v", request, err)
		return nil
	}
	for _, mark := range append([]string{who.Client}, who.Marks...) {
		if strings.Contains(strings.ToLower(pseudonym), mark) {
			r.differ("%v: the pseudonym holds what is known of the reader", request)
		}
	}
	got.spoke = spoke
	return nil
}

// compareHello compares a connection's ClientHello with that of the first.
func (r *run) compareHello(t *TLS, request Request) {
	switch {
	case t == nil:
	case r.result.TLS == nil:
		r.result.TLS = t
	case !bytes.Equal(t.Hello, r.result.TLS.Hello):
		r.differ("%v: the ClientHello is another", request)
	}
}

func (r *run) differ(format string, args ...any) {
	r.result.Differences = append(r.result.Differences, fmt.Sprintf(format, args...))
}

// fill says in the request what both readers' bytes were; none for one who was refused.
func (r *run) fill(request *Request, first, second []byte) error {
	request.Readers = []string{sum(first), sum(second)}
	if first == nil {
		first, second = second, nil
	}
	if err := request.describe(first); err != nil || bytes.Equal(first, second) || second == nil {
		return err
	}
	request.Second = second
	mine, err := read(request.Protocol, first)
	if err != nil {
		return err
	}
	other, err := read(request.Protocol, second)
	if err != nil {
		return err
	}
	r.differ("%v: the requests differ in %s", *request, difference(mine, other))
	return nil
}

// describe sets what the bytes say.
func (q *Request) describe(data []byte) error {
	s, err := read(q.Protocol, data)
	if err != nil {
		return err
	}
	q.Bytes, q.Fields, q.Frames = data, s.fields, s.frames
	if q.Protocol == HTTP1 {
		q.Text = printable(data)
	}
	return nil
}

// printable returns text, or "" for what is none.
func printable(data []byte) string {
	for _, b := range data {
		if (b < ' ' || b >= 0x7f) && b != '\r' && b != '\n' {
			return ""
		}
	}
	return string(data)
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// difference says in what two requests differ.
func difference(a, b *spoken) string {
	var names []string
	for _, list := range [2][2][]Field{{a.fields, b.fields}, {b.fields, a.fields}} {
		for _, f := range list[0] {
			if !slices.Contains(list[1], f) && !slices.Contains(names, f.Name) {
				names = append(names, f.Name)
			}
		}
	}
	switch {
	case len(names) > 0:
		return "the header fields " + strings.Join(names, ", ")
	case !slices.Equal(a.fields, b.fields):
		return "the order or number of their header fields"
	case a.line != b.line:
		return "the request line"
	}
	return "their frames or bodies"
}

// exchanged is what came of one reader's request: bytes, or why there are none.
type exchanged struct {
	hello   *TLS
	spoke   []byte
	refused string
}

// exchange has one reader make a request to a proxy whose connections end at an echo of its own.
func (r *run) exchange(ctx context.Context, s sample, protocol string, who *Reader) (exchanged, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	e, err := newEcho(r.certificate, protocol, s.typeOf(r.Tool))
	if err != nil {
		return exchanged{}, err
	}
	answer, err := r.ask(ctx, e.address(), s, who)
	recordings := e.close()
	if err != nil {
		return exchanged{}, err
	}
	switch {
	case ctx.Err() != nil:
		return exchanged{}, ctx.Err()
	case len(recordings) == 0:
		return exchanged{refused: answer.reason()}, nil
	case len(recordings) > 1:
		return exchanged{}, fmt.Errorf("the proxy made %d connections, not one", len(recordings))
	case recordings[0].err != nil:
		return exchanged{}, fmt.Errorf("the echo understood no request (%w), and the proxy answered: %s", recordings[0].err, answer.reason())
	}
	got := exchanged{spoke: recordings[0].spoke}
	if hello := recordings[0].hello; hello != nil {
		if got.hello, err = describe(hello); err != nil {
			return exchanged{}, err
		}
	}
	return got, nil
}

// ask serves a reader's request by a proxy that is closed again.
func (r *run) ask(ctx context.Context, echo string, s sample, who *Reader) (w *answer, err error) {
	proxy, done, err := r.Proxy(echo, r.roots, who)
	if err != nil {
		return nil, err
	}
	defer done()
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler { // a reader's would end the request alone too
			err = errors.New("the proxy panicked")
		}
	}()
	w = &answer{header: make(http.Header)}
	proxy.ServeHTTP(w, who.request(ctx, s, r.Prefix, r.Tool.Name))
	return w, nil
}

// answer is what a reader gets, as far as it is of interest.
type answer struct {
	header http.Header
	status int
	body   []byte
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	a.body = append(a.body, p[:min(len(p), 500-len(a.body))]...)
	return len(p), nil
}

// Flush implements http.Flusher.
func (a *answer) Flush() {}

func (a *answer) reason() string {
	return fmt.Sprintf("%d %s", a.status, strings.TrimSpace(strings.ToValidUTF8(string(a.body), "?")))
}

// Interface guards
var (
	_ http.ResponseWriter = (*answer)(nil)
	_ http.Flusher        = (*answer)(nil)
)
