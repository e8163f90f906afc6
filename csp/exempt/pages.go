package exempt

import (
	_ "embed"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/internal/page"
	"github.com/wikiveil/wikiveil/noticeboard"
)

//go:embed pages/ask.html
var askHTML string

//go:embed pages/list.html
var listHTML string

//go:embed pages/refusal.html
var refusalHTML string

// askView is what the page that asks shows.
type askView struct {
	Tool  *Tool
	Kinds []string
	// KindList are the kinds in one text, Shown the first origins, More how many others there are.
	KindList string
	Shown    []string
	More     int
	// Days is how long the grant counts.
	Days int
	// Wiki is the wiki's origin.
	Wiki string
}

// listView is what the page of one's exemptions shows.
type listView struct {
	Grants []grantView
	// Problem is why the grants together have no effect now, if so.
	Problem string
	// Guarded is false for a browser that can have none.
	Guarded bool
	// Local says that developers can let a port of their own machine through.
	Local bool
	// Home is the wiki's address.
	Home string
}

// grantView is one grant there.
type grantView struct {
	Name, Title string
	Origins     []string
	Kinds       []string
	Until       time.Time
	// State is "active", "lapsed" (the declaration has changed), "gone" (it is not declared, or
	// switched off) or "expired".
	State string
	// Again is the address to consent again at.
	Again string
}

// refusalView is what a refusal shows.
type refusalView struct {
	// Text is the reason.
	Text string
	// Again is where to start again, "" if that is not known, and Exemptions the list's address.
	Again, Exemptions string
}

func kindNames(kinds []noticeboard.Kind) (names []string) {
	for _, kind := range kinds {
		name := kind.Words()
		if kind == noticeboard.Data {
			name += ", in both directions"
		}
		names = append(names, name)
	}
	return names
}

// shownOrigins is how many stand in the form; more would push the rest out of sight.
const shownOrigins = 3

func newAskView(t *Tool, wiki string) askView {
	origins, kinds := t.Origins(), kindNames(t.Kinds)
	shown := origins[:min(len(origins), shownOrigins)]
	return askView{
		Tool: t, Kinds: kinds, KindList: strings.Join(kinds, ", "), Shown: shown, More: len(origins) - len(shown),
		Days: int(t.Life() / (24 * time.Hour)), Wiki: wiki,
	}
}

// pageWriter is [confirm.Pages], or its like on the wiki.
type pageWriter interface {
	Write(w http.ResponseWriter, status int, content confirm.Page) error
}

// wikiPage is a page on the wiki's origin. Its style sheet is a file: the wiki's own
// policy holds there too and may forbid a style element.
type wikiPage struct{ template *template.Template }

var (
	listPage        = wikiPage{page.Must(listHTML, nil)}
	wikiRefusalPage = wikiPage{page.Must(refusalHTML, nil)}
)

// Write answers with the page. Nothing is sent if the template fails.
func (p wikiPage) Write(w http.ResponseWriter, status int, shown confirm.Page) error {
	shown.Sheet = page.SheetAddress(stylePath)
	return page.Write(w, status, p.template, shown)
}

func serveStyle(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return errMethod
	}
	page.ServeSheet(w, r)
	return nil
}

// Interface guards
var (
	_ pageWriter = (*confirm.Pages)(nil)
	_ pageWriter = wikiPage{}
)
