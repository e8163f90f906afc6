// Package access says who may look masks up, and how often.
//
//	wiki, err := access.NewMediaWiki(access.MediaWikiConfig{API: "http://127.0.0.1:8081/w/api.php", Host: "wiki.example"})
//	counts, err := kv.OpenBolt("/var/lib/…/quotas.db", clock.Passed)
//	quotas, err := access.NewQuotas(counts, key, access.Limits{})
//	gate := &access.Gate{Users: wiki, Quotas: quotas}
//
//	user, err := gate.Admit(r, access.Info, len(masks)) // before anything is looked up
//
// A [Resolver] tells who makes a request: [MediaWiki] asks the wiki with the visitor's
// own session, [Fixed] takes the user from an authentication in front and the user's rights
// from the configuration. Whatever goes wrong, nobody is admitted: each error of a [Gate] is
// a [*refusal.Refusal] with its reason.
//
// # Quotas
//
// Comparing masks is an oracle: enough look-ups would draw the map that masks hide. So
// each user has a number of look-ups (a comparison counts each mask) and of reveals for
// each day (UTC). What is taken is on disk before it is granted, so a crash gives nothing
// back, and nothing is given back for a look-up that found nothing.
//
// In a file the counts are one node's: users have their quota at each node. In Redis several nodes have one count;
// with Redis's "appendfsync everysec" a crash of Redis gives back what was taken in the last second. The keys hold no
// user's id, but a keyed hash of it.
package access
