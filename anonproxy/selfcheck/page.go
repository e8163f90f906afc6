package selfcheck

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
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
func Page(t *Transcript, key, style string) ([]byte, error) {
	var b bytes.Buffer
	err := pageTemplate.Execute(&b, struct {
		page.Frame
		*Transcript
		Key string
	}{page.Frame{Title: "What " + t.Tool.Name + " gets", Sheet: style}, t, key})
	if err != nil {
		return nil, fmt.Errorf("rendering the transcript: %w", err)
	}
	return b.Bytes(), nil
}
