package confirm

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/internal/page"
)

func TestSetHeaders(t *testing.T) {
	s := newScene(t)
	h := http.Header{"Cache-Control": {"public"}, "Content-Security-Policy": {"default-src *", "x"}}
	nonce := s.flow.SetHeaders(h)
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'nonce-" + nonce + "'; form-action 'self' https://wiki.example; " +
			"frame-ancestors 'none'; base-uri 'none'",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cache-Control":                "no-store",
		"X-Frame-Options":              "DENY",
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "same-origin",
	} {
		if got := h[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if again := s.flow.SetHeaders(h); again == nonce || len(nonce) < 22 {
		t.Errorf("the nonces are %q and %q", nonce, again)
	}
}

const askText = `{{define "body"}}<p>{{.Data}}</p>{{template "form" .}}{{end}}` +
	`{{define "fields"}}<label>Reason <textarea name="reason"></textarea></label>{{end}}`

func TestPageThatAsks(t *testing.T) {
	s := newScene(t)
	pages, err := s.flow.Pages(askText)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	err = pages.Write(w, http.StatusOK, Page{
		Frame: page.Frame{Title: `A <b>"tool"</b>`}, Data: `</p><form action="https://evil.example"><script>x</script>`,
		Form: Dialog{Action: "/tool", Challenge: Challenge{"TOKEN", "01234"}, Submit: "Allow"},
	})
	if err != nil {
		t.Fatal(err)
	}
	html := w.Body.String()
	nonce := regexp.MustCompile(`'nonce-([^']+)'`).FindStringSubmatch(w.Header().Get("Content-Security-Policy"))
	for _, want := range []string{
		`<html lang="en" dir="ltr">`, `<style nonce="` + nonce[1] + `">`, `<h1>A &lt;b&gt;`, `<p>&lt;/p&gt;&lt;form`,
		`<form method="post" action="/tool"`, `name="token" value="TOKEN"`, `>01234</strong>`, `name="code"`, `name="reason"`,
		`<button>Allow</button>`, "To confirm, type this code:", "form { display: none; }",
	} {
		if strings.Count(html, want) != 1 {
			t.Errorf("the page has %d times %q:\n%s", strings.Count(html, want), want, html)
		}
	}
	own, _, _ := strings.Cut(html, "<footer>") // what follows links to the page in other languages
	if bad := regexp.MustCompile(`(?i)autofocus|<script|<link|<img|<base|\son\w+=|\sstyle=|\ssrc=|\shref=|url\(`).FindString(own); bad != "" {
		t.Errorf("the page has %q", bad)
	}
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("status %d, headers %v", w.Code, w.Header())
	}
}

func TestPageThatTells(t *testing.T) {
	s := newScene(t)
	pages, err := s.flow.Pages(`{{define "body"}}<p>Done.</p>{{end}}`)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := pages.Write(w, ErrCode.Status, Page{Frame: page.Frame{Title: "Done"}}); err != nil {
		t.Fatal(err)
	}
	if html := w.Body.String(); w.Code != http.StatusForbidden || strings.Contains(html, "<form") || !strings.Contains(html, `<html lang="en" dir="ltr">`) {
		t.Errorf("status %d, page %s", w.Code, html)
	}
}

func TestPagesThatFail(t *testing.T) {
	s := newScene(t)
	if _, err := s.flow.Pages(`{{define "body"}}{{`); err == nil || !strings.HasPrefix(err.Error(), "parsing page: ") {
		t.Errorf("got %v", err)
	}
	pages, err := s.flow.Pages(`{{define "body"}}{{.Data.Missing}}{{end}}`)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	err = pages.Write(w, http.StatusOK, Page{Data: struct{}{}})
	if err == nil || w.Body.Len() > 0 || w.Result().Header.Get("Content-Type") != "" {
		t.Errorf("half a page went out: %v, %q", err, w.Body)
	}
}
