package anonproxy

import (
	"net/http"
	"strings"
	"testing"
)

// post sends a body as a page's fetch does.
func (e *edge) post(t testing.TB, path, contentType, body string, change ...func(*http.Request)) answer {
	t.Helper()
	return e.do(t, "POST", path, "empty", append([]func(*http.Request){func(r *http.Request) {
		r.Header.Set("Content-Type", contentType)
		withBody(r, body)
	}}, change...)...)
}

func withBody(r *http.Request, body string) {
	with, err := http.NewRequest(r.Method, r.URL.String(), strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Body, r.ContentLength, r.GetBody = with.Body, with.ContentLength, with.GetBody
}
