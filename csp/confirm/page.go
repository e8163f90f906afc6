package confirm

import (
	"crypto/rand"
	_ "embed"
	"html/template"
	"net/http"

	"github.com/wikiveil/wikiveil/internal/page"
)

//go:embed form.html
var formHTML string

// Page is what [Pages] shows. Templates see it as their dot.
type Page struct {
	page.Frame
	// Form is for bodies that ask.
	Form Dialog
	// Data is the caller's.
	Data any
}

// Dialog is the form of a page that asks.
type Dialog struct {
	// Action is the path that the form goes to, on the flow's origin.
	Action string
	Challenge
	// Submit stands on the button.
	Submit string
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
	t, err := page.Parse(formHTML+text, nil)
	if err != nil {
		return nil, err
	}
	return &Pages{f, t}, nil
}

// Write answers with the page and [Flow.SetHeaders]. Nothing is sent if the
// template fails.
func (p *Pages) Write(w http.ResponseWriter, status int, shown Page) error {
	shown.ID, shown.Nonce = "question", p.flow.SetHeaders(w.Header())
	return page.Write(w, status, p.template, shown)
}

// SetHeaders sets what every page of the flow's origin needs: nothing runs, loads,
// frames, keeps or opens it. It returns the nonce for the page's style element,
// new each time. [Pages] calls it by itself.
//
// The policy lets a form go to the flow's own origin and on to the wiki's: browsers
// follow the redirect after a form only where form-action names its goal.
// Redirect within the wiki's origin after the commit, too.
func (f *Flow) SetHeaders(h http.Header) (nonce string) {
	nonce = rand.Text() // at least 128 bits, in characters that CSP takes
	page.Protect(h, page.Policy(page.Nonce(nonce), "'self' "+f.wiki))
	return nonce
}
