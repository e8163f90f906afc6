package exempt

import (
	"net/http"
	"net/url"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/internal/page"
)

// Consent returns the pages on the consent origin, which must have no others: every
// path but [ConsentPath] is refused.
func (s *Site) Consent() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = confirm.Localized(r)
		var err error
		switch {
		case r.URL.Path != ConsentPath:
			err = errNotFound
		case r.Method == http.MethodPost:
			err = s.answer(w, r)
		default:
			err = s.ask(w, r)
		}
		if err != nil {
			s.refuse(w, r, s.refusalPage, err)
		}
	})
}

// ask shows what the tool is, and the form.
func (s *Site) ask(w http.ResponseWriter, r *http.Request) error {
	handOff, err := s.c.Flow.OpenPage(r, s.c.HTTPS(r))
	if err != nil {
		return err
	}
	t := s.lookup(handOff.Subject())
	if t == nil {
		return errNoTool
	}
	challenge, err := s.c.Flow.Ask(handOff, grantAction, t.state)
	if err != nil {
		return err
	}
	frame := page.For(r, "ask-title", t.Title)
	show(w, s.askPage, http.StatusOK, confirm.Page{
		Frame: frame, Data: s.newAskView(t),
		Form: confirm.Dialog{
			Action: frame.Link(ConsentPath + "?" + toolParam + "=" + url.QueryEscape(t.Name)), Challenge: challenge,
			Submit: frame.Plain("ask-submit", t.Title, t.Origin),
		},
	})
	return nil
}

// answer takes the form and sends the reader back with a ticket.
func (s *Site) answer(w http.ResponseWriter, r *http.Request) error {
	form, err := s.c.Flow.ReadForm(r, s.c.HTTPS(r))
	if err != nil {
		return err
	}
	t, err := s.named(r)
	if err != nil {
		return err
	}
	confirmed, err := s.c.Flow.Redeem(r, form, confirm.Act{Subject: t.Name, Action: grantAction, Binding: t.state})
	if err != nil {
		return err
	}
	s.c.Flow.SetHeaders(w.Header())
	redirect(w, page.Link(r, s.c.Flow.Wiki()+CommitPath+"?"+confirm.TicketParam+"="+s.c.Flow.Ticket(confirmed)))
	return nil
}
