package masklog

import (
	"net/netip"
	"slices"
	"strings"

	"go.uber.org/zap/zapcore"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/spelling"
)

// entry is what is known of an entry while it's masked.
type entry struct {
	rules    *Rules
	finders  [2]spelling.Finder // of the request's client and peer
	clients  [2]netip.Prefix
	known    int // of these
	private  bool
	found    int          // addresses so far
	versions []netip.Addr // that were left in a user agent
	masked   [2]struct {  // the peer's and the client's, which mostly are one
		text, mask string
	}
}

// see takes note of whose request an entry is about.
func (e *entry) see(m zapcore.ObjectMarshaler) bool {
	if e.rules.Request == nil {
		return false
	}
	r, ok := e.rules.Request(m)
	if !ok {
		return false
	}
	e.private = e.private || r.Private
	for _, client := range [...]netip.Prefix{r.Client, r.Peer} {
		if !client.IsValid() || e.readable(client.Addr()) || slices.Contains(e.clients[:e.known], client) || e.known == len(e.finders) {
			continue
		}
		finder := spelling.NewFinder(client)
		for server := range e.rules.Readable {
			if client.Contains(server) {
				finder = finder.Except(server)
			}
		}
		e.clients[e.known], e.finders[e.known] = client, finder
		e.known++
	}
	return true
}

// field masks a text by the name it has.
func (e *entry) field(key, value string, ofRequest bool) string {
	switch key {
	case "remote_port", "client_port":
		return "0"
	case "remote_ip", "client_ip":
		if ofRequest {
			return e.maskOf(value)
		}
	case "user_id":
		if e.private {
			return ""
		}
	}
	return e.value(key, value)
}

// value masks a header's value, or any other text that has a name.
func (e *entry) value(key, text string) string {
	if e.rules.Page != nil && len(text) > 0 && (text[0] == '/' || strings.HasPrefix(text, "http")) {
		if shown, ours := e.rules.Page(text); ours {
			text = shown
		}
	}
	return e.mask(text, isAgent(key))
}

func (e *entry) text(text string) string { return e.mask(text, false) }

// maskOf returns the mask of a peer or client.
func (e *entry) maskOf(text string) string {
	for i := range e.masked {
		switch known := &e.masked[i]; known.text {
		case text:
			return known.mask
		case "":
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return e.text(text)
			}
			if addr = addr.Unmap(); masking.Is(addr) {
				return text
			}
			known.text, known.mask = text, e.rules.Mask(addr)
			return known.mask
		}
	}
	return Masked
}

// mask masks a text. In a user agent versions stay.
//
// What is replaced must not depend on whose request it is: who can make a reader's browser ask for a list of
// addresses and reads the log would see which is the reader's. So addresses that can be nothing
// else all become the same; and where the client's own is then left in another spelling, which
// would be a word or a number in another's request, all of the text goes.
func (e *entry) mask(text string, agent bool) string {
	if mayHold(text) {
		if agent {
			e.learnVersions(text)
		}
		if out, changed := scan(e, text, agent); changed {
			text = string(out)
		}
	}
	for i := range e.known {
		if e.finders[i].Finds(text) {
			return Masked
		}
	}
	return text
}

// mayHold rules out texts without the separators of addresses.
func mayHold(text string) bool {
	return strings.IndexByte(text, '.') >= 0 || strings.IndexByte(text, ':') >= 0 || strings.IndexByte(text, '%') >= 0
}

// scan masks the addresses of a text that can be nothing else.
func scan[T string | []byte](e *entry, text T, agent bool) (out []byte, changed bool) {
	from := 0
	for at := 0; ; {
		f, ok := spelling.Next(text, at)
		if !ok {
			break
		}
		if e.found++; e.found > maxFound {
			return append(append(out, text[from:f.Start]...), leftOut...), true
		}
		if e.keeps(f.Addr, agent) {
			at = f.End
			continue
		}
		out = append(append(out, text[from:f.Start]...), Masked...)
		from, at = f.End, f.End
	}
	if from == 0 {
		return nil, false
	}
	return append(out, text[from:]...), true
}

// keeps reports whether an address stays: a mask, a server's, none, or a version of a user agent.
func (e *entry) keeps(addr netip.Addr, agent bool) bool {
	return addr.IsUnspecified() || masking.Is(addr) || e.readable(addr) || agent && slices.Contains(e.versions, addr) && !e.isClient(addr)
}

func (e *entry) isClient(addr netip.Addr) bool {
	return slices.ContainsFunc(e.clients[:e.known], func(client netip.Prefix) bool { return client.Contains(addr.Unmap()) })
}

func (e *entry) readable(addr netip.Addr) bool {
	_, ok := e.rules.Readable[addr.Unmap().WithZone("")]
	return ok
}
