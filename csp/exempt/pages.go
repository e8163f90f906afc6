package exempt

import (
	_ "embed"
	"html/template"
	"net/http"
	"time"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/internal/i18n"
	"github.com/wikiveil/wikiveil/internal/page"
	"github.com/wikiveil/wikiveil/internal/refusal"
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
	Tool     *Tool
	Kinds    []consentKind
	KindList i18n.List
	// Days is how long the grant counts.
	Days int
	// Wiki is the wiki's origin, and Board the address of the tool in its list; "" where that isn't known.
	Wiki, Board string
}

// listView is what the page of one's exemptions shows.
type listView struct {
	Grants []grantView
	// Problem is why the grants together have no effect now, if so.
	Problem *refusal.Refusal
	// Board is the path of the list of tools; "" where that isn't known.
	Board string
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
	Kinds       []consentKind
	Until       time.Time
	// State is "active", "lapsed" (the declaration has changed), "gone" (it is not declared, or
	// switched off) or "expired".
	State string
	// Again is the address to consent again at.
	Again string
}

// refusalView is what a refusal shows.
type refusalView struct {
	// Why is the reason.
	Why *refusal.Refusal
	// Again is where to start again, "" if that is not known, and Exemptions the list's address.
	Again, Exemptions string
}

// consentKind is a kind of what passes between a browser and a tool: data does so both ways.
type consentKind noticeboard.Kind

func consentKinds(kinds []noticeboard.Kind) (all []consentKind) {
	for _, kind := range kinds {
		all = append(all, consentKind(kind))
	}
	return all
}

// In names the kind for people.
func (k consentKind) In(l *i18n.Language) string {
	if kind := noticeboard.Kind(k); kind != noticeboard.Data {
		return kind.In(l)
	}
	return l.Text("kind-data-both")
}

// shownOrigins is how many stand in the form; more would push the rest out of sight.
const shownOrigins = 3

func (s *Site) newAskView(t *Tool) askView {
	kinds, wiki, board := consentKinds(t.Kinds), s.c.Flow.Wiki(), ""
	if s.c.Board != "" && !t.Local() {
		board = wiki + s.c.Board + "#tool-" + t.Name
	}
	return askView{Tool: t, Kinds: kinds, KindList: i18n.ListOf(kinds), Days: int(t.Life() / (24 * time.Hour)), Wiki: wiki, Board: board}
}

// From lists the tool's origins, the first of them where there are many.
func (v askView) From(f page.Frame) template.HTML {
	origins := v.Tool.Origins()
	if more := len(origins) - shownOrigins; more > 0 {
		return f.T("ask-more", f.Codes(origins[:shownOrigins]), more)
	}
	return f.Codes(origins)
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
