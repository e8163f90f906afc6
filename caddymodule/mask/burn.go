package mask

import (
	"errors"
	"html/template"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/internal/page"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/masking/salts"
)

var (
	refusedSettling  = refusal.New(http.StatusConflict, "mask_settling", "burn-refused-settling")
	refusedNoBurning = refusal.New(http.StatusNotFound, "mask_not_burnable", "burn-refused-nothing")
	refusedOrigin    = refusal.New(http.StatusForbidden, "cross_origin", "burn-refused-origin")
	refusedNotBurned = refusal.New(http.StatusServiceUnavailable, "mask_not_burned", "burn-refused-store")
)

// burnSection tells what is kept of the reader's mask, and has the form that lets it go. Without sessions and salts there is nothing to
// let go. A client that the edge blocks doesn't get here.
func (h *ClientMask) burnSection(r *http.Request, frame page.Frame, client *reqstate.Client) []edge.Section {
	masks, err := h.masks()
	if err != nil || masks.salts == nil && client.Session == "" {
		return nil
	}
	s := edge.Section{ID: "burn", Title: frame.Plain("burn-title")}
	now, settling := time.Now(), false
	if client.Session != "" {
		if session, _, err := masks.sessions.Open(client.Session, now); err == nil {
			s.List = append(s.List, frame.T("burn-session", frame.Day(session.Since), frame.Day(session.Ends())))
		}
	}
	if masks.salts != nil {
		standing, err := h.standing(r, masks, client)
		if err != nil {
			return nil // it is logged, and the form would be refused
		}
		s.List = append(s.List, frame.T("burn-salt", frame.Day(standing.Since), frame.Day(standing.Until)))
		if settling = standing.Settling(now); !standing.Edited.IsZero() {
			s.List = append(s.List, frame.T("burn-edited", frame.Day(standing.Edited)))
		}
		if settling {
			s.Text = append(s.Text, frame.T("burn-settling", frame.Day(standing.Edited.Add(salts.Settled))))
		}
	}
	if first, last, known := h.seen(r, client); known {
		s.List = append(s.List, frame.T("burn-seen", frame.Day(first), frame.Day(last)))
	}
	if !settling {
		s.Text = append(s.Text, frame.T("burn-what"), frame.T("burn-records"), template.HTML(`<form method="post" action="`+ //nolint:gosec // ours
			template.HTMLEscapeString(frame.Link(edge.ReaderPath))+`"><button>`+template.HTMLEscapeString(frame.Plain("burn-button"))+`</button></form>`))
	}
	return []edge.Section{s}
}

// standing tells what is kept of the client's salt.
func (h *ClientMask) standing(r *http.Request, masks *siteMasks, client *reqstate.Client) (s salts.Standing, err error) {
	done, ok := h.app.HeldByLookups().Use()
	defer done()
	if !ok {
		return s, errStopped
	}
	if s, err = masks.salts.Standing(r.Context(), client.Addr); err != nil {
		h.logger.Error("reading what is kept of a mask", zap.Error(err))
	}
	return s, err
}

// seen tells when the client's mask was seen, as far as that is recorded.
func (h *ClientMask) seen(r *http.Request, client *reqstate.Client) (first, last time.Time, known bool) {
	done, ok := h.app.HeldByLookups().Use()
	defer done()
	if !ok || h.app.Recorder() == nil {
		return first, last, false
	}
	records, err := h.app.Recorder().LookAll(r.Context(), client.AllMasks()[0])
	if err != nil {
		return first, last, false
	}
	return records[0].First, records[0].Last, true
}

// burn lets a reader's mask go: the session's cookie ends, and the salt is destroyed.
func (h *ClientMask) burn(w http.ResponseWriter, r *http.Request, client *reqstate.Client) error {
	if refused := h.burned(r, client); refused != nil {
		h.app.Metrics().Refused.WithLabelValues(refused.Reason).Inc()
		return refused.Answer(w, r)
	}
	if client.Session != "" {
		reqstate.Of(r).SetsCookies = true
		confirm.SetCookie(w.Header(), sessionCookie, "", 0)
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, edge.ReaderPath+"#burn", http.StatusSeeOther)
	return nil
}

func (h *ClientMask) burned(r *http.Request, client *reqstate.Client) *refusal.Refusal {
	if new(http.CrossOriginProtection).Check(r) != nil {
		return refusedOrigin
	}
	masks, err := h.masks()
	if err != nil {
		return refusedNoMask
	}
	if masks.salts == nil {
		if client.Session == "" {
			return refusedNoBurning
		}
		return nil
	}
	done, ok := h.app.HeldByLookups().Use()
	defer done()
	if !ok {
		return refusedNotBurned
	}
	err = masks.salts.Burn(r.Context(), client.Addr)
	masks.cache.drop(client)
	switch {
	case errors.Is(err, salts.ErrSettling):
		return refusedSettling
	case err != nil:
		h.logger.Error("destroying the salt of a mask", zap.Error(err))
		return refusedNotBurned
	}
	return nil
}
