package exempt

import (
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/csp/confirm"
)

// A question is in the reader's language, and in another only where they choose it on the question's own page: a gadget that chose it could have
// them agree to what they can't read.
func TestLanguageOfTheQuestion(t *testing.T) {
	s := newScene(t)
	b := s.browser()
	for _, led := range []string{"same-site", "cross-site", "none", "same-origin"} {
		start := b.get(wiki + GoPath + "?tool=weather&uselang=de")
		question := b.target(start, port)
		if strings.Contains(question, "uselang") {
			t.Fatalf("the redirect leads to %q", question)
		}
		r := b.request("GET", question+"&uselang=de", "")
		r.Header.Set("Sec-Fetch-Site", led)
		page := b.send(r).Body.String()
		wants := []string{`<html lang="en" dir="ltr">`, `action="/consent?tool=weather"`}
		if led == "same-origin" {
			wants = []string{`<html lang="de" dir="ltr">`, "durchlassen?</h1>", `action="/consent?tool=weather&amp;uselang=de"`, "Gib zur Bestätigung", "30 Tage lang"}
		}
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("led by %s, the page lacks %q:\n%s", led, want, page)
			}
		}
		r = b.request("GET", port+ConsentPath+"?"+confirm.HandOffParam+"=x&uselang=de", "")
		r.Header.Set("Sec-Fetch-Site", led)
		if w := b.send(r); (w.Header().Get("Content-Language") == "de") != (led == "same-origin") {
			t.Errorf("led by %s, the refusal is in %s", led, w.Header().Get("Content-Language"))
		}
	}
	w := b.get(wiki + GoPath + "?tool=nothing&uselang=de")
	if w.Code != 404 || w.Header().Get("Content-Language") != "de" || !strings.Contains(w.Body.String(), "Es gibt kein Werkzeug dieses Namens") ||
		!strings.Contains(w.Body.String(), "/.privacy/exemptions?uselang=de") {
		t.Errorf("refused with %d: %s", w.Code, w.Body)
	}
}
