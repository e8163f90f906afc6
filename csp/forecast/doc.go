// Package forecast tells from violation reports what a Content-Security-Policy would
// break if it were enforced, and drafts the declarations of tools that would keep it
// working.
//
//	code, err := forecast.MediaWikiGadgets(ctx, "https://wiki.example/w/api.php", "")
//	f, err := forecast.New(forecast.Input{
//		Reports: snapshot, Page: "https://wiki.example", Policy: policy, Tools: tools, Code: code,
//	})
//	err = f.WriteText(os.Stdout)
//
// # Which gadget it is
//
// Chromium mostly does not say: it strips the query off load.php's URL, and names no
// script for an image that a script puts into the page. So a blocked origin is looked
// for in the gadgets' code too. [Evidence] tells which of both it was. A gadget that puts
// an address together from parts can't be found this way.
//
// # What reports can't tell
//
// Anybody can send reports. An origin that no code names may be forged, or come from a
// reader's own script or browser extension: drafts for it say so.
//
// A report has an origin, and no path, nonce or hash. Where a policy has such sources,
// the verdict is "depends". What today's policy allows is in no report: so of what a
// proposed policy newly blocks, only what was reported is counted, and the sources that
// it drops are listed besides.
//
// Nothing is reported twice for one load unless two policies were sent; then the greater
// count is taken. A share is reports for each page view seen, at most 1.
package forecast
