package selfcheck

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
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

// run is a Run at work.
type run struct {
	Config
	Result
	tls    *tls.Config // of the echo; nil: the tool isn't reached by TLS
	roots  *x509.CertPool
	offers []Field // of the first ClientHello
}

// Run has both readers make all kinds of requests, one after the other, and compares
// what came of them. An error means that it couldn't be found out what the tool gets.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	r := &run{Config: cfg}
	if err := r.run(ctx); err != nil {
		return nil, fmt.Errorf("running the canary: %w", err)
	}
	return &r.Result, nil
}

func (r *run) run(ctx context.Context) error {
	switch {
	case !r.Tool.Proxied():
		return errors.New("readers reach the tool by consent alone")
	case r.Tool.IsMirror():
		return errors.New("the tool is a mirror")
	}
	if scheme, host := splitOrigin(r.Tool.Origin); scheme == "https" {
		certificate, roots, err := throwAway(host)
		if err != nil {
			return fmt.Errorf("making a certificate: %w", err)
		}
		r.tls, r.roots = &tls.Config{Certificates: []tls.Certificate{certificate}}, roots
	}
	refused := 0
	for _, q := range requestsOf(r.Tool) {
		if err := r.compare(ctx, &q); err != nil {
			return fmt.Errorf("%v: %w", q, err)
		}
		if r.Requests = append(r.Requests, q); q.Refused != "" {
			refused++
		}
	}
	if refused == len(r.Requests) {
		return fmt.Errorf("the edge refuses all its requests: %s", r.Requests[0].Refused)
	}
	return nil
}

// compare has both readers make a request.
func (r *run) compare(ctx context.Context, q *Request) error {
	var got [2]*message
	var refused [2]string
	for i, who := range Readers() {
		var err error
		if got[i], refused[i], err = r.exchange(ctx, q, who); err != nil {
			return err
		}
	}
	q.Bytes = got[0].bytes
	switch {
	case refused[0] != refused[1]:
		q.Second = got[1].bytes
		r.differ(q, "the edge refuses one reader and not the other: "+refused[0]+refused[1])
	case !bytes.Equal(got[0].bytes, got[1].bytes):
		q.Second = got[1].bytes
		r.differ(q, "the requests differ in "+difference(got[0], got[1]))
	default:
		q.Refused = refused[0]
	}
	return nil
}

func (r *run) differ(q *Request, how string) {
	r.Differences = append(r.Differences, q.String()+": "+how)
}

// difference says in what two requests differ.
func difference(a, b *message) string {
	var names []string
	for _, lists := range [2][2][]Field{{a.fields, b.fields}, {b.fields, a.fields}} {
		for _, f := range lists[0] {
			if !slices.Contains(lists[1], f) && !slices.Contains(names, f.Name) {
				names = append(names, f.Name)
			}
		}
	}
	if len(names) > 0 {
		return "the header fields " + strings.Join(names, ", ")
	}
	return "the order or number of their fields, in frames or bodies"
}

// exchange has one reader make a request to a proxy whose connections end at an echo of its own. It returns what
// came there, or, beside an empty message, why nothing did.
func (r *run) exchange(ctx context.Context, q *Request, who *Reader) (m *message, refused string, err error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	config := r.tls.Clone() // of nil: nil
	if config != nil {
		config.NextProtos = []string{q.Protocol}
	}
	e, err := startEcho(config, typeOf(q, r.Tool))
	if err != nil {
		return nil, "", err
	}
	w, err := r.ask(ctx, e.Addr().String(), q, who)
	connections := e.close()
	switch {
	case err != nil:
		return nil, "", err
	case ctx.Err() != nil:
		return nil, "", ctx.Err()
	case len(connections) == 0:
		return new(message), w.reason(), nil
	case len(connections) > 1:
		return nil, "", fmt.Errorf("the proxy made %d connections, not one", len(connections))
	}
	if m, err = read(q.Protocol, connections[0].sent); err != nil {
		return nil, "", fmt.Errorf("the echo got %w, and the proxy answered: %s", err, w.reason())
	}
	if r.Tool.Pseudonym {
		r.checkPseudonym(q, m, who)
	}
	if r.tls != nil {
		err = r.checkHello(q, connections[0].hello)
	}
	return m, "", err
}

// checkPseudonym checks that the tool gets the pseudonym that it is declared to get, and that it tells nothing.
func (r *run) checkPseudonym(q *Request, m *message, who *Reader) {
	named := 0
	for _, f := range m.fields {
		if strings.EqualFold(f.Name, PseudonymHeader) && f.Value != "" {
			named++
		}
	}
	if named != 1 {
		r.differ(q, fmt.Sprintf("the request has %d fields %s, not one", named, PseudonymHeader))
	}
	if who.exposed {
		r.differ(q, "the pseudonym holds what is known of the reader")
	}
}

// checkHello compares a connection's ClientHello with that of the first.
func (r *run) checkHello(q *Request, hello []byte) error {
	offers, err := offers(hello)
	switch {
	case err != nil:
		return err
	case r.offers == nil:
		r.Hello, r.offers = hello, offers
	case !slices.Equal(offers, r.offers):
		r.differ(q, "the ClientHello is another")
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
