package access

import (
	"errors"
	"net/http"
)

// A Gate admits those who have a right and quota left.
type Gate struct {
	Users  Resolver
	Quotas *Quotas
}

// Admit returns the user of a request if he has a right, and takes a number of units from
// his quota of it: one for each mask looked up, compared or revealed. Call it before
// anything is looked up, and write the audit after it.
//
// The error is always a [*Refusal].
func (g *Gate) Admit(r *http.Request, right Right, units int) (User, error) {
	user, err := g.Users.User(r)
	if err == nil && user.ID == "" {
		err = &Refusal{Reason: Anonymous}
	}
	if err != nil {
		return User{}, asRefusal(err, right)
	}
	if !user.Rights.Has(right) {
		return User{}, &Refusal{Reason: NoRight, Right: right}
	}
	if _, err := g.Quotas.Take(r.Context(), user.ID, right, units); err != nil {
		return User{}, asRefusal(err, right)
	}
	return user, nil
}

// asRefusal makes a refusal of any error, and tells the right that was asked for.
func asRefusal(err error, right Right) *Refusal {
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		refusal = unavailable(err)
	}
	told := *refusal
	told.Right = right
	return &told
}
