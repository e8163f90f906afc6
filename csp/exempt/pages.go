package exempt

import (
	"bytes"
	"cmp"
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/internal/page"
)

//go:embed pages/ask.html
var askHTML string

//go:embed pages/list.html
var listHTML string

//go:embed pages/refusal.html
var refusalHTML string

// Texts replaces the pages' texts. What is empty is English.
type Texts struct {
	// Lang is the language ("en" by default), Dir "rtl" or "ltr".
	Lang, Dir string
	// The titles; in AskTitle and Submit, {tool} is the tool's title and {origin} its first origin.
	AskTitle, ListTitle, RefusalTitle string
	// Show, Type, Submit and TooSmall are the form's; see [confirm.Dialog].
	Show, Type, Submit, TooSmall string
	// Ask, List and Refusal are html/template texts that define "body". Their .Data is an
	// [AskView], a [ListView] and a [RefusalView]. Ask must have {{template "form" .}}, and its "fields" say in the
	// form itself what is asked: a page can be opened so that nothing else is in sight.
	Ask, List, Refusal string
}

// AskView is what the page that asks shows.
type AskView struct {
	Tool  *Tool
	Kinds []KindView
	// KindList are the kinds in one text, Shown the first origins, More how many others there are.
	KindList string
	Shown    []string
	More     int
	// Days is how long the grant counts.
	Days int
	// Wiki is the wiki's origin.
	Wiki string
}

// ListView is what the page of one's exemptions shows.
type ListView struct {
	Grants []GrantView
	// Problem is why the grants together have no effect now, if so.
	Problem string
	// Guarded is false for a browser that can have none.
	Guarded bool
	// Local tells that a developer can let a port of his own machine through.
	Local bool
	// Home is the wiki's address.
	Home string
}

// GrantView is one grant there.
type GrantView struct {
	Name, Title string
	Origins     []string
	Kinds       []KindView
	Until       time.Time
	// State is [Active], [Lapsed], [Gone] or [Expired].
	State string
	// Again is the address to consent again at.
	Again string
}

// RefusalView is what a refusal shows.
type RefusalView struct {
	// Reason is the fixed word to translate by, Text the reason in English.
	Reason, Text string
	// Again is where to start again, "" if that is not known, and Exemptions the list's address.
	Again, Exemptions string
}

// KindView is a kind with its English name.
type KindView struct {
	Kind Kind
	Name string
}

var kindNames = map[Kind]string{
	Img: "images", Font: "fonts", Style: "style sheets", Media: "audio and video",
	Data: "data, in both directions", Script: "scripts",
}

func kindViews(kinds []Kind) []KindView {
	views := make([]KindView, 0, len(kinds))
	for _, kind := range kinds {
		views = append(views, KindView{kind, kindNames[kind]})
	}
	return views
}

// shownOrigins is how many stand in the form; more would push the rest out of sight.
const shownOrigins = 3

func newAskView(t *Tool, wiki string) AskView {
	view := AskView{Tool: t, Kinds: kindViews(t.Kinds), Days: int(t.Life() / (24 * time.Hour)), Wiki: wiki}
	view.Shown = t.Origins[:min(len(t.Origins), shownOrigins)]
	view.More = len(t.Origins) - len(view.Shown)
	var names []string
	for _, kind := range view.Kinds {
		names = append(names, kind.Name)
	}
	view.KindList = strings.Join(names, ", ")
	return view
}

// pageWriter is [confirm.Pages], or its like on the wiki.
type pageWriter interface {
	Write(w http.ResponseWriter, status int, page confirm.Page) error
}

type pages struct {
	texts                           Texts
	ask, refusal, list, wikiRefusal pageWriter
}

func newPages(flow *confirm.Flow, texts Texts) (*pages, error) {
	texts.Lang = cmp.Or(texts.Lang, "en")
	texts.AskTitle = cmp.Or(texts.AskTitle, "Let “{tool}” through?")
	texts.Submit = cmp.Or(texts.Submit, "Let “{tool}” ({origin}) through")
	texts.ListTitle = cmp.Or(texts.ListTitle, "Tools that you let through")
	texts.RefusalTitle = cmp.Or(texts.RefusalTitle, "This did not work")
	texts.Ask = cmp.Or(texts.Ask, askHTML)
	texts.List = cmp.Or(texts.List, listHTML)
	texts.Refusal = cmp.Or(texts.Refusal, refusalHTML)
	p := &pages{texts: texts}
	var err error
	if p.ask, err = flow.Pages(texts.Ask); err != nil {
		return nil, err
	}
	if p.refusal, err = flow.Pages(texts.Refusal); err != nil {
		return nil, err
	}
	if p.list, err = newWikiPage(texts.List); err != nil {
		return nil, err
	}
	if p.wikiRefusal, err = newWikiPage(texts.Refusal); err != nil {
		return nil, err
	}
	return p, p.rehearse()
}

// rehearse writes each page once, so that a faulty translation is found before a reader
// finds it.
func (p *pages) rehearse() error {
	tool := &Tool{Name: "tool", Title: "tool", Origins: []string{"https://tool.example"}, Kinds: []Kind{Img}}
	kinds := kindViews(tool.Kinds)
	list := ListView{}
	for _, state := range []string{Active, Lapsed, Gone, Expired} {
		list.Grants = append(list.Grants, GrantView{Name: "tool", Title: "tool", Kinds: kinds, State: state})
	}
	form := confirm.Dialog{Challenge: confirm.Challenge{Token: "rehearsal", Code: "01234"}}
	for _, page := range []struct {
		writer pageWriter
		page   confirm.Page
		need   string
	}{
		{p.ask, confirm.Page{Data: newAskView(tool, "https://wiki.example"), Form: form}, form.Token},
		{p.list, confirm.Page{Data: list}, "<form"},
		{p.refusal, confirm.Page{Data: RefusalView{Text: "reason", Again: "/"}}, ""},
		{p.wikiRefusal, confirm.Page{Data: RefusalView{Text: "reason", Again: "/"}}, ""},
	} {
		var out rehearsal
		if err := page.writer.Write(&out, http.StatusOK, page.page); err != nil {
			return err
		}
		if !strings.Contains(out.String(), page.need) {
			return errors.New("a page lacks its form")
		}
	}
	return nil
}

// rehearsal is a response to nobody.
type rehearsal struct{ bytes.Buffer }

func (*rehearsal) Header() http.Header { return http.Header{} }
func (*rehearsal) WriteHeader(int)     {}

// wikiPage is a page on the wiki's origin. Its style sheet is a file: the wiki's own
// policy holds there too and may forbid a style element.
type wikiPage struct{ template *template.Template }

func newWikiPage(text string) (pageWriter, error) {
	t, err := page.Parse(text, nil)
	return wikiPage{t}, err
}

// Write answers with the page. Nothing is sent if the template fails.
func (p wikiPage) Write(w http.ResponseWriter, status int, shown confirm.Page) error {
	return page.Write(w, status, p.template, struct {
		page.Frame
		Data any
	}{page.Frame{Lang: shown.Lang, Dir: shown.Dir, Title: shown.Title, Sheet: page.SheetAddress(StylePath)}, shown.Data})
}

func serveStyle(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return ErrMethod
	}
	page.ServeSheet(w, r)
	return nil
}

// Interface guards
var (
	_ pageWriter = (*confirm.Pages)(nil)
	_ pageWriter = wikiPage{}
)
