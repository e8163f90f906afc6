package anonproxy

import (
	"io"
	"net/http"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// wantedRange reads which part of an answer a reader wants where no cache looks
// after that. The tool isn't told, as it would see how somebody watches a film: it
// is asked for the whole, and the part is cut out on the way. An answer has no
// validator, so If-Range asks for the whole.
func wantedRange(r *http.Request) (*cache.Range, *refusal.Refusal) {
	want, err := cache.ParseRange(r.Header["Range"])
	switch {
	case err != nil:
		return nil, outcomes.BadRequest(http.StatusRequestedRangeNotSatisfiable, err.Error())
	case r.Method != http.MethodGet || len(r.Header["If-Range"]) > 0:
		return nil, nil
	}
	return want, nil
}

// cut makes the answer the part that is wanted, if it is one that can be cut.
func (f *fetch) cut(w http.ResponseWriter, res *http.Response) *refusal.Refusal {
	if res.StatusCode != http.StatusOK {
		return nil
	}
	part, ok := f.want.Within(res.ContentLength)
	if !ok {
		return nil
	}
	w.Header().Set("Content-Range", part.Text)
	if part.Length == 0 {
		return outcomes.BadRequest(http.StatusRequestedRangeNotSatisfiable, "the range is past the end")
	}
	res.StatusCode, res.ContentLength = http.StatusPartialContent, part.Length
	res.Body = struct {
		io.Reader
		io.Closer
	}{part.Of(res.Body), res.Body}
	return nil
}
