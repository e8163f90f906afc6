package lookup

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/lookup/audit"
	"github.com/wikiveil/wikiveil/lookup/sightings"
)

// Why nothing is revealed, where neither access nor confirmation refuse.
var (
	errOtherUser  = refusal.New(http.StatusForbidden, "other_user", "reveal-refused-other-user")
	errNotSealed  = refusal.New(http.StatusNotFound, "not_sealed", "reveal-refused-not-sealed")
	errNoReveals  = refusal.New(http.StatusNotFound, "no_reveals", "reveal-refused-none")
	errNoSuchPage = refusal.New(http.StatusNotFound, "not_found", "reveal-refused-nothing-here")
	errCrossSite  = refusal.New(http.StatusForbidden, "cross_origin", "reveal-refused-cross-site")
)

// Why a request for a look-up isn't taken. No metric counts these.
var (
	errByPost      = refusal.New(http.StatusMethodNotAllowed, "method", "mask-refused-method")
	errNoMask      = refusal.New(http.StatusBadRequest, "mistake", "mask-refused-no-mask")
	errNothingHere = refusal.New(http.StatusNotFound, "not_found", "mask-refused-nothing-here")
	errElsewhere   = refusal.New(http.StatusForbidden, "cross_origin", "mask-refused-elsewhere")
	errFormUnread  = refusal.New(http.StatusBadRequest, "form", "mask-refused-form")
	errLoadedAhead = refusal.New(http.StatusForbidden, "speculative", "mask-refused-ahead")
	errWithinPage  = refusal.New(http.StatusForbidden, "within_page", "mask-refused-within-page")
)

// errTemporaryAccount: only the wiki knows from which masks a temporary account was used.
var errTemporaryAccount = refusal.New(http.StatusBadRequest, "temporary_account", "mask-refused-temporary-account")

// mistake refuses for a mistake in the request, which the message of that key tells.
func mistake(key string, args ...any) error {
	return refusal.New(http.StatusBadRequest, "mistake", key, args...)
}

// badEntry refuses what the audit can't write down.
func badEntry(err error) error {
	switch {
	case errors.Is(err, audit.ErrReason):
		return mistake("mask-mistake-reason")
	case errors.Is(err, audit.ErrNoReason):
		return mistake("mask-mistake-no-reason")
	case errors.Is(err, audit.ErrPerformer):
		return mistake("mask-mistake-performer")
	}
	return refusal.Literal(http.StatusBadRequest, "mistake", err.Error()) // parseMasks finds these before
}

// ofMask refuses because of a mask, or of one among several.
func ofMask(status int, reason, key string, err error) *refusal.Refusal {
	if of, ok := errors.AsType[*sightings.MaskError](err); ok {
		return refusal.New(status, reason, key+"-named", of.Mask)
	}
	return refusal.New(status, reason, key)
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
		return ofMask(http.StatusNotFound, "unknown", "mask-refused-unknown", err)
	case errors.Is(err, sightings.ErrEpochDestroyed):
		return ofMask(http.StatusGone, "epoch_destroyed", "mask-refused-destroyed", err)
	case errors.Is(err, sightings.ErrNotMask):
		return ofMask(http.StatusBadRequest, "not_mask", "mask-refused-not-mask", err)
	}
	why := refusal.New(http.StatusServiceUnavailable, "failed", "mask-refused-failed")
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
