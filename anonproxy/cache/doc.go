// Package cache is a shared HTTP cache (RFC 9111, RFC 5861) for answers that are
// the same for every reader. It knows nothing of readers: a [Cache] is asked for
// a [Key] and given a [Fetch], and what it hands out is status, type, lifetime
// and body under validators of its own.
//
// Make a cache with [New]. [Cache.Get] and [Cache.Lookup] give an [Answer], of which [Answer.Reply] makes what
// one request gets. [Cache.Refresh] asks ahead of readers; [Cache.Purge] and [Cache.Invalidate] forget.
//
// Whoever fetches decides what may be passed on and sends the same request for
// every reader, all of which stands in the key. So a Vary field is satisfied by
// construction, except for `*`, which is never stored. A reader's Cache-Control
// is not looked at (RFC 9111 section 5.2.1 leaves that free): one who reloads
// must not make the tool see them.
//
// Equal requests at one time are one fetch, whose readers follow it as it
// arrives; a reader who leaves changes nothing for the others. A response that
// must not be reused (no-store, private, no-cache, Set-Cookie, Vary: *) is given
// to one reader alone and the others fetch for themselves. Other responses go to
// all who asked before they came, stored or not.
//
// All bodies, stored, arriving or still being read after they were evicted, count
// against one bound of bytes ([Config.MaxBytes]). Where it is used up, answers
// pass through without being stored.
//
// Validators: the tool's own are sent to the tool only. Readers get the hash of
// what they read as an ETag, which a tool can't choose per reader without also
// choosing the body. Answers up to [Config.Hold] bytes are held back until they
// are whole, so that the first reader gets the very header that later ones get,
// but for Age. Longer ones begin at once, and the first reader's has no ETag, and
// no Content-Length where the tool gave none. A reader can tell a hit from a miss
// by the time it takes; nothing here hides that.
package cache
