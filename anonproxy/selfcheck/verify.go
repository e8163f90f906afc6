package selfcheck

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// Errors of Verify, for callers to test for.
var (
	ErrUnequal     = errors.New("the tool can tell readers apart")
	ErrStale       = errors.New("the transcript is too old")
	ErrFuture      = errors.New("the transcript is from the future")
	ErrDeclaration = errors.New("the transcript is of another declaration than the noticeboard's")
	ErrForeign     = errors.New("the tool gets what is no known constant")
	ErrContradicts = errors.New("the transcript contradicts itself")
)

// Bounds of Verify.
const (
	clockSkew   = 5 * time.Minute
	maxEvery    = 24 * time.Hour
	staleAfter  = 3 // intervals without a new transcript
	maxRequests = 100
)

// Expect says what a transcript must be.
type Expect struct {
	// Now is the time.
	Now time.Time

	// MaxAge bounds the transcript's age. Default: three times the interval that it
	// names. Negative is no bound, for old ones.
	MaxAge time.Duration

	// Prefix is the proxy's. Default: any.
	Prefix string

	// Declared is the declaration on the noticeboard: the transcript must be of it, and
	// have all kinds of requests that it permits. Default: any.
	Declared *noticeboard.Tool
}

// Verify tells what is wrong with what an opened transcript says, all of it: that
// it is not of now or not of the declaration, that its readers' bytes differ, or that a
// request has more than the constants of every request.
func (t *Transcript) Verify(x Expect) error {
	errs := []error{t.checkTime(x), t.checkDeclared(x)}
	if len(t.Differences) > 0 {
		errs = append(errs, fmt.Errorf("%w: %s", ErrUnequal, strings.Join(t.Differences, "; ")))
	}
	sent := 0
	for _, q := range t.Requests {
		if q.Refused == "" {
			sent++
		}
		if err := q.verify(t); err != nil {
			errs = append(errs, fmt.Errorf("%q: %w", q, err))
		}
	}
	if sent == 0 || len(t.Requests) > maxRequests {
		errs = append(errs, fmt.Errorf("%w: it has no requests, or too many", ErrContradicts))
	}
	return errors.Join(append(errs, t.checkHello())...)
}

func (t *Transcript) checkTime(x Expect) error {
	age := x.Now.Sub(t.Time)
	bound := x.MaxAge
	if bound == 0 {
		bound = staleAfter * time.Duration(max(0, min(t.Every, int64(maxEvery/time.Second)))) * time.Second
	}
	switch {
	case age < -clockSkew:
		return fmt.Errorf("%w: it is of %s", ErrFuture, t.Time.UTC().Format(time.RFC3339))
	case bound >= 0 && age > bound:
		return fmt.Errorf("%w: it is of %s, and there should be one of the last %v", ErrStale, t.Time.UTC().Format(time.RFC3339), bound)
	}
	return nil
}

// checkDeclared checks that the transcript leaves nothing out and claims no more than is declared.
func (t *Transcript) checkDeclared(x Expect) error {
	tool := x.Declared
	switch {
	case x.Prefix != "" && t.Prefix != x.Prefix:
		return fmt.Errorf("%w: it is of the proxy at %q", ErrDeclaration, t.Prefix)
	case tool == nil:
		return nil
	case t.Tool != tool.Name || t.Origin != tool.Origin:
		return fmt.Errorf("%w: it is of %q at %q", ErrDeclaration, t.Tool, t.Origin)
	case t.Declaration != tool.Hash():
		return fmt.Errorf("%w: %q there, %q here", ErrDeclaration, tool.Hash(), t.Declaration)
	case t.Pseudonym != tool.Pseudonym:
		return fmt.Errorf("%w: one of them has a pseudonym", ErrDeclaration)
	}
	var errs []error
	for _, q := range requestsOf(tool) {
		if !slices.ContainsFunc(t.Requests, func(has Request) bool { return has.String() == q.String() }) {
			errs = append(errs, fmt.Errorf("%w: it lacks %v", ErrContradicts, q))
		}
	}
	return errors.Join(errs...)
}

// checkHello checks that the ClientHello has nothing that a connection before left behind.
func (t *Transcript) checkHello() error {
	origin, err := url.Parse(t.Origin)
	switch {
	case err != nil || (origin.Scheme == "https") != (len(t.Hello) > 0):
		return fmt.Errorf("%w: TLS without an https origin, or none with one", ErrContradicts)
	case len(t.Hello) == 0:
		return nil
	}
	hello, err := readHello(t.Hello)
	const cookie, preSharedKey = 44, 41 // RFC 8446, section 4.2
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrContradicts, err)
	case slices.Contains(hello.Extensions, preSharedKey) || slices.Contains(hello.Extensions, cookie):
		return fmt.Errorf("%w: the ClientHello goes on from another connection", ErrForeign)
	case hello.ServerName != "" && hello.ServerName != origin.Hostname():
		return fmt.Errorf("%w: the server name is not the tool's", ErrForeign)
	}
	return nil
}

