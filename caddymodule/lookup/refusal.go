package lookup

import (
	"errors"
	"net/http"

	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/lookup/sightings"
)

// Why nothing is revealed, where neither access nor confirmation refuse.
var (
	errOtherUser = refusal.New(http.StatusForbidden, "other_user",
		"this was started by another user than the one who is logged in now; please start again")
	errNotSealed = refusal.New(http.StatusNotFound, "not_sealed", "no address was sealed for this mask")
	errNoReveals = refusal.New(http.StatusNotFound, "no_reveals", "masks are not revealed on this wiki")
	errCrossSite = refusal.New(http.StatusForbidden, "cross_origin", "a reveal is started on the wiki's own page only")
)

// explainReveal makes a refusal, which has a reason to count, of any error of a reveal.
func explainReveal(err error) *refusal.Refusal {
	if found, ok := refusal.Of(err); ok {
		why := *found
		if why.Status >= http.StatusInternalServerError && why.Cause == nil {
			why.Cause = err
		}
		return &why
	}
	why := refusal.New(statusOf(err), "", err.Error())
	switch {
	case errors.Is(err, errMistake):
		why.Reason = "mistake"
	case errors.Is(err, sightings.ErrUnknown):
		why.Reason = "unknown"
	case errors.Is(err, sightings.ErrEpochDestroyed):
		why.Reason = "epoch_destroyed"
	case errors.Is(err, sightings.ErrNotMask):
		why.Reason = "not_mask"
	default:
		why.Reason, why.Cause = "failed", err
		why.Text = "Nothing can be revealed just now. Try again in a moment."
	}
	return why
}
