package canary

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	_ "embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"strings"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// PagePolicy is the Content-Security-Policy of the page.
const PagePolicy = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

var (
	//go:embed page.html
	pageHTML string

	pageTemplate = template.Must(template.New("transcript").Funcs(template.FuncMap{
		"join": func(list []string) string { return strings.Join(list, ", ") }, "purpose": purpose, "second": second,
	}).Parse(pageHTML))
)

// purpose says what a request is for.
func purpose(q Request) string {
	if q.Stream == noticeboard.Events {
		return "for an EventSource"
	}
	words := map[noticeboard.Kind]string{
		noticeboard.Img: "for an image", noticeboard.Font: "for a font", noticeboard.Style: "for a style sheet", noticeboard.Media: "for audio or video",
		noticeboard.Data: "for data",
	}
	return cmp.Or(words[q.Kind], "for what the browser doesn’t say")
}

// second is the second reader's request, where it differs.
func second(q Request) string {
	if q.Protocol == HTTP1 {
		return printable(q.Second)
	}
	s, err := read(q.Protocol, q.Second)
	if err != nil {
		return "" // there is none
	}
	var b strings.Builder
	for _, f := range s.fields {
		b.WriteString(f.Name + ": " + f.Value + "\n")
	}
	return b.String()
}

// Page renders a transcript for people, without scripts. The style sheet is the noticeboard's.
func Page(t *Transcript, key ed25519.PublicKey, style string) ([]byte, error) {
	var b bytes.Buffer
	err := pageTemplate.Execute(&b, struct {
		T          *Transcript
		Key, Style string
	}{t, hex.EncodeToString(key), style})
	if err != nil {
		return nil, fmt.Errorf("rendering the transcript: %w", err)
	}
	return b.Bytes(), nil
}
