package noticeboard

import (
	"net/http"
	"time"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

// ForProxy returns the tool if the proxy may ask it for the path now: ask at each use. The path
// is decoded and begins with a slash. Ask it for the path of each redirect to
// the tool's origin too. The error is a [*refusal.Refusal].
func (l *Live) ForProxy(name, path string) (Entry, error) {
	e, refused := l.lookup(name)
	if refused != nil {
		return Entry{}, refused
	}
	if !e.Tool.Proxied() {
		return Entry{}, errNoProxy
	}
	for _, k := range e.stops {
		if k.stops(path) {
			return Entry{}, stopped("refusal-path-disabled", k)
		}
	}
	return e.Entry, nil
}

// ForConsent returns the tool if readers whose consent is bound to the entry's Consent
// may load from it now. A browser's policy can't leave out one path of an origin, so a
// tool of which a path is disabled can't be used this way at all. The error is a
// [*refusal.Refusal].
func (l *Live) ForConsent(name string) (Entry, error) {
	e, refused := l.lookup(name)
	switch {
	case refused != nil:
		return Entry{}, refused
	case !e.Tool.Consentable():
		return Entry{}, errNoConsent
	case len(e.stops) > 0:
		return Entry{}, stopped("refusal-direct-disabled", e.stops[0])
	}
	return e.Entry, nil
}

func (l *Live) lookup(name string) (*liveEntry, *refusal.Refusal) {
	v := l.view()
	e := v.entries[name]
	if e == nil {
		if v.board.isListed(name) {
			return nil, errListed
		}
		return nil, errUnknown
	}
	return e, e.refusal(time.Now())
}

// refusal tells why the whole tool can't be used, if so.
func (e *liveEntry) refusal(now time.Time) *refusal.Refusal {
	for _, k := range e.stops {
		if k.Prefix == "" {
			return stopped("refusal-tool-disabled", k)
		}
	}
	if refused := e.Tool.refusal(now); refused != nil {
		return refused
	}
	if !e.counted {
		return errUncounted
	}
	return nil
}

// refusal tells why the declaration itself doesn't let the tool be used.
func (t *Tool) refusal(now time.Time) *refusal.Refusal {
	switch {
	case t.Disabled:
		return errDeclared
	case t.expired(now):
		return refusal.New(http.StatusForbidden, ReasonExpired, "refusal-tool-expired", t.Expires)
	}
	return nil
}

// Usable tells why the declaration doesn't let the tool be used at this time: it
// is disabled or has expired. A live board has more reasons; ask it instead. The
// error is a [*refusal.Refusal].
func (t *Tool) Usable(now time.Time) error {
	if refused := t.refusal(now); refused != nil {
		return refused
	}
	return nil
}

func (t *Tool) expired(now time.Time) bool {
	return !t.Expires.IsZero() && !now.Before(t.Expires.Time())
}

// Listing is a tool as the noticeboard shows it.
type Listing struct {
	Tool    *Tool
	Hash    string           // "" for one that is only listed
	Refusal *refusal.Refusal // nil if it may be used
	Stops   []Stop           // of the whole tool and of paths
}

// Listings returns all tools as they stand at a time, in the order of their
// declaration, and then those that are only listed.
func (l *Live) Listings(now time.Time) []Listing { return l.view().listings(now) }

func (v *liveView) listings(now time.Time) []Listing {
	var list []Listing
	for tool := range v.board.All() {
		e := v.entries[tool.Name]
		list = append(list, Listing{tool, e.Hash, e.refusal(now), e.stops})
	}
	for _, tool := range v.board.pending {
		list = append(list, Listing{Tool: tool, Refusal: errListed})
	}
	return list
}
