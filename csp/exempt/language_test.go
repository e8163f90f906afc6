package exempt

import (
	"strings"
	"testing"
)

// The language that is asked for at the start goes along to the question, and with the answer.
func TestLanguageOfTheQuestion(t *testing.T) {
	s := newScene(t)
	b := s.browser()
	start := b.get(wiki + GoPath + "?tool=weather&uselang=de")
	if location := start.Header().Get("Location"); !strings.Contains(location, "&uselang=de#") {
		t.Fatalf("the redirect leads to %q", location)
	}
	w := b.follow(start, port)
	page := w.Body.String()
	for _, want := range []string{`<html lang="de" dir="ltr">`, "durchlassen?</h1>", `action="/consent?tool=weather&amp;uselang=de"`, "Gib zur Bestätigung", "30 Tage lang"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	w = b.get(wiki + GoPath + "?tool=nothing&uselang=de")
	if w.Code != 404 || w.Header().Get("Content-Language") != "de" || !strings.Contains(w.Body.String(), "Es gibt kein Werkzeug dieses Namens") ||
		!strings.Contains(w.Body.String(), "/.privacy/exemptions?uselang=de") {
		t.Errorf("refused with %d: %s", w.Code, w.Body)
	}
}
