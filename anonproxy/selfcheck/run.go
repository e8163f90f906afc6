package selfcheck

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// sampleTimeout bounds one request of a reader to the proxy, the echo's response included.
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
	// for what it must know of the reader, and gives [Reader.Conceal] each pseudonym.
	Proxy func(echo string, roots *x509.CertPool, who *Reader) (proxy http.Handler, close func(), err error)
}

// Result is what the tool gets.
type Result struct {
	// Differences say by what the tool could tell the two readers apart. There must be none.
	Differences []string `json:"differences,omitempty"`

	// Pseudonym is whether the tool gets another name for each client, in the header
	// PseudonymHeader. In its place the requests have Placeholder.
	Pseudonym bool `json:"pseudonym,omitempty"`

	// Hello are the TLS records that begin the first connection; none where the tool isn't reached by TLS.
	Hello    []byte    `json:"client_hello,omitempty"`
	Requests []Request `json:"requests"`
}

// Request is one request as the tool gets it.
type Request struct {
	// Kind is what the response is for; empty where the reader's browser didn't say.
	Kind     noticeboard.Kind   `json:"kind,omitempty"`
	Method   string             `json:"method"`
	Protocol string             `json:"protocol"` // HTTP1 or HTTP2
	Stream   noticeboard.Stream `json:"stream,omitempty"`

	// Refused is why the edge sent nothing, in which case nothing follows.
	Refused string `json:"refused,omitempty"`

	// Bytes are all that came over the connection, in HTTP/2 from the preface on.
	Bytes []byte `json:"bytes,omitempty"`
	// Second are the bytes that the second reader's request had, where they differ.
	Second []byte `json:"second,omitempty"`
}

// String names the request for people.
func (q Request) String() string {
	kind := string(q.Kind)
	if kind == "" {
		kind = "of no stated kind"
	}
	if q.Stream != "" {
		kind += " (" + string(q.Stream) + ")"
	}
	return q.Method + " " + kind + " over " + q.Protocol
}

// Fields returns what the header of a request says that Run recorded, or nil for bytes that
// are none. HTTP/1.1's first line is told as HTTP/2 does.
func (q Request) Fields() []Field {
	m, err := read(q.Protocol, q.Bytes)
	if err != nil {
		return nil
	}
	return m.fields
}

// run is a Run at work.
type run struct {
	Config
	Result
	tls     *tls.Config // of the echo; nil: the tool isn't reached by TLS
	roots   *x509.CertPool
	readers [2]*Reader
	offers  []Field // of the first ClientHello
}

// Run has both readers make all kinds of requests, one after the other, and compares
// what came of them. An error means that it couldn't be found out what the tool gets.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	result, err := start(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("running the canary: %w", err)
	}
	return result, nil
}

func start(ctx context.Context, cfg Config) (*Result, error) {
	switch {
	case !cfg.Tool.Proxied():
		return nil, errors.New("readers reach the tool by consent alone")
	case cfg.Tool.IsMirror():
		return nil, errors.New("the tool is a mirror")
	}
	origin, err := url.Parse(cfg.Tool.Origin)
	if err != nil {
		return nil, err
	}
	r := &run{Config: cfg, Result: Result{Pseudonym: cfg.Tool.Pseudonym}, readers: Readers()}
	if origin.Scheme == "https" {
		certificate, roots, err := throwAway(origin.Hostname())
		if err != nil {
			return nil, fmt.Errorf("making a certificate: %w", err)
		}
		r.tls, r.roots = &tls.Config{Certificates: []tls.Certificate{certificate}}, roots
	}
	for _, q := range requestsOf(cfg.Tool) {
		if err := r.compare(ctx, &q); err != nil {
			return nil, fmt.Errorf("%v: %w", q, err)
		}
		r.Requests = append(r.Requests, q)
	}
	if !slices.ContainsFunc(r.Requests, func(q Request) bool { return q.Refused == "" }) {
		return nil, fmt.Errorf("the edge refuses all its requests: %s", r.Requests[0].Refused)
	}
	return &r.Result, nil
}

