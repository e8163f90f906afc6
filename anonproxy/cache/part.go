package cache

import (
	"io"
	"net/http"
)

// Part is one range of a body that isn't kept.
type Part struct {
	// Start and Length are in bytes.
	Start, Length int64

	// Text is the Content-Range.
	Text string
}

// One returns the part that is asked for of a body of known size. It is not ok
// where the whole is to be served: nothing or several parts are asked for. A Part of
// no length is past the end.
func (r Ranges) One(size int64) (part Part, ok bool) {
	if len(r) != 1 || size < 0 {
		return Part{}, false
	}
	s, ok := r[0].within(size)
	if !ok {
		return Part{Text: pastEnd(size)}, true
	}
	return Part{s.start, s.length, s.text(size)}, true
}

// Of returns the part of a body that is read from its beginning. What comes before
// the part is read and dropped: such reads return 0 bytes and no error, so that
// whoever limits the time of each still can.
func (p Part) Of(body io.Reader) io.Reader {
	return &partReader{body: body, skip: p.Start, left: p.Length}
}

type partReader struct {
	body       io.Reader
	skip, left int64
}

// Read implements io.Reader.
func (r *partReader) Read(p []byte) (int, error) {
	switch {
	case r.left == 0:
		return 0, io.EOF
	case r.skip > 0:
		n, err := r.body.Read(p[:min(int64(len(p)), r.skip)])
		r.skip -= int64(n)
		return 0, short(err)
	}
	n, err := r.body.Read(p[:min(int64(len(p)), r.left)])
	if r.left -= int64(n); r.left == 0 {
		return n, io.EOF
	}
	return n, short(err)
}

// short is the error of a body that ends before its part does.
func short(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// cutDirect turns a reply with the tool's own body into the part that is asked
// for. If-Range never applies, as such a reply has no validator.
func (r *Reply) cutDirect(method string, h http.Header, want Ranges) {
	if method != http.MethodGet || r.Status != http.StatusOK || r.answer.direct == nil || len(h["If-Range"]) > 0 {
		return
	}
	part, ok := want.One(r.Length)
	switch {
	case !ok:
	case part.Length == 0:
		r.pastEnd(r.Length)
	default:
		r.Status, r.Length, r.text, r.ranges, r.part = http.StatusPartialContent, part.Length, part.Text, true, &part
	}
}
