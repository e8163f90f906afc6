package access

import (
	"fmt"
	"net/http"
	"time"
)

// A Reason says why somebody is not admitted. It does as a metric's label and as a key
// for translations.
type Reason string

// The reasons.
const (
	Anonymous   Reason = "anonymous"   // nobody is logged in
	Blocked     Reason = "blocked"     // the user is blocked sitewide
	NoRight     Reason = "right"       // the user lacks the right
	NoQuota     Reason = "quota"       // the user has asked enough today
	Busy        Reason = "busy"        // too many requests of the user's network at once
	Unavailable Reason = "unavailable" // it can't be told who the user is, or how much he has asked
)

// A Refusal is why somebody is not admitted.
type Refusal struct {
	Reason Reason
	// Right is the one that was asked for; 0 where that was not come to.
	Right Right
	// Limit is the quota of a day, Left what is left of it, Reset when it begins anew.
	Limit, Left int
	Reset       time.Time
	// Cause is for the operator's log, not for the visitor. It holds no cookie.
	Cause error
}

// Error says to the visitor what is the matter, in one plain sentence without the cause.
func (r *Refusal) Error() string {
	switch r.Reason {
	case Anonymous:
		return "you are not logged in"
	case Blocked:
		return "your account is blocked"
	case NoRight:
		return fmt.Sprintf("your account does not have the right %q", r.Right)
	case NoQuota:
		return fmt.Sprintf("your quota of %d a day for %q does not suffice: %d left until %s",
			r.Limit, r.Right, r.Left, r.Reset.UTC().Format(time.RFC3339))
	case Busy:
		return "too many requests of your network are being checked at once; try again in a moment"
	}
	return "your rights could not be checked; try again later"
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// Status is the HTTP status that goes with the refusal.
func (r *Refusal) Status() int {
	switch r.Reason {
	case Anonymous, Blocked, NoRight:
		return http.StatusForbidden
	case NoQuota, Busy:
		return http.StatusTooManyRequests
	}
	return http.StatusServiceUnavailable
}

func unavailable(cause error) *Refusal { return &Refusal{Reason: Unavailable, Cause: cause} }
