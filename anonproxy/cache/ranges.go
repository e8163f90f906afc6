package cache

import (
	"crypto/rand"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// maxRanges is how many ranges one request may ask for.
const maxRanges = 16

// ErrRange says that a Range header can't be read or asks for too many ranges.
// The answer to it is 416 (RFC 9110 section 15.5.17).
var ErrRange = errors.New("the range is malformed or asks for too many parts")

// Ranges are the byte ranges that a request asks for, before the length is known.
type Ranges []byteRange

// byteRange is first-last, first- (last is -1) or -suffix (first is -1).
type byteRange struct{ first, last int64 }

// span is a range of a body of known length.
type span struct{ start, length int64 }

// ParseRange reads a request's Range fields (RFC 9110 section 14.2). Units other
// than bytes are none.
func ParseRange(fields []string) (Ranges, error) {
	if len(fields) == 0 {
		return nil, nil
	}
	if len(fields) > 1 {
		return nil, ErrRange
	}
	unit, set, ok := strings.Cut(fields[0], "=")
	switch {
	case !ok || !isToken(unit):
		return nil, ErrRange
	case !strings.EqualFold(unit, "bytes"):
		return nil, nil
	}
	var ranges Ranges
	for spec := range strings.SplitSeq(set, ",") {
		if spec = strings.Trim(spec, " \t"); spec == "" {
			continue // empty list elements are allowed (section 5.6.1)
		}
		r, ok := parseSpec(spec)
		if !ok || len(ranges) == maxRanges {
			return nil, ErrRange
		}
		ranges = append(ranges, r)
	}
	if len(ranges) == 0 {
		return nil, ErrRange
	}
	return ranges, nil
}

func parseSpec(spec string) (r byteRange, ok bool) {
	first, last, ok := strings.Cut(spec, "-")
	if !ok || first == "" && last == "" {
		return r, false
	}
	r = byteRange{-1, -1}
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

// within returns the range's part of a body, if there is any.
func (r byteRange) within(size int64) (span, bool) {
	switch {
	case r.first < 0: // the last bytes
		n := min(r.last, size)
		return span{size - n, n}, n > 0
	case r.first >= size:
		return span{}, false
	case r.last < 0:
		return span{r.first, size - r.first}, true
	}
	return span{r.first, min(r.last, size-1) - r.first + 1}, true
}

// cut turns a reply of known length into one of its parts. Parts that are more
// than the whole together are answered by the whole, and so are several parts of
// what is still arriving.
func (r *Reply) cut(want Ranges, whole bool) {
	size, total := r.Length, int64(0)
	for _, one := range want {
		if s, ok := one.within(size); ok {
			r.spans = append(r.spans, s)
			total += s.length
		}
	}
	switch {
	case len(r.spans) == 0:
		r.pastEnd(size)
	case len(r.spans) == 1:
		r.Status, r.Length, r.text = http.StatusPartialContent, total, r.spans[0].text(size)
	case total > size || !whole:
		r.spans = nil
	default:
		r.Status = http.StatusPartialContent
		r.multi = newMultipart(r.spans, r.ContentType, size)
		r.ContentType, r.Length = "multipart/byteranges; boundary="+r.multi.boundary, r.multi.length
	}
}

func (r *Reply) pastEnd(size int64) {
	r.Status, r.ContentType, r.Length, r.bare = http.StatusRequestedRangeNotSatisfiable, "", 0, true
	r.CacheControl, r.etag, r.text = "no-store", "", pastEnd(size)
}

// pastEnd is the Content-Range of what has nothing of the range.
func pastEnd(size int64) string { return fmt.Sprintf("bytes */%d", size) }

func (s span) text(size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", s.start, s.start+s.length-1, size)
}

// multipartReply is a multipart/byteranges body (RFC 9110 section 14.6).
type multipartReply struct {
	boundary string
	heads    []textproto.MIMEHeader
	length   int64
}

func newMultipart(spans []span, contentType string, size int64) *multipartReply {
	m := &multipartReply{boundary: rand.Text()}
	for _, s := range spans {
		m.heads = append(m.heads, textproto.MIMEHeader{"Content-Type": {contentType}, "Content-Range": {s.text(size)}})
		m.length += s.length
	}
	var frame counter
	mw := m.writer(&frame)
	for _, head := range m.heads {
		_, _ = mw.CreatePart(head) // a counter takes all
	}
	_ = mw.Close()
	m.length += int64(frame)
	return m
}

func (m *multipartReply) writer(w interface{ Write([]byte) (int, error) }) *multipart.Writer {
	mw := multipart.NewWriter(w)
	_ = mw.SetBoundary(m.boundary) // it is a valid one
	return mw
}

func (m *multipartReply) write(w http.ResponseWriter, r *Reply) error {
	mw := m.writer(w)
	for i, s := range r.spans {
		if _, err := mw.CreatePart(m.heads[i]); err != nil {
			return &WriteError{err}
		}
		if err := r.answer.copy(w, s.start, s.length); err != nil {
			return err
		}
	}
	if err := mw.Close(); err != nil {
		return &WriteError{err}
	}
	return nil
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
