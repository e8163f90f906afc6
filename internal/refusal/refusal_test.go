package refusal

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
)

func TestRefusal(t *testing.T) {
	errBusy := New(503, "busy", "too much at once")
	cause := errors.New("full")
	wrapped := fmt.Errorf("wrapped: %w", &Refusal{Status: 503, Reason: "busy", Text: "with a cause", Cause: errors.Join(errBusy, cause)})
	if found, ok := Of(wrapped); !ok || found.Text != "with a cause" || !errors.Is(wrapped, errBusy) || !errors.Is(wrapped, cause) {
		t.Errorf("found %v", found)
	}
	if found, ok := Of(cause); ok {
		t.Errorf("found %v", found)
	}
	w := httptest.NewRecorder()
	if err := errBusy.Answer(w); err != nil || w.Code != 503 || w.Body.String() != "too much at once\n" ||
		w.Header().Get("Retry-After") == "" || w.Header().Get("Content-Security-Policy") == "" {
		t.Errorf("answered %d %q %v, %v", w.Code, w.Body, w.Header(), err)
	}
}