// verify checks that both readers' bytes are the same, and that nothing is in them but constants.
func (q *Request) verify(t *Transcript) error {
	_, kind := accepts[q.Kind]
	known := kind && slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost}, q.Method) &&
		(q.Protocol == HTTP1 || q.Protocol == HTTP2) && (q.Stream == "" || q.Stream == noticeboard.Events)
	switch {
	case !known:
		return fmt.Errorf("%w: a request of an unknown kind", ErrContradicts)
	case q.Refused != "" && len(q.Bytes)+len(q.Second) > 0:
		return fmt.Errorf("%w: refused and sent", ErrContradicts)
	case q.Refused != "":
		return nil
	case len(q.Second) > 0:
		return fmt.Errorf("%w: the bytes of the readers differ", ErrUnequal)
	}
	m, err := read(q.Protocol, q.Bytes)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrContradicts, err)
	}
	return q.checkConstants(t, m)
}

// checkConstants checks that nothing stands in a request but what stands in all.
func (q *Request) checkConstants(t *Transcript, m *message) error {
	want := q.expected(t)
	for _, f := range m.fields {
		matches, known := want[f.Name]
		switch {
		case !known:
			return fmt.Errorf("%w: the header field %q, or it is there twice", ErrForeign, f.Name)
		case !matches(f.Value):
			return fmt.Errorf("%w: %q in the header field %q", ErrForeign, f.Value, f.Name)
		}
		delete(want, f.Name)
	}
	for name := range want {
		return fmt.Errorf("%w: no header field %q", ErrContradicts, name)
	}
	body := ""
	if q.Method == http.MethodPost {
		body = Body
	}
	if string(m.body) != body {
		return fmt.Errorf("%w: another body than the canary's", ErrForeign)
	}
	for _, f := range m.frames {
		switch {
		case f.Flags&^(http2.FlagHeadersEndStream|http2.FlagHeadersEndHeaders) != 0:
			return fmt.Errorf("%w: a %v frame with padding or a priority", ErrForeign, f.Type)
		case f.Type == http2.FrameData && q.Method == http.MethodPost:
		case f.Type == http2.FrameSettings || f.Type == http2.FrameWindowUpdate || f.Type == http2.FrameHeaders:
		default:
			return fmt.Errorf("%w: a %v frame", ErrForeign, f.Type)
		}
	}
	if m.known != len(q.Bytes) {
		return fmt.Errorf("%w: bytes beside its header and body", ErrForeign)
	}
	return nil
}

// expected are the header fields of a request, and what they may hold.
func (q *Request) expected(t *Transcript) map[string]func(string) bool {
	is := func(want string) func(string) bool { return func(got string) bool { return got == want } }
	scheme, host, _ := strings.Cut(t.Origin, "://")
	want := map[string]func(string) bool{
		":method": is(q.Method), ":path": is(Path), ":authority": is(host),
		"user-agent": userAgent.MatchString, "accept": is(accepts[q.Kind]), "accept-encoding": is("identity"),
	}
	if q.Protocol == HTTP2 {
		want[":scheme"] = is(scheme)
	} else {
		want[":version"] = is("HTTP/1.1")
	}
	if q.Stream == noticeboard.Events {
		want["accept"] = is(eventStream)
	}
	if q.Method == http.MethodPost {
		want["content-type"], want["content-length"] = is(bodyType), is(strconv.Itoa(len(Body)))
	}
	if t.Pseudonym {
		want[strings.ToLower(PseudonymHeader)] = is(Placeholder)
	}
	return want
}

// What stands in every request, written down here a second time: a proxy that begins to
// send something else doesn't pass by changing what it is compared with.
var (
	userAgent = regexp.MustCompile(`^Wikiveil/1 \(\+https://github\.com/wikiveil/wikiveil; anonymizing proxy(; [A-Za-z0-9@:/.,?&=%+_~ -]{1,200})?\)$`)
	accepts   = map[noticeboard.Kind]string{
		noticeboard.Img:   "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8",
		noticeboard.Font:  "font/woff2,font/woff,font/*;q=0.8",
		noticeboard.Style: "text/css",
		noticeboard.Media: "audio/*,video/*,text/vtt",
		noticeboard.Data:  "application/json,text/csv;q=0.9,text/plain;q=0.8,*/*;q=0.1",
		"":                "*/*",
	}
)
