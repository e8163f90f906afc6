// Package anonproxy fetches what gadgets ask of declared tools, so that a tool
// learns nothing about who asked. `GET /.tools/NAME/path` gets `path` from the
// tool NAME of a [noticeboard.Board].
//
// The request to the tool is built from constants and the path and query alone;
// nothing is copied from the reader's headers, so the requests of two readers
// are equal byte by byte. The answer is built too: status, type, length and
// lifetime, under headers that keep it from running as a script, a worker, a
// frame or a page. What can't be passed on safely is refused with a reason.
//
// Make a [Proxy] with [New]; it is an [http.Handler]. [Proxy.SetBoard] gives it another board. To keep connections over
// a change of configuration, give it transports by [Config.Transport]. A path
// and query can still say who asks, if a gadget puts that there: what package leakguard finds is refused, if
// [Config.Reader] tells who asks.
//
// A request's way: target.go reads the address, package headers the Fetch metadata, leakguard looks at all that would be
// sent; the answer comes from package cache or mirror, or by a fetch, which limits.go lets begin and package transport
// carries; headers builds what the reader gets. Package refresh fills the cache on a schedule, and outcomes has the words
// for how it all ends.
package anonproxy
