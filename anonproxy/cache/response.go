package cache

import (
	"context"
	"io"
	"net/http"
)

// Fetch asks the tool. With validators it asks whether anything has changed, and a
// response of status 304 may be returned. The context ends when nobody waits for
// the response any more; the limits of time and size are Fetch's own to keep.
// It may be called later than the request it was given with, or never.
type Fetch func(ctx context.Context, v *Validators) (*Response, error)

// FinalError is an error of [Fetch] in whose place no stale answer may be served:
// the tool did answer.
type FinalError struct{ Err error }

func (e *FinalError) Error() string { return e.Err.Error() }

// Unwrap returns the error itself.
func (e *FinalError) Unwrap() error { return e.Err }

// Response is what a tool answered, checked.
type Response struct {
	// Status is the answer's, or 304.
	Status int

	// Header is the tool's. Only the fields about reuse are read of it, and none
	// is passed on.
	Header http.Header

	// Hops are the redirects that led here.
	Hops []Hop

	// URL is where they led.
	URL string

	// ContentType is the type to pass on, empty for none.
	ContentType string

	// Length is the body's in bytes, or -1 where the tool doesn't say.
	Length int64

	// Unframed is set where the body's end is the connection's, so that nobody can
	// tell whether it is whole.
	Unframed bool

	// Body is closed by the cache.
	Body io.ReadCloser
}

// Hop is a redirect's status and header.
type Hop struct {
	Status int
	Header http.Header
}
