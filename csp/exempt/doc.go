// Package exempt lets one reader let one declared tool through the wiki's
// Content-Security-Policy: exactly its kinds from exactly its origins, for 30 days,
// until the reader withdraws it or what they agreed to changes in the tool's declaration.
//
// A [Site] has the pages. The reader starts at [GoPath] on the wiki, is asked on
// the consent origin by typing a code (package confirm says why there), and comes
// back to [CommitPath], which writes the grant. [ListPath] shows the grants and
// withdraws them. Nothing else in an address changes anything.
//
//	site, err := exempt.New(exempt.Config{Flow: flow, Declared: live.ForConsent, …})
//	wikiMux.Handle("/.privacy/", site.Wiki())
//	consentMux.Handle("/", site.Consent())
//
// [Site.Tools] tells for each request which tools its reader let through, and
// [Policies.For] the policies to answer with; [MarkPersonal] keeps such an answer out of
// shared caches:
//
//	tools, err := site.Tools(r)
//	templates, err := policies.For(tools)
//	if len(tools) > 0 && err == nil { exempt.MarkPersonal(w.Header()) }
//
// Edge cookies never reach the app, nor may it set them: [StripCookies] and
// [StripSetCookies].
//
// # Where grants are kept
//
// In the cookie [GrantsCookie], for browsers that let nobody but this host's server
// set a cookie of such a name. It is what [confirm.Flow.Keep] makes of the grants, each
//
//	length of the name (1 byte) | name | iat, Unix time in seconds (4, big-endian) | state (32)
//
// The state is a hash of what the reader agreed to ([noticeboard.Tool.ConsentHash]), which has all that the grant lets through. Checked
// at every use are the signature, B (the browser), the age and the state. A name that
// comes twice counts as none.
//
// Other browsers (Safari and everything on WebKit, old ones) let a gadget write any
// cookie: it could plant a browser cookie with grants that its author got for their own browser, with
// no probe beside them. What [confirm.Flow.EnforcesPrefixes] sees is then what the gadget
// arranged. So a cookie's grants count only where the browser's name also says that it
// is one that enforces the prefix; a script can't change the User-Agent of a
// navigation, and only navigations get a wider policy. All others get no
// exemption. Nor can the server keep one for them: a gadget would plant the browser cookie of its
// author, who has answered the question, and send the tab to commit the author's ticket.
package exempt
