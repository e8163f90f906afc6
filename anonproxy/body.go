package anonproxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// defaultMaxRequestSize bounds the body of a POST where nothing else does, in bytes.
const defaultMaxRequestSize = 64 << 10

// maxRequestSize is the largest bound that a tool may be given, in bytes.
const maxRequestSize = 64 << 20

// Bounds of bodies that are being read.
const (
	bodyMemory   = 64 << 20 // bytes of all bodies at once, that of the largest tool at least
	bodyTimeout  = 15 * time.Second
	bodyRate     = 64 << 10 // bytes a second, on top of the time above
	firstBodyBuf = 2 << 10
)

// takeBody reads the body of a POST into the request. What can be refused without the body is, and
// the tool is not asked before all of it is here: how it arrives is the reader's.
func (p *Proxy) takeBody(w http.ResponseWriter, r *http.Request, up *upstream, reader *Reader, req *request) *refusal.Refusal {
	if refused := p.checkPost(r, up, req); refused != nil {
		return refused
	}
	body := &requestBody{memory: &p.bodies, shares: &p.shares, client: reader.Client, limit: up.bodyLimit}
	limit := min(bodyTimeout+time.Duration(up.bodyLimit)*time.Second/bodyRate, up.timeout)
	refused := body.readFrom(w, r, limit)
	if refused == nil {
		refused = reader.Check(body.data, up.names)
	}
	if refused != nil {
		body.done()
		return refused
	}
	req.body = body
	return nil
}

// putBody gives a request its body, whose length is told. The transport takes it from GetBody again
// only where nothing of the request was sent, as a POST must not be made twice.
func (req *request) putBody(r *http.Request) {
	if req.body == nil {
		return
	}
	data := req.body.data
	r.ContentLength, r.Body = int64(len(data)), http.NoBody
	if len(data) > 0 {
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
		r.Body, _ = r.GetBody()
	}
}

// redirect makes the request what a redirect with the status asks for: as browsers do, 307 and 308 send
// a body again, and the others turn a POST into a GET.
func (req *request) redirect(up *upstream, status int) *refusal.Refusal {
	if req.method != http.MethodPost || status == http.StatusTemporaryRedirect || status == http.StatusPermanentRedirect {
		return nil
	}
	req.method, req.body, req.contentType = http.MethodGet, nil, ""
	if !slices.Contains(up.tool.Methods, req.method) {
		return outcomes.BadResponse("the tool redirects a POST to a GET, which it isn't declared for")
	}
	return nil
}

// checkPost refuses a POST by its head alone.
func (p *Proxy) checkPost(r *http.Request, up *upstream, req *request) *refusal.Refusal {
	if req.kind == headers.AnyKind && !fromOwnPage(r) { // without Fetch metadata
		return outcomes.BadRequest(http.StatusForbidden, "only pages of this wiki may send to tools: the Origin header is missing or another's")
	}
	if len(r.Header["Content-Encoding"]) > 0 {
		return outcomes.BadRequest(http.StatusUnsupportedMediaType, "the request's body must not be compressed: it can't be checked then")
	}
	var reason string
	if req.contentType, reason = headers.BodyType(r.Header["Content-Type"]); reason != "" && (r.ContentLength != 0 || len(r.Header["Content-Type"]) > 0) {
		return outcomes.BadRequest(http.StatusUnsupportedMediaType, reason)
	}
	if r.ContentLength > up.bodyLimit {
		return errBodyTooLarge
	}
	return nil
}

// fromOwnPage tells by the Origin header, which every browser sends with a POST, whether a page of this
// host does. (Over TLS there is better: see requestKind.)
func fromOwnPage(r *http.Request) bool {
	text, ok := headers.Single(r.Header, "Origin")
	origin, err := url.Parse(text)
	return ok && err == nil && origin.Host != "" && (origin.Scheme == "http" || origin.Scheme == "https") &&
		strings.EqualFold(origin.Host, r.Host)
}

var (
	errBodyTooLarge = outcomes.BadRequest(http.StatusRequestEntityTooLarge, "the request's body is too large for this tool")
	errBodySlow     = outcomes.BadRequest(http.StatusRequestTimeout, "the request's body comes too slowly")
	errBodyBroken   = outcomes.BadRequest(http.StatusBadRequest, "the request's body broke off")
	errBodyShare    = refusal.Literal(http.StatusTooManyRequests, outcomes.LimitedClient, "too many requests of yours with a body are on their way: try again in a moment")
	errBodyMemory   = outcomes.BadRequest(http.StatusServiceUnavailable, "too many requests with a body are on their way: try again in a moment")
)

// requestBody is a body as it is read. It takes memory as it arrives, so that those who
// send nothing hold nothing.
type requestBody struct {
	memory *atomic.Int64 // held by all bodies
	shares *bodyShares   // may be nil
	client string
	held   int64
	limit  int64
	data   []byte
}

// readFrom reads the whole body within a time limit.
func (b *requestBody) readFrom(w http.ResponseWriter, r *http.Request, limit time.Duration) *refusal.Refusal {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return nil
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(limit)) // writers that can't are those of tests
	for {
		if len(b.data) == cap(b.data) {
			if refused := b.grow(r.ContentLength); refused != nil {
				return refused
			}
		}
		n, err := r.Body.Read(b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
		switch {
		case int64(len(b.data)) > b.limit:
			return errBodyTooLarge
		case err == io.EOF:
			// The server goes on to watch the connection for a reader who leaves. After an
			// error the deadline stays, since it would wait for the rest of the body.
			_ = control.SetReadDeadline(time.Time{})
			return nil
		case err != nil:
			return bodyRefusal(r.Context(), err)
		}
	}
}

// bodyRefusal says why a body couldn't be read.
func bodyRefusal(ctx context.Context, err error) *refusal.Refusal {
	var tooLarge *http.MaxBytesError // of an outer handler
	switch {
	case errors.As(err, &tooLarge):
		return errBodyTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errBodySlow
	case ctx.Err() != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return refusal.Literal(http.StatusBadRequest, outcomes.Canceled, errReader.Error())
	}
	return errBodyBroken
}

// grow makes room for more, twice what there is, if there is memory for it. One byte over
// the limit shows that there is more.
func (b *requestBody) grow(length int64) *refusal.Refusal {
	size := max(firstBodyBuf, 2*int64(cap(b.data)))
	if length > 0 && size > length {
		size = max(length, int64(cap(b.data))) + 1
	}
	size = min(size, b.limit+1)
	more := size - int64(cap(b.data))
	if !b.shares.take(b.client, more, max(bodyMemory/bodyShare, b.limit+1)) {
		return errBodyShare
	}
	if b.memory.Add(more) > max(bodyMemory, 2*b.limit) {
		b.memory.Add(-more)
		b.shares.giveBack(b.client, more)
		return errBodyMemory
	}
	b.held += more
	data := make([]byte, len(b.data), size)
	copy(data, b.data)
	b.data = data
	return nil
}

// done gives the memory back. It may be called twice, and on nil.
func (b *requestBody) done() {
	if b == nil {
		return
	}
	b.memory.Add(-b.held)
	b.shares.giveBack(b.client, b.held)
	b.held, b.data = 0, nil
}
