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
	return &refusal.Refusal{Status: http.StatusForbidden, Reason: Anonymous, Text: i18n.Verbatim("you are not logged in"), Cause: cause}
}

func blocked() *refusal.Refusal {
	return refusal.Literal(http.StatusForbidden, Blocked, "your account is blocked")
}

func noRight(right Right) *refusal.Refusal {
	return refusal.Literal(http.StatusForbidden, NoRight, fmt.Sprintf("your account does not have the right %q", right))
}

func noQuota(right Right, limit, left int, reset time.Time) *refusal.Refusal {
	return &refusal.Refusal{Status: http.StatusTooManyRequests, Reason: NoQuota, Reset: reset,
		Text: i18n.Verbatim(fmt.Sprintf("your quota of %d a day for %q does not suffice: %d left until %s", limit, right, left, reset.UTC().Format(time.RFC3339)))}
}

func busy() *refusal.Refusal {
	return &refusal.Refusal{Status: http.StatusTooManyRequests, Reason: Busy, Reset: time.Now().Add(time.Second),
		Text: i18n.Verbatim("too many requests of your network are being checked at once; try again in a moment")}
}

// unavailable has a cause that holds no cookie.
func unavailable(cause error) *refusal.Refusal {
	return &refusal.Refusal{Status: http.StatusServiceUnavailable, Reason: Unavailable, Text: i18n.Verbatim("your rights could not be checked; try again later"), Cause: cause}
}

func notSaid(cause error) *refusal.Refusal {
	return &refusal.Refusal{Status: http.StatusServiceUnavailable, Reason: Unavailable, Text: i18n.Verbatim("the wiki doesn't say whose contributions it shows; try again later"),
		Cause: fmt.Errorf("asking the wiki whose contributions it shows: %w", cause)}
}
