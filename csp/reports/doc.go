// Package reports collects what browsers report of a Content-Security-Policy's
// violations, counts it in bounded memory and keeps nothing of the sender.
//
//	store, err := kv.OpenBolt("/var/lib/wikiveil/csp-reports.db", clock.Passed)
//	collector, err := reports.New(reports.Config{
//		Store: store, Client: func(r *http.Request) string { return mask(r) },
//	})
//	defer collector.Close()
//	mux.HandleFunc("/.privacy/csp-reports", func(w http.ResponseWriter, r *http.Request) {
//		collector.ServeOwn(w, r, func(origin string) bool { return origin == "https://wiki.example" })
//	})
//
// Call [Collector.PageView] for each page that is shown, and [Collector.Snapshot]
// for what was collected. [Parser] reads reports without a collector.
//
// # What is kept
//
// A [Report] is a directive, a blocked origin, the code or the page that caused it, and
// whether the policy was enforced. Queries, fragments, user names and passwords of
// URLs, referrers, samples, policies, line numbers and user agents are dropped before
// anything is counted, addresses in titles too, and the names of those whose personal
// common.js it was.
//
// What names a gadget is kept of a script's URL: the title of a wiki's page of code, and
// the gadgets among load.php's modules. Chromium strips the query off a script's URL
// and names no script at all for an image, font or style that a script puts into the
// page, so there the blocked origin is all that tells a gadget: look for the code that
// has it.
//
// # How it is counted
//
// Any number of hosts may be reported, by readers or forged, and memory stays as it
// is. Each day has two summaries as Misra and Gries describe them ([Misra-Gries]), one by
// all of a Report and one without its Gadget and Page. While there are at most twice
// [Config].Groups keys, k for short, they are exact. Beyond, keys that are rare go;
// what stays is a lower bound, exact for keys that came before any went, and no count is
// more than N/(k+1) too low, with N reports in all. That bound also holds after
// summaries of nodes and days were merged ([Mergeable], theorem 1).
//
// Hours are kept for plots, in UTC.
//
// # Where it is kept
//
// A [kv.Store] has one value a day. Every 10 seconds a node merges into it what it has
// counted, off the path of any request; several nodes add to one Redis. A process that is
// killed loses what came since. A store that is away loses nothing for three days; a
// damaged one is refused and left as it is.
//
// [Misra-Gries]: https://doi.org/10.1016/0167-6423(82)90012-0
// [Mergeable]: https://doi.org/10.1145/2213556.2213562
package reports
