package confirm

import "net/http"

// HandOffParam is the query parameter that carries the hand-off.
const HandOffParam = "handoff"

// HandOff is a person who came from the wiki to decide about a subject.
type HandOff struct{ claims claims }

// Subject returns what the flow was started with.
func (h HandOff) Subject() string { return h.claims.subject }

// Start begins a flow on the wiki's origin. It adds to the response's headers the
// cookie that r has, or a new one, and the probe, and returns the hand-off to
// redirect to the other origin with, as [HandOffParam]. It is a secret for
// [HandOffLife]: only redirect with it, never show it in a page of the wiki.
//
// The subject is what is to be decided about, of at most 1 KB ([ErrTooLong]): a
// tool's name, or a mask and the user who may reveal it. The other origin can
// rely on it, so check it before.
func (f *Flow) Start(h http.Header, r *http.Request, subject string) (string, error) {
	if len(subject) > maxText {
		return "", ErrTooLong
	}
	b, err := f.keys.Browser(r)
	if err != nil {
		b = f.keys.NewBrowser()
	}
	SetBrowser(h, b)
	return f.seal(useHandOff, claims{browser: b.ID(), subject: subject}), nil
}

// OpenPage checks a request for a page that asks ([Flow.CheckPage]) and returns
// its hand-off. On another port of the wiki's host it must come from the
// browser that started the flow.
func (f *Flow) OpenPage(r *http.Request, https bool) (HandOff, error) {
	if err := f.CheckPage(r, https); err != nil {
		return HandOff{}, err
	}
	text, err := param(r, HandOffParam)
	if err != nil {
		return HandOff{}, err
	}
	c, _, err := f.open(useHandOff, text)
	if err != nil {
		return HandOff{}, err
	}
	if err := f.sameBrowser(r, c.browser); err != nil {
		return HandOff{}, err
	}
	return HandOff{c}, nil
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
