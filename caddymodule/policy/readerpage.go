package policy

import (
	"net/http"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp/exempt"
	"github.com/wikiveil/wikiveil/internal/page"
)

// TellReader tells whether this reader's browser loads from elsewhere, and what they let through. What that is, it keeps for the tools' own section.
func (c *CSP) TellReader(r *http.Request, frame page.Frame) []edge.Section {
	s := edge.Section{ID: "policy", Title: frame.Plain("privacy-policy-title")}
	state := reqstate.Of(r)
	tried := c.Mode == cspReport || c.site != nil && c.site.book != nil && !c.enforces(state)
	key := "privacy-policy"
	if tried {
		key = "privacy-policy-tried"
	}
	s.Text = append(s.Text, frame.T(key))
	if c.consents == nil {
		return []edge.Section{s}
	}
	c.consents.granted(r, state)
	s.Text = append(s.Text, frame.T("privacy-consents", len(state.Rare().Granted), frame.Link(exempt.ListPath)))
	return []edge.Section{s}
}

var _ edge.Teller = (*CSP)(nil)
