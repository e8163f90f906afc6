// Package masklog masks log entries, so that whoever reads a log learns nobody's address from it.
//
// If a log showed the mask of any address that it is given, masks could be turned into addresses:
// somebody sends a list of addresses in a header, and reads in the log which one has which mask. So a
// mask stands only where the server itself names the peer or the client of a request. Every other
// address, in any spelling, becomes [Masked], and so does what may be one. The operator's own
// servers stay readable.
//
// [Encoder] wraps any encoder of zap. The fields are masked before that sees them, so that one
// which rewrites, hashes or picks them can't undo it, and the finished line once more.
package masklog

import (
	"net/netip"

	"go.uber.org/zap/zapcore"
)

// Masked stands for an address. It's never longer than twice the shortest.
const Masked = "masked"

// leftOut ends a value that lists more addresses than an entry is allowed.
const leftOut = Masked + " and more"

// maxFound is how many addresses are looked at in an entry; lists of thousands are an attack on the log.
const maxFound = 64

// Rules are how the entries of a log are masked.
type Rules struct {
	// Mask returns what stands for the peer or client of a request.
	Mask func(netip.Addr) string

	// Readable are the operator's own servers. Default: none.
	Readable map[netip.Addr]struct{}

	// Paths are the operator's own, the longer first; see [Paths]. They stay readable, though they hold numbers that could be
	// addresses: they are the same whoever asks. Default: none.
	Paths []string

	// Request describes an object that is a request as the server logs it; false is any other.
	Request func(zapcore.ObjectMarshaler) (Request, bool)

	// Keep returns what makes an object as it is now, whatever becomes of it, when an entry wants it; nil is one that must be
	// taken down at once. It's for objects that are kept in less time than they are taken down. Default: none are kept.
	Keep func(zapcore.ObjectMarshaler) func() zapcore.ObjectMarshaler

	// Forwards reports whether a header hands on addresses, by its name. Nothing of it is shown.
	Forwards func(name string) bool

	// Texts makes an array of texts for a wrapped encoder that isn't plain: Caddy's filters rewrite only those of a type of its own,
	// and leave others as they are. Default: an array of no such type.
	Texts func([]string) zapcore.ArrayMarshaler

	// Page returns what is shown of a URL; false is a URL that is shown as it is. Default: all are.
	Page func(url string) (shown string, ours bool)

	names  seen[name]
	agents seen[agent]
}

// Request is whose a request is.
type Request struct {
	Peer, Client netip.Prefix // the address, or the IPv6 prefix that a mask stands for; zero: not known
	Private      bool         // who is logged in is not shown
	Mask         string       // that the app sees, if it's known
}

// describe returns whose request an object is, if it's one.
func (r *Rules) describe(m zapcore.ObjectMarshaler) (Request, bool) {
	if r.Request == nil {
		return Request{}, false
	}
	return r.Request(m)
}
