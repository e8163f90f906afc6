// Package sessions lets browsers behind one address have masks of their own, so that one vandal behind an exit of Tor, a carrier's
// NAT or a school doesn't have all blocked. A browser is offered a session in a cookie; only when it brings that back does the
// session count, and only while the address has some left of its budget. So who keeps no cookies has the address's mask, and
// who throws them away gets few masks.
//
//	keys, err := sessions.NewKeys(epochs, label)
//	offered := keys.Seal(sessions.New(now))      // to the browser
//	session, fresh, err := keys.Open(text, now)  // from it
//	ok, err := budget.Grant(ctx, place, session) // once
package sessions
