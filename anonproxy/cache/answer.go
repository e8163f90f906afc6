package cache

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Result tells where an answer came from.
type Result string

// Results.
const (
	Hit         Result = "hit"         // fresh
	Stale       Result = "stale"       // while it is asked for, or as that failed
	Revalidated Result = "revalidated" // the tool confirmed it
	Miss        Result = "miss"        // fetched, to be stored
	Coalesced   Result = "coalesced"   // fetched for another reader at the same time
	Pass        Result = "pass"        // fetched, not to be stored
)

// Answer is an answer for one reader. Close it.
type Answer struct {
	// Result tells where it came from.
	Result Result

	ctx    context.Context
	object *object
	reader *reader       // in a body that was arriving
	direct io.ReadCloser // the tool's own body, for this reader alone
	flight *flight
	detach func() bool
}

// Close lets go of the answer. What is being fetched for this reader alone ends.
func (a *Answer) Close() {
	if a.flight == nil {
		a.close()
		return
	}
	a.flight.c.mu.Lock() // orders it with readers who join
	direct := a.close()
	a.flight.c.mu.Unlock()
	if direct != nil {
		direct.Close()
	}
}

// close is Close where Cache.mu is held, if it has to be. It returns a body to be closed
// without that: net/http may wait for the tool to take what is written to it, and nobody who
// asks another tool shall wait with it.
func (a *Answer) close() (direct io.Closer) {
	switch {
	case a.object == nil:
	case a.direct != nil:
		if a.detach != nil {
			a.detach()
		}
		a.flight.cancel(errNobody)
		direct = a.direct
	case a.reader != nil:
		if a.object.body.leave(a.reader) {
			a.flight.cancel(errNobody)
		}
		a.object.body.release()
	default:
		a.object.body.release()
	}
	a.object = nil
	return direct
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
	if o.body == nil || a.Result == Pass {
		// Such an answer has no validator, so If-Range never applies.
		if method == http.MethodGet && r.Status == http.StatusOK && a.direct != nil && len(h["If-Range"]) == 0 {
			r.cut(want)
		}
		return r.withoutLength(o.status)
	}
	r.age = o.browserAge(time.Now())
	whole := o.body.whole.Load()
	if whole {
		r.Length, r.etag = o.size, o.etag
	}
	r.ranges = o.status == http.StatusOK && r.Length >= 0
	if fields := h["If-None-Match"]; len(fields) > 0 && o.status == http.StatusOK && whole && !noneMatch(fields, o.etag) {
		r.Status, r.ContentType, r.Length, r.bare = http.StatusNotModified, "", -1, true
		return r
	}
	if r.ranges && method == http.MethodGet && rangeApplies(h["If-Range"], r.etag) {
		r.cut(want)
	}
	return r.withoutLength(o.status)
}

func (r Reply) withoutLength(status int) Reply {
	if status == http.StatusNoContent {
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
	switch {
	case r.bare:
		return nil
	case r.answer.direct != nil:
		return r.stream(w)
	case r.part.Length > 0:
		return r.answer.copy(w, r.part.Start, r.part.Length)
	}
	return r.answer.copy(w, 0, -1)
}

// WriteError says that the reader left.
type WriteError struct{ Err error }

func (e *WriteError) Error() string { return "writing an answer: " + e.Err.Error() }

// Unwrap returns the writer's own error.
func (e *WriteError) Unwrap() error { return e.Err }

// copy writes length bytes from an offset on, or all with -1.
func (a *Answer) copy(w http.ResponseWriter, offset, length int64) error {
	b := a.object.body
	if a.reader != nil && offset > 0 {
		b.move(a.reader, offset) // what comes before isn't kept for him, where nothing is
	}
	for length != 0 {
		arriving := a.reader != nil && !b.whole.Load()
		part, err := b.at(a.ctx, offset)
		if len(part) == 0 {
			if err == io.EOF && length < 0 {
				return nil
			}
			return err
		}
		if length > 0 {
			part = part[:min(int64(len(part)), length)]
			length -= int64(len(part))
		}
		if _, err := w.Write(part); err != nil {
			return &WriteError{err}
		}
		offset += int64(len(part))
		if arriving {
			b.move(a.reader, offset)
			if b.drained(offset) {
				_ = http.NewResponseController(w).Flush() // a writer that can't flush still delivers in the end
			}
		}
	}
	return nil
}
