package confirm

import (
	"crypto/rand"
	"net/http"
)

// SetHeaders sets what every page of the flow's origin needs: nothing runs, loads,
// frames, keeps or opens it. It returns the nonce for the page's style element,
// new each time. [Pages] calls it by itself.
//
// The policy lets a form go to the flow's own origin and on to the wiki's: browsers
// follow the redirect after a form only where form-action names its goal.
// Redirect within the wiki's origin after the commit, too.
//
// The referrer policy is not `no-referrer`, which would make the form's Origin null.
func (f *Flow) SetHeaders(h http.Header) (nonce string) {
	nonce = rand.Text() // at least 128 bits, in characters that CSP takes
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+nonce+"'; form-action 'self' "+f.wiki+
		"; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	return nonce
}
