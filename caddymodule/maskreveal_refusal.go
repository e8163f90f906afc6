package caddymodule

import (
	"errors"
	"net/http"
	"time"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/lookup/access"
	"github.com/wikiveil/wikiveil/lookup/sightings"
)

// revealError is why nothing is revealed, where neither access nor confirmation refuse.
type revealError struct {
	status       int
	reason, text string
}

// Error implements error.
func (e *revealError) Error() string { return e.text }

var (
	errOtherUser = &revealError{http.StatusForbidden, "other_user",
		"this was started by another user than the one who is logged in now; please start again"}
	errNotSealed = &revealError{http.StatusNotFound, "not_sealed", "no address was sealed for this mask"}
	errNoReveals = &revealError{http.StatusNotFound, "no_reveals", "masks are not revealed on this wiki"}
	errCrossSite = &revealError{http.StatusForbidden, "cross_origin", "a reveal is started on the wiki's own page only"}
)

// revealRefusal is how an error of a reveal is answered and counted.
type revealRefusal struct {
	status    int
	reason    string // label of the metric
	text      string
	reset     time.Time // of the quota
	operators error     // for the log
}

func explainReveal(err error) revealRefusal {
	var own *revealError
	var byConfirm *confirm.Refusal
	var byAccess *access.Refusal
	switch {
	case errors.As(err, &own):
		return revealRefusal{status: own.status, reason: own.reason, text: own.text}
	case errors.As(err, &byConfirm):
		why := revealRefusal{status: byConfirm.Status(), reason: byConfirm.Reason(), text: byConfirm.Error()}
		if why.status >= http.StatusInternalServerError {
			why.operators = err
		}
		return why
	case errors.As(err, &byAccess):
		return revealRefusal{
			status: byAccess.Status(), reason: string(byAccess.Reason), text: byAccess.Error(),
			reset: byAccess.Reset, operators: byAccess.Cause,
		}
	}
	why := revealRefusal{status: statusOf(err), text: err.Error()}
	switch {
	case errors.Is(err, errMistake):
		why.reason = "mistake"
	case errors.Is(err, sightings.ErrUnknown):
		why.reason = "unknown"
	case errors.Is(err, sightings.ErrEpochDestroyed):
		why.reason = "epoch_destroyed"
	case errors.Is(err, sightings.ErrNotMask):
		why.reason = "not_mask"
	default:
		why.reason, why.operators = "failed", err
		why.text = "Nothing can be revealed just now. Try again in a moment."
	}
	return why
}
