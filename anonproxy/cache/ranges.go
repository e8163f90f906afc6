package cache

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// ErrRange says that a Range header can't be read. The answer to it is 416 (RFC 9110 section
// 15.5.17).
var ErrRange = errors.New("the range is malformed")

// Range is the part of an answer that a request asks for, before the length is known: first-last,
// first- (last is -1) or -suffix (first is -1).
type Range struct{ first, last int64 }

// ParseRange reads a request's Range fields (RFC 9110 section 14.2). It returns nil where the whole
// is to be served: no part is asked for, or several are, or a unit other than bytes is used.
func ParseRange(fields []string) (*Range, error) {
	if len(fields) == 0 {
		return nil, nil
	}
	unit, set, ok := strings.Cut(fields[0], "=")
	switch {
	case len(fields) > 1 || !ok || !httpguts.ValidHeaderFieldName(unit):
		return nil, ErrRange
	case !strings.EqualFold(unit, "bytes"):
		return nil, nil
	}
	var last Range
	n := 0
	for spec := range strings.SplitSeq(set, ",") {
		if spec = strings.Trim(spec, " \t"); spec == "" {
			continue // empty list elements are allowed (section 5.6.1)
		}
		if last, ok = parseSpec(spec); !ok {
			return nil, ErrRange
		}
		n++
	}
	switch n {
	case 0:
		return nil, ErrRange
	case 1:
		return &last, nil
	}
	return nil, nil
}

func parseSpec(spec string) (r Range, ok bool) {
	first, last, ok := strings.Cut(spec, "-")
	if !ok || first == "" && last == "" {
		return r, false
	}
	r = Range{-1, -1}
	if first != "" {
		if r.first, ok = parsePosition(first); !ok {
			return r, false
		}
	}
	if last != "" {
		if r.last, ok = parsePosition(last); !ok {
			return r, false
		}
	}
	return r, r.first < 0 || r.last < 0 || r.first <= r.last
}

// parsePosition reads digits; what is beyond all bodies is the largest number.
func parsePosition(s string) (int64, bool) {
	if strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

// Part is a range of a body of known length.
type Part struct {
	// Start and Length are in bytes.
	Start, Length int64

	// Text is the Content-Range.
	Text string
}

// Within returns the range's part of a body. It is not ok where the whole is to be served: the range
// is nil, or the size is unknown (negative). A part of no length is past the end.
func (r *Range) Within(size int64) (part Part, ok bool) {
	if r == nil || size < 0 {
		return Part{}, false
	}
	start, end := r.first, size
	switch {
	case r.first < 0: // the last bytes
		start = size - min(r.last, size)
	case r.last >= 0:
		end = min(r.last, size-1) + 1
	}
	if start >= end {
		return Part{Text: fmt.Sprintf("bytes */%d", size)}, true
	}
	return Part{start, end - start, fmt.Sprintf("bytes %d-%d/%d", start, end-1, size)}, true
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

// cut turns a reply of known length into the part that is asked for.
func (r *Reply) cut(want *Range) {
	part, ok := want.Within(r.Length)
	switch {
	case !ok:
	case part.Length == 0:
		r.Status, r.ContentType, r.Length, r.bare = http.StatusRequestedRangeNotSatisfiable, "", 0, true
		r.CacheControl, r.etag, r.part = "no-store", "", part
	default:
		r.Status, r.Length, r.ranges, r.part = http.StatusPartialContent, part.Length, true, part
	}
}
