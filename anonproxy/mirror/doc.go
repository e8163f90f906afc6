// Package mirror keeps files that are known by their hash, so that nobody need ask
// the service they come from: libraries of scripts, fonts and their style sheets.
//
// A [Store] keeps them in memory and on disk, and gives none whose content isn't
// the one that is pinned. An [Entry] is a file in use: [Entry.Fill] gets it by a
// function of the caller's, [Entry.Get] returns it and asks nobody. [Sheet] rewrites
// style sheets, so that they lead to mirrored files or nowhere.
package mirror
