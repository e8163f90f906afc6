package canary

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

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
	ErrChain       = errors.New("the transcripts are of two chains")
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

	// Tool is the tool's name, Prefix the proxy's. Default: any.
	Tool, Prefix string

	// Declaration is the declaration hash on the noticeboard. Default: any.
	Declaration string

	// Declared is the declaration itself: the transcript must be of its origin and have
	// all kinds of requests that it permits. Default: any.
	Declared *noticeboard.Tool
}

// Verify tells what is wrong with what an opened transcript says, all of it: that
// it is not of now or not of the declaration, that its readers' bytes differ, that its
// parts contradict its bytes, or that a request has more than the constants of every
// request.
func (t *Transcript) Verify(x Expect) error {
	errs := []error{t.checkTime(x), t.checkTool(x)}
	if !t.Equal || len(t.Differences) > 0 {
		errs = append(errs, fmt.Errorf("%w: %s", ErrUnequal, cmp.Or(strings.Join(t.Differences, "; "), "it doesn't say how")))
	}
	if t.Pseudonym != "" && t.Pseudonym != PseudonymHeader {
		errs = append(errs, fmt.Errorf("%w: a pseudonym in the header field %q", ErrForeign, t.Pseudonym))
	}
	sent := 0
	for i := range t.Requests {
		if t.Requests[i].Refused == "" {
			sent++
		}
		if err := t.Requests[i].verify(t); err != nil {
			errs = append(errs, fmt.Errorf("%q: %w", t.Requests[i], err))
		}
	}
	if sent == 0 || len(t.Requests) > maxRequests {
		errs = append(errs, fmt.Errorf("%w: it has no requests, or too many", ErrContradicts))
	}
	return errors.Join(append(errs, t.checkTLS(), t.checkDeclared(x.Declared))...)
}

// checkDeclared checks that the transcript leaves nothing out and claims no more than is declared.
func (t *Transcript) checkDeclared(tool *noticeboard.Tool) error {
	switch {
	case tool == nil:
		return nil
	case t.Tool != tool.Name || t.Origin != tool.Origin:
		return fmt.Errorf("%w: it is of %s at %s", ErrDeclaration, t.Tool, t.Origin)
	case tool.Pseudonym != (t.Pseudonym != ""):
		return fmt.Errorf("%w: one of them has a pseudonym", ErrDeclaration)
	}
	var errs []error
	for _, s := range samples(tool) {
		for _, protocol := range protocolsOf(t.Origin) {
			q := Request{Kind: s.kind, Method: s.method, Protocol: protocol, Stream: s.stream}
			if !slices.ContainsFunc(t.Requests, func(has Request) bool {
				return has.Kind == q.Kind && has.Method == q.Method && has.Protocol == q.Protocol && has.Stream == q.Stream
			}) {
				errs = append(errs, fmt.Errorf("%w: it lacks %v", ErrContradicts, q))
			}
		}
	}
	return errors.Join(errs...)
}

// protocolsOf are those that a tool may speak.
func protocolsOf(origin string) []string {
	if strings.HasPrefix(origin, "https://") {
		return []string{HTTP2, HTTP1}
	}
	return []string{HTTP1}
}

func (t *Transcript) checkTime(x Expect) error {
	age := x.Now.Sub(t.Time)
	bound := x.MaxAge
	if bound == 0 {
		bound = staleAfter * min(maxEvery, time.Duration(max(0, min(t.Every, int64(maxEvery/time.Second))))*time.Second)
	}
	switch {
	case age < -clockSkew:
		return fmt.Errorf("%w: it is of %s", ErrFuture, t.Time.UTC().Format(time.RFC3339))
	case bound >= 0 && age > bound:
		return fmt.Errorf("%w: it is of %s, and there should be one of the last %v", ErrStale, t.Time.UTC().Format(time.RFC3339), bound)
	}
	return nil
}

func (t *Transcript) checkTool(x Expect) error {
	switch {
	case x.Tool != "" && t.Tool != x.Tool:
		return fmt.Errorf("%w: it is of the tool %q", ErrDeclaration, t.Tool)
	case x.Prefix != "" && t.Prefix != x.Prefix:
		return fmt.Errorf("%w: it is of the proxy at %q", ErrDeclaration, t.Prefix)
	case x.Declaration != "" && t.Declaration != x.Declaration:
		return fmt.Errorf("%w: %q there, %q here", ErrDeclaration, x.Declaration, t.Declaration)
	}
	return nil
}

