// Package linkage plays an adversary against the anonymizing proxy: a tool's owner,
// who has the log of the tool's requests and the wiki's public history, that is, which
// page was edited when and by which mask. The adversary wants to find the requests of
// a mask.
//
// A [World] makes a day of a wiki's readers, their gadgets' requests and their
// edits. [Measures] say which of the proxy's defences are on; [World.Day] and
// [Day.Serve] turn the one into the other's log, event by event. [Day.Attack] is
// the adversary's best guess at each edit, and [Run] compares the measures over many
// days. All is decided by the seed.
//
// It is a model and not the proxy itself: it has no bytes and no sockets, only
// who asks when for what, and which of that the tool gets to see, and when. A test
// of package anonproxy has the real proxy serve such a day to the readers, and gives
// what the real tool logged to the same adversary, who is right as often.
//
// # What is measured, and what is assumed
//
// From publications and statistics:
//
//   - Views, edits and pages are those of one middling wiki, French Wikiversity
//     in November 2017: 2,108,016 views and 3,133 edits a month, 15,831 articles,
//     3 new ones a day (Wikistats 1, Wikimedia Foundation).
//   - Readers see 1.5 pages a session on average, most only one (Piccardi, Gerlach,
//     Arora, West: A Large-Scale Characterization of How Readers Browse Wikipedia,
//     ACM TWEB 2023).
//   - The median stay on a page is 25 seconds, with a long tail (TeBlunthuis, Bayer,
//     Vasileva: Dwelling on Wikipedia, OpenSym 2019).
//   - Editors save every 430 seconds on average within a session (Geiger, Halfaker:
//     Using Edit Sessions to Measure Participation in Wikipedia, CSCW 2013).
//   - How often a page is edited has a lognormal distribution and little to do with
//     how often it is read (Analysis of Data Persistence in Collaborative Content
//     Creation Systems: The Wikipedia Case, Information 10(11), 2019).
//   - Requests follow a Zipf-like law with an exponent below 1: 0.8 is within what
//     Breslau, Cao, Fan, Phillips and Shenker found (Web Caching and Zipf-like
//     Distributions, INFOCOM 1999).
//   - Activity has one low in the early morning and a high from afternoon to evening
//     (Yasseri, Sumi, Kertész: Circadian Patterns of Wikipedia Editorial Activity,
//     PLoS ONE 2012); the hourly figures here have that shape, but are not theirs.
//   - Lifetimes are those of two tools of Wikimedia: 4 hours for data (the page view
//     API's Cache-Control), 24 hours for images (the map server's).
//
// Assumed, for want of a source: the widths of the lognormal distributions (1.6 for
// stays, 1.2 for the time to a save, 1.5 for edits a page), 3 edits a session, every
// second of them to the page of the last, images on a quarter of the pages, a lookup
// with a parameter of the reader's own on 2 views of 100, a tool that answers in
// 150 ms at the median. [Scenarios] varies those that matter.
package linkage
