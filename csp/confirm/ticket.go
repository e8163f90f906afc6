package confirm

import "net/http"

// TicketParam is the query parameter that carries the ticket.
const TicketParam = "ticket"

// Ticket returns what takes a confirmation back to the wiki, as [TicketParam] of
// a redirect. It counts once, for [TicketLife], in the browser that started the flow, at the client that confirmed.
func (f *Flow) Ticket(c Confirmation) string {
	return f.seal(useTicket, claims{
		browser: c.Browser, client: c.client, subject: c.Act.Subject, action: c.Act.Action, binding: c.Act.Binding, nonce: newNonce(),
	})
}

// Commit takes the ticket in a GET request to the wiki's origin, and returns what
// is now to be done for this browser. A script on the wiki may see the ticket and
// send it itself, which comes to the same.
//
// The caller compares the act's binding with the present one, here and at each
// use of what it grants, and asks [Flow.EnforcesPrefixes].
func (f *Flow) Commit(r *http.Request) (Confirmation, error) {
	if r.Method != http.MethodGet {
		return Confirmation{}, ErrMethod
	}
	text, err := param(r, TicketParam)
	if err != nil {
		return Confirmation{}, err
	}
	c, set, err := f.open(useTicket, text)
	if err != nil {
		return Confirmation{}, err
	}
	groups, err := f.sameSender(r, set, c, true)
	if err != nil {
		return Confirmation{}, err
	}
	if err := f.burn(r.Context(), c, groups, TicketLife); err != nil {
		return Confirmation{}, err
	}
	return Confirmation{Act{c.subject, c.action, c.binding}, c.browser, groups[0]}, nil
}
