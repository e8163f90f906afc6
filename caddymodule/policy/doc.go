// Package policy has what keeps third parties out of pages: the handlers csp and third_party_consent, the listener wrapper for
// what the server responds by itself, the endpoint of reports, rollouts and forecasts with their pages, admin routes and commands.
package policy
