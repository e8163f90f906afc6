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
	stylePath   = "/.privacy/exemptions.css"
	ConsentPath = "/consent"

	// toolParam is the query parameter that names the tool, and the only one that counts.
	toolParam = "tool"
	// grantAction is the only act of the flow: to withdraw needs no confirmation.
	grantAction = "grant"
)

// Handles reports whether the path is one of [Site.Wiki]'s.
func Handles(path string) bool {
	switch path {
	case GoPath, CommitPath, ListPath, stylePath:
		return true
	}
	return strings.HasPrefix(path, FramePath)
}

// Wiki returns the pages on the wiki's origin: see [Handles].
func (s *Site) Wiki() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, FramePath) {
			s.serveFrame(w, r)
			return
		}
		page.Protect(w.Header(), "")
		// Beside a policy that stands there already; both hold.
		w.Header().Add("Content-Security-Policy", page.Policy("'self'", "'self'"))
		var err error
		switch r.URL.Path {
		case GoPath:
			err = s.start(w, r)
		case CommitPath:
			err = s.commit(w, r)
		case ListPath:
			err = s.list(w, r)
		case stylePath:
			err = serveStyle(w, r)
		default:
			err = errNotFound
		}
		if err != nil {
			s.refuse(w, r, wikiRefusalPage, err)
		}
	})
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
		return errPrefixes
	}
	if _, err := s.added(s.readerOrNone(r).grants, t); err != nil {
		return err
	}
	handOff, err := s.c.Flow.Start(w.Header(), r, t.Name)
	if err != nil {
		return err
	}
	s.rememberBack(w.Header(), r)
	s.c.Count("asked")
	redirect(w, s.c.Flow.Address(ConsentPath, handOff))
	return nil
}

// named returns the one tool that the address names.
func (s *Site) named(r *http.Request) (*Tool, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if names := query[toolParam]; err == nil && len(names) == 1 {
		if t := s.lookup(names[0]); t != nil {
			return t, nil
		}
		return nil, errNoTool
	}
	return nil, errToolParam
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
	if !guardsCookies(r) || !s.c.Flow.EnforcesPrefixes(r) {
		return errPrefixes
	}
	confirmed, err := s.c.Flow.Commit(r)
	if err != nil {
		return err
	}
	t := s.lookup(confirmed.Act.Subject)
	switch {
	case t == nil:
		return errNoTool
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
	redirect(w, s.back(w.Header(), r))
	return nil
}

// redirect has no body: it must not show the hand-off or the ticket to anybody.
func redirect(w http.ResponseWriter, target string) {
	w.Header().Set("Location", target)
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}

// refuse answers with a page that says why.
func (s *Site) refuse(w http.ResponseWriter, r *http.Request, to pageWriter, err error) {
	why := refusalOf(err)
	s.c.Count(why.Reason)
	if why.Status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", "GET, POST")
	}
	view := refusalView{Why: why, Exemptions: s.c.Flow.Wiki() + ListPath}
	if t, err := s.named(r); err == nil {
		view.Again = s.c.Flow.Wiki() + GoPath + "?" + toolParam + "=" + url.QueryEscape(t.Name)
	}
	show(w, to, why.Status, confirm.Page{Frame: page.For(r, "refused-title"), Data: view})
}

// show writes a page.
func show(w http.ResponseWriter, to pageWriter, status int, content confirm.Page) {
	if err := to.Write(w, status, content); err != nil && w.Header().Get("Content-Type") == "" {
		http.Error(w, "this page can't be shown: its template is broken", http.StatusInternalServerError)
	}
}