// checkTLS checks that a ClientHello is described as it is, and has nothing that
// should be random or that a connection before left behind.
func (t *Transcript) checkTLS() error {
	secure := strings.HasPrefix(t.Origin, "https://")
	switch {
	case secure != (t.TLS != nil):
		return fmt.Errorf("%w: TLS without an https origin, or none with one", ErrContradicts)
	case !secure:
		return nil
	}
	described, err := describe(t.TLS.Hello)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrContradicts, err)
	}
	if !reflect.DeepEqual(described, t.TLS) {
		return fmt.Errorf("%w: the ClientHello is another than described", ErrContradicts)
	}
	if slices.Contains(t.TLS.Extensions, "pre_shared_key") || slices.Contains(t.TLS.Extensions, "cookie") {
		return fmt.Errorf("%w: the ClientHello goes on from another connection", ErrForeign)
	}
	origin, err := url.Parse(t.Origin)
	if name := t.TLS.ServerName; err != nil || name != "" && name != origin.Hostname() {
		return fmt.Errorf("%w: the server name is not the tool's", ErrForeign)
	}
	return nil
}

// check checks that a request is one of those that there can be: what names it is shown to people.
func (q *Request) check() error {
	_, kind := accepts[q.Kind]
	known := kind && slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost}, q.Method) &&
		(q.Protocol == HTTP1 || q.Protocol == HTTP2) && (q.Stream == "" || q.Stream == noticeboard.Events)
	if !known {
		return fmt.Errorf("%w: a request of an unknown kind", ErrContradicts)
	}
	return nil
}

// verify checks a request: that both readers' bytes are the same and say what is
// described, and that nothing is in it but constants.
func (q *Request) verify(t *Transcript) error {
	if err := q.check(); err != nil {
		return err
	}
	if q.Refused != "" {
		if !reflect.DeepEqual(*q, Request{Kind: q.Kind, Method: q.Method, Protocol: q.Protocol, Stream: q.Stream, Refused: q.Refused}) {
			return fmt.Errorf("%w: refused and sent", ErrContradicts)
		}
		return nil
	}
	if len(q.Second) > 0 || len(q.Readers) != 2 || q.Readers[0] != q.Readers[1] {
		return fmt.Errorf("%w: the bytes of the readers differ", ErrUnequal)
	}
	described := Request{Kind: q.Kind, Method: q.Method, Protocol: q.Protocol, Stream: q.Stream, Readers: q.Readers}
	if err := described.describe(q.Bytes); err != nil {
		return fmt.Errorf("%w: %w", ErrContradicts, err)
	}
	if sum(q.Bytes) != q.Readers[0] || !reflect.DeepEqual(described, *q) {
		return fmt.Errorf("%w: the bytes are others than described", ErrContradicts)
	}
	s, err := read(q.Protocol, q.Bytes)
	if err != nil {
		return err
	}
	return q.checkConstants(t, s)
}

// checkConstants checks that nothing stands in a request but what stands in all.
func (q *Request) checkConstants(t *Transcript, s *spoken) error {
	want := q.expected(t)
	fields := s.fields
	if q.Protocol == HTTP1 {
		if s.line != q.Method+" "+Path+" HTTP/1.1" {
			return fmt.Errorf("%w: the request line %q", ErrForeign, s.line)
		}
	}
	seen := make(map[string]bool)
	for _, f := range fields {
		name := f.Name
		if q.Protocol == HTTP1 {
			name = strings.ToLower(name)
		}
		matches, known := want[name]
		switch {
		case !known:
			return fmt.Errorf("%w: the header field %q", ErrForeign, f.Name)
		case seen[name]:
			return fmt.Errorf("%w: the header field %q twice", ErrForeign, f.Name)
		case !matches(f.Value):
			return fmt.Errorf("%w: %q in the header field %q", ErrForeign, f.Value, f.Name)
		}
		seen[name] = true
	}
	for name := range want {
		if !seen[name] {
			return fmt.Errorf("%w: no header field %q", ErrContradicts, name)
		}
	}
	body := ""
	if q.Method == http.MethodPost {
		body = Body
	}
	if string(s.body) != body {
		return fmt.Errorf("%w: another body than the canary's", ErrForeign)
	}
	if q.Protocol == HTTP1 && !bytes.Equal(s.text(), q.Bytes) {
		return fmt.Errorf("%w: bytes beside its header and body", ErrForeign)
	}
	return q.checkFrames()
}

