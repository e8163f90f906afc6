package selfcheck

import (
	"errors"
	"fmt"
	"net/http"
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
	clockSkew  = 5 * time.Minute
	maxEvery   = 24 * time.Hour
	staleAfter = 3 // intervals without a new transcript
)

// Expect says what a transcript must be.
type Expect struct {
	// Now is the time.
	Now time.Time

	// MaxAge bounds the transcript's age. Default: three times the interval that it
	// names. Negative is no bound, for old ones.
	MaxAge time.Duration

	// Prefix is the proxy's, and Declaration the hash of the declaration on the noticeboard. Default: any.
	Prefix, Declaration string
}

// Verify returns all that is wrong with what an opened transcript says: it is of another time or another
// declaration, it lacks a kind of request that the declaration permits, its readers' bytes
// differ, or a request has more than the constants of every request.
func (t *Transcript) Verify(x Expect) error {
	errs := []error{t.checkTime(x)}
	if x.Prefix != "" && t.Prefix != x.Prefix {
		errs = append(errs, fmt.Errorf("%w: it is of the proxy at %q", ErrDeclaration, t.Prefix))
	}
	if x.Declaration != "" && t.Tool.Hash() != x.Declaration {
		errs = append(errs, fmt.Errorf("%w: %q there, %q here", ErrDeclaration, x.Declaration, t.Tool.Hash()))
	}
	if len(t.Differences) > 0 {
		errs = append(errs, fmt.Errorf("%w: %s", ErrUnequal, strings.Join(t.Differences, "; ")))
	}
	requests := requestsOf(&t.Tool)
	same := func(has, wanted Request) bool { return has.String() == wanted.String() }
	if !slices.EqualFunc(t.Requests, requests, same) {
		return errors.Join(append(errs, fmt.Errorf("%w: it must have %v and no others", ErrContradicts, requests))...)
	}
	sent := false
	for _, q := range t.Requests {
		sent = sent || q.Refused == ""
		if err := q.verify(t); err != nil {
			errs = append(errs, fmt.Errorf("%v: %w", q, err))
		}
	}
	if !sent {
		errs = append(errs, fmt.Errorf("%w: it refuses all requests", ErrContradicts))
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

// checkHello checks that the ClientHello has nothing that a connection before left behind.
func (t *Transcript) checkHello() error {
	scheme, host := splitOrigin(t.Tool.Origin)
	if scheme != "https" && len(t.Hello) == 0 {
		return nil
	}
	hello, err := readHello(t.Hello)
	const cookie, preSharedKey = 44, 41 // RFC 8446, section 4.2
	switch {
	case scheme != "https":
		return fmt.Errorf("%w: TLS without an https origin", ErrContradicts)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrContradicts, err)
	case slices.Contains(hello.Extensions, preSharedKey) || slices.Contains(hello.Extensions, cookie):
		return fmt.Errorf("%w: the ClientHello goes on from another connection", ErrForeign)
	case hello.ServerName != "" && hello.ServerName != host:
		return fmt.Errorf("%w: the server name is not the tool's", ErrForeign)
	}
	return nil
}

// verify checks that both readers' bytes are the same, and that nothing is in them but constants.
func (q *Request) verify(t *Transcript) error {
	switch {
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
	scheme, host, _ := strings.Cut(t.Tool.Origin, "://")
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
	if t.Tool.Pseudonym {
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
