package cache

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Result tells where an answer came from.
type Result string

// Results.
const (
	Hit         Result = "hit"         // fresh, stored
	Stale       Result = "stale"       // while it is asked for, or as that failed
	Revalidated Result = "revalidated" // the tool confirmed it
	Miss        Result = "miss"        // fetched, to be stored
	Coalesced   Result = "coalesced"   // fetched for another reader at the same time
	Pass        Result = "passed"      // fetched, not to be stored
)

var results = [...]Result{Hit, Stale, Revalidated, Miss, Coalesced, Pass}

// Answer is an answer for one reader. Close it.
type Answer struct {
	// Result tells where it came from.
	Result Result

	ctx    context.Context
	object *object
	reader *reader // in a body that was arriving; nil for a whole one
	flight *flight // the same
}

// Close lets go of the answer. What is being fetched for this reader alone ends.
func (a *Answer) Close() {
	if a.object == nil {
		return
	}
	if a.reader != nil && a.object.body.leave(a.reader) {
		a.flight.cancel(errNobody)
	}
	a.object.body.release()
	a.object = nil
}

// Reply is how an answer is put to one request.
type Reply struct {
	// Status, ContentType and CacheControl are what they are called; ContentType
	// is empty where there is none.
	Status                    int
	ContentType, CacheControl string

	// Length is the Content-Length, or -1 for none.
	Length int64

	answer *Answer
	etag   string
	age    int64 // -1 for none
	part   Part  // empty: the whole
	ranges bool  // may be asked for
	bare   bool  // no body
}

// Reply evaluates a request's method, If-None-Match, Range and If-Range against
// the answer, by the cache's own validator. If-Modified-Since, If-Match and
// If-Unmodified-Since are not looked at: the answer has no date, and the other
// two are for the tool (RFC 9111 section 4.3.2).
func (a *Answer) Reply(method string, h http.Header, want *Range) Reply {
	o := a.object
	r := Reply{Status: o.status, ContentType: o.contentType, CacheControl: o.control, Length: o.lengthSaid, answer: a, age: -1}
	r.bare = method == http.MethodHead || o.status == http.StatusNoContent
	whole := o.body.whole.Load()
	if whole {
		r.Length, r.etag = o.size, o.etag
	}
	if a.Result != Pass {
		r.age = o.browserAge(time.Now())
		r.ranges = o.status == http.StatusOK && r.Length >= 0
	}
	if fields := h["If-None-Match"]; len(fields) > 0 && o.status == http.StatusOK && whole && !noneMatch(fields, o.etag) {
		r.Status, r.ContentType, r.Length, r.bare = http.StatusNotModified, "", -1, true
		return r
	}
	if method == http.MethodGet && o.status == http.StatusOK && rangeApplies(h["If-Range"], r.etag) {
		r.cut(want)
	}
	if o.status == http.StatusNoContent {
		r.Length = -1
	}
	return r
}

// rangeApplies evaluates If-Range: our ETag, strong comparison (RFC 9110 section
// 13.1.5). A date never fits, as we send none.
func rangeApplies(fields []string, etag string) bool {
	return len(fields) == 0 || len(fields) == 1 && etag != "" && fields[0] == etag
}

// PutHeader sets the fields that the cache answers for: Accept-Ranges, Age, ETag and
// Content-Range. Those that a reply doesn't have are left alone.
func (r *Reply) PutHeader(h http.Header) {
	values := [...]string{"bytes", "", r.etag, r.part.Text}
	if r.ranges {
		h["Accept-Ranges"] = values[0:1:1]
	}
	if r.age >= 0 {
		values[1] = strconv.FormatInt(r.age, 10)
		h["Age"] = values[1:2:2]
	}
	if r.etag != "" {
		h["Etag"] = values[2:3:3]
	}
	if r.part.Text != "" {
		h["Content-Range"] = values[3:4:4]
	}
}

// WriteTo writes the body. An error of the writer is a *WriteError, others are
// the fetch's, or the context's. What arrives piece by piece is flushed.
func (r *Reply) WriteTo(w http.ResponseWriter) error {
	if r.bare {
		return nil
	}
	offset, length := int64(0), int64(-1)
	if r.part.Length > 0 {
		offset, length = r.part.Start, r.part.Length
	}
	b := r.answer.object.body
	if !b.whole.Load() {
		return r.answer.copy(w, offset, length)
	}
	content := b.bytes[offset:]
	if length >= 0 {
		content = content[:length]
	}
	if len(content) > 0 {
		if _, err := w.Write(content); err != nil {
			return &WriteError{err}
		}
	}
	return nil
}

// WriteError says that the reader left.
type WriteError struct{ Err error }

func (e *WriteError) Error() string { return "writing an answer: " + e.Err.Error() }

// Unwrap returns the writer's own error.
func (e *WriteError) Unwrap() error { return e.Err }

// blocks are reused between readers of what arrives.
var blocks = sync.Pool{New: func() any { return new([windowBlock]byte) }}

// copy writes length bytes from an offset on as they arrive, or all with -1.
func (a *Answer) copy(w http.ResponseWriter, offset, length int64) error {
	b := a.object.body
	defer context.AfterFunc(a.ctx, b.wake)()
	block := blocks.Get().(*[windowBlock]byte)
	defer blocks.Put(block)
	b.skip(a.reader, offset)
	for length != 0 {
		p := block[:]
		if length > 0 {
			p = p[:min(int64(len(p)), length)]
		}
		n, more, err := b.read(a.ctx, a.reader, p)
		if err == io.EOF && length < 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := w.Write(p[:n]); err != nil {
			return &WriteError{err}
		}
		if length > 0 {
			length -= int64(n)
		}
		if !more {
			_ = http.NewResponseController(w).Flush() // a writer that can't flush still delivers in the end
		}
	}
	return nil
}