// expected are the header fields of a request, by lower-case names, and what they may hold.
func (q *Request) expected(t *Transcript) map[string]func(string) bool {
	is := func(want string) func(string) bool { return func(got string) bool { return got == want } }
	_, host, _ := strings.Cut(t.Origin, "://")
	want := map[string]func(string) bool{
		"user-agent": userAgent.MatchString, "accept": is(q.accept()),
		"accept-encoding": func(got string) bool { return slices.Contains(codings, got) },
	}
	if q.Protocol == HTTP1 {
		want["host"] = is(host)
	} else {
		scheme, _, _ := strings.Cut(t.Origin, "://")
		want[":authority"], want[":method"], want[":path"], want[":scheme"] = is(host), is(q.Method), is(Path), is(scheme)
	}
	if q.Method == http.MethodPost {
		want["content-type"], want["content-length"] = is(bodyType), is(strconv.Itoa(len(Body)))
	}
	if t.Pseudonym != "" {
		want[strings.ToLower(t.Pseudonym)] = is(Placeholder)
	}
	return want
}

// checkFrames checks that there are no frames but those of every request.
func (q *Request) checkFrames() error {
	for _, f := range q.Frames {
		switch f.Type {
		case "SETTINGS", "WINDOW_UPDATE", "HEADERS", "CONTINUATION":
		case "DATA":
			if q.Method == http.MethodPost {
				continue
			}
			fallthrough
		default:
			return fmt.Errorf("%w: a %s frame", ErrForeign, f.Type)
		}
	}
	return nil
}

// PseudonymHeader is the one header that a pseudonym may stand in.
const PseudonymHeader = "Client-Pseudonym"

// What stands in every request, written down here a second time: a proxy that begins to
// send something else doesn't pass by changing what it is compared with.
var (
	userAgent = regexp.MustCompile(`^Wikiveil/1 \(\+https://github\.com/wikiveil/wikiveil; anonymizing proxy(; [A-Za-z0-9@:/.,?&=%+_~ -]{1,200})?\)$`)
	codings   = []string{"identity"}
	accepts   = map[noticeboard.Kind]string{
		noticeboard.Img:   "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8",
		noticeboard.Font:  "font/woff2,font/woff,font/*;q=0.8",
		noticeboard.Style: "text/css",
		noticeboard.Media: "audio/*,video/*,text/vtt",
		noticeboard.Data:  "application/json,text/csv;q=0.9,text/plain;q=0.8,*/*;q=0.1",
		"":                "*/*",
	}
)

func (q *Request) accept() string {
	if q.Stream == noticeboard.Events {
		return eventStream
	}
	return accepts[q.Kind]
}

// Follows checks that t comes after an earlier transcript of the same tool in one
// chain, as far as the two show it: their digests are those of [Digest]. It tells
// whether there is none between them.
func (t *Transcript) Follows(earlier *Transcript, digest, earlierDigest string) (next bool, err error) {
	switch {
	case t.Tool != earlier.Tool || t.Prefix != earlier.Prefix || t.Site != earlier.Site:
		return false, fmt.Errorf("%w: they are of different tools or wikis", ErrChain)
	case t.Sequence < earlier.Sequence:
		return false, fmt.Errorf("%w: number %d doesn't come after number %d", ErrChain, t.Sequence, earlier.Sequence)
	case t.Sequence == earlier.Sequence && digest != earlierDigest:
		return false, fmt.Errorf("%w: there are two with the number %d", ErrChain, t.Sequence)
	case t.Sequence == earlier.Sequence+1 && t.Previous != earlierDigest:
		return false, fmt.Errorf("%w: number %d names another one before it", ErrChain, t.Sequence)
	case t.Time.Before(earlier.Time):
		return false, fmt.Errorf("%w: number %d is older than number %d", ErrChain, t.Sequence, earlier.Sequence)
	}
	return t.Sequence <= earlier.Sequence+1, nil
}
