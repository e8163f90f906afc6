package page

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

type view struct {
	Frame
	Text string
}

var about = Must(`{{define "body"}}<p>{{.Text}}</p>{{end}}{{define "other"}}{{template "top" .}}other{{template "bottom" .}}{{end}}`, nil)

func TestWrite(t *testing.T) {
	w := httptest.NewRecorder()
	Protect(w.Header(), Policy(Nonce("N0"), "'self' https://wiki.example"))
	if err := Write(w, 403, about, view{Frame{Title: "A <b>", Nonce: "N0", ID: "q"}, "<script>"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<html lang="en" dir="ltr">`, `<style nonce="N0">`, `<body id="q">`, "<h1>A &lt;b&gt;</h1>", "<p>&lt;script&gt;</p>", "prefers-color-scheme: dark"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	if bad := regexp.MustCompile(`(?i)<script|<link|url\(|@import|ZgotmplZ`).FindString(w.Body.String()); bad != "" {
		t.Errorf("the page has %q", bad)
	}
	if got := w.Header().Get("Content-Security-Policy"); w.Code != 403 ||
		got != "default-src 'none'; style-src 'nonce-N0'; form-action 'self' https://wiki.example; frame-ancestors 'none'; base-uri 'none'" {
		t.Errorf("answered %d with %q", w.Code, got)
	}
}

func TestWriteNothingWhereTheTemplateFails(t *testing.T) {
	w := httptest.NewRecorder()
	broken := Must(`{{define "body"}}{{.Missing}}{{end}}`, nil)
	if err := Write(w, 200, broken, view{}); err == nil || w.Body.Len() > 0 {
		t.Errorf("got %v, sent %q", err, w.Body)
	}
	if _, err := Parse("{{", nil); err == nil {
		t.Error("a text that is no template was parsed")
	}
}

func TestSheet(t *testing.T) {
	var html strings.Builder
	if err := about.ExecuteTemplate(&html, "other", view{Frame: Frame{Title: "T", Sheet: SheetAddress("/style.css")}}); err != nil {
		t.Fatal(err)
	}
	if address := SheetAddress("/style.css"); !strings.Contains(html.String(), `<link rel="stylesheet" href="`+address+`">`) || strings.Contains(html.String(), "<style") {
		t.Errorf("the page is\n%s", html.String())
	}
	w := httptest.NewRecorder()
	ServeSheet(w, httptest.NewRequest(http.MethodGet, SheetAddress("/style.css"), nil))
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Body.String() != sheet {
		t.Errorf("answered %d %v", w.Code, w.Header())
	}
	// What a page's classes stand for is in the sheet once.
	if strings.Count(sheet, "{") != strings.Count(sheet, "}") {
		t.Error("the sheet's braces don't match")
	}
}
