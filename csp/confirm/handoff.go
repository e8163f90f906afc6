package confirm

import (
	"errors"
	"net/http"
)

// HandOffParam is the query parameter that carries the hand-off.
const HandOffParam = "handoff"

// HandOff is a person who came from the wiki to decide about a subject.
type HandOff struct{ claims claims }

// Subject returns what the flow was started with.
func (h HandOff) Subject() string { return h.claims.subject }

// Start begins a flow on the wiki's origin. It adds to the response's headers the
// cookie that r has, or a new one, and the probe, and returns the hand-off to
// redirect to the other origin with, as [HandOffParam]. It is a secret for
// [handOffLife]: only redirect with it, never show it in a page of the wiki.
//
// The subject is what is to be decided about, of at most 1 KB ([errTooLong]): a
// tool's name, or a mask and the user who may reveal it. The other origin can
// rely on it, so check it before.
func (f *Flow) Start(h http.Header, r *http.Request, subject string) (string, error) {
	if len(subject) > maxText {
		return "", errTooLong
	}
	b, err := f.Browser(r)
	if err != nil {
		b = f.keys.newBrowser()
	}
	groups, err := f.current(r)
	if err != nil {
		return "", err
	}
	setBrowser(h, b)
	return f.seal(useHandOff, claims{browser: b.ID(), client: groups[0], subject: subject, nonce: newNonce()}), nil
}

// Address returns where to redirect to with a hand-off. It has a fragment, since browsers would else keep the fragment
// of the address before. A script could open that one with a text fragment (`#:~:text=`), and browsers would scroll to
// some part of the page, with the question out of sight.
func (f *Flow) Address(path, handOff string) string {
	return f.origin + path + "?" + HandOffParam + "=" + handOff + "#" + pageTop
}

// pageTop is the id of what a page shows first.
const pageTop = "question"

// OpenPage checks a request for a page that asks ([Flow.checkPage]) and returns
// its hand-off. On another port of the wiki's host it must come from the
// browser that started the flow, and on any origin from its client. A hand-off opens [MaxPages] pages.
func (f *Flow) OpenPage(r *http.Request, https bool) (HandOff, error) {
	if err := f.checkPage(r, https); err != nil {
		return HandOff{}, err
	}
	text, err := param(r, HandOffParam)
	if err != nil {
		return HandOff{}, err
	}
	c, set, err := f.open(useHandOff, text)
	if err != nil {
		return HandOff{}, err
	}
	groups, err := f.sameSender(r, set, c, false)
	if err != nil {
		return HandOff{}, err
	}
	if err := f.takePage(r, c, groups); err != nil {
		return HandOff{}, err
	}
	c.client = groups[0]
	return HandOff{c}, nil
}

// MaxPages is how often a question can be opened with one hand-off, which a reload does.
const MaxPages = 5

func (f *Flow) takePage(r *http.Request, c claims, groups []Group) error {
	for range MaxPages {
		if err := f.burn(r.Context(), c, groups, handOffLife); !errors.Is(err, ErrUsed) {
			return err
		}
		c.nonce[0]++
	}
	return errPages
}

// param returns the one value of a query parameter.
func param(r *http.Request, name string) (string, error) {
	if len(r.URL.RawQuery) > maxSealed {
		return "", ErrMalformed
	}
	if values := r.URL.Query()[name]; len(values) == 1 {
		return values[0], nil
	}
	return "", ErrMalformed
}
