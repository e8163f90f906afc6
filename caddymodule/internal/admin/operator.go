package admin

import (
	"cmp"

	"github.com/wikiveil/wikiveil/lookup/audit"
)

const (
	// operatorPrefix begins the id of whoever acts through the admin API or a command, so that it is no user's:
	// see access.WikiUsers.
	operatorPrefix = "admin:"
	// byAdminAPI is who acts where the request doesn't say.
	byAdminAPI = "API"
)

// OperatorID is the id under which an operator's doings are kept.
func OperatorID(name string) string { return operatorPrefix + name }

// Operator reads who acts from a request to the admin API. It would be kept for a year, so it is no address.
func Operator(by string) (string, error) {
	if err := audit.CheckNoAddress("by", by); err != nil {
		return "", BadRequest(err)
	}
	return OperatorID(cmp.Or(by, byAdminAPI)), nil
}
