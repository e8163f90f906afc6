// Package refusal says in one way why a request goes no further: with which status it is answered, by which word it is counted, and what
// the person who sent it reads, in their language.
package refusal

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/wikiveil/wikiveil/internal/i18n"
)

// A Refusal is the error of a request that goes no further. Those that are a package's variables are found by [errors.Is].
type Refusal struct {
	// Status is the HTTP status to answer with.
	Status int
	// Reason is a fixed word, fit for a metric's label.
	Reason string
	// Text is what people read. It holds no address, and nothing that the request said.
	Text i18n.Message
	// Reset is when it is worth trying again. Zero: nobody knows.
	Reset time.Time
	// Cause is for the operator's log alone.
	Cause error
}

// New makes a refusal, whose text is the message that a key of internal/i18n has.
func New(status int, reason, key string, args ...any) *Refusal {
	return &Refusal{Status: status, Reason: reason, Text: i18n.Message{Key: key, Args: args}}
}

// Literal makes a refusal that only programs and their makers read, in English.
func Literal(status int, reason, text string) *Refusal {
	return &Refusal{Status: status, Reason: reason, Text: i18n.Verbatim(text)}
}

// Error returns the text in English, the language of logs.
func (r *Refusal) Error() string { return r.Text.String() }

// In returns the text in a language.
func (r *Refusal) In(l *i18n.Language) string { return r.Text.In(l) }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// Of finds the refusal in an error.
func Of(err error) (*Refusal, bool) { return errors.AsType[*Refusal](err) }

// retryAfter is how soon, in seconds, what can't be done now may be tried again.
const retryAfter = "5"

// Answer answers a request with the text alone, in the reader's language: an error would leave the body to others, and an error route may hand on
// what was just refused.
func (r *Refusal) Answer(w http.ResponseWriter, request *http.Request) error {
	reader := i18n.Of(request)
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Language", reader.Code)
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if r.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", retryAfter)
	}
	w.WriteHeader(r.Status)
	_, err := io.WriteString(w, r.In(reader)+"\n")
	return err
}
