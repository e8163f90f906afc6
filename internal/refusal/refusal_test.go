package refusal

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/wikiveil/wikiveil/internal/i18n"
)

func TestRefusal(t *testing.T) {
	errBusy := Literal(503, "busy", "too much at once")
	cause := errors.New("full")
	wrapped := fmt.Errorf("wrapped: %w", &Refusal{Status: 503, Reason: "busy", Text: i18n.Verbatim("with a cause"), Cause: errors.Join(errBusy, cause)})
	if found, ok := Of(wrapped); !ok || found.Error() != "with a cause" || !errors.Is(wrapped, errBusy) || !errors.Is(wrapped, cause) {
		t.Errorf("found %v", found)
	}
	if found, ok := Of(cause); ok {
		t.Errorf("found %v", found)
	}
	w := httptest.NewRecorder()
	if err := errBusy.Answer(w, httptest.NewRequest("GET", "/", nil)); err != nil || w.Code != 503 || w.Body.String() != "too much at once\n" ||
		w.Header().Get("Content-Language") != "en" || w.Header().Get("Retry-After") == "" || w.Header().Get("Content-Security-Policy") == "" {
		t.Errorf("answered %d %q %v, %v", w.Code, w.Body, w.Header(), err)
	}
}
