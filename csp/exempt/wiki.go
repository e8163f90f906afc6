package exempt

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/internal/page"
)

// The pages' paths, on the wiki and on the consent origin.
const (
	GoPath      = "/.privacy/go"
	CommitPath  = "/.privacy/commit"
	ListPath    = "/.privacy/exemptions"
	StylePath   = "/.privacy/exemptions.css"
	ConsentPath = "/consent"

	// ToolParam is the query parameter that names the tool, and the only one that counts.
	ToolParam = "tool"
	// grantAction is the only act of the flow: to withdraw needs no confirmation.
	grantAction = "grant"
)

// Handles tells whether the path is one of [Site.Wiki]'s.
func Handles(path string) bool {
	switch path {
	case GoPath, CommitPath, ListPath, StylePath:
		return true
	}
	return false
}

// Wiki returns the pages on the wiki's origin: see [Handles].
func (s *Site) Wiki() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setWikiHeaders(w.Header())
		var err error
		switch r.URL.Path {
		case GoPath:
			err = s.start(w, r)
		case CommitPath:
			err = s.commit(w, r)
		case ListPath:
			err = s.list(w, r)
		case StylePath:
			err = serveStyle(w, r)
		default:
			err = ErrNotFound
		}
		if err != nil {
			s.refuse(w, r, s.pages.wikiRefusal, err)
		}
	})
}

// setWikiHeaders adds to a policy that stands there already; both hold.
func setWikiHeaders(h http.Header) {
	page.Protect(h, "")
	h.Add("Content-Security-Policy", page.Policy("'self'", "'self'"))
}

// start sends the reader to the consent origin, unless it is clear already that
// the grant would be refused.
func (s *Site) start(w http.ResponseWriter, r *http.Request) error {
	if err := confirm.CheckNavigation(r, s.c.HTTPS(r)); err != nil {
		return err
	}
	t, err := s.named(r)
	if err != nil {
		return err
	}
	if !guardsCookies(r) {
		return ErrPrefixes
	}
	if _, err := s.added(s.readerOrNone(r).grants, t); err != nil {
		return err
	}
	handOff, err := s.c.Flow.Start(w.Header(), r, t.Name)
	if err != nil {
		return err
	}
	s.c.Count("asked")
	redirect(w, s.c.Flow.Address(ConsentPath, handOff))
	return nil
}

// named returns the one tool that the address names.
func (s *Site) named(r *http.Request) (*Tool, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if names := query[ToolParam]; err == nil && len(names) == 1 {
		if t := s.lookup(names[0]); t != nil {
			return t, nil
		}
		return nil, ErrNoTool
	}
	return nil, ErrToolParam
}

// commit writes the grant that the ticket stands for.
func (s *Site) commit(w http.ResponseWriter, r *http.Request) error {
	if err := confirm.CheckNavigation(r, s.c.HTTPS(r)); err != nil {
		return err
	}
	reader, err := s.reader(r)
	if err != nil {
		return err
	}
	// Before the ticket is used up.
	if !guardsCookies(r) || !s.c.Browsers.EnforcesPrefixes(r) {
		return ErrPrefixes
	}
	confirmed, err := s.c.Flow.Commit(r)
	if err != nil {
		return err
	}
	t := s.lookup(confirmed.Act.Subject)
	switch {
	case t == nil:
		return ErrNoTool
	case confirmed.Act.Action != grantAction:
		return confirm.ErrAction
	case confirmed.Act.Binding != t.state:
		return confirm.ErrBinding
	}
	grants, err := s.added(reader.grants, t)
	if err != nil {
		return err
	}
	if err := s.setGrants(w.Header(), reader.browser, grants); err != nil {
		return err
	}
	s.c.Count("granted")
	redirect(w, ListPath)
	return nil
}

// redirect has no body: it must not show the hand-off or the ticket to anybody.
func redirect(w http.ResponseWriter, target string) {
	w.Header().Set("Location", target)
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}

// refuse answers with a page that says why.
func (s *Site) refuse(w http.ResponseWriter, r *http.Request, page pageWriter, err error) {
	why := refusalOf(err)
	s.c.Count(why.Reason)
	if why.Status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", "GET, POST")
	}
	view := RefusalView{Reason: why.Reason, Text: why.Text, Exemptions: s.c.Flow.Wiki() + ListPath}
	if t, err := s.named(r); err == nil {
		view.Again = s.c.Flow.Wiki() + GoPath + "?" + ToolParam + "=" + url.QueryEscape(t.Name)
	}
	s.show(w, page, why.Status, s.pages.texts.RefusalTitle, view, nil)
}

// show writes a page. One that a translated template spoils is told in plain text.
func (s *Site) show(w http.ResponseWriter, page pageWriter, status int, title string, view any, form *confirm.Dialog) {
	texts := s.pages.texts
	p := confirm.Page{Lang: texts.Lang, Dir: texts.Dir, Title: title, Data: view}
	if form != nil {
		p.Form = *form
	}
	if err := page.Write(w, status, p); err != nil && w.Header().Get("Content-Type") == "" {
		s.c.Count("template")
		http.Error(w, "this page can't be shown: its template is broken", http.StatusInternalServerError)
	}
}

func titled(text string, t *Tool) string {
	return strings.NewReplacer("{tool}", t.Title, "{origin}", t.Origins[0]).Replace(text)
}
