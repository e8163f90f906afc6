package confirm

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
)

//go:embed page.html
var pageHTML string

// Page is what [Pages] shows. Templates see it as their dot.
type Page struct {
	// Lang is the page's language, "en" by default, and Dir its direction if not
	// the browser's guess: "rtl" or "ltr".
	Lang, Dir string
	// Title stands in the tab and above the body.
	Title string
	// Form is for bodies that ask.
	Form Dialog
	// Data is the caller's.
	Data any
}

// Dialog is the form of a page that asks. Its texts are English where left empty.
type Dialog struct {
	// Action is the path that the form goes to, on the flow's origin.
	Action string
	Challenge
	// Show stands before the code, Type at the field for it, Submit on the button.
	// TooSmall stands in the form's place in a window too small to show what it is about.
	Show, Type, Submit, TooSmall string
}

// Pages writes pages of one kind for the flow's origin. They need no script,
// follow the reader's dark or light preference, and focus nothing by themselves,
// so that no key meant for another window lands in the form.
type Pages struct {
	flow     *Flow
	template *template.Template
}

// Pages parses the text of an html/template that defines "body", what the page
// says. With {{template "form" .}} there, it asks; what the text defines as
// "fields" stands in that form, above the code.
func (f *Flow) Pages(text string) (*Pages, error) {
	t, err := template.New("page").Parse(pageHTML)
	if err == nil {
		_, err = t.New("own").Parse(text)
	}
	if err != nil {
		return nil, fmt.Errorf("parsing page: %w", err)
	}
	return &Pages{f, t}, nil
}

// Write answers with the page and [Flow.SetHeaders]. Nothing is sent if the
// template fails.
func (p *Pages) Write(w http.ResponseWriter, status int, page Page) error {
	if page.Lang == "" {
		page.Lang = "en"
	}
	h := w.Header()
	nonce := p.flow.SetHeaders(h)
	var html bytes.Buffer
	if err := p.template.Execute(&html, struct {
		Page
		Nonce string
	}{page, nonce}); err != nil {
		return fmt.Errorf("rendering page: %w", err)
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(html.Len()))
	w.WriteHeader(status)
	_, err := w.Write(html.Bytes())
	return err
}
