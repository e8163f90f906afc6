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
	texts    func([]string) zapcore.ArrayMarshaler // see Rules; nil for a plain encoder
	clients  [2]netip.Prefix                       // the request's client and peer
	known    int                                   // of these
	private  bool
	appsMask string       // of the client, as the app sees it
	finished bool         // its line is written, with the masks that belong there
	found    int          // addresses so far
	paths    int          // of the operator's so far
	versions []netip.Addr // that were left in a user agent
	masked   [2]struct {  // the peer's and the client's, which mostly are one
		text, mask string
	}
}

// clone returns an entry of its own, with all that is known so far.
func (e *entry) clone() entry {
	clone := *e
	clone.versions = slices.Clip(e.versions)
	return clone
}

// see takes note of whose request an entry is about, if it's about one.
func (e *entry) see(r Request, ok bool) {
	if !ok {
		return
	}
	e.private = e.private || r.Private
	if r.Mask != "" {
		e.appsMask = r.Mask
	}
	for _, client := range [...]netip.Prefix{r.Client, r.Peer} {
		if !client.IsValid() || e.readable(client.Addr()) || slices.Contains(e.clients[:e.known], client) || e.known == len(e.clients) {
			continue
		}
		e.clients[e.known] = client
		e.known++
	}
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
	case "epoch":
		if isEpoch(value) {
			return value
		}
	case "user_id":
		if e.private {
			return ""
		}
	}
	return e.value(key, value)
}

// isEpoch reports whether a text can be the id of an epoch, which the edge itself logs.
func isEpoch(id string) bool {
	return len(id) == 12 && strings.Trim(id, "0123456789abcdef") == ""
}

// value masks a header's value, or any other text that has a name.
func (e *entry) value(key, text string) string {
	if key == "Client-Mask" { // the edge's own word, wherever the client's address stood
		if addr, err := netip.ParseAddr(text); err == nil && masking.Is(addr) {
			return text
		}
	}
	if e.rules.Page != nil && len(text) > 0 && (text[0] == '/' || strings.HasPrefix(text, "http")) {
		if shown, ours := e.rules.Page(text); ours {
			text = shown
		}
	}
	return e.maskText(text, isAgent(key))
}

// key masks a field's key: it can be a header's name, and so a client's words.
func (e *entry) key(key string) string {
	if e.rules.name(key).ordinary {
		return key
	}
	return e.text(key)
}

func (e *entry) text(text string) string { return e.maskText(text, false) }

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

// maskText masks a text. In a user agent versions stay.
//
// What is replaced must not depend on whose request it is: whoever can make a reader's browser ask for a list of
// addresses and reads the log would see which is the reader's. So whatever may be anybody's address, in any spelling,
// becomes the same; some numbers and ids that aren't do too.
func (e *entry) maskText(text string, agent bool) string {
	if before, path, after, found := e.rules.cutPath(text); found && e.paths < maxFound {
		e.paths++
		return e.maskText(before, agent) + path + e.maskText(after, agent)
	}
	if agent {
		if !e.staysWhole(e.rules.agent(text)) {
			text, _ = e.scan(text, userAgent)
		}
		return text
	}
	hidden, _, ok := spelling.HideUnlessNext(text, Masked)
	if !ok {
		hidden, _ = e.scan(text, anyText)
	}
	return hidden
}

// scan masks the addresses of a text: first those that can be nothing else, and what may be one between them.
func (e *entry) scan(text string, kind kind) (string, bool) {
	c := copier{text: text, kind: kind}
	from := 0 // of what isn't looked at yet
	for at := 0; ; {
		f, ok := spelling.Next(text, at)
		if !ok {
			break
		}
		if e.found++; e.found > maxFound {
			c.hide(from, f.Start)
			c.replace(f.Start, len(text), leftOut)
			return c.all()
		}
		if at = f.End; e.keeps(f.Addr, kind != anyText) {
			c.hide(from, f.Start)
			from = f.End
			continue
		}
		start, end := spelling.Around(text, f.Start, f.End)
		start = max(start, from)
		c.hide(from, start)
		c.replace(start, end, Masked)
		from, at = end, end
	}
	c.hide(from, len(text))
	return c.all()
}

// keeps reports whether an address stays: a mask, a server's, none, or a version of a user agent.
func (e *entry) keeps(addr netip.Addr, agent bool) bool {
	if masking.Is(addr) {
		return e.finished || !e.isOwnMask(addr)
	}
	return addr.IsUnspecified() || e.readable(addr) || agent && slices.Contains(e.versions, addr) && !e.isClient(addr)
}

// isOwnMask reports whether a mask is the client's own. It stands in the headers of a request or answer that were scrubbed, where
// the address was: beside guesses that became another word, it would tell which was right.
func (e *entry) isOwnMask(mask netip.Addr) bool {
	text := mask.String()
	return text == e.appsMask || slices.ContainsFunc(e.clients[:e.known], func(client netip.Prefix) bool { return e.rules.Mask(client.Addr()) == text })
}

func (e *entry) isClient(addr netip.Addr) bool {
	return slices.ContainsFunc(e.clients[:e.known], func(client netip.Prefix) bool { return client.Contains(addr.Unmap()) })
}

func (e *entry) readable(addr netip.Addr) bool {
	_, ok := e.rules.Readable[addr.Unmap().WithZone("")]
	return ok
}
