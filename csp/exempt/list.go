package exempt

import (
	"io"
	"net/http"
	"net/url"
	"time"
)

// How a grant stands, in a [GrantView].
const (
	Active  = "active"
	Lapsed  = "lapsed"  // the declaration has changed
	Gone    = "gone"    // the tool is not declared, or switched off
	Expired = "expired" // its time is over
)

const (
	// ToolField and AllField are the fields of the form that withdraws.
	ToolField = "tool"
	AllField  = "all"

	maxForm = 4 << 10
)

var crossOrigin = http.NewCrossOriginProtection()

// list shows the reader's grants; a POST withdraws one of them or all.
func (s *Site) list(w http.ResponseWriter, r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		return s.withdraw(w, r)
	default:
		return ErrMethod
	}
	view := ListView{Guarded: guardsCookies(r), Local: len(s.c.Localhost) > 0, Home: s.c.Flow.Wiki() + "/"}
	// Whoever sends no browser cookie, or a wrong one, has no grants.
	reader := s.readerOrNone(r)
	if err := s.c.Fits(s.active(reader.grants)); err != nil {
		view.Problem = refusalOf(err).Text
	}
	for _, grant := range reader.grants.list {
		view.Grants = append(view.Grants, s.grantView(grant))
	}
	s.show(w, s.pages.list, http.StatusOK, s.pages.texts.ListTitle, view, nil)
	return nil
}

func (s *Site) grantView(g Grant) GrantView {
	now := time.Now()
	t := s.lookup(g.Tool)
	view := GrantView{
		Name: g.Tool, Title: g.Tool, Until: g.Expires().UTC(), State: Active,
		Again: GoPath + "?" + ToolParam + "=" + url.QueryEscape(g.Tool),
	}
	if t != nil {
		view.Title, view.Origins, view.Kinds = t.Title, t.Origins, kindViews(t.Kinds)
	}
	switch {
	case !g.current(now):
		view.State = Expired
	case t == nil:
		view.State = Gone
	case !g.holds(t, now):
		view.State = Lapsed
		// What it lets through now is not what he let through.
		view.Origins, view.Kinds = nil, nil
	}
	return view
}

// withdraw needs no confirmation: a gadget that withdraws only takes away.
func (s *Site) withdraw(w http.ResponseWriter, r *http.Request) error {
	if crossOrigin.Check(r) != nil {
		return ErrCrossOrigin
	}
	tool, all, err := readWithdrawal(r)
	if err != nil {
		return err
	}
	reader := s.readerOrNone(r)
	left := Grants{}
	if !all {
		left = reader.grants.Remove(tool)
	}
	if err := s.setGrants(w.Header(), reader.browser, left); err != nil {
		return err
	}
	s.c.Count("withdrawn")
	redirect(w, ListPath)
	return nil
}

// readWithdrawal reads a form with one of the two fields.
func readWithdrawal(r *http.Request) (tool string, all bool, err error) {
	if types := r.Header["Content-Type"]; len(types) != 1 || types[0] != "application/x-www-form-urlencoded" {
		return "", false, ErrForm
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	if err != nil || len(body) > maxForm {
		return "", false, ErrForm
	}
	form, err := url.ParseQuery(string(body))
	tools, alls := form[ToolField], form[AllField]
	if err != nil || len(tools)+len(alls) != 1 || len(form) != 1 {
		return "", false, ErrForm
	}
	if len(alls) == 1 {
		return "", true, nil
	}
	return tools[0], false, nil
}
