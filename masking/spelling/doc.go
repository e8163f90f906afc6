// Package spelling knows every way to write an IP address. It is the one detector of addresses:
// of what is sent to the wiki, answered to readers, logged, and sent to tools.
//
//   - [Replace] finds any address in the spellings that can be nothing else.
//   - A [Finder] finds one client's address, in all spellings.
//   - [Read] takes a text apart for a [Reader] that looks for more than addresses, as the leak guard does.
//   - [Hide] hides whatever may be anybody's, in all spellings.
package spelling