// compare has both readers make a request.
func (r *run) compare(ctx context.Context, q *Request) error {
	var got [2]*exchanged
	for i, who := range r.readers {
		var err error
		if got[i], err = r.exchange(ctx, q, who); err != nil {
			return err
		}
	}
	first, second := got[0], got[1]
	switch {
	case first.refused != second.refused:
		r.differ("%v: the edge refuses one reader and not the other: %s", q, first.refused+second.refused)
		if first.refused != "" {
			first = second
		}
		q.Bytes = first.bytes
	case first.refused != "":
		q.Refused = first.refused
	default:
		q.Bytes = first.bytes
		if !bytes.Equal(first.bytes, second.bytes) {
			q.Second = second.bytes
			r.differ("%v: the requests differ in %s", q, difference(first.message, second.message))
		}
	}
	return nil
}

func (r *run) differ(format string, args ...any) {
	r.Differences = append(r.Differences, fmt.Sprintf(format, args...))
}

// difference says in what two requests differ.
func difference(a, b *message) string {
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
	}
	return "their order, frames or bodies"
}

// exchanged is what came of one reader's request: bytes, or why there are none.
type exchanged struct {
	*message
	refused string
}

// exchange has one reader make a request to a proxy whose connections end at an echo of its own.
func (r *run) exchange(ctx context.Context, q *Request, who *Reader) (*exchanged, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	config := r.tls.Clone() // of nil: nil
	if config != nil {
		config.NextProtos = []string{q.Protocol}
	}
	e, err := startEcho(config, typeOf(q, r.Tool))
	if err != nil {
		return nil, err
	}
	response, err := r.ask(ctx, e.Addr().String(), q, who)
	connections := e.close()
	switch {
	case err != nil:
		return nil, err
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(connections) == 0:
		return &exchanged{refused: response.reason()}, nil
	case len(connections) > 1:
		return nil, fmt.Errorf("the proxy made %d connections, not one", len(connections))
	}
	hello, sent := connections[0].get()
	m, err := read(q.Protocol, sent)
	if err != nil {
		return nil, fmt.Errorf("the echo got %w, and the proxy answered: %s", err, response.reason())
	}
	r.checkPseudonym(q, m, who)
	return &exchanged{message: m}, r.checkHello(q, hello)
}

// checkPseudonym checks that the tool gets the pseudonym that it is declared to get, and that it tells nothing.
func (r *run) checkPseudonym(q *Request, m *message, who *Reader) {
	if !r.Pseudonym {
		return
	}
	named := 0
	for _, f := range m.fields {
		if strings.EqualFold(f.Name, PseudonymHeader) && f.Value != "" {
			named++
		}
	}
	if named != 1 {
		r.differ("%v: the request has %d fields %s, not one", q, named, PseudonymHeader)
	}
	if who.exposed {
		r.differ("%v: the pseudonym holds what is known of the reader", q)
	}
}

// checkHello compares a connection's ClientHello with that of the first.
func (r *run) checkHello(q *Request, hello []byte) error {
	if r.tls == nil {
		return nil
	}
	offers, err := offers(hello)
	switch {
	case err != nil:
		return err
	case r.offers == nil:
		r.Hello, r.offers = hello, offers
	case !slices.Equal(offers, r.offers):
		r.differ("%v: the ClientHello is another", q)
	}
	return nil
}

// ask serves a reader's request by a proxy that is closed again.
func (r *run) ask(ctx context.Context, echo string, q *Request, who *Reader) (w *response, err error) {
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
	w = &response{header: make(http.Header)}
	proxy.ServeHTTP(w, who.request(ctx, q, r.Prefix, r.Tool.Name))
	return w, nil
}

// response is what a reader gets, as far as it is of interest.
type response struct {
	header http.Header
	status int
	body   []byte
}

func (w *response) Header() http.Header { return w.header }

func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
}

func (w *response) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.body = append(w.body, p[:min(len(p), 500-len(w.body))]...)
	return len(p), nil
}

// Flush implements http.Flusher.
func (w *response) Flush() {}

func (w *response) reason() string {
	return fmt.Sprintf("%d %s", w.status, strings.TrimSpace(strings.ToValidUTF8(string(w.body), "?")))
}

// Interface guards
var (
	_ http.ResponseWriter = (*response)(nil)
	_ http.Flusher        = (*response)(nil)
)
