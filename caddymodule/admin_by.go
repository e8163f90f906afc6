package caddymodule

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

// operator is the id under which an operator's doings are kept.
func operator(name string) string { return operatorPrefix + name }

// operatorOf reads who acts from a request to the admin API. It would be kept for a year, so it is no address.
func operatorOf(by string) (string, error) {
	if err := audit.CheckNoAddress("by", by); err != nil {
		return "", badRequest(err)
	}
	return operator(cmp.Or(by, byAdminAPI)), nil
}
