// Package refusal says in one way why a request goes no further: with which status it is answered, by which word it is counted, and what
// the person who sent it reads.
package refusal

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// A Refusal is the error of a request that goes no further. Those that are a package's variables are found by [errors.Is].
type Refusal struct {
	// Status is the HTTP status to answer with.
	Status int
	// Reason is a fixed word, fit for a metric's label and as a key of translations.
	Reason string
	// Text is plain, and holds no address and nothing that the request said.
	Text string
	// Reset is when it is worth trying again. Zero: nobody knows.
	Reset time.Time
	// Cause is for the operator's log alone.
	Cause error
}

// New makes a refusal.
func New(status int, reason, text string) *Refusal {
	return &Refusal{Status: status, Reason: reason, Text: text}
}

// Error returns the text.
func (r *Refusal) Error() string { return r.Text }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// Of finds the refusal in an error.
func Of(err error) (*Refusal, bool) { return errors.AsType[*Refusal](err) }

// retryAfter is how soon, in seconds, what can't be done now may be tried again.
const retryAfter = "5"

// Answer answers with the text alone: an error would leave the body to others, and an error route may hand on what was just refused.
func (r *Refusal) Answer(w http.ResponseWriter) error {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if r.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", retryAfter)
	}
	w.WriteHeader(r.Status)
	_, err := io.WriteString(w, r.Text+"\n")
	return err
}
