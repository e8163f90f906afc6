// Package page is what our HTML pages are made of: one layout, one style sheet and one set of headers. They need no script.
//
// A page is a template that defines "body", and a view of it that embeds [Frame]. What it says are messages of internal/i18n:
//
//	var about = page.Must(`{{define "body"}}<p>{{.T "about-days" .Days}}</p>{{end}}`, nil)
//
//	frame := page.For(r, "about-title")
//	frame.Nonce = nonce
//	page.Protect(w.Header(), page.Policy(page.Nonce(nonce), ""))
//	err := page.Write(w, http.StatusOK, about, aboutView{frame, days})
package page

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/internal/i18n"
)

var (
	//go:embed layout.html
	layout string
	//go:embed style.css
	sheet string

	version = func() string {
		sum := sha256.Sum256([]byte(sheet))
		return hex.EncodeToString(sum[:6])
	}()
)

// Parse makes a page of the text of an html/template that defines "body". What else it defines can be executed by its name, between
// {{template "top" .}} and {{template "bottom" .}}.
func Parse(text string, funcs template.FuncMap) (*template.Template, error) {
	all := template.FuncMap{"sheet": func() template.CSS { return template.CSS(sheet) }}
	maps.Copy(all, funcs)
	t, err := template.New("page").Funcs(all).Parse(layout)
	if err == nil {
		_, err = t.New("own").Parse(text)
	}
	if err != nil {
		return nil, fmt.Errorf("parsing page: %w", err)
	}
	return t, nil
}

// Must is Parse for texts of the program's own.
func Must(text string, funcs template.FuncMap) *template.Template {
	return template.Must(Parse(text, funcs))
}

// Write answers with a page. Nothing is sent where the template fails.
func Write(w http.ResponseWriter, status int, t *template.Template, view any) error {
	var body bytes.Buffer
	if err := t.Execute(&body, view); err != nil {
		return fmt.Errorf("rendering page: %w", err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if framed, ok := view.(interface{ Lang() *i18n.Language }); ok {
		w.Header().Set("Content-Language", framed.Lang().Code)
	}
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, err := w.Write(body.Bytes())
	return err
}

// Policy is the Content-Security-Policy of a page that loads its style sheet and nothing else. Styles is 'self' or a [Nonce], forms where its
// forms may lead; empty is nowhere.
func Policy(styles, forms string) string {
	return "default-src 'none'; style-src " + styles + "; form-action " + cmp.Or(forms, "'none'") + "; frame-ancestors 'none'; base-uri 'none'"
}

// Nonce is the source of a style element that has it.
func Nonce(nonce string) string { return "'nonce-" + nonce + "'" }

// Protect sets the headers of a page: nobody else frames, opens, reads or keeps it. An empty policy leaves that to the caller.
//
// The referrer policy is not no-referrer, which would make the Origin of its forms null.
func Protect(h http.Header, policy string) {
	if policy != "" {
		h.Set("Content-Security-Policy", policy)
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// SheetAddress is the address of the style sheet that is served at a path; another sheet has another.
func SheetAddress(path string) string { return path + "?" + version }

// ServeSheet answers GET and HEAD with the style sheet.
func ServeSheet(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/css; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("ETag", `"`+version+`"`)
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(sheet))
}
