package lookup

import (
	"net/http"
	"net/netip"

	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/lookup/access"
	"github.com/wikiveil/wikiveil/lookup/audit"
	"github.com/wikiveil/wikiveil/masking"
)

// maxStartForm is more than the one mask in the form that starts a reveal needs.
const maxStartForm = 4 << 10

// startReveal sends those who may reveal a mask on to the origin where that is confirmed. Scripts
// on the wiki can do this too, but not read what comes of it.
func (h *MaskInfo) startReveal(w http.ResponseWriter, r *http.Request) error {
	user, location, err := h.beginReveal(w, r)
	if err != nil {
		return h.fail(w, r, access.Reveal.String(), h.newPage(r, "mask-title", user), err)
	}
	h.app.Metrics().Lookups.WithLabelValues(access.Reveal.String(), "started").Inc()
	h.setHeaders(w, r)
	http.Redirect(w, r, location, http.StatusSeeOther)
	return nil
}

// beginReveal returns where to go on. The user is known even with some errors.
func (h *MaskInfo) beginReveal(w http.ResponseWriter, r *http.Request) (user access.User, location string, err error) {
	switch {
	case h.Reveal == nil:
		return user, "", errNoReveals
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST")
		return user, "", confirm.ErrMethod
	case !reqstate.IsHTTPS(r):
		return user, "", confirm.ErrInsecure
	case notAsked(r) != nil:
		return user, "", confirm.ErrSpeculative
	case !fromOwnOrigin(r):
		return user, "", errCrossSite
	}
	if user, err = h.gate.Admit(r, access.Reveal, 0); err != nil {
		return access.User{}, "", err
	}
	mask, err := revealedMask(w, r)
	if err != nil {
		return user, "", err
	}
	// What the audit would refuse in the end is refused before anybody types a reason.
	if err := (audit.Entry{Performer: user.ID, Action: audit.Info, Masks: []netip.Addr{mask}}).Validate(); err != nil {
		return user, "", badEntry(err)
	}
	if _, err := h.lookSealed(r, mask); err != nil {
		return user, "", err
	}
	location, err = h.handOff(w, r, revealSubject{Mask: mask, User: user.ID, Name: user.Name})
	return user, location, err
}

func (h *MaskInfo) handOff(w http.ResponseWriter, r *http.Request, subject revealSubject) (location string, err error) {
	flow, err := h.flow()
	if err != nil {
		return "", err
	}
	text, err := sealSubject(h.app.Keys().Epochs(), subject)
	if err != nil {
		return "", err
	}
	handOff, err := flow.Start(w.Header(), r, text)
	if err != nil {
		return "", err
	}
	return flow.Address(revealPath, handOff), nil
}

// revealedMask reads the one field of the form that starts a reveal.
func revealedMask(w http.ResponseWriter, r *http.Request) (netip.Addr, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxStartForm)
	if err := r.ParseForm(); err != nil {
		return netip.Addr{}, confirm.ErrForm
	}
	values := r.PostForm["mask"]
	if len(values) != 1 {
		return netip.Addr{}, mistake("reveal-mistake-masks", len(values))
	}
	masks, err := parseMasks(values[0])
	switch {
	case err != nil:
		return netip.Addr{}, err
	case len(masks) != 1:
		return netip.Addr{}, mistake("reveal-mistake-masks", len(masks))
	case masking.IsNetwork(masks[0]):
		return netip.Addr{}, mistake("reveal-mistake-network", masks[0])
	}
	return masks[0], nil
}
