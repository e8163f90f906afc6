package selfcheck

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/wikiveil/wikiveil/internal/page"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// PagePolicy is the Content-Security-Policy of the page.
var PagePolicy = page.Policy("'self'", "")

var (
	//go:embed page.html
	pageHTML     string
	pageTemplate = page.Must(pageHTML, template.FuncMap{
		"purpose": purpose, "text": Text, "frames": frames, "offers": offers, "digest": digest,
		"header": func() string { return PseudonymHeader },
	})
)

// purpose is the key of what heads a request.
func purpose(q Request) string {
	switch {
	case q.Stream == noticeboard.Events:
		return "transcript-request-events"
	case q.Kind == "":
		return "transcript-request-unsaid"
	}
	return "transcript-request-" + string(q.Kind)
}

// Text shows the bytes of a request to people: HTTP/1.1 as it is, of HTTP/2 the header and the body.
func Text(protocol string, sent []byte) string {
	m, err := read(protocol, sent)
	if err != nil {
		return ""
	}
	text := string(sent)
	if protocol == HTTP2 {
		text = ""
		for _, f := range m.fields {
			text += f.Name + ": " + f.Value + "\n"
		}
		text += "\n" + string(m.body)
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\r' || r >= 0x7f {
			return '\ufffd'
		}
		return r
	}, strings.TrimSpace(text))
}

// frames describes those of a request of HTTP/2.
func frames(q Request) string {
	m, err := read(q.Protocol, q.Bytes)
	if err != nil {
		return ""
	}
	return list(m.frames, func(f frame) string { return f.Text })
}

// Page renders a transcript for people, without scripts. The key is shown; the style sheet is the noticeboard's.
func Page(r *http.Request, t *Transcript, key, style string) ([]byte, error) {
	frame := page.For(r, "transcript-title", t.Tool.Name)
	frame.Sheet, frame.Query = style, ""
	var b bytes.Buffer
	err := pageTemplate.Execute(&b, struct {
		page.Frame
		*Transcript
		Key string
	}{frame, t, key})
	if err != nil {
		return nil, fmt.Errorf("rendering the transcript: %w", err)
	}
	return b.Bytes(), nil
}
