// Package noticeboard is the register of the third-party tools that a wiki's
// readers may reach: what each is, where it lives, what it gets and why.
//
// A [Board] is a set of validated declarations that never changes: make one with
// [New] or, from a file, with [Parse]. A [Live] board follows a file and the
// [State] that nodes share: the kill switch, the revisions of the declarations
// and the log of their changes. Ask it at each use of a tool:
//
//	state, err := noticeboard.OpenState(ctx, storage)
//	live, err := noticeboard.NewLive(noticeboard.LiveConfig{Tools: tools, File: "tools.json", State: state})
//	err = live.Publish(ctx)                        // counts revisions, logs changes
//	go live.Follow(ctx, 0, logger)                 // file, kill switch, expiry
//	entry, err := live.ForProxy(name, path)        // a *refusal.Refusal says why not
//	entry, err = live.ForConsent(name)             // consent is bound to entry.Consent
//	err = live.Disable(ctx, noticeboard.Stop{Tool: name, By: who, Why: why})
//
// [NewPage] and [Live.Page] show a board to readers and programs.
//
// # The file
//
// It is a toolinfo.json of Toolhub (schema 1.2.2): one object or an array. Each
// entry that has the member "wikiveil" is declared; that member is a [Tool] in
// JSON, in which what is missing comes from the entry:
//
//	{
//		"name": "maps", "title": "Maps", "description": "Shows where things are", "url": "https://maps.example.org",
//		"repository": "https://git.example.org/maps", "privacy_policy_url": "https://maps.example.org/privacy",
//		"wikiveil": {"origin": "https://maps.example.org", "kinds": ["img"], "sends": "Coordinates", "retention": "A day"}
//	}
//
//	toolinfo            Tool
//	name                name, if it has a name's form; else give one
//	title               title
//	description         purpose
//	url                 url
//	author              author
//	repository          source
//	privacy_policy_url  privacy (English or first, where there are several)
//	feedback_url, bugtracker_url  contact
//
// Other members of an entry are left alone, whatever they are. Unknown members of
// "wikiveil" are refused, and so are members of ours that stand outside of it, as
// they would do nothing there. An entry without "wikiveil" is listed and can't be
// reached: it is pending.
//
// # Compliance labels
//
// A label says how much a declaration tells and how little the tool gets; see
// [Label]. It is computed from what is declared, and no proof of it.
package noticeboard
