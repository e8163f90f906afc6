// Package confirm lets a person confirm an act so that no script on the wiki's
// origin can confirm, read, forge, widen, replay or clickjack it.
//
// Gadgets and user scripts run on the wiki's origin with the reader's session.
// There no form is safe: a service worker reads it, with its token and its code.
// So the question is asked on another origin, another port of the wiki's
// host or a subdomain, which runs no script at all. A [Flow] is one kind of act,
// such as exempting a tool or revealing a mask, and goes in five steps:
//
//	flow, err := confirm.New(confirm.Config{
//		Purpose: "exempt", Wiki: "https://wiki.example", Origin: "https://wiki.example:9443",
//		Keys: keys, Nonces: nonces,
//	})
//
// 1. On the wiki, [Flow.Start] makes sure of the browser cookie and returns a
// hand-off to redirect with. No script can read, plant or replace the cookie, nor
// read where a navigation is redirected to: the person is from now on one browser,
// B, and the subject is what the wiki's server said.
//
//	handOff, err := flow.Start(w.Header(), r, "tool-name")
//	http.Redirect(w, r, flow.Address("/tool", handOff), http.StatusSeeOther)
//
// 2. On the other origin, [Flow.OpenPage] takes the hand-off only from a
// navigation of a tab over https: not from fetch, a frame, a prefetch or a
// service worker.
//
// 3. [Flow.Ask] makes the challenge that [Pages] shows: a token bound to all of
// purpose, wiki, B, subject, action and the subject's exact state ([Bind]), and a
// code that the person types. A click that was stolen, swapped or prepared long
// before does not know the code.
//
//	handOff, err := flow.OpenPage(r, r.TLS != nil)
//	challenge, err := flow.Ask(handOff, "grant", confirm.Bind(declaration, revision))
//
// 4. [Flow.ReadForm] takes the form only from this origin's own page, and [Flow.Redeem]
// the token once, after 1.5 seconds and within 10 minutes, right code or not, and
// only for what the server now says the request is for.
//
//	form, err := flow.ReadForm(r, r.TLS != nil)
//	confirmed, err := flow.Redeem(r, form, confirm.Act{Subject: "tool-name", Action: "grant", Binding: binding})
//
// Now the act is confirmed. What is done on the other origin itself, such as
// showing an address, is done here.
//
// 5. What changes the wiki's cookies goes back there: redirect (303) to it with
// [Flow.Ticket], which [Flow.Commit] takes once, within a minute, in the same browser.
//
//	http.Redirect(w, r, flow.Wiki()+"/.privacy/commit?"+confirm.TicketParam+"="+flow.Ticket(confirmed), http.StatusSeeOther)
//	confirmed, err := flow.Commit(r)
//
// Every refusal is a [refusal.Refusal] that names its reason.
//
// All five steps are for one client, too. A client, and each network around it, has a share of what
// can be confirmed at a time ([Share]), and a hand-off opens a few pages: nobody stops the others by wrong codes.
//
// # What to mind
//
// Put nothing else on the other origin, above all nothing that the wiki's users
// can write. All pages there must go out with [Flow.SetHeaders].
//
// A subdomain does not get the wiki host's cookies. There the hand-off alone says who
// comes, and B is compared at the commit only. On another port it is compared
// at each step, also if a hand-off leaks; prefer that.
//
// A browser that ignores cookie name prefixes (WebKitGTK) lets a script plant a
// browser cookie and everything bound to it. Ask [Flow.EnforcesPrefixes].
//
// # Formats
//
// Hand-off, token, ticket, browser cookie and what [Flow.Keep] makes are base64url, without padding, of
//
//	version (1 byte) = 1 | fields, each after its length (2 bytes, big-endian) | HMAC-SHA-256 of all before (32)
//
//	browser cookie: 128 random bits
//	hand-off:       purpose, wiki, B, client, subject, iat, nonce
//	ticket:         purpose, wiki, B, client, subject, iat, nonce, action, binding
//	token:          purpose, wiki, B, client, subject, iat, nonce, action, binding, hash(nonce, code)
//	kept:           purpose, wiki, B, value
//
// iat is Unix time in milliseconds (8 bytes, big-endian), nonces are 128 random bits, B and
// binding are SHA-256, client is HMAC-SHA-256 of the client's address, cut to 16 bytes, hash(nonce, code) is HMAC-SHA-256, so that a token alone does not
// give away its code. Each has its own key, by HKDF with info "wikiveil/v1/confirm/<use>". Only
// the one spelling that this package writes is accepted.
package confirm
