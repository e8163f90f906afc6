package canary

import (
	"bytes"
	"crypto/ed25519"
	_ "embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"strings"
)

// PagePolicy is the Content-Security-Policy of the page.
const PagePolicy = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

var (
	//go:embed page.html
	pageHTML string

	pageTemplate = template.Must(template.New("transcript").Funcs(template.FuncMap{
		"join": func(list []string) string { return strings.Join(list, ", ") },
	}).Parse(pageHTML))
)

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
