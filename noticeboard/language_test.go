package noticeboard

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/internal/i18n"
)

// The noticeboard is rendered once a language, and what is asked for in the address is kept by its links.
func TestPageInEachLanguage(t *testing.T) {
	tool := mapsTool()
	tool.Title = "خرائط"
	page := testPage(t, tool)
	tags := make(map[string]string)
	for _, l := range i18n.Languages() {
		w := get(page, "GET", "/.tools/?uselang="+l.Code, browserAccept)
		body := w.Body.String()
		if w.Header().Get("Content-Language") != l.Code || !strings.Contains(body, `<html lang="`+l.Code+`" dir="`+l.Dir+`">`) ||
			!strings.Contains(body, l.Text("noticeboard-labels")) || strings.Count(body, ` hreflang="`) != len(i18n.Languages()) {
			t.Errorf("%s: in %q\n%s", l.Code, w.Header().Get("Content-Language"), body)
		}
		if other := tags[w.Header().Get("ETag")]; other != "" {
			t.Errorf("%s and %s have one ETag", l.Code, other)
		}
		tags[w.Header().Get("ETag")] = l.Code
	}
	r := httptest.NewRequest("GET", "/.tools/", nil)
	r.Header.Set("Accept-Language", "de")
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	if main, _, _ := strings.Cut(w.Body.String(), "<footer>"); w.Header().Get("Content-Language") != "de" || strings.Contains(main, "uselang") {
		t.Errorf("by the browser's language, %q: %s", w.Header().Get("Content-Language"), main)
	}
}
