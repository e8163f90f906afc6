package access

import (
	"net/http"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

// A Gate admits those who have a right and quota left.
type Gate struct {
	Users  Resolver
	Quotas *Quotas
}

// Admit returns the user of a request if they have the right, and takes units from their
// quota of it: one for each mask looked up, compared or revealed. Call it before
// anything is looked up, and write the audit after it.
//
// The error is always a [*refusal.Refusal].
func (g *Gate) Admit(r *http.Request, right Right, units int) (User, error) {
	user, err := g.Users.User(r)
	if err == nil && user.ID == "" {
		err = anonymous(nil)
	}
	if err != nil {
		return User{}, asRefusal(err)
	}
	if !user.Rights.Has(right) {
		return User{}, noRight(right)
	}
	if _, err := g.Quotas.Take(r.Context(), user.ID, right, units); err != nil {
		return User{}, asRefusal(err)
	}
	return user, nil
}

// asRefusal makes a refusal of any error.
func asRefusal(err error) *refusal.Refusal {
	if refused, ok := refusal.Of(err); ok {
		return refused
	}
	return unavailable(err)
}
