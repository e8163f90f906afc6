package confirm

import (
	"net/http"
	"strings"

	"github.com/wikiveil/wikiveil/internal/i18n"
)

// CheckNavigation returns an error unless a person's browser asks for r as a page of
// its own: no script, frame, service worker or prefetch. The caller says whether it
// came over https. Use it for pages on the wiki's origin that start a flow, so that
// nobody gets a cookie by a prefetch; [Flow.checkPage] is for the other origin.
func CheckNavigation(r *http.Request, https bool) error {
	if r.Method != http.MethodGet {
		return ErrMethod
	}
	if !https {
		return ErrInsecure
	}
	if speculative(r.Header) {
		return ErrSpeculative
	}
	return checkFetch(r.Header, true)
}

// checkPage is [CheckNavigation] for pages on the flow's own origin. Under any
// other host they do not exist, so a slip in a configuration can't put them on the wiki's.
func (f *Flow) checkPage(r *http.Request, https bool) error {
	if err := CheckNavigation(r, https); err != nil {
		return err
	}
	return f.checkHost(r)
}

// checkPost returns an error unless r sends the form of a page on the flow's origin.
func (f *Flow) checkPost(r *http.Request, https bool) error {
	if r.Method != http.MethodPost {
		return ErrMethod
	}
	if !https {
		return ErrInsecure
	}
	if err := f.checkHost(r); err != nil {
		return err
	}
	if speculative(r.Header) {
		return ErrSpeculative
	}
	if v, n := single(r.Header, "Content-Type"); n != 1 || v != "application/x-www-form-urlencoded" {
		return errContentType
	}
	if v, n := single(r.Header, "Origin"); n != 1 || v != f.origin {
		return ErrOrigin
	}
	if v, n := single(r.Header, "Sec-Fetch-Site"); n == 1 && v != "same-origin" {
		return errFetchSite
	}
	return checkFetch(r.Header, false)
}

// Localized returns a request to the flow's own origin for answers in the reader's language. Only a page of that origin chooses it by the address:
// a script of the wiki's could else lead a reader to a question that they can't read, whose code is then no more than a captcha.
func Localized(r *http.Request) *http.Request {
	if v, n := single(r.Header, "Sec-Fetch-Site"); n == 1 && v == "same-origin" {
		return r
	}
	return r.WithContext(i18n.Unasked(r.Context()))
}

func (f *Flow) checkHost(r *http.Request) error {
	host := strings.TrimSuffix(strings.ToLower(r.Host), ":443")
	if host != strings.TrimPrefix(f.origin, "https://") {
		return errHost
	}
	return nil
}

// speculative also covers a fetch through a service worker's preload. The headers
// count even if they are empty.
func speculative(h http.Header) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "Service-Worker-Navigation-Preload"} {
		if _, ok := h[name]; ok {
			return true
		}
	}
	return false
}

// checkFetch wants Fetch Metadata that says: a page of its own.
func checkFetch(h http.Header, required bool) error {
	for name, values := range h {
		if strings.HasPrefix(name, "Sec-Fetch-") && len(values) != 1 {
			return errFetchRepeated
		}
	}
	for _, want := range [][2]string{{"Sec-Fetch-Site"}, {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", "document"}} {
		switch v, n := single(h, want[0]); {
		case n == 0 && required:
			return errFetchMissing
		case n != 0 && want[1] != "" && v != want[1]:
			return ErrNotNavigation
		}
	}
	return nil
}

// single returns a header's first value and how many there are.
func single(h http.Header, name string) (value string, count int) {
	values := h[name]
	if len(values) == 0 {
		return "", 0
	}
	return values[0], len(values)
}
