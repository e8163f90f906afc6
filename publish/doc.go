// Package publish is the parent of what turns old data into masks before it's published, without Caddy: scrub, which masks dumps
// and logs; check, which looks for what is left; find, packed, inorder and wikiname, which they share.
package publish
