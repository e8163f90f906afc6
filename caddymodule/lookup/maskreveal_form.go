package lookup

import (
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/internal/i18n"
	"github.com/wikiveil/wikiveil/internal/page"
	"github.com/wikiveil/wikiveil/lookup/access"
	"github.com/wikiveil/wikiveil/lookup/audit"
	"github.com/wikiveil/wikiveil/lookup/seal"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/masking"
)

const (
	formTitle    = "reveal-title" // of a message
	subjectField = "subject"
	reasonField  = "reason"
)

// revealForm is the form for the reason and the code. The token is bound to the subject.
type revealForm struct {
	revealSubject
	Subject string
	Reason  string
	dialog  confirm.Dialog
}

// revealView is what the template sees.
type revealView struct {
	Wiki, Path string
	Form       *revealForm
	Error      string
	Revealed   *revealed
	Local      bool // the edge itself opens the box
}

// revealed is what a reveal gives: an address, or a box for the recipients.
type revealed struct {
	revealSubject
	Address    netip.Addr
	Box        seal.Box
	All        bool // all recipients are needed, not one
	Recipients []string
	receipt    audit.Checkpoint
}

// Shown is the mask on the page, whatever its direction.
func (s revealSubject) Shown() template.HTML {
	return template.HTML(`<strong dir="ltr">` + s.Mask.String() + `</strong>`) //nolint:gosec // a mask
}

// Receipt proves the reveal to who made it, against an audit log and storage that are both put back.
func (r *revealed) Receipt() string { return r.receipt.Note }

// showForm shows the form for a reason and the code.
func (h *MaskReveal) showForm(w http.ResponseWriter, r *http.Request, flow *confirm.Flow) error {
	handOff, err := flow.OpenPage(r, reqstate.IsHTTPS(r))
	if err != nil {
		return h.refuse(w, r, err, nil)
	}
	subject, err := openSubject(h.app.Keys().Epochs(), handOff.Subject())
	if err != nil {
		return h.refuse(w, r, err, nil)
	}
	record, err := h.admitted(r, subject)
	if err != nil {
		return h.refuse(w, r, err, nil)
	}
	challenge, err := flow.Ask(handOff, revealAction, subject.binding(record))
	if err != nil {
		return h.refuse(w, r, err, nil)
	}
	h.count("asked")
	form := &revealForm{revealSubject: subject, Subject: handOff.Subject()}
	return h.write(w, r, http.StatusOK, formTitle, revealDialog(r, challenge), revealView{Form: form, Local: record.Box.Mode() == seal.Local})
}

func revealDialog(r *http.Request, challenge confirm.Challenge) confirm.Dialog {
	return confirm.Dialog{Action: page.Link(r, revealPath), Challenge: challenge, Submit: i18n.Of(r).Text("reveal-submit")}
}

// admitted returns the record that a subject is about. Where users are known on this origin, too, the subject's
// user must be the one who sent the request, and must still have the right.
func (h *MaskReveal) admitted(r *http.Request, subject revealSubject) (sightings.Record, error) {
	if h.gate != nil {
		user, err := h.gate.Admit(r, access.Reveal, 0)
		if err != nil {
			return sightings.Record{}, err
		}
		if user.ID != subject.User {
			return sightings.Record{}, errOtherUser
		}
	}
	return h.lookSealed(r, subject.Mask)
}

// lookSealed returns the record of a mask that has an address sealed in it.
func (c *MaskAccess) lookSealed(r *http.Request, mask netip.Addr) (sightings.Record, error) {
	records, err := c.look(r.Context(), []netip.Addr{mask})
	if err != nil {
		return sightings.Record{}, err
	}
	if records[0].Box.Mode() == 0 {
		return sightings.Record{}, errNotSealed
	}
	return records[0], nil
}

