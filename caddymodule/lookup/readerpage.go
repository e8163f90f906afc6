package lookup

import (
	"cmp"
	"net/http"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/internal/page"
	"github.com/wikiveil/wikiveil/lookup/access"
	"github.com/wikiveil/wikiveil/lookup/audit"
)

// TellReader tells who may look masks up, and how often addresses were revealed.
func (h *MaskInfo) TellReader(r *http.Request, frame page.Frame) []edge.Section {
	s := edge.Section{ID: "look-ups", Title: frame.Plain("privacy-look-ups-title")}
	if h.Wiki != nil {
		s.Text = append(s.Text, frame.T("privacy-look-ups-right", cmp.Or(h.Wiki.InfoRight, access.DefaultInfoRight)))
	} else {
		s.Text = append(s.Text, frame.T("privacy-look-ups-users", len(h.Users)))
	}
	switch {
	case h.Reveal == nil:
		s.Text = append(s.Text, frame.T("privacy-reveals-none"))
	case h.Wiki != nil:
		s.Text = append(s.Text, frame.T("privacy-reveals-right", cmp.Or(h.Wiki.RevealRight, access.DefaultRevealRight)))
	default:
		s.Text = append(s.Text, frame.T("privacy-reveals-users", h.mayReveal()))
	}
	days := int(cmp.Or(h.app.Audit.KeepFor(), audit.DefaultRetention) / (24 * time.Hour))
	s.Text = append(s.Text, frame.T("privacy-audit", days))
	done, ok := h.app.HeldByLookups().Use()
	defer done()
	if !ok {
		return []edge.Section{s}
	}
	if logs, err := h.lookups.log.shown(r.Context()); err == nil { // else it is logged, and the page says so itself
		s.Text = append(s.Text, frame.T("privacy-reveals-count", newPublishedView(logs).Reveals, frame.Link(checkpointPath)))
	} else {
		s.Text = append(s.Text, frame.T("privacy-reveals-unknown", frame.Link(checkpointPath)))
	}
	return []edge.Section{s}
}

// mayReveal returns how many users may reveal addresses.
func (h *MaskInfo) mayReveal() (n int) {
	rights, _ := h.rights() // Provision has seen to it
	for _, r := range rights {
		if r.Has(access.Reveal) {
			n++
		}
	}
	return n
}

var _ edge.Teller = (*MaskInfo)(nil)
