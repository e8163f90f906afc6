package exempt

import (
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/internal/page"
)

// maxForm bounds the form that withdraws.
const maxForm = 4 << 10

var crossOrigin = http.NewCrossOriginProtection()

// list shows the reader's grants; a POST withdraws one of them or all.
func (s *Site) list(w http.ResponseWriter, r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		return s.withdraw(w, r)
	default:
		return errMethod
	}
	view := listView{Guarded: guardsCookies(r), Local: s.c.Localhost, Home: s.c.Flow.Wiki() + "/", Board: s.c.Board}
	// Whoever sends no browser cookie, or a wrong one, has no grants.
	reader := s.readerOrNone(r)
	if err := s.c.Fits(s.active(reader.grants)); err != nil {
		view.Problem = refusalOf(err)
	}
	for _, one := range reader.grants {
		view.Grants = append(view.Grants, s.viewOf(one))
	}
	show(w, listPage, http.StatusOK, confirm.Page{Frame: page.For(r, "list-title"), Data: view})
	return nil
}

func (s *Site) viewOf(g grant) grantView {
	now := time.Now()
	t := s.lookup(g.tool)
	view := grantView{
		Name: g.tool, Title: g.tool, Until: g.expires().UTC(), State: "active",
		Again: GoPath + "?" + toolParam + "=" + url.QueryEscape(g.tool),
	}
	if t != nil {
		view.Title, view.Origins, view.Kinds = t.Title, t.Origins(), consentKinds(t.Kinds)
	}
	switch {
	case !g.current(now):
		view.State = "expired"
	case t == nil:
		view.State = "gone"
	case !g.holds(t, now):
		view.State = "lapsed"
		// What it would let through now is not what the reader agreed to.
		view.Origins, view.Kinds = nil, nil
	}
	return view
}

// withdraw needs no confirmation: a gadget that withdraws only takes away.
func (s *Site) withdraw(w http.ResponseWriter, r *http.Request) error {
	if crossOrigin.Check(r) != nil {
		return errCrossOrigin
	}
	tool, all, err := readWithdrawal(r)
	if err != nil {
		return err
	}
	reader := s.readerOrNone(r)
	var left grants
	if !all {
		left = reader.grants.without(tool)
	}
	if err := s.setGrants(w.Header(), reader.browser, left); err != nil {
		return err
	}
	s.c.Count("withdrawn")
	redirect(w, page.Link(r, ListPath))
	return nil
}

// readWithdrawal reads a form with one of the two fields.
func readWithdrawal(r *http.Request) (tool string, all bool, err error) {
	if types := r.Header["Content-Type"]; len(types) != 1 || types[0] != "application/x-www-form-urlencoded" {
		return "", false, errForm
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	if err != nil || len(body) > maxForm {
		return "", false, errForm
	}
	form, err := url.ParseQuery(string(body))
	tools, alls := form["tool"], form["all"]
	if err != nil || len(tools)+len(alls) != 1 || len(form) != 1 {
		return "", false, errForm
	}
	if len(alls) == 1 {
		return "", true, nil
	}
	return tools[0], false, nil
}
