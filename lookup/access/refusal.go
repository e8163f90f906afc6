package access

import (
	"fmt"
	"net/http"
	"time"

	"github.com/wikiveil/wikiveil/internal/i18n"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// Reasons of the [refusal.Refusal] for those who are not admitted.
const (
	Anonymous   = "anonymous"   // nobody is logged in
	Blocked     = "blocked"     // the user is blocked sitewide
	NoRight     = "right"       // the user lacks the right
	NoQuota     = "quota"       // the user has asked enough today
	Busy        = "busy"        // too many requests of the user's network at once
	Unavailable = "unavailable" // it can't be told who the user is, how much they have asked, or what the wiki shows them
)

func anonymous(cause error) *refusal.Refusal {
	return &refusal.Refusal{Status: http.StatusForbidden, Reason: Anonymous, Text: i18n.Message{Key: "mask-refused-anonymous"}, Cause: cause}
}

func blocked() *refusal.Refusal {
	return refusal.New(http.StatusForbidden, Blocked, "mask-refused-blocked")
}

func noRight(right Right) *refusal.Refusal {
	return refusal.New(http.StatusForbidden, NoRight, "mask-refused-right", right)
}

func noQuota(right Right, limit, left int, reset time.Time) *refusal.Refusal {
	return &refusal.Refusal{Status: http.StatusTooManyRequests, Reason: NoQuota, Reset: reset,
		Text: i18n.Message{Key: "mask-refused-quota", Args: []any{limit, right, left, reset.UTC().Format(time.RFC3339)}}}
}

func busy() *refusal.Refusal {
	return &refusal.Refusal{Status: http.StatusTooManyRequests, Reason: Busy, Reset: time.Now().Add(time.Second),
		Text: i18n.Message{Key: "mask-refused-busy"}}
}

// unavailable has a cause that holds no cookie.
func unavailable(cause error) *refusal.Refusal {
	return &refusal.Refusal{Status: http.StatusServiceUnavailable, Reason: Unavailable, Text: i18n.Message{Key: "mask-refused-unavailable"}, Cause: cause}
}

func notSaid(cause error) *refusal.Refusal {
	return &refusal.Refusal{Status: http.StatusServiceUnavailable, Reason: Unavailable, Text: i18n.Message{Key: "mask-refused-not-said"},
		Cause: fmt.Errorf("asking the wiki whose contributions it shows: %w", cause)}
}