// takeForm takes the form, and reveals.
func (h *MaskReveal) takeForm(w http.ResponseWriter, r *http.Request, flow *confirm.Flow) error {
	form, err := flow.ReadForm(r, reqstate.IsHTTPS(r), subjectField, reasonField)
	if err != nil {
		return h.refuse(w, r, err, nil)
	}
	subject, err := h.genuineSubject(flow, r, form)
	if err != nil {
		return h.refuse(w, r, err, nil)
	}
	entry := audit.Entry{
		Performer: subject.User, Name: subject.Name, Action: audit.Reveal, Masks: []netip.Addr{subject.Mask},
		Reason: strings.TrimSpace(form.Get(reasonField)),
	}
	if err := entry.Validate(); err != nil {
		return h.refuse(w, r, badEntry(err), formAgain(r, form, subject, form.Get(reasonField)))
	}
	if err := checkReason(entry.Reason); err != nil {
		return h.refuse(w, r, err, formAgain(r, form, subject, ""))
	}
	result, err := h.reveal(r, flow, form, subject, entry)
	if err != nil {
		return h.refuse(w, r, err, nil)
	}
	h.count("answered")
	return h.write(w, r, http.StatusOK, "reveal-done", confirm.Dialog{}, revealView{Revealed: result})
}

// genuineSubject returns what a form is about if its token was made here for that, before anything is looked
// up for it: a stranger's form must not tell which masks are known. No binding is zero, so a genuine
// token is refused for its binding, which does not use it up.
func (h *MaskReveal) genuineSubject(flow *confirm.Flow, r *http.Request, form confirm.Form) (revealSubject, error) {
	text := form.Get(subjectField)
	if _, err := flow.Redeem(r, form, confirm.Act{Subject: text, Action: revealAction}); !errors.Is(err, confirm.ErrBinding) {
		return revealSubject{}, cmp.Or(err, error(confirm.ErrMalformed))
	}
	return openSubject(h.app.Keys().Epochs(), text)
}

// reveal does it: the right is checked, the token used up, the quota taken and the audit written, in this
// order, and only then the box touched.
func (h *MaskReveal) reveal(r *http.Request, flow *confirm.Flow, form confirm.Form, subject revealSubject, entry audit.Entry) (*revealed, error) {
	record, err := h.admitted(r, subject)
	if err != nil {
		return nil, err
	}
	act := confirm.Act{Subject: form.Get(subjectField), Action: revealAction, Binding: subject.binding(record)}
	if _, err := flow.Redeem(r, form, act); err != nil {
		return nil, err
	}
	if _, err := h.lookups.quotas.Take(r.Context(), subject.User, access.Reveal, 1); err != nil {
		return nil, err
	}
	written, err := h.lookups.log.Append(r.Context(), entry)
	if err != nil {
		return nil, fmt.Errorf("writing the audit: %w", err)
	}
	result := &revealed{
		revealSubject: subject, Box: record.Box, All: record.Box.Mode() == seal.All, Recipients: record.Box.Recipients(), receipt: written.Head,
	}
	if record.Box.Mode() == seal.Local {
		result.Address, err = h.openLocal(record.Box)
	}
	return result, err
}

// openLocal opens a box that the edge sealed to itself.
func (h *MaskReveal) openLocal(box seal.Box) (netip.Addr, error) {
	epochs := h.app.Keys().Readable()
	i := slices.IndexFunc(epochs, func(e masking.Epoch) bool { return e.ID() == box.Epoch })
	if i < 0 {
		return netip.Addr{}, &sightings.MaskError{Mask: box.Mask, Err: sightings.ErrEpochDestroyed}
	}
	return seal.OpenLocal(box, epochs[i])
}

var plainCode = regexp.MustCompile(`^[0-9]{5}$`)

// formAgain is the same form, not used up, to be sent again. The edge can't tell the code from the token, so
// the code is the one that was sent; without a plain one there, the form is nil.
func formAgain(r *http.Request, form confirm.Form, subject revealSubject, reason string) *revealForm {
	code := strings.Join(strings.Fields(form.Get(confirm.CodeField)), "")
	if !plainCode.MatchString(code) {
		return nil
	}
	return &revealForm{
		revealSubject: subject, Subject: form.Get(subjectField), Reason: reason,
		dialog: revealDialog(r, confirm.Challenge{Token: form.Get(confirm.TokenField), Code: code}),
	}
}
