package lookup

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/lookup/sightings"
)

// Why nothing is revealed, where neither access nor confirmation refuse.
var (
	errOtherUser = refusal.Literal(http.StatusForbidden, "other_user",
		"this was started by another user than the one who is logged in now; please start again")
	errNotSealed = refusal.Literal(http.StatusNotFound, "not_sealed", "no address was sealed for this mask")
	errNoReveals = refusal.Literal(http.StatusNotFound, "no_reveals", "masks are not revealed on this wiki")
	errCrossSite = refusal.Literal(http.StatusForbidden, "cross_origin", "a reveal is started on the wiki's own page only")
)

// errTemporaryAccount: only the wiki knows from which masks a temporary account was used.
var errTemporaryAccount = refusal.Literal(http.StatusBadRequest, "temporary_account",
	"a temporary account has no mask of its own; the wiki shows the masks that it was used from to those who may see addresses, in its lists of contributions and histories")

// mistakef refuses for a mistake in the request, which the text tells.
func mistakef(format string, args ...any) error {
	return refusal.Literal(http.StatusBadRequest, "mistake", fmt.Sprintf(format, args...))
}

// explain makes a refusal, which has a reason to count, of any error of a look-up or reveal.
func explain(err error) *refusal.Refusal {
	if found, ok := refusal.Of(err); ok {
		why := *found
		if why.Status >= http.StatusInternalServerError && why.Cause == nil {
			why.Cause = err
		}
		return &why
	}
	switch {
	case errors.Is(err, sightings.ErrUnknown):
		return refusal.Literal(http.StatusNotFound, "unknown", err.Error())
	case errors.Is(err, sightings.ErrEpochDestroyed):
		return refusal.Literal(http.StatusGone, "epoch_destroyed", err.Error())
	case errors.Is(err, sightings.ErrNotMask):
		return refusal.Literal(http.StatusBadRequest, "not_mask", err.Error())
	}
	why := refusal.Literal(http.StatusServiceUnavailable, "failed", "This can't be done just now. Try again in a moment.")
	why.Cause = err
	return why
}

// refused tells metrics, the log and the response's headers why an action isn't done. What is the operator's to know
// goes to the log alone.
func (c *MaskAccess) refused(w http.ResponseWriter, action string, err error) *refusal.Refusal {
	why := explain(err)
	c.app.Metrics().Lookups.WithLabelValues(action, why.Reason).Inc()
	if why.Cause != nil {
		c.logger.Error("request about masks refused", zap.String("action", action), zap.String("reason", why.Reason), zap.Error(why.Cause))
	}
	if !why.Reset.IsZero() {
		w.Header().Set("Retry-After", strconv.Itoa(int(time.Until(why.Reset).Seconds())+1))
	}
	return why
}

// capital makes a sentence of an error's text.
func capital(text string) string {
	if text == "" {
		return text
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}
